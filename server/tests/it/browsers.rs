//! What pages, answers and cookies tell browsers in production.

use reqwest::Method;
use reqwest::header::SET_COOKIE;
use reqwest::redirect::Policy;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{PASSWORD, TestApp};

const PUBLIC_URL: &str = "https://localhost";

/// A server with a page and a script.
async fn production() -> (TestApp, TempDir) {
    let assets = tempfile::tempdir().unwrap();
    std::fs::create_dir(assets.path().join("assets")).unwrap();
    std::fs::write(assets.path().join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(assets.path().join("assets/app.js"), "").unwrap();
    let app = TestApp::builder()
        .set("profile", "production")
        .set("http.public_url", PUBLIC_URL)
        .set("http.assets", assets.path().to_str().unwrap())
        .set("tokens.issuer", PUBLIC_URL)
        .set("passwords.memory_kib", "7168")
        .on_sqlite()
        .await;
    (app, assets)
}

#[tokio::test]
async fn every_cookie_is_for_this_host_and_no_script() {
    let (app, _assets) = production().await;
    app.register("ana@example.com").await;
    let query = "mutation($input: LoginInput!) { login(input: $input) { refreshToken } }";
    let input = json!({ "email": "ana@example.com", "password": PASSWORD });
    let body = json!({ "query": query, "variables": { "input": input } });
    let answer = app.send(body, &[("origin", PUBLIC_URL)]).await;
    assert_eq!(*answer.data("login.refreshToken"), json!(null));
    let cookies: Vec<&str> = answer
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    assert_eq!(cookies.len(), 2, "of the session and of the device");
    for cookie in cookies {
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert!(parts[0].starts_with("__Host-countersign"), "{cookie}");
        assert!(parts[0].len() <= 170, "{}", parts[0].len());
        for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
            assert!(parts.contains(&attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn pages_tell_browsers_what_they_may_do() {
    let (app, _assets) = production().await;
    for (path, is_page) in [
        ("/", true),
        ("/account", true),
        ("/assets/app.js", false),
        ("/assets/nothing.js", false),
        ("/graphql", false),
        ("/.well-known/jwks.json", false),
        ("/healthz", false),
    ] {
        let accept = if is_page { "text/html" } else { "*/*" };
        let request = app.request(Method::GET, path).header("accept", accept);
        let answer = request.send().await.unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.unwrap_or_else(|| panic!("{path} has no {name}"))
        };
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(name), value, "{path}: {name}");
        }
        let policy = header("content-security-policy").to_str().unwrap();
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        assert!(directives.contains(&"default-src 'none'"), "{path}");
        assert!(directives.contains(&"frame-ancestors 'none'"), "{path}");
        assert!(directives.contains(&"base-uri 'none'"), "{path}");
        let form_action = if is_page {
            "form-action 'self'"
        } else {
            "form-action 'none'"
        };
        assert!(directives.contains(&form_action), "{path}");
        for danger in ["unsafe-inline", "unsafe-eval'", "http", "*"] {
            let allowed = policy.replace("'wasm-unsafe-eval'", "");
            assert!(!allowed.contains(danger), "{path}: {danger}");
        }
        if is_page {
            assert_eq!(header("content-type"), "text/html", "{path}");
            assert!(directives.contains(&"script-src 'self' 'wasm-unsafe-eval'"));
        }
    }
}

#[tokio::test]
async fn nothing_redirects() {
    let (app, _assets) = production().await;
    let client = reqwest::Client::builder().redirect(Policy::none());
    let client = client.build().unwrap();
    for path in [
        "/",
        "/assets",
        "//assets",
        "//evil.example",
        "//evil.example/%2e%2e/assets",
        "/%5cevil.example",
        "/assets?to=https://evil.example",
        "/index.html",
        "/graphiql",
        "/graphql/",
        "/.well-known",
    ] {
        for accept in ["text/html", "*/*"] {
            let request = client.get(format!("{}{path}", app.origin));
            let answer = request.header("accept", accept).send().await.unwrap();
            assert!(!answer.status().is_redirection(), "{path}: {answer:?}");
            assert_eq!(answer.headers().get("location"), None, "{path}");
        }
    }
}

#[tokio::test]
async fn a_new_database_has_no_account() {
    for app in TestApp::builder().on_each_database().await {
        let emails = app.database.texts("SELECT email AS text FROM users").await;
        assert!(emails.is_empty(), "{emails:?}");
    }
}
