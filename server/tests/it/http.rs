//! What every answer of the door is like, whatever GraphQL says.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    Answer {
        status,
        headers,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let app = TestApp::builder().on_sqlite().await;
    let body = r#"{"query":"{ passwordPolicy { minLength } }"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "",
    ] {
        let answer = send(
            app.request(Method::POST, "/graphql")
                .header("content-type", kind)
                .body(body),
        )
        .await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        let answer = send(
            app.request(Method::POST, "/graphql")
                .header("content-type", kind)
                .body(body),
        )
        .await;
        assert_eq!(*answer.data("passwordPolicy.minLength"), json!(8), "{kind}");
    }
}

#[tokio::test]
async fn get_asks_and_never_changes() {
    let app = TestApp::builder().on_sqlite().await;
    let get = async |query: &[(&str, &str)]| {
        send(app.request(Method::GET, "/graphql").query(query)).await
    };
    let policy = "query P { passwordPolicy { minLength } } mutation M { logout }";
    assert_eq!(
        *get(&[("query", policy), ("operationName", "P")])
            .await
            .data("passwordPolicy.minLength"),
        json!(8)
    );
    for query in [
        vec![("query", "mutation { logout }")],
        vec![("query", "mutation Named { logout }")],
        vec![("query", policy), ("operationName", "M")],
    ] {
        let answer = get(&query).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), "POST");
    }
    for bad in [
        vec![],
        vec![("query", "{ viewer { id } }"), ("variables", "nonsense")],
        vec![("query", "a"), ("query", "b")],
    ] {
        assert_eq!(get(&bad).await.status, StatusCode::BAD_REQUEST, "{bad:?}");
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        assert_eq!(
            send(app.request(method, "/graphql")).await.status,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}

#[tokio::test]
async fn a_body_has_a_size_and_is_one_request() {
    let app = TestApp::builder().on_sqlite().await;
    let huge = format!("{{ viewer {{ id }} }} #{}", "x".repeat(64 * 1024));
    assert_eq!(
        app.run(&huge, json!({})).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let batch = json!([{ "query": "{ viewer { id } }" }, { "query": "{ viewer { id } }" }]);
    for body in [
        batch,
        json!("text"),
        json!({}),
        json!({ "query": 1 }),
        json!({ "query": "{ viewer { id } }", "variables": [] }),
    ] {
        assert_eq!(
            app.send(body.clone(), &[]).await.status,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    let many: String = (0..17)
        .map(|n| format!("query Q{n} {{ viewer {{ id }} }} "))
        .collect();
    let answer = app
        .send(json!({ "query": many, "operationName": "Q3" }), &[])
        .await;
    assert_eq!(answer.error().0, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn the_second_of_two_operations_runs() {
    let app = TestApp::builder().on_sqlite().await;
    let query = "query First { viewer { id } } query Second { passwordPolicy { maxLength } }";
    let answer = app
        .send(json!({ "query": query, "operationName": "Second" }), &[])
        .await;
    assert_eq!(
        answer.json,
        json!({ "data": { "passwordPolicy": { "maxLength": 256 } } })
    );
}

#[tokio::test]
async fn fields_come_back_in_the_order_asked_for() {
    let app = TestApp::builder().on_sqlite().await;
    let body =
        json!({ "query": "{ passwordPolicy { minLength maxLength a: minLength } viewer { id } }" });
    let response = app
        .request(Method::POST, "/graphql")
        .json(&body)
        .send()
        .await
        .unwrap();
    let expected =
        r#"{"data":{"passwordPolicy":{"minLength":8,"maxLength":256,"a":8},"viewer":null}}"#;
    assert_eq!(response.text().await.unwrap(), expected);
}

#[tokio::test]
async fn the_status_follows_the_media_type() {
    let app = TestApp::builder().on_sqlite().await;
    let wrong = json!({ "query": "{ nothing }" });
    let modern = app
        .send(
            wrong.clone(),
            &[(
                "accept",
                "application/graphql-response+json, application/json;q=0.9",
            )],
        )
        .await;
    assert_eq!(modern.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        modern.header("content-type"),
        "application/graphql-response+json; charset=utf-8"
    );
    assert_eq!(modern.json.get("data"), None, "nothing was executed");
    let older = app
        .send(wrong.clone(), &[("accept", "application/json")])
        .await;
    assert_eq!(older.status, StatusCode::OK);
    assert_eq!(
        older.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(
        app.send(wrong, &[("accept", "text/html")]).await.status,
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn answers_are_not_stored_and_not_sniffed() {
    let app = TestApp::builder().on_sqlite().await;
    let answer = app.run("{ viewer { id } }", json!({})).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    for path in [
        "/graphql",
        "/",
        "/nothing",
        "/healthz",
        "/.well-known/jwks.json",
    ] {
        let answer = send(app.request(Method::GET, path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
    let missing = send(app.request(Method::GET, "/nothing")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(
        missing.header("content-security-policy"),
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn only_our_own_names_are_answered() {
    let app = TestApp::builder().on_sqlite().await;
    let with = async |name: &str, value: &str| {
        send(
            app.request(Method::GET, "/.well-known/jwks.json")
                .header(name, value),
        )
        .await
        .status
    };
    assert_eq!(
        with("host", "evil.example").await,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(
        with("host", "localhost.evil.example:4000").await,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(with("host", "[::1]:4000").await, StatusCode::OK);
    assert_eq!(
        with("x-forwarded-for", "203.0.113.1").await,
        StatusCode::FORBIDDEN
    );
    let health = send(
        app.request(Method::GET, "/healthz")
            .header("host", "10.1.2.3"),
    )
    .await;
    assert_eq!(
        health.status,
        StatusCode::OK,
        "load balancers ask by address"
    );
}

#[tokio::test]
async fn only_allowed_origins_may_read() {
    let app = TestApp::builder()
        .set("http.allowed_origins", "https://app.example.com")
        .on_sqlite()
        .await;
    let preflight = async |origin: &str| {
        let request = app
            .request(Method::OPTIONS, "/graphql")
            .header("origin", origin);
        send(
            request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type"),
        )
        .await
    };
    let allowed = preflight("https://app.example.com").await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(
        preflight("https://evil.example")
            .await
            .header("access-control-allow-origin"),
        ""
    );
}

#[tokio::test]
async fn pages_may_send_the_headers_that_were_allowed() {
    let app = TestApp::builder()
        .set("http.allowed_origins", "https://app.example.com")
        .set(
            "http.allowed_headers",
            "traceparent, Apollographql-Client-Name",
        )
        .on_sqlite()
        .await;
    let preflight = app
        .request(Method::OPTIONS, "/graphql")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "traceparent");
    let answer = send(preflight).await;
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "authorization,content-type,accept,traceparent,apollographql-client-name"
    );
}

#[tokio::test]
async fn an_answer_is_no_script_whatever_is_asked() {
    let app = TestApp::builder().on_sqlite().await;
    for parameter in ["callback", "jsonp", "cb"] {
        let parameters = [("query", "{ viewer { id } }"), (parameter, "steal")];
        let request = app.request(Method::GET, "/graphql").query(&parameters);
        let answer = request.send().await.unwrap();
        let kind = &answer.headers()["content-type"];
        assert!(kind.to_str().unwrap().contains("json"), "{kind:?}");
        let body = answer.text().await.unwrap();
        assert_eq!(body, r#"{"data":{"viewer":null}}"#, "{parameter}");
    }
}

#[tokio::test]
async fn the_keys_are_public() {
    for app in TestApp::builder().on_each_database().await {
        let answer = send(
            app.request(Method::GET, "/.well-known/jwks.json")
                .header("origin", "https://any.example"),
        )
        .await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=300, must-revalidate"
        );
        let key = &answer.json["keys"][0];
        assert_eq!(
            (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
            (
                &json!("OKP"),
                &json!("Ed25519"),
                &json!("EdDSA"),
                &json!("sig")
            )
        );
        assert_eq!(key.get("d"), None);
    }
}

#[tokio::test]
async fn a_server_tells_whether_it_can_serve() {
    for app in TestApp::builder().on_each_database().await {
        assert_eq!(
            send(app.request(Method::GET, "/healthz")).await.status,
            StatusCode::OK
        );
        assert_eq!(
            send(app.request(Method::GET, "/readyz")).await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let app = TestApp::builder()
        .set("graphql.introspection", "false")
        .on_sqlite()
        .await;
    let answer = app.run("{ __schema { types { name } } }", json!({})).await;
    assert!(
        answer
            .json
            .get("data")
            .is_none_or(|data| data["__schema"].is_null()),
        "{:#}",
        answer.json
    );
    let misspelt = app.run("{ passwordPolic { minLength } }", json!({})).await;
    assert!(
        !misspelt.json.to_string().contains("passwordPolicy"),
        "suggestions leak the schema: {:#}",
        misspelt.json
    );
}

#[tokio::test]
async fn a_page_keeps_its_policy_when_the_browser_has_it_already() {
    let assets = tempfile::tempdir().unwrap();
    for page in ["index.html", "graphiql.html"] {
        std::fs::write(
            assets.path().join(page),
            "<!doctype html><title>A page</title>",
        )
        .unwrap();
    }
    let app = TestApp::builder()
        .set("http.assets", assets.path().to_str().unwrap())
        .on_sqlite()
        .await;
    for (path, style) in [
        ("/", "style-src 'self';"),
        ("/graphiql", "style-src 'self' 'unsafe-inline';"),
    ] {
        let page = send(app.request(Method::GET, path).header("accept", "text/html")).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let known = page.header("last-modified");
        let again = send(
            app.request(Method::GET, path)
                .header("if-modified-since", known),
        )
        .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        let policy = page.header("content-security-policy");
        assert_eq!(again.header("content-security-policy"), policy, "{path}");
        assert!(
            policy.contains(style) && policy.contains("script-src 'self'"),
            "{path}: {policy}"
        );
    }
    let route = send(
        app.request(Method::GET, "/account")
            .header("accept", "text/html"),
    )
    .await;
    assert_eq!(route.status, StatusCode::OK, "the demo routes by itself");
    assert_eq!(
        send(app.request(Method::GET, "/account")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn fragments_that_double_are_refused_before_they_are_walked() {
    let app = TestApp::builder().on_sqlite().await;
    let steps: String = (0..40)
        .map(|n| format!("fragment F{n} on User {{ ...F{m} ...F{m} }} ", m = n + 1))
        .collect();
    let query = format!("{{ viewer {{ ...F0 }} }} {steps} fragment F40 on User {{ id }}");
    assert_eq!(
        app.run(&query, json!({})).await.error().0,
        "QUERY_TOO_COMPLEX"
    );
}

#[tokio::test]
async fn graphiql_switched_off_is_not_served_under_any_spelling() {
    let assets = tempfile::tempdir().unwrap();
    std::fs::write(assets.path().join("graphiql.html"), "GraphiQL").unwrap();
    let builder = TestApp::builder().set("http.assets", assets.path().to_str().unwrap());
    let app = builder.set("graphql.graphiql", "false").on_sqlite().await;
    for path in [
        "/graphiql",
        "/graphiql.html",
        "/%67raphiql.html",
        "//graphiql.html",
        "/a/..%2fgraphiql.html",
    ] {
        assert_eq!(
            send(app.request(Method::GET, path)).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}
