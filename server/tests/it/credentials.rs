//! What a signed-in user does with their password.

use serde_json::{Value, json};

use crate::support::{PASSWORD, SignedIn, TestApp};

const NEW: &str = "violet anchors drift slowly";
const PAYLOAD: &str = "{ accessToken refreshToken expiresIn sessionId user { id } }";

fn reauthenticate() -> String {
    format!(
        "mutation($password: String!) {{ payload: reauthenticate(password: $password) {PAYLOAD} }}"
    )
}

fn change() -> String {
    format!(
        "mutation($input: ChangePasswordInput!) {{ payload: changePassword(input: $input) {PAYLOAD} }}"
    )
}

fn passwords(current: &str, new: &str) -> Value {
    json!({ "input": { "currentPassword": current, "newPassword": new } })
}

async fn works(app: &TestApp, device: &SignedIn) -> bool {
    let answer = app
        .run_as(&device.access_token, "{ me { id } }", json!({}))
        .await;
    answer.json.get("errors").is_none()
}

#[tokio::test]
async fn a_proven_password_makes_earlier_refresh_tokens_worthless() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.clock.advance_secs(700);
        let wrong = app
            .run_as(
                &ana.access_token,
                &reauthenticate(),
                json!({ "password": "wrong" }),
            )
            .await;
        assert_eq!(wrong.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
        let update = "mutation { updateProfile(input: { email: \"new@example.com\" }) { email } }";
        let stale = app.run_as(&ana.access_token, update, json!({})).await;
        assert_eq!(stale.error(), ("FORBIDDEN", "REAUTHENTICATION_REQUIRED"));

        let proven = app
            .run_as(
                &ana.access_token,
                &reauthenticate(),
                json!({ "password": PASSWORD }),
            )
            .await
            .signed_in();
        assert_eq!(proven.session_id, ana.session_id);
        assert_eq!(
            app.run_as(&proven.access_token, update, json!({}))
                .await
                .text("updateProfile.email"),
            "new@example.com"
        );
        assert_eq!(
            app.refresh(&ana.refresh_token).await.error(),
            ("UNAUTHENTICATED", "REFRESH_INVALID")
        );
        let renewed = app.refresh(&proven.refresh_token).await.signed_in();
        let stale = app
            .run_as(
                &renewed.access_token,
                &update.replace("new", "newer"),
                json!({}),
            )
            .await;
        assert_eq!(
            stale.error(),
            ("FORBIDDEN", "REAUTHENTICATION_REQUIRED"),
            "the fresh auth_time is in one token only"
        );
        let events = app.events(&ana.user_id).await;
        assert_eq!(
            events,
            [
                "REGISTERED",
                "LOGIN_FAILED",
                "REAUTHENTICATED",
                "PROFILE_CHANGED"
            ]
        );
    }
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_and_replaces_the_own_tokens() {
    for app in TestApp::builder().on_each_database().await {
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let wrong = app
            .run_as(&laptop.access_token, &change(), passwords("wrong", NEW))
            .await;
        assert_eq!(wrong.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
        let weak = app
            .run_as(
                &laptop.access_token,
                &change(),
                passwords(PASSWORD, "password1"),
            )
            .await;
        assert_eq!(weak.error(), ("BAD_USER_INPUT", "PASSWORD_TOO_WEAK"));
        assert_eq!(weak.extensions()["field"], "newPassword");
        assert!(works(&app, &phone).await && works(&app, &laptop).await);

        let changed = app
            .run_as(&laptop.access_token, &change(), passwords(PASSWORD, NEW))
            .await
            .signed_in();
        assert_eq!(changed.session_id, laptop.session_id);
        assert!(works(&app, &changed).await);
        let other = app
            .run_as(&phone.access_token, "{ me { id } }", json!({}))
            .await;
        assert_eq!(other.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        let own = app
            .run_as(&laptop.access_token, "{ me { id } }", json!({}))
            .await;
        assert_eq!(
            own.error(),
            ("UNAUTHENTICATED", "TOKEN_STALE"),
            "another tab of this session renews"
        );
        assert_eq!(
            app.refresh(&phone.refresh_token).await.error(),
            ("UNAUTHENTICATED", "SESSION_ENDED")
        );
        assert_eq!(
            app.refresh(&laptop.refresh_token).await.error(),
            ("UNAUTHENTICATED", "REFRESH_INVALID")
        );
        app.refresh(&changed.refresh_token).await.signed_in();
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error().1,
            "BAD_CREDENTIALS"
        );
        app.login("ana@example.com", NEW).await.signed_in();
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once() {
    for app in TestApp::builder().on_each_database().await {
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let delete = "mutation($password: String!) { deleteAccount(password: $password) }";
        let wrong = app
            .run_as(&phone.access_token, delete, json!({ "password": "wrong" }))
            .await;
        assert_eq!(wrong.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
        app.run_as(&phone.access_token, delete, json!({ "password": PASSWORD }))
            .await
            .data("deleteAccount");
        for device in [&phone, &laptop] {
            let refused = app
                .run_as(&device.access_token, "{ me { id } }", json!({}))
                .await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        }
        let again = app.register("ana@example.com").await;
        assert_ne!(again.user_id, phone.user_id);
    }
}

#[tokio::test]
async fn everywhere_means_every_session_of_this_user_alone() {
    for app in TestApp::builder().on_each_database().await {
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let bob = app.register("bob@example.com").await;
        let everywhere = "mutation { logoutEverywhere }";
        assert_eq!(
            *app.run_as(&phone.access_token, everywhere, json!({}))
                .await
                .data("logoutEverywhere"),
            json!(2)
        );
        assert!(
            !works(&app, &phone).await && !works(&app, &laptop).await && works(&app, &bob).await
        );
        let back = app.login("ana@example.com", PASSWORD).await.signed_in();
        assert!(works(&app, &back).await);
    }
}

#[tokio::test]
async fn the_cookie_is_changed_and_cleared_for_an_allowed_page_only() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let browser = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in();
    let bearer = format!("Bearer {}", browser.access_token);
    let cookie = format!("__Host-countersign={}", browser.refresh_token);
    let proof = json!({ "query": reauthenticate(), "variables": { "password": PASSWORD } });
    let foreign = [
        ("authorization", bearer.as_str()),
        ("cookie", &cookie),
        ("origin", "https://evil.example"),
    ];
    let refused = app.send(proof.clone(), &foreign).await;
    assert_eq!(refused.error(), ("FORBIDDEN", "ORIGIN_REFUSED"));
    let own = [
        ("authorization", bearer.as_str()),
        ("cookie", &cookie),
        ("origin", &app.origin),
    ];
    let proven = app.send(proof, &own).await;
    assert_eq!(*proven.data("payload.refreshToken"), json!(null));
    let cookie_now = proven.cookie().unwrap().to_owned();
    assert_ne!(cookie_now, browser.refresh_token);
    let renewed = app.refresh_by_cookie(Some(&cookie_now)).await.signed_in();

    let bearer = format!("Bearer {}", renewed.access_token);
    let cookie = format!("__Host-countersign={}", renewed.refresh_token);
    let own = [
        ("authorization", bearer.as_str()),
        ("cookie", &cookie),
        ("origin", &app.origin),
    ];
    let left = app
        .send(json!({ "query": "mutation { logoutEverywhere }" }), &own)
        .await;
    assert_eq!(*left.data("logoutEverywhere"), json!(2));
    assert_eq!(left.cookie(), Some(""));
}

#[tokio::test]
async fn the_cookie_of_somebody_else_stays() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    app.register("bob@example.com").await;
    let bob = app
        .login_by_cookie("bob@example.com", None)
        .await
        .signed_in();
    let bearer = format!("Bearer {}", ana.access_token);
    let cookie = format!("__Host-countersign={}", bob.refresh_token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", &cookie),
        ("origin", &app.origin),
    ];
    let revoke = format!("mutation {{ revokeSession(id: \"{}\") }}", ana.session_id);
    let ended = app.send(json!({ "query": revoke }), &headers).await;
    assert_eq!(*ended.data("revokeSession"), json!(true));
    assert_eq!(ended.cookie(), None);
    app.refresh_by_cookie(Some(&bob.refresh_token))
        .await
        .signed_in();
}

/// Both acts that give a session a new nonce, with their variables and the attempt key.
fn acts(attempt: &str) -> [(String, Value); 2] {
    let with = |mut variables: Value| {
        variables["attempt"] = json!(attempt);
        variables
    };
    let keyed = |query: String| {
        query
            .replace("mutation(", "mutation($attempt: String, ")
            .replace("(password: ", "(attempt: $attempt, password: ")
            .replace("(input: ", "(attempt: $attempt, input: ")
    };
    [
        (
            keyed(reauthenticate()),
            with(json!({ "password": PASSWORD })),
        ),
        (keyed(change()), with(passwords(PASSWORD, NEW))),
    ]
}

const ATTEMPT: &str = "attempt-0123456789abcdef";

#[tokio::test]
async fn a_lost_answer_is_given_by_a_refresh_with_its_attempt_key() {
    for app in TestApp::builder().on_each_database().await {
        for (number, (query, variables)) in acts(ATTEMPT).into_iter().enumerate() {
            let ana = app.register(&format!("ana{number}@example.com")).await;
            let old = app.refresh(&ana.refresh_token).await.signed_in();
            let lost = app
                .run_as(&old.access_token, &query, variables)
                .await
                .signed_in();
            app.clock.advance_secs(3 * 3600);
            let invalid = ("UNAUTHENTICATED", "REFRESH_INVALID");
            for worthless in [
                app.refresh(&old.refresh_token).await,
                app.refresh_attempt(&old.refresh_token, "another-attempt-0123456789")
                    .await,
                app.refresh_attempt(&ana.refresh_token, ATTEMPT).await,
            ] {
                assert_eq!(worthless.error(), invalid, "and the session stands");
            }
            for _ in 0..2 {
                let again = app.refresh_attempt(&old.refresh_token, ATTEMPT).await;
                let again = again.signed_in();
                assert_eq!(again.session_id, ana.session_id);
                assert_eq!(again.refresh_token, lost.refresh_token);
                assert!(works(&app, &again).await);
            }
            let next = app
                .refresh_attempt(&lost.refresh_token, ATTEMPT)
                .await
                .signed_in();
            let late = app.refresh_attempt(&old.refresh_token, ATTEMPT).await;
            assert_eq!(late.error(), invalid, "two generations later");
            app.refresh(&next.refresh_token).await.signed_in();
        }
        let kept = app
            .database
            .texts("SELECT id AS text FROM sessions WHERE nonce_before IS NOT NULL")
            .await;
        assert!(kept.is_empty(), "the next renewal forgets the nonce before");
    }
}

#[tokio::test]
async fn an_act_without_an_attempt_key_cannot_be_repeated() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let password = json!({ "password": PASSWORD });
        let proven = app
            .run_as(&ana.access_token, &reauthenticate(), password)
            .await
            .signed_in();
        for attempt in [None, Some(ATTEMPT)] {
            assert_eq!(
                app.refresh_from(&ana.refresh_token, attempt, &[])
                    .await
                    .error(),
                ("UNAUTHENTICATED", "REFRESH_INVALID")
            );
        }
        app.refresh(&proven.refresh_token).await.signed_in();
    }
}

#[tokio::test]
async fn an_attempt_key_that_is_none_changes_no_password() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    for (query, variables) in acts("short") {
        let refused = app.run_as(&ana.access_token, &query, variables).await;
        assert_eq!(refused.error(), ("BAD_USER_INPUT", "ATTEMPT_INVALID"));
    }
    app.refresh(&ana.refresh_token).await.signed_in();
    app.login("ana@example.com", PASSWORD).await.signed_in();
}
