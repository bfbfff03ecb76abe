//! What administrators do to the accounts of others.

use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp, together};

fn set_role(user: &SignedIn, role: &str) -> String {
    format!(
        "mutation {{ setRole(userId: \"{}\", role: {role}) {{ id role }} }}",
        user.user_id
    )
}

fn set_disabled(user: &SignedIn, disabled: bool) -> String {
    format!(
        "mutation {{ setDisabled(userId: \"{}\", disabled: {disabled}) {{ disabled }} }}",
        user.user_id
    )
}

#[tokio::test]
async fn a_role_change_reaches_the_next_request_and_signs_nobody_out() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        let users = "{ users { edges { cursor } } }";
        let promoted = app
            .run_as(&root.access_token, &set_role(&ana, "MANAGER"), json!({}))
            .await;
        assert_eq!(promoted.text("setRole.role"), "MANAGER");
        let stale = app.run_as(&ana.access_token, users, json!({})).await;
        assert_eq!(stale.error(), ("UNAUTHENTICATED", "TOKEN_STALE"));
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        assert_eq!(renewed.session_id, ana.session_id);
        app.run_as(&renewed.access_token, users, json!({}))
            .await
            .data("users");
        let actors = format!(
            "SELECT actor_id AS text FROM auth_events WHERE user_id = '{}' AND kind = 'ROLE_CHANGED'",
            ana.user_id
        );
        assert_eq!(app.database.texts(&actors).await, [root.user_id.as_str()]);

        let demoted = app
            .run_as(&root.access_token, &set_role(&ana, "USER"), json!({}))
            .await;
        assert_eq!(demoted.text("setRole.role"), "USER");
        let stale = app.run_as(&renewed.access_token, users, json!({})).await;
        assert_eq!(stale.error(), ("UNAUTHENTICATED", "TOKEN_STALE"));
        let renewed = app.refresh(&renewed.refresh_token).await.signed_in();
        let refused = app.run_as(&renewed.access_token, users, json!({})).await;
        assert_eq!(refused.error(), ("FORBIDDEN", "ROLE_REQUIRED"));
    }
}

#[tokio::test]
async fn the_same_role_again_changes_nothing() {
    let app = TestApp::builder().on_sqlite().await;
    let root = app.administrator().await;
    let ana = app.register("ana@example.com").await;
    app.run_as(&root.access_token, &set_role(&ana, "USER"), json!({}))
        .await
        .data("setRole");
    app.run_as(&ana.access_token, "{ me { id } }", json!({}))
        .await
        .data("me");
    assert_eq!(app.events(&ana.user_id).await, ["REGISTERED"]);
}

#[tokio::test]
async fn disabling_ends_every_session_at_once_and_enabling_lets_back_in() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let disabled = app
            .run_as(&root.access_token, &set_disabled(&phone, true), json!({}))
            .await;
        assert_eq!(*disabled.data("setDisabled.disabled"), json!(true));
        for device in [&phone, &laptop] {
            let refused = app
                .run_as(&device.access_token, "{ me { id } }", json!({}))
                .await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
            let refused = app.refresh(&device.refresh_token).await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        }
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            ("FORBIDDEN", "ACCOUNT_DISABLED")
        );
        app.run_as(&root.access_token, &set_disabled(&phone, false), json!({}))
            .await
            .data("setDisabled");
        let back = app.login("ana@example.com", PASSWORD).await.signed_in();
        app.run_as(&back.access_token, "{ me { id } }", json!({}))
            .await
            .data("me");
        let refused = app
            .run_as(&phone.access_token, "{ me { id } }", json!({}))
            .await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        let events = app.events(&phone.user_id).await;
        let ended = events
            .iter()
            .filter(|kind| *kind == "SESSION_REVOKED")
            .count();
        assert_eq!(ended, 2, "{events:?}");
        assert!(
            events.contains(&"USER_DISABLED".to_owned())
                && events.contains(&"USER_ENABLED".to_owned())
        );
    }
}

#[tokio::test]
async fn a_deleted_account_leaves_its_trail_only() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        let delete = format!("mutation {{ deleteUser(userId: \"{}\") }}", ana.user_id);
        assert_eq!(
            *app.run_as(&root.access_token, &delete, json!({}))
                .await
                .data("deleteUser"),
            json!(true)
        );
        let refused = app
            .run_as(&ana.access_token, "{ me { id } }", json!({}))
            .await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        assert_eq!(
            app.refresh(&ana.refresh_token).await.error().0,
            "UNAUTHENTICATED"
        );
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error().1,
            "BAD_CREDENTIALS"
        );
        let sessions = format!(
            "SELECT id AS text FROM sessions WHERE user_id = '{}'",
            ana.user_id
        );
        assert_eq!(app.database.texts(&sessions).await, Vec::<String>::new());
        assert_eq!(
            app.events(&ana.user_id).await,
            ["REGISTERED", "USER_DELETED"]
        );
        let again = app.run_as(&root.access_token, &delete, json!({})).await;
        assert_eq!(again.error().0, "NOT_FOUND");
    }
}

#[tokio::test]
async fn an_administrator_ends_sessions_of_others() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let phone = app.register("ana@example.com").await;
        let laptop = app.login("ana@example.com", PASSWORD).await.signed_in();
        let tablet = app.login("ana@example.com", PASSWORD).await.signed_in();
        let revoke = format!(
            "mutation {{ revokeSession(id: \"{}\") }}",
            tablet.session_id
        );
        let by_stranger = app.register("bob@example.com").await;
        let refused = app
            .run_as(&by_stranger.access_token, &revoke, json!({}))
            .await;
        assert_eq!(*refused.data("revokeSession"), json!(false));
        let one = app.run_as(&root.access_token, &revoke, json!({})).await;
        assert_eq!(*one.data("revokeSession"), json!(true));
        let end = format!("mutation {{ endSessions(userId: \"{}\") }}", phone.user_id);
        assert_eq!(
            *app.run_as(&root.access_token, &end, json!({}))
                .await
                .data("endSessions"),
            json!(2)
        );
        for device in [&phone, &laptop, &tablet] {
            let refused = app
                .run_as(&device.access_token, "{ me { id } }", json!({}))
                .await;
            assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        }
        assert_eq!(
            *app.run_as(&root.access_token, &end, json!({}))
                .await
                .data("endSessions"),
            json!(0)
        );
        app.login("ana@example.com", PASSWORD).await.signed_in();
    }
}

#[tokio::test]
async fn guards_compose() {
    let app = TestApp::builder().on_sqlite().await;
    let root = app.administrator().await;
    let ana = app.register("ana@example.com").await;
    let acts = [
        set_role(&ana, "MANAGER"),
        set_disabled(&ana, true),
        format!("mutation {{ deleteUser(userId: \"{}\") }}", ana.user_id),
    ];
    for act in &acts {
        let refused = app.run(act, json!({})).await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "TOKEN_MISSING"));
        let refused = app.run_as(&ana.access_token, act, json!({})).await;
        assert_eq!(refused.error(), ("FORBIDDEN", "ROLE_REQUIRED"));
    }
    app.clock.advance_secs(601);
    for act in &acts {
        let refused = app.run_as(&root.access_token, act, json!({})).await;
        assert_eq!(refused.error(), ("FORBIDDEN", "REAUTHENTICATION_REQUIRED"));
    }
    let proven = "mutation($password: String!) { payload: reauthenticate(password: $password) { accessToken refreshToken sessionId user { id } } }";
    let proven = app
        .run_as(&root.access_token, proven, json!({ "password": PASSWORD }))
        .await
        .signed_in();
    app.run_as(&proven.access_token, &acts[0], json!({}))
        .await
        .data("setRole");
    let renewed = app.refresh(&proven.refresh_token).await.signed_in();
    let refused = app.run_as(&renewed.access_token, &acts[0], json!({})).await;
    assert_eq!(refused.error(), ("FORBIDDEN", "REAUTHENTICATION_REQUIRED"));
}

#[tokio::test]
async fn an_administrator_does_not_lock_themselves_out() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        for act in [
            set_role(&root, "USER"),
            set_disabled(&root, true),
            format!("mutation {{ deleteUser(userId: \"{}\") }}", root.user_id),
        ] {
            let refused = app.run_as(&root.access_token, &act, json!({})).await;
            assert_eq!(refused.error(), ("FORBIDDEN", "OWN_ACCOUNT"));
        }
        let delete = format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}");
        let refused = app.run_as(&root.access_token, &delete, json!({})).await;
        assert_eq!(refused.error(), ("FORBIDDEN", "LAST_ADMINISTRATOR"));
        let other = app.sign_in_with_role("other@example.com", "ADMIN").await;
        app.run_as(&root.access_token, &set_disabled(&other, true), json!({}))
            .await
            .data("setDisabled");
        let refused = app.run_as(&root.access_token, &delete, json!({})).await;
        assert_eq!(
            refused.error(),
            ("FORBIDDEN", "LAST_ADMINISTRATOR"),
            "a disabled one does not count"
        );
        app.run_as(&root.access_token, &set_disabled(&other, false), json!({}))
            .await
            .data("setDisabled");
        app.run_as(&root.access_token, &delete, json!({}))
            .await
            .data("deleteAccount");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_administrators_who_remove_each_other_one_stays() {
    for app in TestApp::builder().on_each_database().await {
        let mut a = app.administrator().await;
        for round in 0..8 {
            let b = app
                .sign_in_with_role(&format!("b{round}@example.com"), "ADMIN")
                .await;
            let (act_a, act_b) = match round % 2 {
                0 => (set_role(&b, "USER"), set_role(&a, "USER")),
                _ => (
                    set_disabled(&b, true),
                    format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}"),
                ),
            };
            let answers = together([
                app.run_as(&a.access_token, &act_a, json!({})),
                app.run_as(&b.access_token, &act_b, json!({})),
            ])
            .await;
            let done = answers
                .iter()
                .filter(|answer| answer.json.get("errors").is_none())
                .count();
            let left = app
                .database
                .texts(
                    "SELECT email AS text FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL",
                )
                .await;
            assert_eq!((done, left.len()), (1, 1), "{answers:#?}");
            a = app.login(&left[0], PASSWORD).await.signed_in();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_born_after_the_act_that_should_have_prevented_it() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        for round in 0..12 {
            let email = format!("ana{round}@example.com");
            let ana = app.register(&email).await;
            let act = match round % 4 {
                0 => (root.access_token.as_str(), set_disabled(&ana, true)),
                1 => (
                    root.access_token.as_str(),
                    format!("mutation {{ deleteUser(userId: \"{}\") }}", ana.user_id),
                ),
                2 => (
                    ana.access_token.as_str(),
                    format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}"),
                ),
                _ => (
                    ana.access_token.as_str(),
                    format!(
                        "mutation {{ changePassword(input: {{ currentPassword: {PASSWORD:?}, newPassword: \"another long good one\" }}) {{ sessionId }} }}"
                    ),
                ),
            };
            let login = async || app.login(&email, PASSWORD).await;
            let acting = async || app.run_as(act.0, &act.1, json!({})).await;
            let (first, second, acted, third) = tokio::join!(login(), login(), acting(), login());
            assert_eq!(acted.json.get("errors"), None, "{:#}", acted.json);
            for answer in [first, second, third] {
                if answer.json.get("errors").is_none() {
                    let device = answer.signed_in();
                    let refused = app
                        .run_as(&device.access_token, "{ me { id } }", json!({}))
                        .await;
                    assert_eq!(
                        refused.error(),
                        ("UNAUTHENTICATED", "SESSION_ENDED"),
                        "round {round}"
                    );
                    let refused = app.refresh(&device.refresh_token).await;
                    assert_eq!(refused.error().0, "UNAUTHENTICATED", "round {round}");
                }
            }
        }
    }
}
