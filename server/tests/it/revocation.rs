//! What was taken back is refused at once, on every node, and until nothing signed before can be good any more.

use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde_json::json;

use crate::support::{Database, PASSWORD, SignedIn, TestApp, together};

const ME: &str = "{ me { id } }";
const ENDED: (&str, &str) = ("UNAUTHENTICATED", "SESSION_ENDED");
const STALE: (&str, &str) = ("UNAUTHENTICATED", "TOKEN_STALE");

async fn log_out(app: &TestApp, device: &SignedIn) {
    let done = app
        .run_as(&device.access_token, "mutation { logout }", json!({}))
        .await;
    assert_eq!(*done.data("logout"), json!(true));
}

async fn refusal(app: &TestApp, device: &SignedIn) -> (String, String) {
    let answer = app.run_as(&device.access_token, ME, json!({})).await;
    let (code, reason) = answer.error();
    (code.to_owned(), reason.to_owned())
}

fn owned((code, reason): (&str, &str)) -> (String, String) {
    (code.to_owned(), reason.to_owned())
}

/// Takes the feed's table away until its last read is too old to be trusted: checks ask the database then.
async fn make_stale(app: &TestApp) {
    app.database
        .execute("ALTER TABLE revocations RENAME TO hidden")
        .await;
    // The reader has failed by then, and goes on failing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.clock.advance_secs(6);
}

/// A server whose feed is stale, so many signed-in people, and a connection whose transaction makes every check wait until it
/// ends. PostgreSQL alone can be made to wait without failing.
async fn with_locked_sessions(people: usize) -> (TestApp, Vec<SignedIn>, AsyncPgConnection) {
    let builder = TestApp::builder().set("database.connections", "32");
    let app = builder.on_each_database().await.pop().unwrap();
    let mut devices = Vec::new();
    for person in 0..people {
        devices.push(app.register(&format!("p{person}@example.com")).await);
    }
    make_stale(&app).await;
    let mut conn = AsyncPgConnection::establish(&app.database.url())
        .await
        .unwrap();
    conn.batch_execute("BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    (app, devices, conn)
}

#[tokio::test]
async fn an_ended_session_is_refused_on_the_very_next_request() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let other = app.login("ana@example.com", PASSWORD).await.signed_in();
        log_out(&app, &ana).await;
        assert_eq!(refusal(&app, &ana).await, owned(ENDED));
        app.run_as(&other.access_token, ME, json!({}))
            .await
            .data("me");
        // What needs no token works with a refused one.
        app.run_as(
            &ana.access_token,
            "{ passwordPolicy { minLength } }",
            json!({}),
        )
        .await
        .data("passwordPolicy");
        let viewer = app
            .run_as(&ana.access_token, "{ viewer { id } }", json!({}))
            .await;
        assert_eq!(viewer.error(), ENDED);
    }
}

#[tokio::test]
async fn it_stays_refused_until_its_end_and_the_leeway() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        log_out(&app, &ana).await;
        app.clock.advance_secs(900 + 29);
        assert_eq!(refusal(&app, &ana).await, owned(ENDED));
        // Neither does forgetting the entries let it in again.
        for _ in 0..3 {
            app.clock.advance_secs(60);
            app.register(&format!("{}@example.com", app.clock.text()))
                .await;
            app.app.sessions.delete_expired().await.unwrap();
            assert_eq!(refusal(&app, &ana).await.1, "TOKEN_EXPIRED");
        }
    }
}

#[tokio::test]
async fn every_node_learns_of_it() {
    for app in TestApp::builder().on_each_database().await {
        let node = app.another_node("tokens.access_ttl", "15m").await;
        let root = app.administrator().await;
        let phone = app.register("ana@example.com").await;
        let laptop = node.login("ana@example.com", PASSWORD).await.signed_in();
        node.run_as(&phone.access_token, ME, json!({}))
            .await
            .data("me");
        log_out(&app, &phone).await;
        node.until(&phone.access_token, ME, ENDED).await;
        let promote = format!(
            "mutation {{ setRole(userId: \"{}\", role: MANAGER) {{ id }} }}",
            phone.user_id
        );
        node.run_as(&root.access_token, &promote, json!({}))
            .await
            .data("setRole");
        app.until(&laptop.access_token, ME, STALE).await;
        // A node that starts later has read everything before it serves.
        let late = app.another_node("tokens.access_ttl", "15m").await;
        assert_eq!(refusal(&late, &phone).await, owned(ENDED));
        assert_eq!(refusal(&late, &laptop).await, owned(STALE));
    }
}

#[tokio::test]
async fn an_entry_outlives_the_tokens_of_every_node() {
    for app in TestApp::builder().on_each_database().await {
        let long = app.another_node("tokens.access_ttl", "1h").await;
        let ana = app.register("ana@example.com").await;
        let lasting = long.refresh(&ana.refresh_token).await.signed_in();
        log_out(&app, &ana).await;
        for _ in 0..59 {
            app.clock.advance_secs(60);
            assert_eq!(refusal(&app, &lasting).await, owned(ENDED));
        }
        let again = app.another_node("tokens.access_ttl", "15m").await;
        assert_eq!(refusal(&again, &lasting).await, owned(ENDED));
    }
}

#[tokio::test]
async fn a_check_asks_no_database_while_the_feed_is_fresh() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let policy = "{ passwordPolicy { minLength } }";
        app.run_as(&ana.access_token, policy, json!({}))
            .await
            .data("passwordPolicy");
        let before = app.app.storage.statements();
        for _ in 0..50 {
            app.run_as(&ana.access_token, policy, json!({}))
                .await
                .data("passwordPolicy");
        }
        assert_eq!(app.app.storage.statements() - before, 0);
        for _ in 0..50 {
            app.run_as(&ana.access_token, ME, json!({}))
                .await
                .data("me");
        }
        assert_eq!(
            app.app.storage.statements() - before,
            1,
            "the user, and nothing for the token"
        );
        log_out(&app, &ana).await;
        let before = app.app.storage.statements();
        assert_eq!(refusal(&app, &ana).await, owned(ENDED));
        assert_eq!(app.app.storage.statements() - before, 0);
    }
}

/// PostgreSQL numbers rows at insert and shows them at commit; SQLite has one writer at a time.
#[tokio::test]
async fn a_row_that_commits_after_a_later_one_was_read_still_arrives() {
    let app = TestApp::builder().on_each_database().await.pop().unwrap();
    assert!(matches!(*app.database, Database::Postgres(_)));
    let slow = app.register("ana@example.com").await;
    let quick = app.register("bob@example.com").await;
    let row = format!(
        "BEGIN; INSERT INTO revocations (kind, subject, reason, at, expires_at) \
         VALUES ('SESSION', '{}', 'LOGGED_OUT', {now}, {now} + 1020000)",
        slow.session_id,
        now = app.clock.text(),
    );
    let mut conn = AsyncPgConnection::establish(&app.database.url())
        .await
        .unwrap();
    conn.batch_execute(&row).await.unwrap();
    log_out(&app, &quick).await;
    assert_eq!(refusal(&app, &quick).await, owned(ENDED));
    // Some reads pass meanwhile, and a third row.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let third = app.register("cid@example.com").await;
    log_out(&app, &third).await;
    app.run_as(&slow.access_token, ME, json!({}))
        .await
        .data("me");
    conn.batch_execute("COMMIT").await.unwrap();
    app.until(&slow.access_token, ME, ENDED).await;
}

#[tokio::test]
async fn with_a_stale_feed_checks_ask_the_database() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let bob = app.register("bob@example.com").await;
        let cid = app.register("cid@example.com").await;
        make_stale(&app).await;
        let end = format!(
            "UPDATE sessions SET ended_at = 1 WHERE id = '{}'",
            ana.session_id
        );
        app.database.execute(&end).await;
        let raise = format!(
            "UPDATE users SET token_version = 2 WHERE id = '{}'",
            bob.user_id
        );
        app.database.execute(&raise).await;
        let before = app.app.storage.statements();
        assert_eq!(refusal(&app, &ana).await, owned(ENDED));
        assert_eq!(refusal(&app, &bob).await, owned(STALE));
        assert_eq!(app.app.storage.statements() - before, 2);
        app.run_as(&cid.access_token, ME, json!({}))
            .await
            .data("me");
        app.database
            .execute("ALTER TABLE hidden RENAME TO revocations")
            .await;
        log_out(&app, &cid).await;
        assert_eq!(refusal(&app, &cid).await, owned(ENDED));
    }
}

#[tokio::test]
async fn what_cannot_be_checked_is_unavailable() {
    for app in TestApp::builder()
        .set("database.wait", "200ms")
        .on_each_database()
        .await
    {
        let ana = app.register("ana@example.com").await;
        make_stale(&app).await;
        app.database
            .execute("ALTER TABLE sessions RENAME TO hidden_sessions")
            .await;
        let answer = app.run_as(&ana.access_token, ME, json!({})).await;
        assert_eq!(answer.error().0, "UNAVAILABLE");
        assert_eq!(answer.extensions()["retryAfter"], 1);
        assert_eq!(answer.header("retry-after"), "1");
        app.run("{ passwordPolicy { minLength } }", json!({}))
            .await
            .data("passwordPolicy");
    }
}

/// The other node has not read the row yet, and must not change anything all the same.
#[tokio::test]
async fn a_mutation_asks_the_database_who_calls() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        let demote = format!(
            "UPDATE users SET role = 'USER', token_version = 2 WHERE id = '{}'",
            root.user_id
        );
        app.database.execute(&demote).await;
        let promote = format!(
            "mutation {{ setRole(userId: \"{}\", role: ADMIN) {{ id }} }}",
            ana.user_id
        );
        let refused = app.run_as(&root.access_token, &promote, json!({})).await;
        assert_eq!(refused.error(), STALE);
        let end = format!(
            "UPDATE sessions SET ended_at = 1 WHERE id = '{}'",
            ana.session_id
        );
        app.database.execute(&end).await;
        let acts = [
            "mutation { updateProfile(input: { name: \"Other\" }) { id } }".to_owned(),
            "mutation { logoutEverywhere }".to_owned(),
            format!("mutation {{ revokeSession(id: \"{}\") }}", ana.session_id),
            format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}"),
            format!("mutation {{ reauthenticate(password: {PASSWORD:?}) {{ sessionId }} }}"),
        ];
        for act in acts {
            let refused = app.run_as(&ana.access_token, &act, json!({})).await;
            assert_eq!(refused.error(), ENDED, "{act}");
        }
    }
}

/// A stale feed must not turn into a flood of queries.
#[tokio::test(flavor = "multi_thread")]
async fn eight_checks_ask_the_database_at_a_time_and_each_serves_all_who_wait() {
    let (app, devices, mut conn) = with_locked_sessions(10).await;
    let requests = devices
        .iter()
        .flat_map(|device| [device, device, device])
        .map(|device| app.run_as(&device.access_token, ME, json!({})));
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        conn.batch_execute("COMMIT").await.unwrap();
    };
    let (answers, ()) = tokio::join!(together(requests), release);
    let refused = answers
        .iter()
        .filter(|answer| answer.json.get("errors").is_some());
    let refused: Vec<_> = refused.map(|answer| answer.error().0.to_owned()).collect();
    assert_eq!(
        refused,
        vec!["UNAVAILABLE"; 6],
        "three requests of each of two sessions"
    );
}

#[tokio::test]
async fn the_feed_outlives_its_connection() {
    let app = TestApp::builder().on_each_database().await.pop().unwrap();
    let ana = app.register("ana@example.com").await;
    let terminate = "SELECT pg_terminate_backend(pid)::text AS text FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE '%pg_snapshot_xmin%' AND pid <> pg_backend_pid()";
    assert_eq!(app.database.texts(terminate).await, ["true"]);
    // Longer than a read is fresh for.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let before = app.app.storage.statements();
    let policy = "{ passwordPolicy { minLength } }";
    app.run_as(&ana.access_token, policy, json!({}))
        .await
        .data("passwordPolicy");
    assert_eq!(
        app.app.storage.statements() - before,
        0,
        "the feed is fresh again"
    );
    log_out(&app, &ana).await;
    assert_eq!(refusal(&app, &ana).await, owned(ENDED));
}

#[tokio::test]
async fn a_row_of_a_newer_version_is_understood_as_far_as_it_goes() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let row = format!(
            "INSERT INTO revocations (kind, subject, reason, at, expires_at) \
             VALUES ('SESSION', '{}', 'OF_A_NEWER_VERSION', {now}, {now} + 1020000)",
            ana.session_id,
            now = app.clock.text(),
        );
        app.database.execute(&row).await;
        app.until(&ana.access_token, ME, ENDED).await;
        let late = app.another_node("tokens.access_ttl", "15m").await;
        assert_eq!(refusal(&late, &ana).await, owned(ENDED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_leave_the_others_their_checks() {
    let (app, mut devices, mut conn) = with_locked_sessions(9).await;
    let patient = devices.pop().unwrap();
    let requests = devices
        .iter()
        .map(|device| app.run_as(&device.access_token, ME, json!({})));
    let hung_up = tokio::time::timeout(Duration::from_millis(500), together(requests)).await;
    assert!(hung_up.is_err(), "they wait for the lock");
    conn.batch_execute("COMMIT").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    app.run_as(&patient.access_token, ME, json!({}))
        .await
        .data("me");
    // What those who hung up would have been told is of no use to who comes later.
    let end = format!(
        "UPDATE sessions SET ended_at = 1 WHERE id = '{}'",
        devices[0].session_id
    );
    app.database.execute(&end).await;
    tokio::time::sleep(Duration::from_millis(2000)).await;
    assert_eq!(refusal(&app, &devices[0]).await, owned(ENDED));
}
