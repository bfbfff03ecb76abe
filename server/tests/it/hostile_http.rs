//! Hostile HTTP: requests that two servers read differently, clients that stall, pages of other sites. What is below a request is
//! shown on the real binary in the production profile, by sockets that say exactly what stands here.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::crash::{Server, free_port};
use crate::support::{Database, TestApp, production};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Less than a request may take in all, which would end it too.
const STALL_PATIENCE: Duration = Duration::from_secs(25);
const QUERY: &str = r#"{"query":"{ viewer { id } }"}"#;

/// The binary in the production profile; it ends with the test.
struct Production {
    server: Server,
    _database: Database,
}

impl Production {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let database = Database::sqlite();
        let defaults = [
            ("COUNTERSIGN_PROFILE", "production"),
            ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
            ("COUNTERSIGN_HTTP__DRAIN", "0s"),
            ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
            ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "7168"),
        ];
        let environment = [&defaults, environment].concat();
        Self {
            server: Server::start_with(&database, &environment).await,
            _database: database,
        }
    }

    /// Gives up on clients quickly.
    async fn impatient() -> Self {
        Self::start(&[
            ("COUNTERSIGN_HTTP__STALL_TIMEOUT", "1s"),
            ("COUNTERSIGN_HTTP__IDLE_TIMEOUT", "1s"),
        ])
        .await
    }

    async fn connect(&self) -> TcpStream {
        let address = self.server.origin.trim_start_matches("http://localhost:");
        let port: u16 = address.parse().unwrap();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap()
    }

    /// All that is answered to these bytes until the server closes the connection.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that has refused already does not read the rest.
        let _ = stream.write_all(bytes).await;
        hear(&mut stream).await
    }
}

impl Drop for Production {
    fn drop(&mut self) {
        self.server.process.kill().unwrap();
        self.server.process.wait().unwrap();
    }
}

/// All that the server says until it closes the connection.
async fn hear(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let heard = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // Resetting is closing, too.
    let _ = heard.expect("the server keeps the connection open");
    String::from_utf8_lossy(&said).into_owned()
}

/// The statuses of all answers in what the server said.
fn statuses(said: &str) -> Vec<&str> {
    let lines = said.match_indices("HTTP/1.1 ");
    lines
        .map(|(at, start)| &said[at + start.len()..][..3])
        .collect()
}

/// The head of a POST with these lines besides.
fn post(lines: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: auth.example.com\r\nContent-Type: application/json\r\n{lines}\r\n"
    )
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: auth.example.com\r\n\r\n";

#[tokio::test]
async fn what_two_servers_could_read_differently_is_one_request_or_none() {
    let server = Production::impatient().await;
    let chunked = format!("{:x}\r\n{QUERY}\r\n0\r\n\r\n", QUERY.len());
    let length = QUERY.len();
    let cases = [
        // By Transfer-Encoding it is one request and more behind it, by Content-Length one that contains the rest.
        (
            post(&format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
                chunked.len() + SMUGGLED.len()
            )) + &chunked,
            "200",
        ),
        (
            post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + &chunked,
            "200",
        ),
        (
            post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + &chunked,
            "200",
        ),
        (
            post(&format!("Content-Length: {length}, 0\r\n")) + QUERY,
            "400",
        ),
        (
            post(&format!("Content-Length: +{length}\r\n")) + QUERY,
            "400",
        ),
        (post("Content-Length: 0x10\r\n") + QUERY, "400"),
        (post("Content-Length: -1\r\n") + QUERY, "400"),
        (
            post("Content-Length: 99999999999999999999\r\n") + QUERY,
            "400",
        ),
        (
            post(&format!("Content-Length : {length}\r\n")) + QUERY,
            "400",
        ),
        (post("Transfer-Encoding : chunked\r\n") + &chunked, "400"),
        (post("Transfer-Encoding: xchunked\r\n") + &chunked, "400"),
        (post("Transfer-Encoding: identity\r\n") + &chunked, "400"),
        (
            post("Transfer-Encoding: chunked, identity\r\n") + &chunked,
            "400",
        ),
        (
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + &chunked,
            "400",
        ),
        (post("Transfer-Encoding: \x0bchunked\r\n") + &chunked, "400"),
        (post("Transfer-Encoding:\r\n chunked\r\n") + &chunked, "400"),
        (
            post("X-Folded: a\r\n Transfer-Encoding: chunked\r\n") + &chunked,
            "400",
        ),
        (
            post("X-Bare: a\rTransfer-Encoding: chunked\r\n") + &chunked,
            "400",
        ),
        (post("X-Nul: a\0\r\n") + QUERY, "400"),
        (
            post("Transfer-Encoding: chunked\r\n") + "zz\r\n" + QUERY + "\r\n0\r\n\r\n",
            "400",
        ),
        (
            post("Transfer-Encoding: chunked\r\n") + "1d\n" + QUERY + "\n0\n\n",
            "400",
        ),
        (
            post("Transfer-Encoding: chunked\r\n")
                + "fffffffffffffffff\r\n"
                + QUERY
                + "\r\n0\r\n\r\n",
            "400",
        ),
        (
            post("Transfer-Encoding: chunked\r\n") + "-1d\r\n" + QUERY + "\r\n0\r\n\r\n",
            "400",
        ),
        (
            post("Transfer-Encoding: chunked\r\n")
                + &format!("{length:x};a\nb\r\n{QUERY}\r\n0\r\n\r\n"),
            "400",
        ),
        // One that hides behind a bare line feed is a line like any other.
        (
            post("Content-Length: 4\r\nX-Hidden: a\nTransfer-Encoding: chunked\r\n") + &chunked,
            "200",
        ),
        (
            format!(
                "POST /graphql HTTP/1.0\r\nHost: auth.example.com\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
            ),
            "400",
        ),
        (
            " GET / HTTP/1.1\r\nHost: auth.example.com\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET  / HTTP/1.1\r\nHost: auth.example.com\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET / HTTP/1.1\r\n Host: auth.example.com\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET / HTTP/9.9\r\nHost: auth.example.com\r\n\r\n".to_owned(),
            "400",
        ),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), "400"),
    ];
    for (request, status) in cases {
        let said = server.say((request.clone() + SMUGGLED).as_bytes()).await;
        assert_eq!(statuses(&said), [status], "{request:?}\n{said}");
        assert!(!said.contains("smuggled"), "{said}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let server = Production::impatient().await;
    for start in [
        "GET /healthz HTTP/1.1",
        "POST /healthz HTTP/1.1",
        "GET /graphql?query=%7Bviewer%7Bid%7D%7D HTTP/1.1",
        "PUT /graphql HTTP/1.1",
    ] {
        let head = format!(
            "{start}\r\nHost: auth.example.com\r\nContent-Length: {}\r\n\r\n",
            SMUGGLED.len()
        );
        let said = server.say((head + SMUGGLED).as_bytes()).await;
        assert_eq!(statuses(&said).len(), 1, "{start}: {said}");
    }
}

/// A filter on the way may read the first of two, and we the second.
#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let app = production().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let send = async |lines: &[(&str, &str)], body: &[u8]| {
        let mut request = app.request(Method::POST, "/graphql").body(body.to_vec());
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let json = ("content-type", "application/json");
    for body in [
        br#"{"query":"{ viewer { id } }","query":"mutation { logout }"}"#.as_slice(),
        br#"{"query":"{ viewer { id } }","variables":{},"variables":{}}"#,
        b"\xef\xbb\xbf{\"query\":\"{ viewer { id } }\"}",
        b"{\"query\":\"{ viewer { id } } # \xff\"}",
        br#"{"query":"{ viewer { id } } \ud800"}"#,
        br#"{"query":"{ viewer { id } }"} {}"#,
        br#"{"query":"{ viewer { id } }","variables":{"n":NaN}}"#,
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"",
    ] {
        let (status, answer) = send(&[json], body).await;
        assert_eq!(status, 400, "{}: {answer}", String::from_utf8_lossy(body));
    }
    let (status, _) = send(&[json, ("content-type", "text/plain")], QUERY.as_bytes()).await;
    assert_eq!(status, 415, "two types");
    let bearer = format!("Bearer {}", ana.access_token);
    let twice = [
        json,
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    let (_, answer) = send(&twice, QUERY.as_bytes()).await;
    assert!(answer.contains("TOKEN_INVALID"), "two tokens: {answer}");
    let origins = [
        json,
        ("origin", "https://localhost"),
        ("origin", "https://evil.example"),
    ];
    let login = br#"{"query":"mutation { login(input: { email: \"ana@example.com\", password: \"plum tractor ninety seven\" }) { sessionId } }"}"#;
    let (_, answer) = send(&origins, login).await;
    assert!(answer.contains("ORIGIN_REFUSED"), "two origins: {answer}");
}

#[tokio::test]
async fn only_http_1_is_spoken_and_no_tunnel_is_built() {
    let server = Production::impatient().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert_eq!(
        server.say(preface.as_bytes()).await,
        "",
        "no HTTP/2 without TLS"
    );
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: auth.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(
        statuses(&server.say(upgrade.as_bytes()).await),
        ["200"],
        "no upgrade to it either"
    );
    for start in [
        "CONNECT auth.example.com:443 HTTP/1.1",
        "TRACE /graphql HTTP/1.1",
    ] {
        let said = server
            .say(format!("{start}\r\nHost: auth.example.com\r\nCookie: secret\r\n\r\n").as_bytes())
            .await;
        assert_eq!(statuses(&said), ["405"], "{start}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn every_name_that_a_request_gives_is_one_of_ours() {
    let server = Production::impatient().await;
    let jwks = "/.well-known/jwks.json";
    for (target, hosts, status) in [
        (jwks, "Host: auth.example.com\r\n", "200"),
        (jwks, "Host: AUTH.Example.Com\r\n", "200"),
        (jwks, "Host: auth.example.com:443\r\n", "200"),
        (
            "https://auth.example.com/.well-known/jwks.json",
            "Host: auth.example.com\r\n",
            "200",
        ),
        (
            "https://evil.example/.well-known/jwks.json",
            "Host: auth.example.com\r\n",
            "421",
        ),
        (
            "https://auth.example.com/.well-known/jwks.json",
            "Host: evil.example\r\n",
            "421",
        ),
        (
            "https://auth.example.com@evil.example/",
            "Host: auth.example.com\r\n",
            "421",
        ),
        (jwks, "", "421"),
        (jwks, "Host:\r\n", "421"),
        (jwks, "Host: evil.example\r\n", "421"),
        (
            jwks,
            "Host: auth.example.com\r\nHost: evil.example\r\n",
            "421",
        ),
        (
            jwks,
            "Host: evil.example\r\nHost: auth.example.com\r\n",
            "421",
        ),
        (jwks, "Host: auth.example.com, evil.example\r\n", "421"),
        ("/metrics", "Host: evil.example\r\n", "421"),
        ("/healthz", "Host: evil.example\r\n", "200"),
        (jwks, "Host: auth.example.com.\r\n", "421"),
        (jwks, "Host: auth.example.com.evil.example\r\n", "421"),
        (jwks, "Host: evil-auth.example.com\r\n", "421"),
        (jwks, "Host: auth.example.com@evil.example\r\n", "421"),
        (jwks, "Host: evil.example@auth.example.com\r\n", "421"),
        (jwks, "Host: auth.example.com:port\r\n", "421"),
        (jwks, "Host: auth.example.com:99999\r\n", "421"),
        (jwks, "Host: auth.example.com:+80\r\n", "421"),
        (jwks, "Host: auth.example.com:80:80\r\n", "421"),
        (jwks, "Host: https://auth.example.com\r\n", "421"),
        (jwks, "Host: auth.example.com/path\r\n", "421"),
        (jwks, "Host: 127.0.0.1\r\n", "421"),
        (jwks, "Host: localhost\r\n", "421"),
        (
            jwks,
            "Host: evil.example\r\nX-Forwarded-Host: auth.example.com\r\n",
            "421",
        ),
    ] {
        let said = server
            .say(format!("GET {target} HTTP/1.1\r\n{hosts}\r\n").as_bytes())
            .await;
        assert_eq!(statuses(&said), [status], "{target} {hosts:?}\n{said}");
    }
}

/// The place of the only connection comes free again, whatever its client does with it.
#[tokio::test]
async fn a_client_that_stalls_loses_its_place() {
    let assets = tempfile::tempdir().unwrap();
    let large = std::fs::File::create(assets.path().join("large")).unwrap();
    large.set_len(256 * 1024 * 1024).unwrap();
    let server = Production::start(&[
        ("COUNTERSIGN_HTTP__MAX_CONNECTIONS", "1"),
        ("COUNTERSIGN_HTTP__STALL_TIMEOUT", "1s"),
        ("COUNTERSIGN_HTTP__IDLE_TIMEOUT", "1s"),
        ("COUNTERSIGN_HTTP__ASSETS", assets.path().to_str().unwrap()),
    ])
    .await;
    let body = post("Content-Length: 100\r\n");
    let answered = "GET /healthz HTTP/1.1\r\nHost: auth.example.com\r\n\r\n";
    let deaf = "GET /large HTTP/1.1\r\nHost: auth.example.com\r\n\r\n";
    for (what, start, dribble) in [
        ("says nothing", "", ""),
        ("dribbles a head", "GET / HTTP/1.1\r\nX-Slow: ", "a"),
        ("dribbles empty lines", "", "\r\n"),
        ("dribbles a body", body.as_str(), "{"),
        ("keeps the connection", answered, ""),
        ("dribbles a second head", answered, "G"),
        ("takes no answer", deaf, ""),
    ] {
        let (mut reader, mut writer) = server.connect().await.into_split();
        writer.write_all(start.as_bytes()).await.unwrap();
        let dribbling = tokio::spawn(async move {
            while !dribble.is_empty() && writer.write_all(dribble.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            writer
        });
        if start == answered {
            let mut first = [0; 12];
            reader.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
        }
        let next = tokio::time::timeout(STALL_PATIENCE, server.say(answered.as_bytes())).await;
        let next = next.unwrap_or_else(|_| panic!("a client that {what} keeps its place"));
        assert_eq!(statuses(&next), ["200"], "after a client that {what}");
        dribbling.abort();
    }
}

/// Something is taken again and again, so nothing stalls.
#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_cut_off() {
    const SIZE: u64 = 256 * 1024 * 1024;
    let assets = tempfile::tempdir().unwrap();
    let large = std::fs::File::create(assets.path().join("large")).unwrap();
    large.set_len(SIZE).unwrap();
    let server = Production::start(&[
        ("COUNTERSIGN_HTTP__ANSWER_TIMEOUT", "1s"),
        ("COUNTERSIGN_HTTP__STALL_TIMEOUT", "5m"),
        ("COUNTERSIGN_HTTP__ASSETS", assets.path().to_str().unwrap()),
    ])
    .await;
    let mut stream = server.connect().await;
    let request = b"GET /large HTTP/1.1\r\nHost: auth.example.com\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut taken = 0;
    let mut buffer = vec![0; 64 * 1024];
    // Resetting is closing, too.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        taken += length as u64;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!((1..SIZE).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_slow_body_is_told_so() {
    let server = Production::impatient().await;
    let said = server.say(post("Content-Length: 100\r\n").as_bytes()).await;
    assert_eq!(statuses(&said), ["408"]);
    assert!(said.contains("The body is too slow."), "{said}");
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_and_a_proxy_all() {
    let answered = "GET /healthz HTTP/1.1\r\nHost: auth.example.com\r\n\r\n";
    let limit = ("COUNTERSIGN_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2");
    let server = Production::start(&[limit]).await;
    let open = async || {
        let mut stream = server.connect().await;
        // One that is refused may be closed before it is written to.
        let _ = stream.write_all(answered.as_bytes()).await;
        let mut status = [0; 12];
        let heard = tokio::time::timeout(PATIENCE, stream.read_exact(&mut status)).await;
        let is_answered = heard.unwrap().is_ok() && &status == b"HTTP/1.1 200";
        is_answered.then_some(stream)
    };
    // The connection that asked whether the server is ready may not have gone yet.
    let mut held = Vec::new();
    while held.len() < 2 {
        held.extend(open().await);
    }
    assert!(open().await.is_none() && open().await.is_none());
    held.pop();
    let mut again = None;
    while again.is_none() {
        again = open().await;
    }

    let proxied =
        Production::start(&[limit, ("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = proxied.connect().await;
        stream.write_all(answered.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        streams.push(stream);
    }
}

#[tokio::test]
async fn heads_have_a_size() {
    let server = Production::impatient().await;
    let get = |path: &str, lines: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: auth.example.com\r\n{lines}\r\n")
    };
    let query = |length: usize| {
        let padding = "x".repeat(length);
        format!("/graphql?query=%7Bviewer%7Bid%7D%7D&padding={padding}")
    };
    for (request, status, page) in [
        (get(&query(8000), ""), "200", "viewer"),
        (get(&query(8200), ""), "414", "URI Too Long."),
        (get(&query(100_000), ""), "431", ""),
        (
            get("/healthz", &format!("Cookie: {}\r\n", "c".repeat(8000))),
            "200",
            "ok",
        ),
        (
            get("/healthz", &format!("Cookie: {}\r\n", "c".repeat(17_000))),
            "431",
            "Request Header Fields Too Large.",
        ),
        (
            get("/healthz", &format!("Cookie: {}\r\n", "c".repeat(100_000))),
            "431",
            "",
        ),
        (get("/healthz", &"X-Many: 1\r\n".repeat(90)), "200", "ok"),
        (get("/healthz", &"X-Many: 1\r\n".repeat(101)), "431", ""),
    ] {
        let said = server.say(request.as_bytes()).await;
        assert_eq!(statuses(&said), [status], "{request:.60}\n{said}");
        assert!(
            said.trim_end().ends_with(page) || said.contains(page),
            "{said}"
        );
    }
}

/// Pages for people where something is refused: a line of ours, no word of what is inside, and the headers of every answer.
#[tokio::test]
async fn every_refusal_has_a_page_of_ours() {
    let server = Production::impatient().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: auth.example.com\r\n\r\n");
    let long = format!("/{}", "a".repeat(9000));
    let large = format!(
        "{}{}",
        post("Content-Length: 70000\r\n"),
        " ".repeat(70_000)
    );
    for (request, status) in [
        (get("/nothing"), "404"),
        (get("/../../etc/passwd"), "404"),
        (get("/%2e%2e/%2e%2e/etc/passwd"), "404"),
        (get("/%00"), "404"),
        (get("/graphiql"), "404"),
        (get("/metrics"), "404"),
        (get("/graphql/ws"), "400"),
        (get("/graphql"), "400"),
        (
            "DELETE /.well-known/jwks.json HTTP/1.1\r\nHost: auth.example.com\r\n\r\n".to_owned(),
            "405",
        ),
        (
            "PATCH /graphql HTTP/1.1\r\nHost: auth.example.com\r\n\r\n".to_owned(),
            "405",
        ),
        (large, "413"),
        (get(&long), "414"),
        (post("").replace("application/json", "text/plain"), "415"),
        (get("/").replace("auth.example.com", "evil.example"), "421"),
        (
            get("/").replace(
                "\r\n\r\n",
                &format!("\r\nCookie: {}\r\n\r\n", "c".repeat(17_000)),
            ),
            "431",
        ),
    ] {
        let said = server.say(request.as_bytes()).await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
        assert_eq!(statuses(&said), [status], "{request:.60}\n{said:.300}");
        assert!((10..300).contains(&body.len()), "{request:.60}: {body:?}");
        let json = head.contains("content-type: application/json");
        assert!(json || head.contains("content-type: text/plain"), "{said}");
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "strict-transport-security: max-age=31536000",
            "x-request-id: ",
        ] {
            assert!(
                head.contains(header),
                "{request:.60} without {header}\n{head}"
            );
        }
        for inside in [
            "server:", "axum", "hyper", ".rs", "rustc", "panicked", "os error",
        ] {
            assert!(!said.to_lowercase().contains(inside), "{inside} in {said}");
        }
    }
}

// Pages of other sites.

#[tokio::test]
async fn a_page_of_another_site_gets_nothing_from_the_cookie() {
    let app = production()
        .set("http.allowed_origins", "https://app.example.com")
        .on_sqlite()
        .await;
    app.register("ana@example.com").await;
    let login = json!({ "query": "mutation { login(input: { email: \"ana@example.com\", password: \"plum tractor ninety seven\" }) { sessionId } }" });
    let own = ("origin", "https://localhost");
    let signed_in = app.send(login.clone(), &[own]).await;
    let cookie = format!("__Host-countersign={}", signed_in.cookie().unwrap());
    let refresh = json!({ "query": "mutation { refresh { sessionId } }" });
    let logout = json!({ "query": "mutation { logout }" });
    for body in [&login, &refresh, &logout] {
        for origin in [
            "https://localhost",
            "https://app.example.com",
            "https://evil.example",
            "null",
        ] {
            let headers = [
                ("origin", origin),
                ("cookie", &cookie),
                ("sec-fetch-site", "cross-site"),
            ];
            let answer = app.send(body.clone(), &headers).await;
            assert_eq!(
                answer.error(),
                ("FORBIDDEN", "ORIGIN_REFUSED"),
                "{origin} {body}"
            );
            assert_eq!(answer.cookie(), None);
        }
        for site in ["same-site", "same-origin", "none"] {
            let headers = [
                ("origin", "https://evil.example"),
                ("cookie", &cookie),
                ("sec-fetch-site", site),
            ];
            let answer = app.send(body.clone(), &headers).await;
            assert_eq!(
                answer.error(),
                ("FORBIDDEN", "ORIGIN_REFUSED"),
                "{site} {body}"
            );
        }
    }
    for site in ["same-origin", "same-site", "none", "something new"] {
        let login = app.send(login.clone(), &[own]).await;
        let cookie = format!("__Host-countersign={}", login.cookie().unwrap());
        let answer = app
            .send(
                refresh.clone(),
                &[own, ("cookie", &cookie), ("sec-fetch-site", site)],
            )
            .await;
        assert!(
            answer
                .cookie()
                .is_some_and(|token| token.starts_with("v1.")),
            "{site}: {}",
            answer.json
        );
    }
}

#[tokio::test]
async fn only_the_very_origins_of_the_list_may_read() {
    let app = production()
        .set(
            "http.allowed_origins",
            "https://app.example.com,https://app.example.com:8443",
        )
        .on_sqlite()
        .await;
    let allowed = async |method: Method, origin: &str| {
        let request = app
            .request(method, "/graphql")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            );
        let answer = request
            .header("content-type", "application/json")
            .body(QUERY)
            .send()
            .await
            .unwrap();
        let value = answer.headers().get("access-control-allow-origin").cloned();
        assert!(
            answer.headers()["vary"]
                .to_str()
                .unwrap()
                .contains("origin")
        );
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    for method in [Method::OPTIONS, Method::POST] {
        for origin in ["https://app.example.com", "https://app.example.com:8443"] {
            assert_eq!(
                allowed(method.clone(), origin).await.as_deref(),
                Some(origin)
            );
        }
        for origin in [
            "null",
            "https://evil.example",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "https://evil-app.example.com",
            "https://app.example.com:444",
            "https://app.example.com:443",
            "https://APP.example.com",
            "https://app.example.com/",
            "https://app.example.com.",
            "https://sub.app.example.com",
            "https://app.example.com, https://evil.example",
            "https://user@app.example.com",
            "*",
        ] {
            assert_eq!(
                allowed(method.clone(), origin).await,
                None,
                "{method} {origin}"
            );
        }
    }
}

#[tokio::test]
async fn a_preflight_grants_what_the_api_needs_and_no_more() {
    let app = production()
        .set("http.allowed_origins", "https://app.example.com")
        .on_sqlite()
        .await;
    let request = app
        .request(Method::OPTIONS, "/graphql")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "x-forwarded-for, cookie");
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-methods"), "GET,POST");
    assert_eq!(
        header("access-control-allow-headers"),
        "authorization,content-type,accept"
    );
    assert_eq!(header("access-control-allow-credentials"), "true");
    for path in ["/", "/healthz", "/graphql/ws", "/nothing"] {
        let request = app
            .request(Method::GET, path)
            .header("origin", "https://app.example.com");
        let answer = request.send().await.unwrap();
        assert_eq!(
            answer.headers().get("access-control-allow-origin"),
            None,
            "{path}"
        );
    }
}

/// Every mutation that answers with tokens, and those that fail.
#[tokio::test]
async fn answers_with_tokens_are_neither_stored_nor_compressed() {
    let app = production().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let input = r#"email: "ana@example.com", password: "plum tractor ninety seven""#;
    let payload = "{ accessToken refreshToken user { id } }";
    let bearer = format!("Bearer {}", ana.access_token);
    let refresh = format!(
        "mutation {{ refresh(refreshToken: \"{}\") {payload} }}",
        ana.refresh_token
    );
    let operations = [
        format!("mutation {{ login(input: {{ {input} }}, transport: BODY) {payload} }}"),
        format!("mutation {{ login(input: {{ {input} }}) {payload} }}"),
        format!("mutation {{ register(input: {{ {input}, name: \"Bea\" }}, transport: BODY) {payload} }}").replace("ana@", "bea@"),
        refresh.clone(),
        refresh,
        format!("mutation {{ reauthenticate(password: \"plum tractor ninety seven\") {payload} }}"),
        format!("mutation {{ changePassword(input: {{ currentPassword: \"plum tractor ninety seven\", newPassword: \"another plum and tractor\" }}) {payload} }}"),
        "mutation { login(input: { email: \"a@example.com\", password: \"wrong\" }, transport: BODY) { accessToken } }".to_owned(),
        "{ viewer { id } }".to_owned(),
        "{ nothing }".to_owned(),
    ];
    for query in operations {
        let headers = [
            ("authorization", bearer.as_str()),
            ("origin", "https://localhost"),
            ("accept-encoding", "gzip, br, deflate, zstd"),
        ];
        let answer = app.send(json!({ "query": query }), &headers).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{query}");
        assert_eq!(answer.header("content-encoding"), "", "{query}");
        let holds_token = answer.json.to_string().contains("eyJ");
        let should = query.contains(payload);
        assert_eq!(holds_token, should, "{query}: {}", answer.json);
    }
}

#[tokio::test]
async fn pages_and_keys_are_compressed_and_the_api_is_not() {
    let assets = tempfile::tempdir().unwrap();
    std::fs::write(
        assets.path().join("index.html"),
        "<!doctype html>".repeat(100),
    )
    .unwrap();
    let app = production()
        .set("http.assets", assets.path().to_str().unwrap())
        .set("graphql.introspection", "true")
        .on_sqlite()
        .await;
    let encoding = async |request: reqwest::RequestBuilder| {
        let answer = request
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.headers().get("content-encoding").cloned()
    };
    for path in ["/", "/.well-known/jwks.json"] {
        assert_eq!(
            encoding(app.request(Method::GET, path)).await.unwrap(),
            "gzip",
            "{path}"
        );
    }
    let large = json!({ "query": "{ __schema { types { name description fields { name description } } } }" });
    assert_eq!(
        encoding(app.request(Method::POST, "/graphql").json(&large)).await,
        None
    );
    let query = [("query", "{ __schema { types { name } } }")];
    assert_eq!(
        encoding(app.request(Method::GET, "/graphql").query(&query)).await,
        None
    );
}

#[tokio::test]
async fn the_cookie_cannot_be_planted_read_or_sent_elsewhere() {
    let app: TestApp = production().on_sqlite().await;
    app.register("ana@example.com").await;
    let own = ("origin", "https://localhost");
    let login = json!({ "query": "mutation { login(input: { email: \"ana@example.com\", password: \"plum tractor ninety seven\" }) { sessionId } }" });
    let answer = app.send(login, &[own]).await;
    let cookies: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap())
        .collect();
    let session = cookies
        .iter()
        .find(|line| line.starts_with("__Host-countersign="))
        .unwrap();
    let attributes: Vec<&str> = session.split("; ").skip(1).collect();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "SameSite=Strict",
            "Secure",
            "Path=/",
            "Max-Age=604800"
        ]
    );
    let token = answer.cookie().unwrap();
    let refresh = json!({ "query": "mutation { refresh { sessionId } }" });
    // Names that a sub-domain or a plain connection could plant.
    for name in [
        "countersign",
        "countersign-dev",
        "__Secure-countersign",
        "__host-countersign",
        "__Host-countersign-2",
    ] {
        let planted = format!("{name}={token}");
        let answer = app
            .send(refresh.clone(), &[own, ("cookie", &planted)])
            .await;
        assert_eq!(
            answer.error(),
            ("UNAUTHENTICATED", "REFRESH_MISSING"),
            "{name}"
        );
    }
}

/// Frames that no honest client sends.
#[tokio::test]
async fn a_socket_ends_with_the_first_bad_frame() {
    let server = Production::impatient().await;
    let handshake = "GET /graphql/ws HTTP/1.1\r\nHost: auth.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    // Masked with zeros, so that the text stands as it is.
    let frame = |first: u8, text: &[u8]| {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        [&[first, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], text].concat()
    };
    let part = vec![b' '; 8000];
    let fragments = [frame(0x01, &part), frame(0, &part), frame(0, &part)].concat();
    for (what, bytes) in [
        ("not masked", b"\x81\x02{}".to_vec()),
        ("compressed", frame(0xc1, b"{}")),
        ("of an unknown kind", frame(0x83, b"{}")),
        ("going on with nothing", frame(0x80, b"{}")),
        ("a ping in pieces", frame(0x09, b"{}")),
        ("a large ping", frame(0x89, &part)),
        ("not UTF-8", frame(0x81, b"\xff\xfe")),
        (
            "larger than any memory",
            b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(),
        ),
        ("many small ones that are too large", fragments),
        ("not JSON", frame(0x81, b"{")),
        ("brackets without end", frame(0x81, &[b'['; 16_000])),
    ] {
        let said = server.say(&[handshake.as_bytes(), &bytes].concat()).await;
        assert!(said.starts_with("HTTP/1.1 101"), "{what}: {said}");
        assert!(!said.contains("permessage-deflate"), "{what}: {said}");
        assert!(!said.contains("connection_ack"), "{what}: {said}");
    }
}

/// Sockets that never sign in and connections that say nothing take their shares of the files that the system gives and no more:
/// the rest is answered, and the database has files.
#[tokio::test]
async fn a_flood_leaves_files_to_others() {
    let database = Database::sqlite();
    let port = free_port();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -n 256; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_countersign"),
        ])
        .stderr(Stdio::null());
    let environment = [
        ("COUNTERSIGN_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "10000"),
        ("COUNTERSIGN_HTTP__STALL_TIMEOUT", "5m"),
    ];
    let server = Production {
        server: Server::run(&mut command, &database, port, &environment).await,
        _database: database,
    };
    let handshake = "GET /graphql/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    let ask = |query: &str| {
        let body = json!({ "query": query }).to_string();
        format!(
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut sockets = Vec::new();
    let mut open = 0;
    for number in 0..235 {
        let socket = TcpSocket::new_v4().unwrap();
        let address = Ipv4Addr::new(127, 0, 0, 1 + number % 3);
        socket.bind((address, 0).into()).unwrap();
        let mut socket = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        socket.write_all(handshake.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        let heard = tokio::time::timeout(PATIENCE, socket.read_exact(&mut status)).await;
        heard
            .expect("the socket is neither opened nor refused")
            .unwrap();
        open += usize::from(&status == b"HTTP/1.1 101");
        sockets.push(socket);
    }
    assert!((1..235).contains(&open), "{open} sockets are open");
    let answer = server.say(ask("{ viewer { id } }").as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    drop(sockets);

    // More than are taken, and no more than wait in the system's queue besides.
    let mut connections = Vec::new();
    for _ in 0..150 {
        connections.push(server.connect().await);
    }
    let first = connections.first_mut().unwrap();
    let account =
        "email: \"ana@example.com\", name: \"Ana\", password: \"plum tractor ninety seven\"";
    let register =
        format!("mutation {{ register(input: {{ {account} }}, transport: BODY) {{ sessionId }} }}");
    first.write_all(ask(&register).as_bytes()).await.unwrap();
    let answer = hear(first).await;
    assert!(answer.contains("sessionId"), "{answer}");
}
