//! The devices that a user is signed in on.

use serde_json::{Value, json};

use crate::support::{PASSWORD, SignedIn, TestApp};

const SESSIONS: &str =
    "{ sessions { id createdAt lastUsedAt expiresAt ipAddress userAgent deviceName current } }";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Signs in with a `User-Agent`.
async fn sign_in_with(app: &TestApp, email: &str, user_agent: &str) -> SignedIn {
    let query = "mutation($input: LoginInput!) { payload: login(input: $input, transport: BODY) {
        accessToken refreshToken sessionId user { id }
    } }";
    let input = json!({ "email": email, "password": PASSWORD });
    let body = json!({ "query": query, "variables": { "input": input } });
    app.send(body, &[("user-agent", user_agent)])
        .await
        .signed_in()
}

/// One field of each of the sessions that a caller sees.
async fn column(app: &TestApp, token: &str, name: &str) -> Vec<Value> {
    let answer = app.run_as(token, SESSIONS, json!({})).await;
    let sessions = answer.data("sessions").as_array().unwrap();
    sessions
        .iter()
        .map(|session| session[name].clone())
        .collect()
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in() {
    for app in TestApp::builder().on_each_database().await {
        let first = app.register("ana@example.com").await;
        app.register("bob@example.com").await;
        app.clock.advance_secs(60);
        let second = sign_in_with(&app, "ana@example.com", FIREFOX).await;
        app.clock.advance_secs(60);
        app.refresh_from(&first.refresh_token, None, &[("user-agent", "curl/8.16.0")])
            .await
            .signed_in();

        let seen = app.run_as(&second.access_token, SESSIONS, json!({})).await;
        assert_eq!(
            *seen.data("sessions"),
            json!([
                {
                    "id": second.session_id,
                    "createdAt": "2026-11-21T09:31:00Z",
                    "lastUsedAt": "2026-11-21T09:31:00Z",
                    "expiresAt": "2026-11-28T09:31:00Z",
                    "ipAddress": "127.0.0.1",
                    "userAgent": FIREFOX,
                    "deviceName": "Firefox on Linux",
                    "current": true,
                },
                {
                    "id": first.session_id,
                    "createdAt": "2026-11-21T09:30:00Z",
                    "lastUsedAt": "2026-11-21T09:32:00Z",
                    "expiresAt": "2026-11-28T09:32:00Z",
                    "ipAddress": "127.0.0.1",
                    "userAgent": "curl/8.16.0",
                    "deviceName": "curl",
                    "current": false,
                },
            ])
        );
        let current = column(&app, &first.access_token, "current").await;
        assert_eq!(current, [json!(false), json!(true)]);
    }
}

#[tokio::test]
async fn ended_and_expired_sessions_are_not_listed_nor_may_they_ask() {
    for app in TestApp::builder()
        .set("sessions.refresh_ttl", "1h")
        .set("sessions.absolute_ttl", "90m")
        .set("tokens.access_ttl", "1d")
        .on_each_database()
        .await
    {
        let mut first = app.register("ana@example.com").await;
        app.clock.advance_secs(1);
        let idle = app.login("ana@example.com", PASSWORD).await.signed_in();
        let ended = app.login("ana@example.com", PASSWORD).await.signed_in();
        app.run_as(&ended.access_token, "mutation { logout }", json!({}))
            .await
            .data("logout");
        let ids = column(&app, &first.access_token, "id").await;
        assert_eq!(ids, [json!(idle.session_id), json!(first.session_id)]);

        app.clock.advance_secs(1799);
        first = app.refresh(&first.refresh_token).await.signed_in();
        let ends = column(&app, &first.access_token, "expiresAt").await;
        assert_eq!(
            ends,
            [json!("2026-11-21T10:30:01Z"), json!("2026-11-21T11:00:00Z")]
        );
        app.clock.advance_secs(1801);
        let ids = column(&app, &first.access_token, "id").await;
        assert_eq!(
            ids,
            [json!(first.session_id)],
            "the other was not used for an hour"
        );

        // No renewal gets past the absolute end.
        app.clock.advance_secs(1700);
        first = app.refresh(&first.refresh_token).await.signed_in();
        let ends = column(&app, &first.access_token, "expiresAt").await;
        assert_eq!(ends, [json!("2026-11-21T11:00:00Z")]);

        let refused = app.run_as(&ended.access_token, SESSIONS, json!({})).await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        let nobody = app.run(SESSIONS, json!({})).await;
        assert_eq!(nobody.error(), ("UNAUTHENTICATED", "TOKEN_MISSING"));
    }
}

#[tokio::test]
async fn the_oldest_session_makes_room_where_there_is_a_limit() {
    for (limit, kept) in [("2", 2), ("off", 4)] {
        for app in TestApp::builder()
            .set("sessions.max_per_user", limit)
            .on_each_database()
            .await
        {
            app.register("ana@example.com").await;
            let mut last = None;
            for _ in 0..3 {
                app.clock.advance_secs(1);
                last = Some(app.login("ana@example.com", PASSWORD).await.signed_in());
            }
            let last = last.unwrap();
            let ids = column(&app, &last.access_token, "id").await;
            assert_eq!(ids.len(), kept, "{limit}");
            assert_eq!(ids[0], json!(last.session_id));
        }
    }
}
