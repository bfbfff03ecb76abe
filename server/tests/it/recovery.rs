//! A new password by a link of the operator's.

use std::time::Duration;

use countersign::values::UserId;
use serde_json::json;

use crate::support::{Answer, PASSWORD, SignedIn, TestApp, together};

const NEW_PASSWORD: &str = "another long good one";
const INVALID: (&str, &str) = ("UNAUTHENTICATED", "RECOVERY_INVALID");
const ME: &str = "{ me { id } }";

async fn link(app: &TestApp, user: &SignedIn) -> String {
    let id = UserId::parse(&user.user_id).unwrap();
    let link = app.app.accounts.make_recovery_link(&id).await.unwrap();
    link.token.expose().to_owned()
}

async fn recover(app: &TestApp, token: &str, password: &str) -> Answer {
    let query = "mutation($input: RecoverAccountInput!) { recoverAccount(input: $input) }";
    let input = json!({ "token": token, "newPassword": password });
    app.run(query, json!({ "input": input })).await
}

fn is_done(answer: &Answer) -> bool {
    answer.json.get("errors").is_none()
}

#[tokio::test]
async fn a_link_sets_the_password_once_and_ends_every_session() {
    for app in TestApp::builder().on_each_database().await {
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let bob = app.register("bob@example.com").await;
        let token = link(&app, &phone).await;
        let recovered = recover(&app, &token, NEW_PASSWORD).await;
        assert_eq!(*recovered.data("recoverAccount"), json!(true));
        assert_eq!(recovered.header("set-cookie"), "");
        for device in [&phone, &laptop] {
            let refused = app.run_as(&device.access_token, ME, json!({})).await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
            let refused = app.refresh(&device.refresh_token).await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        }
        app.run_as(&bob.access_token, ME, json!({}))
            .await
            .data("me");
        let old = app.login("ana@example.com", PASSWORD).await;
        assert_eq!(old.error().1, "BAD_CREDENTIALS");
        app.login("ana@example.com", NEW_PASSWORD).await.signed_in();
        let again = recover(&app, &token, "yet another long good one").await;
        assert_eq!(again.error(), INVALID);
        let events = app.events(&phone.user_id).await;
        let expected = [
            "RECOVERY_LINK_MADE",
            "PASSWORD_RECOVERED",
            "SESSION_REVOKED",
            "SESSION_REVOKED",
        ];
        assert_eq!(events[2..6], expected, "{events:?}");
    }
}

#[tokio::test]
async fn used_replaced_expired_and_made_up_links_are_refused_alike() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let replaced = link(&app, &ana).await;
        let used = link(&app, &ana).await;
        let mut answers = vec![recover(&app, &replaced, NEW_PASSWORD).await];
        assert!(is_done(&recover(&app, &used, NEW_PASSWORD).await));
        let expired = link(&app, &ana).await;
        app.clock.advance(Duration::from_secs(30 * 60));
        for token in [
            &used,
            &expired,
            "",
            "x",
            &"A".repeat(43),
            "\0",
            &"é".repeat(9000),
        ] {
            answers.push(recover(&app, token, NEW_PASSWORD).await);
        }
        for answer in &answers {
            assert_eq!(answer.error(), INVALID);
            assert_eq!(answer.json, answers[0].json);
        }
        // A second before its end it is good, and making one clears away what has expired.
        let last = link(&app, &ana).await;
        let links = app
            .database
            .texts("SELECT token_hash AS text FROM recoveries")
            .await;
        assert_eq!(links.len(), 1);
        app.clock.advance(Duration::from_millis(30 * 60 * 1000 - 1));
        assert!(is_done(&recover(&app, &last, NEW_PASSWORD).await));
    }
}

#[tokio::test]
async fn made_up_links_count_as_failures_of_the_address() {
    for app in TestApp::builder()
        .set("limits.failures_per_minute", "5")
        .on_each_database()
        .await
    {
        let ana = app.register("ana@example.com").await;
        let token = link(&app, &ana).await;
        for _ in 0..5 {
            assert_eq!(
                recover(&app, "made up", NEW_PASSWORD).await.error(),
                INVALID
            );
        }
        let refused = app.login("ana@example.com", PASSWORD).await;
        assert_eq!(refused.error().0, "RATE_LIMITED");
        // A good link is nothing that others can take from its owner.
        assert!(is_done(&recover(&app, &token, NEW_PASSWORD).await));
    }
}

#[tokio::test]
async fn what_is_stored_opens_nothing() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let token = link(&app, &ana).await;
        assert_eq!(token.len(), 43);
        let stored = app
            .database
            .texts("SELECT token_hash AS text FROM recoveries")
            .await;
        assert_eq!(
            recover(&app, &stored[0], NEW_PASSWORD).await.error(),
            INVALID
        );
        let trail = "SELECT CAST(count(*) AS text) AS text FROM auth_events WHERE session_id = '";
        for secret in [&token, &stored[0]] {
            assert_eq!(
                app.database.texts(&format!("{trail}{secret}'")).await,
                ["0"]
            );
        }
    }
}

#[tokio::test]
async fn a_bad_password_is_named_and_the_link_stays_good() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let token = link(&app, &ana).await;
    for (password, reason) in [
        ("x7!kQ2", "PASSWORD_TOO_SHORT"),
        ("password1", "PASSWORD_TOO_WEAK"),
        ("ana@example.com", "PASSWORD_TOO_WEAK"),
        (&"x".repeat(257), "PASSWORD_TOO_LONG"),
    ] {
        let refused = recover(&app, &token, password).await;
        assert_eq!(refused.error(), ("BAD_USER_INPUT", reason));
        assert_eq!(refused.extensions()["field"], "newPassword");
    }
    app.run_as(&ana.access_token, ME, json!({}))
        .await
        .data("me");
    assert!(is_done(&recover(&app, &token, NEW_PASSWORD).await));
}

#[tokio::test]
async fn a_disabled_account_stays_disabled_and_disabling_takes_the_link() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        let before = link(&app, &ana).await;
        let disable = format!(
            "mutation {{ setDisabled(userId: \"{}\", disabled: true) {{ id }} }}",
            ana.user_id
        );
        app.run_as(&root.access_token, &disable, json!({}))
            .await
            .data("setDisabled");
        assert_eq!(recover(&app, &before, NEW_PASSWORD).await.error(), INVALID);
        let after = link(&app, &ana).await;
        assert!(is_done(&recover(&app, &after, NEW_PASSWORD).await));
        let refused = app.login("ana@example.com", NEW_PASSWORD).await;
        assert_eq!(refused.error(), ("FORBIDDEN", "ACCOUNT_DISABLED"));
    }
}

#[tokio::test]
async fn a_deleted_account_is_not_recovered() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let token = link(&app, &ana).await;
        let delete = format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}");
        app.run_as(&ana.access_token, &delete, json!({}))
            .await
            .data("deleteAccount");
        assert_eq!(recover(&app, &token, NEW_PASSWORD).await.error(), INVALID);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_a_link_at_once_one_wins() {
    for app in TestApp::builder().on_each_database().await {
        for round in 0..6 {
            let email = format!("ana{round}@example.com");
            let ana = app.register(&email).await;
            let token = link(&app, &ana).await;
            let passwords: Vec<_> = (0..6)
                .map(|n| format!("another long good one {n}"))
                .collect();
            let tries = passwords
                .iter()
                .map(|password| recover(&app, &token, password));
            let answers = together(tries).await;
            assert_eq!(answers.iter().filter(|answer| is_done(answer)).count(), 1);
            for answer in answers.iter().filter(|answer| !is_done(answer)) {
                assert_eq!(answer.error(), INVALID);
            }
            let mut good = 0;
            for password in &passwords {
                good += usize::from(is_done(&app.login(&email, password).await));
            }
            assert_eq!(good, 1, "one password, that of the winner");
            let kept = app.events(&ana.user_id).await;
            let recovered = kept.iter().filter(|kind| *kind == "PASSWORD_RECOVERED");
            assert_eq!(recovered.count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stays_signed_in_through_a_recovery() {
    for app in TestApp::builder().on_each_database().await {
        for round in 0..8 {
            let email = format!("ana{round}@example.com");
            let ana = app.register(&email).await;
            let token = link(&app, &ana).await;
            let login = async || app.login(&email, PASSWORD).await;
            let (first, renewed, recovered, second) = tokio::join!(
                login(),
                app.refresh(&ana.refresh_token),
                recover(&app, &token, NEW_PASSWORD),
                login()
            );
            assert!(is_done(&recovered), "{:#}", recovered.json);
            for answer in [first, renewed, second] {
                if is_done(&answer) {
                    let device = answer.signed_in();
                    let refused = app.run_as(&device.access_token, ME, json!({})).await;
                    assert_eq!(
                        refused.error(),
                        ("UNAUTHENTICATED", "SESSION_ENDED"),
                        "round {round}"
                    );
                    let refused = app.refresh(&device.refresh_token).await;
                    assert_eq!(refused.error().0, "UNAUTHENTICATED", "round {round}");
                }
            }
            app.login(&email, NEW_PASSWORD).await.signed_in();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_password_change_and_a_recovery_the_first_counts() {
    for app in TestApp::builder().on_each_database().await {
        for round in 0..8 {
            let email = format!("ana{round}@example.com");
            let ana = app.register(&email).await;
            let token = link(&app, &ana).await;
            let change = format!(
                "mutation {{ changePassword(input: {{ currentPassword: {PASSWORD:?}, newPassword: \"a changed long good one\" }}) {{ sessionId }} }}"
            );
            let (changed, recovered) = tokio::join!(
                app.run_as(&ana.access_token, &change, json!({})),
                recover(&app, &token, NEW_PASSWORD)
            );
            // Who still knows the password makes the link worthless by changing it.
            assert_ne!(
                is_done(&changed),
                is_done(&recovered),
                "{:#} {:#}",
                changed.json,
                recovered.json
            );
            let (good, bad) = match is_done(&changed) {
                true => ("a changed long good one", NEW_PASSWORD),
                false => (NEW_PASSWORD, "a changed long good one"),
            };
            app.login(&email, good).await.signed_in();
            assert_eq!(app.login(&email, bad).await.error().1, "BAD_CREDENTIALS");
        }
    }
}

#[tokio::test]
async fn who_tried_the_old_password_too_often_need_not_wait_with_the_new_one() {
    let builder = TestApp::builder().set("limits.free_attempts", "1");
    for app in builder.on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.login("ana@example.com", "forgotten").await;
        let refused = app.login("ana@example.com", PASSWORD).await;
        assert_eq!(refused.error(), ("RATE_LIMITED", ""));
        let token = link(&app, &ana).await;
        assert!(is_done(&recover(&app, &token, NEW_PASSWORD).await));
        app.login("ana@example.com", NEW_PASSWORD).await.signed_in();
    }
}
