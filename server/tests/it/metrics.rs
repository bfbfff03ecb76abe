//! What a server tells those who run it: numbers, and a line for each request.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::crash::{Server, free_port, run};
use crate::support::{Database, PASSWORD, TestApp, production};

const REGISTER: &str = "mutation($input: RegisterInput!) { payload: register(input: $input, transport: BODY) { accessToken refreshToken user { id } } }";
const LOGIN: &str = "mutation($input: LoginInput!) { payload: login(input: $input, transport: BODY) { accessToken } }";
const REFRESH: &str =
    "mutation($token: String!) { payload: refresh(refreshToken: $token) { refreshToken } }";
const LOGOUT: &str = "mutation($token: String!) { payload: logout(refreshToken: $token) }";

/// Does some of what is counted; what was answered to the first of it.
async fn live(origin: &str) -> Value {
    let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
    let ana = run(origin, REGISTER, json!({ "input": input }))
        .await
        .unwrap();
    for password in [PASSWORD, "wrong", "wrong", "wrong"] {
        let input = json!({ "email": "ana@example.com", "password": password });
        run(origin, LOGIN, json!({ "input": input })).await;
    }
    let renewed = run(origin, REFRESH, json!({ "token": ana["refreshToken"] }))
        .await
        .unwrap();
    run(origin, LOGOUT, json!({ "token": renewed["refreshToken"] })).await;
    ana
}

pub async fn scrape(origin: &str) -> String {
    let answer = reqwest::get(format!("{origin}/metrics")).await.unwrap();
    answer.text().await.unwrap()
}

/// The value of one series.
pub fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
        .parse()
        .unwrap()
}

/// The metrics that a text names. `_bucket`, `_sum` and `_count` are parts of a histogram.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let base = |name: &str| {
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .map_or(name.len(), str::len)
    };
    words
        .filter(|word| word.starts_with("countersign_") || word.starts_with("process_"))
        .map(|word| &word[..base(word)])
        .collect()
}

#[tokio::test]
async fn metrics_tell_what_happened_and_nothing_that_a_stranger_chose() {
    let database = Database::sqlite();
    let environment = [("COUNTERSIGN_LIMITS__FREE_ATTEMPTS", "1")];
    let server = Server::start_with(&database, &environment).await;
    let origin = server.origin.clone();
    let ana = live(&origin).await;
    let nonsense = [
        "query Nonsense { me { id } }",
        "{ nonsense }",
        "query Nonsense { nonsense: me { id } nonsense2: viewer { id } }",
        "nonsense",
    ];
    for query in nonsense {
        run(&origin, query, json!({})).await;
    }
    reqwest::get(format!("{origin}/nonsense")).await.unwrap();

    let metrics = scrape(&origin).await;
    let operation = |field: &str, code: &str| {
        format!("countersign_graphql_operations_total{{operation=\"{field}\",code=\"{code}\"}}")
    };
    for (series, expected) in [
        (operation("register", "OK"), 1.0),
        (operation("login", "OK"), 1.0),
        (operation("login", "UNAUTHENTICATED"), 1.0),
        (operation("login", "RATE_LIMITED"), 2.0),
        (operation("me", "UNAUTHENTICATED"), 1.0),
        (operation("several", "UNAUTHENTICATED"), 1.0),
        (operation("invalid", "GRAPHQL_PARSE_FAILED"), 1.0),
        (operation("invalid", "GRAPHQL_VALIDATION_FAILED"), 1.0),
        ("countersign_sessions_opened_total".to_owned(), 2.0),
        (
            "countersign_sessions_refreshed_total{how=\"rotated\"}".to_owned(),
            1.0,
        ),
        (
            "countersign_sessions_ended_total{reason=\"LOGGED_OUT\"}".to_owned(),
            1.0,
        ),
        (
            "countersign_throttled_total{kind=\"password\"}".to_owned(),
            2.0,
        ),
        (
            "countersign_auth_events_total{kind=\"LOGIN_FAILED\"}".to_owned(),
            1.0,
        ),
        (
            "countersign_auth_events_total{kind=\"REGISTERED\"}".to_owned(),
            1.0,
        ),
        (
            "countersign_hashing_wait_seconds_count{pool=\"argon2\"}".to_owned(),
            3.0,
        ),
        ("countersign_hashing_queue{pool=\"argon2\"}".to_owned(), 0.0),
        (
            "countersign_hashing_busy_threads{pool=\"argon2\"}".to_owned(),
            0.0,
        ),
        (
            "countersign_database_waiting{pool=\"writer\"}".to_owned(),
            0.0,
        ),
        ("countersign_ready".to_owned(), 1.0),
    ] {
        assert_eq!(value(&metrics, &series), expected, "{series}");
    }
    let answered = "countersign_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"}";
    assert_eq!(value(&metrics, answered), 1.0);
    let took = "countersign_http_request_seconds_bucket{route=\"/graphql\",le=\"+Inf\"}";
    assert_eq!(value(&metrics, took), 11.0);
    assert!(value(&metrics, "countersign_revocations_age_seconds") < 60.0);
    assert!(value(&metrics, "process_resident_memory_bytes") > 1e6);
    for secret in [
        "ana@example.com",
        "127.0.0.1",
        "nonsense",
        "Nonsense",
        PASSWORD,
    ]
    .into_iter()
    .chain(ana["user"]["id"].as_str())
    {
        assert!(!metrics.contains(secret), "{secret} in {metrics}");
    }
    check_documents(&metrics);
    server.kill();
}

/// The dashboard and the rules name what there is, and the documentation all of it.
fn check_documents(metrics: &str) {
    let typed = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut known: BTreeSet<&str> = typed.filter_map(|line| line.split(' ').next()).collect();
    // Of a server that speaks TLS only, which `https.rs` looks at.
    known.insert("countersign_tls_certificate_expiry_timestamp_seconds");
    let read = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/");
        fs::read_to_string(format!("{folder}{name}")).unwrap()
    };
    let dashboard = read("operations/grafana-dashboard.json");
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().len() > 10);
    for text in [&dashboard, &read("operations/alerts.yml")] {
        let named = names(text);
        assert!(named.len() > 5);
        assert_eq!(named.difference(&known).collect::<Vec<_>>(), [&""; 0]);
    }
    let documentation = read("operations.md");
    let (_, section) = documentation.split_once("\n## What to watch\n").unwrap();
    let documented = names(section);
    let ours = known.iter().filter(|name| name.starts_with("countersign_"));
    for name in ours {
        assert!(
            documented.contains(name),
            "docs/operations.md says nothing of {name}"
        );
    }
    let missing = documented
        .difference(&known)
        .filter(|name| name.starts_with("countersign_"));
    assert_eq!(
        missing.collect::<Vec<_>>(),
        [&""; 0],
        "documented, and not there"
    );
}

#[tokio::test]
async fn strangers_see_no_metrics_in_production() {
    let app = production().on_sqlite().await;
    let answer = app.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn each_request_is_one_line_with_its_id_operation_code_and_user() {
    let database = Database::sqlite();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.stderr(File::options().append(true).open(log.path()).unwrap());
    let environment = [
        ("COUNTERSIGN_PROFILE", "production"),
        ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("COUNTERSIGN_HTTP__ALLOWED_HOSTS", "localhost"),
        ("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "127.0.0.1,::1"),
        ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "7168"),
    ];
    let server = Server::run(&mut command, &database, free_port(), &environment).await;
    let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
    let ana = run(&server.origin, REGISTER, json!({ "input": input }))
        .await
        .unwrap();
    let send = async |query: &str, id: &str| {
        let request = reqwest::Client::new()
            .post(format!("{}/graphql", server.origin))
            .header("x-request-id", id)
            .bearer_auth(ana["accessToken"].as_str().unwrap())
            .json(&json!({ "query": query }));
        let answer = request.send().await.unwrap();
        answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        send("query Who { passwordPolicy { minLength } }", "Id-1._x").await,
        "Id-1._x"
    );
    assert_eq!(send("query Who { me { id } }", "a b").await.len(), 32);
    let long = format!("query {} {{ viewer {{ id }} }}", "N".repeat(65));
    assert_eq!(send(&long, "long").await, "long");

    let line = |id: &str| {
        let text = fs::read_to_string(log.path()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut of_request = lines.filter(|line| line["request"] == id);
        let found = of_request.next()?;
        assert_eq!(of_request.next(), None, "one line");
        Some(found)
    };
    let until = async |id: &str| {
        for _ in 0..200 {
            if let Some(line) = line(id) {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no line of {id}");
    };
    let first = until("Id-1._x").await;
    assert_eq!(first["level"], "INFO");
    let fields = &first["fields"];
    assert!(fields["ms"].as_f64().unwrap() > 0.0);
    for (name, expected) in [
        ("message", json!("answered")),
        ("method", json!("POST")),
        ("path", json!("/graphql")),
        ("status", json!(200)),
        ("operation", json!("Who")),
        ("field", json!("passwordPolicy")),
        ("code", json!("OK")),
        ("user", ana["user"]["id"].clone()),
    ] {
        assert_eq!(fields[name], expected, "{name}");
    }
    let long = until("long").await;
    assert_eq!(long["fields"].get("operation"), None);
    server.kill();
}

#[tokio::test]
async fn a_request_id_is_taken_from_trusted_proxies_only() {
    let app = TestApp::builder().on_sqlite().await;
    let request = app
        .request(Method::GET, "/healthz")
        .header("x-request-id", "mine");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"].len(), 32);
}
