//! The audit trail: who sees what of it, page by page, and what it forgets.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::clock::Clock as _;
use countersign::values::{EventId, UnixMillis};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, together};

const EVENTS: &str = "query($first: Int, $after: String, $userId: ID, $kind: AuthEventKind) {
    authEvents(first: $first, after: $after, userId: $userId, kind: $kind) {
        edges { cursor node { id kind at userId user { email } actorId actor { email } sessionId ipAddress userAgent } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The nodes of a page.
fn nodes(page: &Answer) -> Vec<Value> {
    let edges = page.data("authEvents.edges").as_array().unwrap();
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

/// One field of each node of a page.
fn column(page: &Answer, name: &str) -> Vec<String> {
    let text = |node: Value| node[name].as_str().unwrap_or("-").to_owned();
    nodes(page).into_iter().map(text).collect()
}

/// Writes a line past the server's back; its id.
async fn write_line(
    app: &TestApp,
    at: UnixMillis,
    number: usize,
    kind: &str,
    user: &str,
    actor: Option<&str>,
) -> String {
    // After the server's own lines of the same millisecond.
    let mut tail = [0xff; 10];
    tail[2..].copy_from_slice(&number.to_be_bytes());
    let id = EventId::new(at, tail).to_string();
    let actor = actor.map_or("NULL".to_owned(), |id| format!("'{id}'"));
    let at = at.0;
    app.database
        .execute(&format!(
            "INSERT INTO auth_events VALUES ('{id}', '{kind}', {at}, '{user}', {actor}, NULL, '203.0.113.7', 'Browser/1')"
        ))
        .await;
    id
}

/// Has an account deleted past the server's back, with the line that records it.
async fn delete_account(app: &TestApp, user: &str, actor: Option<&str>) {
    app.database
        .execute(&format!("DELETE FROM users WHERE id = '{user}'"))
        .await;
    write_line(app, app.clock.now(), 99, "USER_DELETED", user, actor).await;
}

#[tokio::test]
async fn the_trail_is_filtered_by_user_and_kind() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        app.login("ana@example.com", "wrong").await.error();
        app.login("ana@example.com", PASSWORD).await.signed_in();
        app.login("nobody@example.com", PASSWORD).await.error();
        let events =
            async |variables: Value| app.run_as(&admin.access_token, EVENTS, variables).await;
        let all = events(json!({})).await;
        assert_eq!(
            column(&all, "kind"),
            [
                "LOGIN_FAILED",
                "LOGIN_SUCCEEDED",
                "LOGIN_FAILED",
                "REGISTERED",
                "LOGIN_SUCCEEDED",
                "REGISTERED"
            ],
            "newest first, though all are of one millisecond"
        );
        let users = nodes(&all);
        assert_eq!(users[0]["userId"], json!(null), "there is no such account");
        assert_eq!(users[1]["user"]["email"], "ana@example.com");
        assert_eq!(users[5]["user"]["email"], "ada@example.com");

        let of_ana = events(json!({ "userId": ana.user_id })).await;
        assert_eq!(
            column(&of_ana, "kind"),
            ["LOGIN_SUCCEEDED", "LOGIN_FAILED", "REGISTERED"]
        );
        let failed = events(json!({ "kind": "LOGIN_FAILED" })).await;
        assert_eq!(
            column(&failed, "userId"),
            ["-".to_owned(), ana.user_id.clone()]
        );
        let both = events(json!({ "userId": ana.user_id, "kind": "LOGIN_FAILED" })).await;
        assert_eq!(column(&both, "userId"), [ana.user_id.as_str()]);
        for nobody in ["nonsense", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            let none = events(json!({ "userId": nobody })).await;
            assert_eq!(column(&none, "id"), [""; 0], "{nobody}");
        }
    }
}

#[tokio::test]
async fn a_user_sees_their_own_lines_and_an_administrator_everybodys() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mia = app.sign_in_with_role("mia@example.com", "MANAGER").await;
        let refused = app.run(EVENTS, json!({})).await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "TOKEN_MISSING"));
        for (reader, other) in [(&ana, &mia), (&mia, &ana)] {
            for variables in [json!({}), json!({ "userId": reader.user_id })] {
                let own = app.run_as(&reader.access_token, EVENTS, variables).await;
                let ids: BTreeSet<String> = column(&own, "userId").into_iter().collect();
                assert_eq!(ids, BTreeSet::from([reader.user_id.clone()]));
            }
            for id in [other.user_id.as_str(), "nonsense"] {
                let refused = app
                    .run_as(&reader.access_token, EVENTS, json!({ "userId": id }))
                    .await;
                assert_eq!(refused.error(), ("FORBIDDEN", "ROLE_REQUIRED"));
            }
        }
    }
}

#[tokio::test]
async fn who_acted_is_shown_to_administrators_and_to_others_only_that_somebody_did() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        let actor = Some(admin.user_id.as_str());
        let now = app.clock.now();
        write_line(&app, now, 0, "ROLE_CHANGED", &ana.user_id, actor).await;
        let variables = json!({ "userId": ana.user_id, "kind": "ROLE_CHANGED" });
        let line = async |token: &str| {
            nodes(&app.run_as(token, EVENTS, variables.clone()).await).remove(0)
        };

        let own = line(&ana.access_token).await;
        assert_eq!(own["actorId"], admin.user_id.as_str());
        assert_eq!(own["user"]["email"], "ana@example.com");
        for hidden in ["actor", "ipAddress", "userAgent"] {
            assert_eq!(own[hidden], json!(null), "{hidden}");
        }
        let seen = line(&admin.access_token).await;
        assert_eq!(seen["actor"]["email"], "ada@example.com");
        assert_eq!(seen["ipAddress"], "203.0.113.7");
        assert_eq!(seen["userAgent"], "Browser/1");

        delete_account(&app, &ana.user_id, actor).await;
        let seen = line(&admin.access_token).await;
        assert_eq!(seen["user"], json!(null));
        assert_eq!(seen["userId"], ana.user_id.as_str());
    }
}

#[tokio::test]
async fn every_kind_of_the_contract_is_shown_and_found() {
    const KINDS: [&str; 18] = [
        "REGISTERED",
        "LOGIN_SUCCEEDED",
        "LOGIN_FAILED",
        "LOGIN_THROTTLED",
        "REFRESHED",
        "REFRESH_REPEATED",
        "REFRESH_REUSE_DETECTED",
        "LOGGED_OUT",
        "SESSION_REVOKED",
        "REAUTHENTICATED",
        "PASSWORD_CHANGED",
        "PROFILE_CHANGED",
        "ROLE_CHANGED",
        "USER_DISABLED",
        "USER_ENABLED",
        "USER_DELETED",
        "RECOVERY_LINK_MADE",
        "PASSWORD_RECOVERED",
    ];
    let app = TestApp::builder().on_sqlite().await;
    let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
    let somebody = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (number, kind) in KINDS.into_iter().enumerate() {
        let id = write_line(&app, app.clock.now(), number, kind, somebody, None).await;
        let variables = json!({ "userId": somebody, "kind": kind });
        let found = app.run_as(&admin.access_token, EVENTS, variables).await;
        assert_eq!(column(&found, "id"), [id]);
        assert_eq!(column(&found, "kind"), [kind]);
    }
}

#[tokio::test]
async fn an_act_that_cannot_be_written_down_is_not_done() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        let away = "ALTER TABLE auth_events RENAME TO elsewhere";
        app.database.execute(away).await;
        let query = "mutation($id: ID!) { setRole(userId: $id, role: MANAGER) { role } }";
        let set_role = async || {
            let variables = json!({ "id": ana.user_id });
            app.run_as(&admin.access_token, query, variables).await
        };
        assert_eq!(set_role().await.error().0, "INTERNAL_SERVER_ERROR");
        let roles = format!(
            "SELECT role AS text FROM users WHERE id = '{}'",
            ana.user_id
        );
        assert_eq!(app.database.texts(&roles).await, ["USER"]);
        let back = "ALTER TABLE elsewhere RENAME TO auth_events";
        app.database.execute(back).await;
        assert_eq!(*set_role().await.data("setRole.role"), "MANAGER");
    }
}

#[tokio::test]
async fn a_page_of_the_trail_has_a_size_and_a_place() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let page = async |arguments: &str, fields: &str| {
        let query = format!(
            "{{ authEvents({arguments}) {{ edges {{ cursor node {{ {fields} }} }} pageInfo {{ endCursor }} }} }}"
        );
        app.run_as(&ana.access_token, &query, json!({})).await
    };
    for first in [0, -1, 101] {
        let page = page(&format!("first: {first}"), "id").await;
        assert_eq!(page.error(), ("BAD_USER_INPUT", "FIRST_INVALID"), "{first}");
    }
    for cursor in ["nonsense", "bm9uc2Vuc2U", "MDE4OTBhNWQ"] {
        let page = page(&format!("after: \"{cursor}\""), "id").await;
        assert_eq!(page.error(), ("BAD_USER_INPUT", "CURSOR_INVALID"));
    }
    let user = "{ id email name role createdAt disabled emailVerified }";
    let all =
        format!("id kind at userId user {user} actorId actor {user} sessionId ipAddress userAgent");
    let largest = page("first: 100", &all).await;
    assert_eq!(
        column(&largest, "kind"),
        ["REGISTERED"],
        "the largest page with all there is"
    );
}

/// Walks the trail by pages of 3 and does something before each; the ids in the order in which they were shown.
async fn walk(
    app: &TestApp,
    token: &str,
    variables: Value,
    mut meanwhile: impl AsyncFnMut(),
) -> Vec<String> {
    let mut shown = Vec::new();
    let mut variables = variables;
    variables["first"] = json!(3);
    loop {
        meanwhile().await;
        let page = app.run_as(token, EVENTS, variables.clone()).await;
        let info = page.data("authEvents.pageInfo").clone();
        let edges = page.data("authEvents.edges").as_array().unwrap();
        assert_eq!(
            info["startCursor"],
            edges
                .first()
                .map_or(json!(null), |edge| edge["cursor"].clone())
        );
        assert_eq!(
            info["hasPreviousPage"],
            json!(variables.get("after").is_some())
        );
        shown.extend(column(&page, "id"));
        if info["hasNextPage"] == json!(false) {
            return shown;
        }
        assert_eq!(edges.len(), 3);
        variables["after"] = info["endCursor"].clone();
    }
}

#[tokio::test]
async fn pages_repeat_and_skip_nothing_while_lines_arrive() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        for _ in 0..10 {
            app.login("ana@example.com", "wrong").await.error();
        }
        let filters = [
            json!({}),
            json!({ "userId": ana.user_id }),
            json!({ "kind": "LOGIN_FAILED" }),
            json!({ "userId": ana.user_id, "kind": "LOGIN_FAILED" }),
        ];
        for variables in filters {
            let mut whole = variables.clone();
            whole["first"] = json!(100);
            let before = column(&app.run_as(&admin.access_token, EVENTS, whole).await, "id");
            assert!(before.len() >= 10);
            let guesses = async || {
                let guess = || app.login("ana@example.com", "wrong");
                together([guess(), guess()]).await;
            };
            let shown = walk(&app, &admin.access_token, variables, guesses).await;
            assert!(
                shown.is_sorted_by(|earlier, later| earlier > later),
                "each once, newest first: {shown:?}"
            );
            assert!(shown.ends_with(&before), "all that was there");
        }
    }
}

#[tokio::test]
async fn pages_go_on_where_the_line_of_their_cursor_was_deleted() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mut written = Vec::new();
        for number in 0..9 {
            let at = app.clock.now() + DAY;
            written.push(write_line(&app, at, number, "REFRESHED", &ana.user_id, None).await);
        }
        written.reverse();
        let variables = json!({ "kind": "REFRESHED" });
        let mut page = 0;
        let deletions = async || {
            if page > 0 {
                let last = &written[page * 3 - 1];
                app.database
                    .execute(&format!("DELETE FROM auth_events WHERE id = '{last}'"))
                    .await;
            }
            page += 1;
        };
        let shown = walk(&app, &ana.access_token, variables, deletions).await;
        assert_eq!(shown, written);
    }
}

#[tokio::test]
async fn a_page_takes_two_statements_however_many_people_it_names() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let mut people = Vec::new();
        for number in 0..12 {
            people.push(
                app.register(&format!("user{number}@example.com"))
                    .await
                    .user_id,
            );
        }
        for (number, pair) in people.windows(2).enumerate() {
            write_line(
                &app,
                app.clock.now() + DAY,
                number,
                "ROLE_CHANGED",
                &pair[0],
                Some(&pair[1]),
            )
            .await;
        }
        let statements = async |query: &str| {
            let before = app.app.storage.statements();
            let page = app
                .run_as(
                    &admin.access_token,
                    query,
                    json!({ "kind": "ROLE_CHANGED" }),
                )
                .await;
            assert_eq!(nodes(&page).len(), 11);
            app.app.storage.statements() - before
        };
        let ids = "query($kind: AuthEventKind) { authEvents(kind: $kind) { edges { node { userId actorId } } } }";
        // With the check of the connection on PostgreSQL.
        let one = statements(ids).await;
        assert_eq!(statements(EVENTS).await, 2 * one);
        let actors = "query($kind: AuthEventKind) { authEvents(kind: $kind) { ...Page } }
            fragment Page on AuthEventConnection { edges { ... { node { who: actor { name } } } } }";
        assert_eq!(statements(actors).await, 2 * one);
    }
}

#[tokio::test]
async fn an_attempt_on_an_unknown_address_leaves_no_trace_of_the_address() {
    for app in TestApp::builder().on_each_database().await {
        app.login("secret.person@example.com", PASSWORD)
            .await
            .error();
        let columns = "kind || '|' || coalesce(user_id, '') || '|' || coalesce(actor_id, '') || '|' || \
                       coalesce(session_id, '') || '|' || coalesce(ip_address, '') || '|' || coalesce(user_agent, '')";
        let lines = app
            .database
            .texts(&format!("SELECT {columns} AS text FROM auth_events"))
            .await;
        assert_eq!(lines, ["LOGIN_FAILED||||127.0.0.1|"]);
    }
}

#[tokio::test]
async fn lines_are_deleted_when_they_are_too_old() {
    for app in TestApp::builder()
        .set("audit.retention", "90d")
        .on_each_database()
        .await
    {
        let somebody = "01890a5d-ac96-774b-bcce-b302099a8057";
        let begin = app.clock.now();
        // More than one batch, all of one day.
        let ids: Vec<String> = (0..1200_u64)
            .map(|number| {
                let mut tail = [0; 10];
                tail[2..].copy_from_slice(&number.to_be_bytes());
                let id = EventId::new(begin, tail);
                format!("('{id}', 'REFRESHED', {}, '{somebody}')", begin.0)
            })
            .collect();
        app.database
            .execute(&format!(
                "INSERT INTO auth_events (id, kind, at, user_id) VALUES {}",
                ids.join(", ")
            ))
            .await;
        let young = write_line(
            &app,
            begin + Duration::from_millis(1),
            0,
            "REFRESHED",
            somebody,
            None,
        )
        .await;
        let mut checked = UnixMillis(0);
        let mut forget = async || app.app.audit.forget(&mut checked).await.unwrap().deleted;
        app.clock.advance(90 * DAY);
        assert_eq!(forget().await, 0, "not older than 90 days yet");
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(forget().await, 1200);
        assert_eq!(
            app.database
                .texts("SELECT id AS text FROM auth_events")
                .await,
            [young]
        );
    }
}

#[tokio::test]
async fn a_trail_without_retention_is_kept() {
    for app in TestApp::builder()
        .set("audit.retention", "off")
        .set("audit.deleted_user_details", "off")
        .on_each_database()
        .await
    {
        let ana = app.register("ana@example.com").await;
        delete_account(&app, &ana.user_id, None).await;
        app.clock.advance(20_000 * DAY);
        let forgotten = app.app.audit.forget(&mut UnixMillis(0)).await.unwrap();
        assert_eq!((forgotten.deleted, forgotten.blanked), (0, 0));
        assert_eq!(
            app.events(&ana.user_id).await,
            ["REGISTERED", "USER_DELETED"]
        );
    }
}

#[tokio::test]
async fn addresses_and_browsers_of_deleted_users_are_blanked_in_time() {
    for app in TestApp::builder().on_each_database().await {
        let register = async |email: &str| app.register(email).await.user_id;
        let ana = register("ana@example.com").await;
        let bob = register("bob@example.com").await;
        let ada = register("ada@example.com").await;
        let now = app.clock.now();
        // Hers: what she did, to herself and to another. Not hers: what another did to her.
        write_line(&app, now, 1, "REFRESHED", &ana, None).await;
        write_line(&app, now, 2, "ROLE_CHANGED", &bob, Some(&ana)).await;
        write_line(&app, now, 3, "ROLE_CHANGED", &ana, Some(&ada)).await;
        write_line(&app, now, 4, "REFRESHED", &bob, None).await;
        delete_account(&app, &ana, Some(&ada)).await;

        let mut checked = UnixMillis(0);
        let mut forget = async || app.app.audit.forget(&mut checked).await.unwrap().blanked;
        app.clock.advance(30 * DAY);
        assert_eq!(forget().await, 0, "not deleted for more than 30 days yet");
        app.clock.advance_secs(1);
        assert_eq!(forget().await, 3);
        assert_eq!(forget().await, 0, "once is enough");
        let details = app
            .database
            .texts(
                "SELECT kind || ' ' || (user_agent IS NOT NULL OR ip_address IS NOT NULL) AS text FROM auth_events \
                 WHERE kind <> 'REGISTERED' ORDER BY id",
            )
            .await;
        let details: Vec<String> = details
            .iter()
            .map(|text| {
                text.replace(" 1", " kept")
                    .replace(" true", " kept")
                    .replace(" 0", " blank")
                    .replace(" false", " blank")
            })
            .collect();
        assert_eq!(
            details,
            [
                "REFRESHED blank",
                "ROLE_CHANGED blank",
                "ROLE_CHANGED kept",
                "REFRESHED kept",
                "USER_DELETED kept"
            ]
        );
        delete_account(&app, &bob, None).await;
        app.clock.advance(31 * DAY);
        assert_eq!(forget().await, 3, "later deletions are seen to later");
    }
}
