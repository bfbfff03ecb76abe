//! Hostile documents: each check of graphql-cop and each row of the OWASP GraphQL cheat sheet, against the server as production
//! has it. Limits one by one are in `graphql/limits.rs`; here is what they are good for.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, production};
use crate::ws::Socket;

const TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
const LOGIN: &str = "login(input: { email: \"ana@example.com\", password: \"wrong\" }, transport: BODY) { sessionId }";

async fn ask(app: &TestApp, query: &str) -> Answer {
    app.run(query, json!({})).await
}

async fn text(request: reqwest::RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Each document is refused with the code, before anything of it runs.
async fn refused(app: &TestApp, code: &str, documents: &[String]) {
    for document in documents {
        let answer = ask(app, document).await;
        assert_eq!(answer.error().0, code, "{document:.100}: {}", answer.json);
        assert_eq!(answer.json.get("data"), None, "{document:.100}");
    }
}

// graphql-cop.

#[tokio::test]
async fn cop_alias_overloading_is_refused() {
    let app = production().on_sqlite().await;
    let aliases: String = (0..101).map(|n| format!("alias{n}: __typename ")).collect();
    refused(&app, TOO_COMPLEX, &[format!("query cop {{ {aliases} }}")]).await;
}

#[tokio::test]
async fn cop_array_batches_are_refused() {
    let app = production().on_sqlite().await;
    let batch: Vec<Value> = (0..10)
        .map(|_| json!({ "query": "query cop { __typename }" }))
        .collect();
    let answer = app.send(batch.into(), &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json.is_object(), "one answer: {}", answer.json);
}

#[tokio::test]
async fn cop_directive_overloading_is_refused() {
    let app = production().on_sqlite().await;
    let directives = "@aa".repeat(10);
    refused(
        &app,
        TOO_COMPLEX,
        &[format!("query cop {{ __typename {directives} }}")],
    )
    .await;
}

#[tokio::test]
async fn cop_field_duplication_is_refused() {
    let app = production().on_sqlite().await;
    let roots = "__typename ".repeat(500);
    let nested = "id ".repeat(500);
    refused(
        &app,
        TOO_COMPLEX,
        &[
            format!("query cop {{ {roots} }}"),
            format!("{{ viewer {{ {nested} }} }}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn cop_circular_introspection_is_refused() {
    let circle = "query cop { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }";
    let open = production()
        .set("graphql.introspection", "true")
        .on_sqlite()
        .await;
    refused(&open, TOO_COMPLEX, &[circle.to_owned()]).await;
    let closed = production().on_sqlite().await;
    refused(&closed, "GRAPHQL_VALIDATION_FAILED", &[circle.to_owned()]).await;
}

#[tokio::test]
async fn cop_circular_fragments_are_refused() {
    let app = production()
        .set("graphql.introspection", "true")
        .on_sqlite()
        .await;
    let circle = "query { __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }";
    let own = "{ viewer { ...A } } fragment A on User { ...A }";
    refused(
        &app,
        "GRAPHQL_VALIDATION_FAILED",
        &[circle.to_owned(), own.to_owned()],
    )
    .await;
}

#[tokio::test]
async fn cop_introspection_is_off() {
    let app = production().on_sqlite().await;
    let full = "query cop { __schema { types { name fields { name } } } }";
    let one = "{ __type(name: \"User\") { name } }";
    refused(
        &app,
        "GRAPHQL_VALIDATION_FAILED",
        &[full.to_owned(), one.to_owned()],
    )
    .await;
}

#[tokio::test]
async fn cop_fields_are_not_suggested() {
    let app = production().on_sqlite().await;
    for (misspelt, hidden) in [
        ("{ passwordPolic { minLength } }", "passwordPolicy"),
        ("{ passwordPolicy { minLengt } }", "minLength"),
        ("{ users(firs: 1) { edges { cursor } } }", "\"first\""),
        ("{ viewer { ... on Use { id } } }", "\"User\""),
        ("mutation { log }", "login"),
        (
            "query($r: Rol) { users(role: $r) { edges { cursor } } }",
            "\"Role\"",
        ),
    ] {
        let answer = ask(&app, misspelt).await.json.to_string();
        assert!(answer.contains("errors"), "{answer}");
        assert!(
            !answer.contains("Did you mean") && !answer.contains(hidden),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn cop_no_editor_is_shown() {
    let assets = tempfile::tempdir().unwrap();
    std::fs::write(
        assets.path().join("graphiql.html"),
        "<title>GraphiQL</title>",
    )
    .unwrap();
    let app = production()
        .set("http.assets", assets.path().to_str().unwrap())
        .on_sqlite()
        .await;
    for path in [
        "/graphiql",
        "/playground",
        "/console",
        "/graphql",
        "/graphiql.html",
    ] {
        let page = app.request(Method::GET, path).header("accept", "text/html");
        let (status, body) = text(page).await;
        assert!(status.is_client_error(), "{path}: {status}");
        assert!(
            !body.to_lowercase().contains("playground"),
            "{path}: {body}"
        );
        assert!(!body.contains("GraphiQL"), "{path}: {body}");
    }
}

#[tokio::test]
async fn cop_mutations_by_get_are_refused() {
    let app = production().on_sqlite().await;
    for query in ["mutation { __typename }", "mutation cop { logout }"] {
        let request = app
            .request(Method::GET, "/graphql")
            .query(&[("query", query)]);
        let request = request.header("x-http-method-override", "POST");
        let head = app
            .request(Method::HEAD, "/graphql")
            .query(&[("query", query)]);
        for request in [request, head] {
            assert_eq!(
                text(request).await.0,
                StatusCode::METHOD_NOT_ALLOWED,
                "{query}"
            );
        }
    }
}

/// graphql-cop warns of queries by GET at all. Ours answer with nothing that a cookie gives: it authenticates no query.
#[tokio::test]
async fn cop_queries_by_get_gain_nothing_from_the_cookie() {
    let app = production().on_sqlite().await;
    app.register("ana@example.com").await;
    let origin = [("origin", "https://localhost")];
    let login = "mutation { login(input: { email: \"ana@example.com\", password: \"plum tractor ninety seven\" }) { sessionId } }";
    let signed_in = app.send(json!({ "query": login }), &origin).await;
    let cookie = format!("__Host-countersign={}", signed_in.cookie().unwrap());
    let request = app
        .request(Method::GET, "/graphql")
        .query(&[("query", "query cop { __typename viewer { email } }")])
        .header("cookie", cookie);
    let (status, body) = text(request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, r#"{"data":{"__typename":"Query","viewer":null}}"#);
}

#[tokio::test]
async fn cop_forms_are_refused() {
    let app = production().on_sqlite().await;
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            "query=query%20cop%20%7B__typename%7D",
        ),
        ("text/plain", r#"{"query":"query cop {__typename}"}"#),
        (
            "multipart/form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"{__typename}\"}\r\n--b--",
        ),
        ("application/graphql", "query cop {__typename}"),
        (
            "text/plain; application/json",
            r#"{"query":"query cop {__typename}"}"#,
        ),
        (
            "application/json, text/plain",
            r#"{"query":"query cop {__typename}"}"#,
        ),
        ("application/jsonp", r#"{"query":"query cop {__typename}"}"#),
    ] {
        let request = app
            .request(Method::POST, "/graphql")
            .header("content-type", kind);
        let (status, answer) = text(request.body(body)).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert!(!answer.contains("\"data\""), "{kind}: {answer}");
    }
}

#[tokio::test]
async fn cop_answers_are_not_traced_and_errors_tell_nothing_of_us() {
    let app = production().on_sqlite().await;
    for document in [
        "query cop { __typename }",
        "qwerty cop { abc }",
        "query cop { abc }",
        "{ users(first: \"x\") { edges { cursor } } }",
    ] {
        let answer = ask(&app, document).await;
        assert_eq!(answer.json.get("extensions"), None, "{document}");
        let answer = answer.json.to_string();
        for inside in [
            "tracing",
            "exception",
            "stacktrace",
            "panicked",
            ".rs",
            "async_graphql",
            "diesel",
        ] {
            assert!(!answer.contains(inside), "{inside} in {answer}");
        }
    }
}

// OWASP GraphQL cheat sheet: denial of service.

#[tokio::test]
async fn owasp_depth_is_limited() {
    let app = production().on_sqlite().await;
    let nested = |depth: usize| {
        format!(
            "{{ authEvents {{ edges {{ node {{ user {{ {} }} }} }} }} }}",
            "... on User { ".repeat(depth) + "id" + &" }".repeat(depth)
        )
    };
    assert_eq!(
        ask(&app, &nested(10)).await.error().0,
        "UNAUTHENTICATED",
        "fragments are no depth"
    );
    let fields = |depth: usize| "{ a ".repeat(depth) + &"}".repeat(depth);
    let deepest = ask(&app, &fields(16)).await;
    assert_eq!(
        deepest.error().0,
        "GRAPHQL_VALIDATION_FAILED",
        "there is no such field"
    );
    refused(&app, TOO_COMPLEX, &[fields(17)]).await;
    refused(
        &app,
        TOO_COMPLEX,
        &[
            nested(70),
            format!("{{ {} }}", "a { a ".repeat(30) + &"}".repeat(30)),
        ],
    )
    .await;
}

/// 64 KiB of brackets: the parser and the JSON reader call themselves for each, on a stack that has an end.
#[tokio::test]
async fn owasp_brackets_without_end_do_not_end_the_server() {
    let app = production().on_sqlite().await;
    let many = 30_000;
    let half = many / 2;
    let documents = [
        "{a".repeat(half / 2) + &"}".repeat(half / 2),
        format!("{{ a(b: {}{}) }}", "[".repeat(half), "]".repeat(half)),
        format!(
            "query($v: {}Int{}) {{ a }}",
            "[".repeat(half),
            "]".repeat(half)
        ),
        "{".repeat(many),
        "{a".repeat(many / 2),
        "{ a(b: ".to_owned() + &"[".repeat(many),
        "{ a(b: ".to_owned() + &"{c:".repeat(many / 3),
        "query($v: ".to_owned() + &"[".repeat(many) + "Int) { a }",
        "query($v: Int = ".to_owned() + &"[".repeat(many) + ") { a }",
        "{ a @b(c: ".to_owned() + &"[".repeat(many),
        "{ a(b: \"\"\"c\") }\n".to_owned() + &"{a".repeat(many / 2),
    ];
    refused(&app, TOO_COMPLEX, &documents).await;
    for variables in [
        "[".repeat(many),
        "{\"a\":".repeat(many / 5),
        format!("{{\"v\":{}1{}}}", "[".repeat(many), "]".repeat(many)),
    ] {
        let body = format!(r#"{{"query":"{{ viewer {{ id }} }}","variables":{variables}}}"#);
        let request = app
            .request(Method::POST, "/graphql")
            .header("content-type", "application/json");
        assert_eq!(
            text(request.body(body)).await.0,
            StatusCode::BAD_REQUEST,
            "{variables:.20}"
        );
    }
    assert_eq!(
        *ask(&app, "{ viewer { id } }").await.data("viewer"),
        Value::Null
    );
}

/// As deep as is let through, by every way there is: nothing below the limits overflows.
#[tokio::test]
async fn owasp_the_deepest_documents_that_pass_are_answered() {
    let app = production().on_sqlite().await;
    let chain: String = (0..240)
        .map(|n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1))
        .collect();
    let lists = format!(
        "{{ users(search: {}1{}) {{ edges {{ cursor }} }} }}",
        "[".repeat(60),
        "]".repeat(60)
    );
    let types = format!(
        "query($v: {}Int{}) {{ viewer {{ id }} }}",
        "[".repeat(60),
        "]".repeat(60)
    );
    let variables = json!({ "v": (0..100).fold(json!(1), |inner, _| json!([inner])) });
    for document in [
        format!("{{ ...F0 }} {chain} fragment F240 on Query {{ viewer {{ id }} }}"),
        lists,
        types,
    ] {
        let answer = app.run(&document, variables.clone()).await;
        assert!(
            answer.json["errors"].is_array(),
            "{document:.40}: {}",
            answer.json
        );
    }
    let inline = format!(
        "{{ {} viewer {{ id }} {} }}",
        "... { ".repeat(29),
        "}".repeat(29)
    );
    assert_eq!(*ask(&app, &inline).await.data("viewer"), Value::Null);
}

#[tokio::test]
async fn owasp_amounts_and_costs_are_limited() {
    let app = production().on_sqlite().await;
    let root = app.administrator().await;
    let page = async |query: &str| app.run_as(&root.access_token, query, json!({})).await;
    let sizes = ["101", "1000000000", "0", "-1"];
    for first in sizes {
        let answer = page(&format!(
            "{{ users(first: {first}) {{ edges {{ cursor }} }} }}"
        ))
        .await;
        assert!(
            ["BAD_USER_INPUT", TOO_COMPLEX].contains(&answer.error().0),
            "{first}: {}",
            answer.json
        );
    }
    let fields = "id email name role createdAt disabled emailVerified";
    let lists: String = (0..4)
        .map(|n| format!("l{n}: users(first: 100) {{ edges {{ node {{ {fields} }} }} }} "))
        .collect();
    assert_eq!(
        page(&format!("{{ {lists} }}")).await.error().0,
        TOO_COMPLEX,
        "four pages are more than 2000 fields"
    );
}

#[tokio::test]
async fn owasp_an_operation_has_a_time_limit() {
    // Hashing takes seconds in a server like this one.
    let app = production()
        .set("passwords.memory_kib", "131072")
        .set("passwords.iterations", "8")
        .set("graphql.time_limit", "100ms")
        .on_sqlite()
        .await;
    let answer = ask(&app, &format!("mutation {{ {LOGIN} }}")).await;
    assert_eq!(answer.error().0, "UNAVAILABLE");
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn owasp_a_flood_of_faults_is_answered_with_a_few() {
    let app = production().on_sqlite().await;
    let unknown: String = (0..400).map(|n| format!("f{n} ")).collect();
    let answer = ask(&app, &format!("{{ viewer {{ {unknown} }} }}")).await;
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 8);
    let arguments: String = (0..600).map(|n| format!("a{n}: 1 ")).collect();
    let answer = ask(
        &app,
        &format!("{{ users({arguments}) {{ edges {{ cursor }} }} }}"),
    )
    .await;
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 8);
}

// OWASP: batching attacks.

#[tokio::test]
async fn owasp_a_hundred_sign_ins_do_not_fit_into_a_request() {
    let app = production().on_sqlite().await;
    let by_alias: String = (0..100).map(|n| format!("a{n}: {LOGIN} ")).collect();
    let by_fragment = format!(
        "mutation {{ {} }} fragment F on Mutation {{ {LOGIN} }}",
        "...F ".repeat(100)
    );
    let by_inline = format!(
        "mutation {{ {} }}",
        format!("... on Mutation {{ {LOGIN} }} ").repeat(17)
    );
    let repeated = format!("mutation {{ {} }}", format!("{LOGIN} ").repeat(17));
    refused(
        &app,
        TOO_COMPLEX,
        &[
            format!("mutation {{ {by_alias} }}"),
            by_fragment,
            by_inline,
            repeated,
        ],
    )
    .await;
    assert_eq!(
        app.database
            .texts("SELECT kind AS text FROM auth_events")
            .await,
        Vec::<String>::new()
    );
}

// OWASP: injection and input validation.

#[tokio::test]
async fn owasp_input_is_text_to_the_database() {
    for app in production().on_each_database().await {
        let root = app.administrator().await;
        for hostile in [
            "' OR '1'='1",
            "%",
            "_",
            "\\",
            "'; DROP TABLE users; --",
            "root@example.com' --",
            "\u{0}",
        ] {
            let search = app
                .run_as(
                    &root.access_token,
                    "query($s: String) { users(search: $s) { edges { cursor } } }",
                    json!({ "s": hostile }),
                )
                .await;
            assert_eq!(*search.data("users.edges"), json!([]), "{hostile:?}");
            let user = app
                .run_as(
                    &root.access_token,
                    "query($id: ID!) { user(id: $id) { id } }",
                    json!({ "id": hostile }),
                )
                .await;
            assert_eq!(user.json["data"]["user"], Value::Null, "{hostile:?}");
            assert_eq!(
                app.login(hostile, PASSWORD).await.error(),
                ("UNAUTHENTICATED", "BAD_CREDENTIALS"),
                "{hostile:?}"
            );
        }
        assert_eq!(
            app.database.texts("SELECT email AS text FROM users").await,
            ["root@example.com"]
        );
    }
}

#[tokio::test]
async fn owasp_input_of_another_type_is_refused() {
    let app = production().on_sqlite().await;
    let register = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
    for input in [
        json!({ "email": ["a@example.com"], "password": PASSWORD, "name": "A" }),
        json!({ "email": { "$ne": null }, "password": PASSWORD, "name": "A" }),
        json!({ "email": "a@example.com", "password": 1, "name": "A" }),
        json!({ "email": "a@example.com", "password": PASSWORD, "name": "A", "role": "ADMIN" }),
        json!({ "email": "a@example.com", "password": PASSWORD }),
        json!(null),
        json!([]),
    ] {
        let answer = app.run(register, json!({ "input": input })).await;
        assert_eq!(answer.error().0, "GRAPHQL_VALIDATION_FAILED", "{input}");
    }
    assert_eq!(
        app.database.texts("SELECT id AS text FROM users").await,
        Vec::<String>::new()
    );
}

// OWASP: access control.

#[tokio::test]
async fn owasp_nobody_reaches_others_by_their_ids() {
    for app in production().on_each_database().await {
        let (ana, bob) = (
            app.register("ana@example.com").await,
            app.register("bob@example.com").await,
        );
        let id = &bob.user_id;
        for (operation, error) in [
            (
                format!("query {{ user(id: \"{id}\") {{ email }} }}"),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                "query { users { edges { node { email } } } }".to_owned(),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                format!("query {{ authEvents(userId: \"{id}\") {{ edges {{ cursor }} }} }}"),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                format!("mutation {{ deleteUser(userId: \"{id}\") }}"),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                format!(
                    "mutation {{ setRole(userId: \"{}\", role: ADMIN) {{ id }} }}",
                    ana.user_id
                ),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                format!("mutation {{ setDisabled(userId: \"{id}\", disabled: true) {{ id }} }}"),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
            (
                format!("mutation {{ endSessions(userId: \"{id}\") }}"),
                ("FORBIDDEN", "ROLE_REQUIRED"),
            ),
        ] {
            assert_eq!(
                app.run_as(&ana.access_token, &operation, json!({}))
                    .await
                    .error(),
                error,
                "{operation}"
            );
        }
        let revoke = format!("mutation {{ revokeSession(id: \"{}\") }}", bob.session_id);
        assert_eq!(
            *app.run_as(&ana.access_token, &revoke, json!({}))
                .await
                .data("revokeSession"),
            json!(false)
        );
        let still = app
            .run_as(&bob.access_token, "{ me { email } }", json!({}))
            .await;
        assert_eq!(still.text("me.email"), "bob@example.com");
    }
}

// Subscriptions have the same limits.

#[tokio::test]
async fn sockets_have_the_same_limits() {
    let app = production().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut socket = Socket::accepted(&app, &ana).await;
    let aliases: String = (0..40).map(|n| format!("a{n}: kind ")).collect();
    for (document, code) in [
        ("{".repeat(5000), TOO_COMPLEX),
        (
            "subscription {a".to_owned() + &"{a".repeat(2000),
            TOO_COMPLEX,
        ),
        (
            format!("subscription {{ sessionEvents {{ {aliases} }} }}"),
            TOO_COMPLEX,
        ),
        (
            format!(
                "subscription {{ sessionEvents {{ {} }} }}",
                "kind ".repeat(501)
            ),
            TOO_COMPLEX,
        ),
        (
            "subscription { sessionEvents @a@a@a@a@a { kind } }".to_owned(),
            TOO_COMPLEX,
        ),
        (
            "subscription { sessionEvents { ...F } } fragment F on SessionEvent { ...F }"
                .to_owned(),
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        socket.subscribe("1", &document).await;
        assert_eq!(socket.error("1").await.0, code, "{document:.60}");
    }
    let deep = format!(
        r#"{{"type":"subscribe","id":"1","payload":{{"query":"subscription {{ sessionEvents {{ kind }} }}","variables":{}"#,
        "[".repeat(9000)
    );
    socket.send_text(deep).await;
    assert_eq!(
        socket.next().await,
        crate::ws::Said::close(4400, "Invalid message")
    );
}
