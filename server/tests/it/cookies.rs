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
    let operations = [
        "mutation { refresh { sessionId } }",
        "mutation { logout }",
        login,
    ];
    let foreign = [
        "null",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
    ];
    for query in operations {
        for origin in foreign.map(Some).into_iter().chain([None]) {
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
    }
    let refresh = json!({ "query": operations[0] });
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", "https://app.example.com"),
    ];
    let allowed = app.send(refresh, &headers).await;
    assert_ne!(allowed.cookie(), Some(token.as_str()));
    assert!(
        allowed
            .cookie()
            .is_some_and(|token| token.starts_with("v1."))
    );
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_cookie_to_a_newer_sign_in() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let old = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in()
        .refresh_token;
    app.login_by_cookie("ana@example.com", Some(&old))
        .await
        .signed_in();
    let late = app.refresh_by_cookie(Some(&old)).await;
    assert_eq!(late.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
    assert_eq!(late.cookie(), None);
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
            app.refresh_by_cookie(Some(&ana.refresh_token))
                .await
                .error()
                .1,
            "SESSION_ENDED"
        );
        app.refresh_by_cookie(Some(&bob.refresh_token))
            .await
            .signed_in();
    }
}

#[tokio::test]
async fn a_session_keeps_its_transport() {
    let app = TestApp::builder().on_sqlite().await;
    let by_body = app.register("ana@example.com").await;
    let by_cookie = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in();
    assert_eq!(
        app.refresh(&by_cookie.refresh_token).await.error().1,
        "REFRESH_INVALID"
    );
    assert_eq!(
        app.refresh_by_cookie(Some(&by_body.refresh_token))
            .await
            .error()
            .1,
        "REFRESH_INVALID"
    );
    app.refresh(&by_body.refresh_token).await.signed_in();
    app.refresh_by_cookie(Some(&by_cookie.refresh_token))
        .await
        .signed_in();
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

/// Browsers hold `__Host-` cookies to their host and path, and know them by this spelling alone.
#[tokio::test]
async fn a_cookie_under_another_spelling_of_its_name_is_none() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let token = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in()
        .refresh_token;
    let refresh = json!({ "query": "mutation { refresh { sessionId } }" });
    for name in [
        "%5F%5FHost-countersign",
        "__Host%2Dcountersign",
        "__host-countersign",
        "__Host-countersign ",
        "=__Host-countersign",
        "$Version=1, __Host-countersign",
        "__Host-countersign[]",
    ] {
        let cookie = format!("theme=dark; {name}={token}");
        let headers = [("origin", app.origin.as_str()), ("cookie", cookie.as_str())];
        let answer = app.send(refresh.clone(), &headers).await;
        assert_eq!(answer.error().1, "REFRESH_MISSING", "{name}");
    }
    app.refresh_by_cookie(Some(&token)).await.signed_in();
}
