//! Signing in.

use countersign::values::{Peer, Transport, UserId};
use serde_json::json;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn the_right_password_opens_a_session() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        let answer = app.login(" ANA@example.com", PASSWORD).await;
        assert_eq!(*answer.data("payload.expiresIn"), json!(900));
        assert_eq!(
            *answer.data("payload.refreshExpiresIn"),
            json!(7 * 24 * 3600)
        );
        assert_eq!(
            *answer.data("payload.issuedAt"),
            json!("2026-11-21T09:30:00Z")
        );
        let ana = answer.signed_in();
        let me = app
            .run_as(
                &ana.access_token,
                "{ me { email } viewer { email } }",
                json!({}),
            )
            .await;
        assert_eq!(me.text("me.email"), "ana@example.com");
        assert_eq!(me.text("viewer.email"), "ana@example.com");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let wrong = app
            .login("ana@example.com", "plum tractor ninety eight")
            .await;
        let unknown = app.login("bob@example.com", PASSWORD).await;
        let nonsense = app.login("not an address", PASSWORD).await;
        assert_eq!(wrong.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
        assert_eq!(
            wrong.json["errors"][0]["message"],
            unknown.json["errors"][0]["message"]
        );
        assert_eq!(wrong.extensions(), unknown.extensions());
        assert_eq!(wrong.extensions(), nonsense.extensions());
        assert_eq!(
            app.events(&ana.user_id).await.last().unwrap(),
            "LOGIN_FAILED"
        );
        let nameless = "SELECT kind AS text FROM auth_events WHERE user_id IS NULL";
        assert_eq!(
            app.database.texts(nameless).await,
            ["LOGIN_FAILED", "LOGIN_FAILED"]
        );
    }
}

#[tokio::test]
async fn a_disabled_account_is_told_only_after_the_right_password() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.database
            .execute("UPDATE users SET disabled_at = 1")
            .await;
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            ("FORBIDDEN", "ACCOUNT_DISABLED")
        );
        assert_eq!(
            app.login("ana@example.com", "wrong").await.error(),
            ("UNAUTHENTICATED", "BAD_CREDENTIALS")
        );
        let me = app
            .run_as(&ana.access_token, "{ me { email } }", json!({}))
            .await;
        assert_eq!(me.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        let renewed = app.refresh(&ana.refresh_token).await;
        assert_eq!(renewed.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
    }
}

#[tokio::test]
async fn no_session_is_born_after_a_change_that_should_have_prevented_it() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let storage = countersign::storage::Storage::open(&app.app.settings.database)
            .await
            .unwrap();
        let row = storage
            .find_user(&UserId::parse(&ana.user_id).unwrap())
            .await
            .unwrap()
            .unwrap();
        let peer = Peer::default();
        let sessions = &app.app.sessions;
        // From no address, so no budget is used.
        let booked = sessions.throttle().book_registration(None, &peer).await;
        let booked = booked.unwrap();
        let open = || sessions.open(row.clone(), Transport::Body, &peer, &booked);
        assert!(open().await.unwrap().is_some());
        app.database
            .execute("UPDATE users SET password_hash = 'changed meanwhile'")
            .await;
        assert!(open().await.unwrap().is_none());
        app.database
            .execute(&format!(
                "UPDATE users SET password_hash = '{}', disabled_at = 1",
                row.password_hash
            ))
            .await;
        assert!(open().await.unwrap().is_none());
        app.database.execute("DELETE FROM users").await;
        assert!(open().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_oldest_session_ends_when_there_are_too_many() {
    for app in TestApp::builder()
        .set("sessions.max_per_user", "2")
        .on_each_database()
        .await
    {
        let first = app.register("ana@example.com").await;
        app.clock.advance_secs(1);
        let second = app.login("ana@example.com", PASSWORD).await.signed_in();
        app.clock.advance_secs(1);
        let third = app.login("ana@example.com", PASSWORD).await.signed_in();
        assert_eq!(
            app.refresh(&first.refresh_token).await.error(),
            ("UNAUTHENTICATED", "SESSION_ENDED")
        );
        app.refresh(&second.refresh_token).await.signed_in();
        app.refresh(&third.refresh_token).await.signed_in();
        assert_eq!(
            app.events(&first.user_id)
                .await
                .iter()
                .filter(|kind| *kind == "SESSION_REVOKED")
                .count(),
            1
        );
    }
}

#[tokio::test]
async fn a_viewer_is_nobody_without_a_token_and_an_error_with_a_bad_one() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    assert_eq!(
        *app.run("{ viewer { id } }", json!({})).await.data("viewer"),
        json!(null)
    );
    let reason = async |token: &str| {
        app.run_as(token, "{ viewer { id } }", json!({}))
            .await
            .error()
            .1
            .to_owned()
    };
    assert_eq!(reason("nonsense").await, "TOKEN_INVALID");
    app.clock.advance_secs(900 + 31);
    assert_eq!(reason(&ana.access_token).await, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_bad_token_does_not_stop_what_needs_none() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let query =
        "mutation($input: LoginInput!) { login(input: $input, transport: BODY) { sessionId } }";
    let input = json!({ "email": "ana@example.com", "password": PASSWORD });
    let answer = app
        .run_as("an.old.token", query, json!({ "input": input }))
        .await;
    assert!(!answer.text("login.sessionId").is_empty());
}
