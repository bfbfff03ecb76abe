//! Staying signed in: rotation, repeats, theft and expiry.

use std::collections::HashSet;

use serde_json::json;

use crate::support::{PASSWORD, TestApp, together};

const ATTEMPT: &str = "attempt-0123456789abcdef";

#[tokio::test]
async fn each_refresh_gives_the_next_token() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mut token = ana.refresh_token.clone();
        for generation in 2..6 {
            app.clock.advance_secs(600);
            let renewed = app.refresh(&token).await.signed_in();
            assert_eq!(renewed.session_id, ana.session_id);
            assert_eq!(
                renewed.refresh_token.split('.').nth(3).unwrap(),
                generation.to_string()
            );
            app.run_as(&renewed.access_token, "{ me { id } }", json!({}))
                .await
                .data("me.id");
            token = renewed.refresh_token;
        }
        let rows = app.database.texts("SELECT id AS text FROM sessions").await;
        assert_eq!(rows.len(), 1, "no table grows with refreshing");
    }
}

#[tokio::test]
async fn a_lost_answer_is_given_again_however_late() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let lost = app
            .refresh_attempt(&ana.refresh_token, ATTEMPT)
            .await
            .signed_in();
        app.clock.advance_secs(3 * 3600);
        let again = app
            .refresh_attempt(&ana.refresh_token, ATTEMPT)
            .await
            .signed_in();
        assert_eq!(again.refresh_token, lost.refresh_token);
        app.refresh_attempt(&again.refresh_token, "another-attempt-0123456789")
            .await
            .signed_in();
    }
}

#[tokio::test]
async fn a_second_tab_is_answered_within_the_grace() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let first = app.refresh(&ana.refresh_token).await.signed_in();
        app.clock.advance_secs(30);
        let second = app.refresh(&ana.refresh_token).await.signed_in();
        assert_eq!(second.refresh_token, first.refresh_token);
        assert_eq!(
            app.events(&ana.user_id).await.last().unwrap(),
            "REFRESH_REPEATED"
        );
    }
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_session() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let current = app.refresh(&ana.refresh_token).await.signed_in();
        app.clock.advance_secs(31);
        let replay = app.refresh(&ana.refresh_token).await;
        assert_eq!(replay.error(), ("UNAUTHENTICATED", "REFRESH_REUSED"));
        let owner = app.refresh(&current.refresh_token).await;
        assert_eq!(owner.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        assert_eq!(
            app.events(&ana.user_id).await.last().unwrap(),
            "REFRESH_REUSE_DETECTED"
        );
    }
}

#[tokio::test]
async fn theft_can_end_all_sessions_of_the_user() {
    for app in TestApp::builder()
        .set("sessions.theft_ends", "user")
        .on_each_database()
        .await
    {
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let bob = app.register("bob@example.com").await;
        app.refresh(&phone.refresh_token).await.signed_in();
        app.clock.advance_secs(31);
        assert_eq!(
            app.refresh(&phone.refresh_token).await.error().1,
            "REFRESH_REUSED"
        );
        assert_eq!(
            app.refresh(&laptop.refresh_token).await.error().1,
            "SESSION_ENDED"
        );
        app.refresh(&bob.refresh_token).await.signed_in();
    }
}

#[tokio::test]
async fn repeats_from_elsewhere_in_three_generations_running_are_theft() {
    for app in TestApp::builder().on_each_database().await {
        let home = [("user-agent", "the owner's browser")];
        let away = [("user-agent", "somebody else's script")];
        let ana = app.register("ana@example.com").await;
        let mut token = app
            .refresh_from(&ana.refresh_token, None, &home)
            .await
            .signed_in()
            .refresh_token;
        for _ in 0..2 {
            let next = app
                .refresh_from(&token, None, &home)
                .await
                .signed_in()
                .refresh_token;
            app.refresh_from(&token, None, &away).await.signed_in();
            token = next;
        }
        app.refresh_from(&token, None, &home).await.signed_in();
        assert_eq!(
            app.refresh_from(&token, None, &away).await.error().1,
            "REFRESH_REUSED"
        );
    }
}

#[tokio::test]
async fn of_64_racing_calls_one_rotates_and_all_are_answered() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let answers = together((0..64).map(|_| app.refresh(&ana.refresh_token))).await;
        let tokens: HashSet<String> = answers
            .iter()
            .map(|answer| answer.signed_in().refresh_token)
            .collect();
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens.iter().next().unwrap().split('.').nth(3), Some("2"));
        app.refresh(tokens.iter().next().unwrap()).await.signed_in();
    }
}

#[tokio::test]
async fn what_we_did_not_issue_is_invalid_and_changes_nothing() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let bob = app.register("bob@example.com").await;
        let good = &ana.refresh_token;
        let bobs_mac = bob.refresh_token.rsplit('.').next().unwrap();
        let (rest, mac) = good.rsplit_once('.').unwrap();
        let flipped = if mac.starts_with('A') { "B" } else { "A" };
        for forged in [
            String::new(),
            "nonsense".to_owned(),
            format!("{rest}.{bobs_mac}"),
            format!("{rest}.{flipped}{}", &mac[1..]),
            good.replace(".1.", ".2."),
            good.replace(".1.", ".01."),
            good.replace(&ana.session_id, &bob.session_id),
            good.to_uppercase(),
            format!("{good}="),
            "v1.".repeat(10_000),
        ] {
            assert_eq!(
                app.refresh(&forged).await.error(),
                ("UNAUTHENTICATED", "REFRESH_INVALID"),
                "{forged:.200}"
            );
        }
        app.refresh(good).await.signed_in();
        app.refresh(&bob.refresh_token).await.signed_in();
    }
}

#[tokio::test]
async fn a_new_nonce_makes_earlier_tokens_worthless() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let nonce = "A".repeat(43);
        app.database
            .execute(&format!("UPDATE sessions SET nonce = '{nonce}'"))
            .await;
        assert_eq!(
            app.refresh(&ana.refresh_token).await.error().1,
            "REFRESH_INVALID"
        );
    }
}

#[tokio::test]
async fn a_database_restored_to_an_earlier_state_signs_nobody_out() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mut token = ana.refresh_token;
        for _ in 0..5 {
            token = app.refresh(&token).await.signed_in().refresh_token;
        }
        app.database
            .execute("UPDATE sessions SET generation = 2")
            .await;
        let renewed = app.refresh(&token).await.signed_in();
        assert_eq!(renewed.refresh_token.split('.').nth(3), Some("7"));
    }
}

#[tokio::test]
async fn an_unused_session_expires() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.clock.advance_secs(6 * 24 * 3600);
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        app.clock.advance_secs(7 * 24 * 3600);
        assert_eq!(
            app.refresh(&renewed.refresh_token).await.error(),
            ("UNAUTHENTICATED", "REFRESH_EXPIRED")
        );
    }
}

#[tokio::test]
async fn nothing_outlives_the_absolute_end() {
    for app in TestApp::builder()
        .set("sessions.absolute_ttl", "8d")
        .on_each_database()
        .await
    {
        let ana = app.register("ana@example.com").await;
        app.clock.advance_secs(4 * 24 * 3600);
        let renewed = app.refresh(&ana.refresh_token).await;
        assert_eq!(
            *renewed.data("payload.refreshExpiresIn"),
            json!(4 * 24 * 3600)
        );
        app.clock.advance_secs(4 * 24 * 3600 - 60);
        let last = app.refresh(&renewed.signed_in().refresh_token).await;
        assert_eq!(*last.data("payload.refreshExpiresIn"), json!(60));
        assert_eq!(*last.data("payload.expiresIn"), json!(60));
        app.clock.advance_secs(60);
        assert_eq!(
            app.refresh(&last.signed_in().refresh_token).await.error().1,
            "REFRESH_EXPIRED"
        );
    }
}

#[tokio::test]
async fn expired_sessions_are_deleted_a_day_later() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        app.clock.advance_secs(30 * 24 * 3600 + 3600);
        assert_eq!(app.app.sessions.delete_expired().await.unwrap(), 0);
        app.clock.advance_secs(24 * 3600);
        assert_eq!(app.app.sessions.delete_expired().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_renewal_from_another_browser_is_recorded() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        assert!(
            !app.events(&ana.user_id)
                .await
                .contains(&"REFRESHED".to_owned())
        );
        app.refresh_from(
            &renewed.refresh_token,
            None,
            &[("user-agent", "another browser")],
        )
        .await
        .signed_in();
        assert_eq!(app.events(&ana.user_id).await.last().unwrap(), "REFRESHED");
    }
}

#[tokio::test]
async fn logout_takes_any_token_of_the_session() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        let logout = "mutation($token: String) { logout(refreshToken: $token) }";
        for token in ["nonsense", &ana.refresh_token, &ana.refresh_token] {
            assert_eq!(
                *app.run(logout, json!({ "token": token }))
                    .await
                    .data("logout"),
                json!(true)
            );
        }
        assert_eq!(
            app.refresh(&renewed.refresh_token).await.error().1,
            "SESSION_ENDED"
        );
        let events = app.events(&ana.user_id).await;
        assert_eq!(
            events.iter().filter(|kind| *kind == "LOGGED_OUT").count(),
            1
        );
    }
}

#[tokio::test]
async fn logout_by_bearer_token_ends_its_session() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        assert_eq!(
            *app.run("mutation { logout }", json!({}))
                .await
                .data("logout"),
            json!(true)
        );
        assert_eq!(
            *app.run_as(&ana.access_token, "mutation { logout }", json!({}))
                .await
                .data("logout"),
            json!(true)
        );
        assert_eq!(
            app.refresh(&ana.refresh_token).await.error().1,
            "SESSION_ENDED"
        );
    }
}
