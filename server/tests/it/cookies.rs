//! The browser's transport.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_browser_stays_signed_in_by_cookie_alone() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        let login = app.login_by_cookie("ana@example.com", None).await;
        assert_eq!(*login.data("payload.refreshToken"), json!(null));
        let attributes = login.header("set-cookie").split_once("; ").unwrap().1;
        assert_eq!(
            attributes,
            "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=604800"
        );
        let renewed = app.refresh_by_cookie(login.cookie()).await;
        assert_eq!(*renewed.data("payload.refreshToken"), json!(null));
        assert_ne!(renewed.cookie(), login.cookie());
        let logout = app
            .send_from_page(json!({ "query": "mutation { logout }" }), renewed.cookie())
            .await;
        assert_eq!(*logout.data("logout"), json!(true));
        assert_eq!(logout.cookie(), Some(""));
        assert!(logout.header("set-cookie").ends_with("Max-Age=0"));
        let late = app.refresh_by_cookie(renewed.cookie()).await;
        assert_eq!(late.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        assert_eq!(
            late.cookie(),
            Some(""),
            "a cookie that is of no more use is cleared"
        );
    }
}

#[tokio::test]
async fn without_a_cookie_there_is_nothing_to_renew() {
    let app = TestApp::builder().on_sqlite().await;
    assert_eq!(
        app.refresh_by_cookie(None).await.error(),
        ("UNAUTHENTICATED", "REFRESH_MISSING")
    );
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_use_the_cookie() {
    let app = TestApp::builder()
        .set("http.allowed_origins", "https://app.example.com")
        .on_sqlite()
        .await;
    app.register("ana@example.com").await;
    let token = app
        .login_by_cookie("ana@example.com", None)
        .await
        .cookie()
        .unwrap()
        .to_owned();
    let cookie = format!("__Host-countersign={token}");
    let login =
        "mutation { login(input: { email: \"ana@example.com\", password: \"x\" }) { sessionId } }";
    for (query, reason_if_allowed) in [
        ("mutation { refresh { sessionId } }", None),
        ("mutation { logout }", None),
        (login, Some("BAD_CREDENTIALS")),
    ] {
        for origin in [
            None,
            Some("null"),
            Some("https://evil.example"),
            Some("https://app.example.com.evil.example"),
            Some("http://app.example.com"),
        ] {
            let mut headers = vec![("cookie", cookie.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let answer = app.send(json!({ "query": query }), &headers).await;
            assert_eq!(
                answer.error(),
                ("FORBIDDEN", "ORIGIN_REFUSED"),
                "{query} from {origin:?}"
            );
            assert_eq!(answer.cookie(), None);
        }
        let allowed = app
            .send(
                json!({ "query": query }),
                &[("origin", "https://app.example.com")],
            )
            .await;
        if let Some(reason) = reason_if_allowed {
            assert_eq!(allowed.error().1, reason);
        }
    }
    app.refresh_by_cookie(Some(&token)).await.signed_in();
}

#[tokio::test]
async fn signing_in_again_ends_the_session_of_the_cookie() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        app.register("bob@example.com").await;
        let ana = app
            .login_by_cookie("ana@example.com", None)
            .await
            .signed_in();
        let bob = app
            .login_by_cookie("bob@example.com", Some(&ana.refresh_token))
            .await
            .signed_in();
        assert_eq!(
            app.refresh(&ana.refresh_token).await.error().1,
            "SESSION_ENDED"
        );
        app.refresh(&bob.refresh_token).await.signed_in();
    }
}

#[tokio::test]
async fn a_session_keeps_its_transport() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let by_cookie = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in();
    let renewed = app.refresh(&by_cookie.refresh_token).await;
    assert_eq!(
        *renewed.data("payload.refreshToken"),
        json!(null),
        "a token taken from a cookie never turns up in a body"
    );
}

#[tokio::test]
async fn the_cookie_of_a_browser_that_refuses_secure_ones_is_for_development() {
    let app = TestApp::builder()
        .set("http.dev_cookie", "true")
        .on_sqlite()
        .await;
    app.register("ana@example.com").await;
    let login = app.login_by_cookie("ana@example.com", None).await;
    let cookie = login.header("set-cookie");
    assert!(cookie.starts_with("countersign-dev=v1."), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");
}
