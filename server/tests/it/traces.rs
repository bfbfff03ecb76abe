//! Traces, as a collector gets them over the wire.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::crash::{REGISTER, Server, free_port};
use crate::support::{Database, PASSWORD};

/// What came in, with the headers that it came with.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Where it listens, and what it is sent.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let keep = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        received.lock().unwrap().push((headers, body));
    };
    let router = Router::new()
        .route("/v1/traces", post(keep))
        .with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, received)
}

/// Registers somebody as part of the trace that `parent` names.
async fn register(origin: &str, email: &str, parent: &str) {
    let input = json!({ "email": email, "password": PASSWORD, "name": "Ana" });
    let request = reqwest::Client::new()
        .post(format!("{origin}/graphql"))
        .header("traceparent", parent)
        .json(&json!({ "query": REGISTER, "variables": { "input": input } }));
    let answer = request.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("refreshToken"), "{answer}");
}

/// Stops it by SIGTERM, and waits.
fn text_of(span: &Span, name: &str) -> String {
    let attribute = span.attributes.iter().find(|it| it.key == name);
    let value = attribute.and_then(|it| it.value.clone()?.value);
    format!("{value:?}")
}

#[tokio::test]
async fn a_collector_gets_the_spans_of_the_trace_that_a_proxy_began_and_no_secret() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let (endpoint, received) = collector().await;
    let environment = [
        ("COUNTERSIGN_TRACES__ENDPOINT", endpoint.as_str()),
        (
            "COUNTERSIGN_TRACES__HEADERS",
            "authorization=Bearer of-this-test",
        ),
        ("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "127.0.0.1,::1"),
    ];
    let database = Database::sqlite();
    let server = Server::start_with(&database, &environment).await;
    let sampled = format!("00-{TRACE}-b7ad6b7169203331-01");
    register(&server.origin, "ana@example.com", &sampled).await;
    let unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    register(&server.origin, "ben@example.com", unsampled).await;
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();

    let received = std::mem::take(&mut *received.lock().unwrap());
    let mut spans = Vec::new();
    for (headers, body) in received {
        assert_eq!(headers["authorization"], "Bearer of-this-test");
        assert_eq!(headers["content-type"], "application/x-protobuf");
        for secret in ["ana@", PASSWORD] {
            let found = body
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret}");
        }
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request
            .resource_spans
            .into_iter()
            .flat_map(|it| it.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    let hex = |id: &[u8]| {
        id.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let traced: Vec<_> = spans
        .iter()
        .filter(|span| hex(&span.trace_id) == TRACE)
        .collect();
    assert_eq!(
        traced.len(),
        spans.len(),
        "the other one was not to be traced: {spans:?}"
    );
    let find = |name: &str| {
        let found = traced.iter().find(|span| span.name == name);
        *found.unwrap_or_else(|| panic!("no span {name} in {traced:?}"))
    };
    let (request, operation) = (find("request"), find("operation"));
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(operation.parent_span_id, request.span_id);
    assert_eq!(find("hashing").parent_span_id, operation.span_id);
    assert_eq!(find("transaction").parent_span_id, operation.span_id);
    assert!(text_of(request, "http.route").contains("/graphql"));
    assert!(text_of(request, "http.response.status_code").contains("200"));
    assert!(text_of(operation, "graphql.field").contains("register"));
    assert!(text_of(operation, "graphql.code").contains("OK"));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_request() {
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", free_port());
    let environment = [("COUNTERSIGN_TRACES__ENDPOINT", endpoint.as_str())];
    let database = Database::sqlite();
    let server = Server::start_with(&database, &environment).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    register(&server.origin, "ana@example.com", parent).await;
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}
