//! Session events over WebSockets: who hears what, and how a socket ends.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Builder, PASSWORD, SignedIn, TestApp};

/// The header that asks for the protocol.
pub const PROTOCOL: [(&str, &str); 1] = [("sec-websocket-protocol", "graphql-transport-ws")];
const SUBSCRIBE: &str = "subscription { sessionEvents { kind reason } }";
const CHANGE_PASSWORD: &str = r#"changePassword(input: {
    currentPassword: "plum tractor ninety seven", newPassword: "another plum and tractor" }) { sessionId }"#;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of `/graphql/ws`.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What the server said.
#[derive(Debug, PartialEq)]
pub enum Said {
    Message(Value),
    Close(u16, String),
}

impl Said {
    /// The server closed the socket.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }
}

impl Socket {
    /// Opens a socket with headers; the status when the server refuses.
    pub async fn open_with(
        origin: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, StatusCode> {
        let url = format!("{}/graphql/ws", origin.replace("http:", "ws:"));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn open(app: &TestApp) -> Self {
        Self::open_with(&app.origin, &PROTOCOL).await.unwrap()
    }

    /// What the server says to a token.
    async fn greet(app: &TestApp, token: &str) -> (Self, Said) {
        let mut socket = Self::open(app).await;
        socket.init(token).await;
        let said = socket.next().await;
        (socket, said)
    }

    /// A socket that was let in.
    pub async fn accepted(app: &TestApp, who: &SignedIn) -> Self {
        let (socket, said) = Self::greet(app, &who.access_token).await;
        assert_eq!(said, Said::Message(json!({ "type": "connection_ack" })));
        socket
    }

    /// A socket that listens to its session's events as operation `1`.
    async fn listening(app: &TestApp, who: &SignedIn) -> Self {
        let mut socket = Self::accepted(app, who).await;
        socket.subscribe("1", SUBSCRIBE).await;
        socket.settle().await;
        socket
    }

    /// Messages are answered in turn: those before this one are done when it is.
    async fn settle(&mut self) {
        self.send(json!({ "type": "ping" })).await;
        let pong = json!({ "type": "pong" });
        assert_eq!(self.next().await, Said::Message(pong));
    }

    async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// Says who connects.
    pub async fn init(&mut self, token: &str) {
        self.send(json!({ "type": "connection_init", "payload": { "token": token } }))
            .await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } }))
            .await;
    }

    /// What the server says next, pings aside.
    pub async fn next(&mut self) -> Said {
        let message = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => break other,
                }
            }
        });
        match message.await.expect("the server says nothing") {
            Some(Ok(Message::Text(text))) => Said::Message(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => {
                Said::Close(frame.code.into(), frame.reason.to_string())
            }
            other => panic!("the server said {other:?}"),
        }
    }

    /// The next event, of operation `1`.
    async fn event(&mut self) -> (String, String) {
        let Said::Message(message) = self.next().await else {
            panic!("the socket was closed");
        };
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("next"), &json!("1"))
        );
        let event = &message["payload"]["data"]["sessionEvents"];
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("reason"))
    }

    /// The session ends: event, completion, close frame.
    async fn ends(&mut self, reason: &str) {
        assert_eq!(self.event().await, ("ENDED".to_owned(), reason.to_owned()));
        let complete = json!({ "type": "complete", "id": "1" });
        assert_eq!(self.next().await, Said::Message(complete));
        assert_eq!(self.next().await, Said::close(4410, reason));
    }

    async fn changes(&mut self, reason: &str) {
        assert_eq!(
            self.event().await,
            ("CHANGED".to_owned(), reason.to_owned())
        );
    }

    /// The code and reason of the error that operation `id` gets.
    pub async fn error(&mut self, id: &str) -> (String, String) {
        let Said::Message(message) = self.next().await else {
            panic!("the socket was closed");
        };
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!(id))
        );
        let extensions = &message["payload"][0]["extensions"];
        let text = |name: &str| extensions[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("reason"))
    }
}

/// A server that pings often, so that what it does then is soon done.
fn lively() -> Builder {
    TestApp::builder().set("events.ping_interval", "3s")
}

async fn run(app: &TestApp, who: &SignedIn, mutation: &str) {
    let answer = app
        .run_as(
            &who.access_token,
            &format!("mutation {{ {mutation} }}"),
            json!({}),
        )
        .await;
    assert_eq!(
        answer.json.get("errors"),
        None,
        "{mutation}: {:#}",
        answer.json
    );
}

#[tokio::test]
async fn every_tab_of_a_session_that_ends_is_told_why() {
    for app in TestApp::builder().on_each_database().await {
        let ada = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        // By whom: the user from another session, or an administrator.
        let acts = [
            ("LOGGED_OUT", true, r#"logout(refreshToken: "TOKEN")"#),
            ("LOGGED_OUT_EVERYWHERE", true, "logoutEverywhere"),
            ("SESSION_REVOKED", true, r#"revokeSession(id: "SESSION")"#),
            ("PASSWORD_CHANGED", true, CHANGE_PASSWORD),
            (
                "ENDED_BY_ADMINISTRATOR",
                false,
                r#"endSessions(userId: "USER")"#,
            ),
            (
                "ACCOUNT_DISABLED",
                false,
                r#"setDisabled(userId: "USER", disabled: true) { id }"#,
            ),
            ("ACCOUNT_DELETED", false, r#"deleteUser(userId: "USER")"#),
        ];
        for (number, (reason, by_user, act)) in acts.into_iter().enumerate() {
            let email = format!("ana{number}@example.com");
            let own = app.register(&email).await;
            let other = app.login(&email, PASSWORD).await.signed_in();
            let mut tabs = [
                Socket::listening(&app, &own).await,
                Socket::listening(&app, &own).await,
            ];
            let act = act
                .replace("TOKEN", &own.refresh_token)
                .replace("SESSION", &own.session_id)
                .replace("USER", &own.user_id);
            run(&app, if by_user { &other } else { &ada }, &act).await;
            for tab in &mut tabs {
                tab.ends(reason).await;
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_goes_on_is_told_what_changed() {
    for app in TestApp::builder().on_each_database().await {
        let ada = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        let mut socket = Socket::listening(&app, &ana).await;
        run(
            &app,
            &ana,
            "updateProfile(input: { name: \"Ana Maria\" }) { id }",
        )
        .await;
        socket.changes("PROFILE_CHANGED").await;
        run(
            &app,
            &ada,
            &format!(
                "setRole(userId: \"{}\", role: MANAGER) {{ id }}",
                ana.user_id
            ),
        )
        .await;
        socket.changes("ROLE_CHANGED").await;
        let ana = app.refresh(&ana.refresh_token).await.signed_in();
        run(&app, &ana, CHANGE_PASSWORD).await;
        socket.changes("PASSWORD_CHANGED").await;
    }
}

#[tokio::test]
async fn a_stolen_session_and_one_that_made_room_are_told() {
    let app = TestApp::builder()
        .set("sessions.max_per_user", "2")
        .on_sqlite()
        .await;
    let first = app.register("ana@example.com").await;
    // The oldest makes room, so they must not be of one moment.
    app.clock.advance_secs(1);
    let second = app.login("ana@example.com", PASSWORD).await.signed_in();
    let mut sockets = [
        Socket::listening(&app, &first).await,
        Socket::listening(&app, &second).await,
    ];
    app.login("ana@example.com", PASSWORD).await.signed_in();
    sockets[0].ends("SESSION_LIMIT").await;
    app.refresh(&second.refresh_token).await.signed_in();
    app.clock.advance_secs(60);
    app.refresh(&second.refresh_token).await;
    sockets[1].ends("REFRESH_REUSED").await;
}

#[tokio::test]
async fn a_session_whose_cookie_was_taken_is_told() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let first = app
        .login_by_cookie("ana@example.com", None)
        .await
        .signed_in();
    let mut socket = Socket::listening(&app, &first).await;
    app.login_by_cookie("ana@example.com", Some(&first.refresh_token))
        .await
        .signed_in();
    socket.ends("SESSION_REPLACED").await;
}

#[tokio::test]
async fn a_session_is_told_on_another_node() {
    for app in TestApp::builder().on_each_database().await {
        let ada = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        let node = app.another_node("events.max", "10").await;
        let mut socket = Socket::listening(&node, &ana).await;
        let promote = format!(
            "setRole(userId: \"{}\", role: MANAGER) {{ id }}",
            ana.user_id
        );
        run(&app, &ada, &promote).await;
        socket.changes("ROLE_CHANGED").await;
        run(
            &app,
            &ada,
            &format!("endSessions(userId: \"{}\")", ana.user_id),
        )
        .await;
        socket.ends("ENDED_BY_ADMINISTRATOR").await;
    }
}

#[tokio::test]
async fn a_token_that_will_not_do_is_refused_with_its_reason() {
    for app in TestApp::builder().on_each_database().await {
        let refused = async |token: &str| Socket::greet(&app, token).await.1;
        assert_eq!(
            refused("nonsense").await,
            Said::close(4403, "TOKEN_INVALID")
        );
        for message in [
            json!({ "type": "connection_init" }),
            json!({ "type": "connection_init", "payload": {} }),
            json!({ "type": "connection_init", "payload": { "token": null } }),
        ] {
            let mut socket = Socket::open(&app).await;
            socket.send(message).await;
            assert_eq!(socket.next().await, Said::close(4403, "TOKEN_MISSING"));
        }
        let ana = app.register("ana@example.com").await;
        run(&app, &ana, "logout").await;
        assert_eq!(
            refused(&ana.access_token).await,
            Said::close(4403, "SESSION_ENDED")
        );

        let ben = app.register("ben@example.com").await;
        app.clock.advance_secs(20 * 60);
        assert_eq!(
            refused(&ben.access_token).await,
            Said::close(4403, "TOKEN_EXPIRED")
        );

        let ben = app.refresh(&ben.refresh_token).await.signed_in();
        app.database
            .execute("ALTER TABLE sessions RENAME TO hidden")
            .await;
        assert_eq!(
            refused(&ben.access_token).await,
            Said::close(4403, "UNAVAILABLE")
        );
        app.database
            .execute("ALTER TABLE hidden RENAME TO sessions")
            .await;
        Socket::accepted(&app, &ben).await;
    }
}

#[tokio::test]
async fn a_token_is_not_taken_from_the_url() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let url = format!(
        "{}/graphql/ws?token={}",
        app.origin.replace("http:", "ws:"),
        ana.access_token
    );
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    headers.insert(
        "authorization",
        format!("Bearer {}", ana.access_token).parse().unwrap(),
    );
    let mut socket = Socket(connect_async(request).await.unwrap().0);
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await, Said::close(4403, "TOKEN_MISSING"));
}

#[tokio::test]
async fn a_token_from_before_a_change_is_let_in_and_told() {
    for app in TestApp::builder().on_each_database().await {
        let ada = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let ana = app.register("ana@example.com").await;
        run(
            &app,
            &ada,
            &format!(
                "setRole(userId: \"{}\", role: MANAGER) {{ id }}",
                ana.user_id
            ),
        )
        .await;
        let mut socket = Socket::accepted(&app, &ana).await;
        socket.subscribe("1", SUBSCRIBE).await;
        socket.changes("TOKEN_STALE").await;
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        let mut fresh = Socket::listening(&app, &renewed).await;
        run(&app, &renewed, "logout").await;
        fresh.ends("LOGGED_OUT").await;
        socket.ends("LOGGED_OUT").await;
    }
}

#[tokio::test]
async fn what_happens_between_acceptance_and_subscription_is_told() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut socket = Socket::accepted(&app, &ana).await;
    run(
        &app,
        &ana,
        "updateProfile(input: { name: \"Ana Maria\" }) { id }",
    )
    .await;
    socket.subscribe("1", SUBSCRIBE).await;
    socket.changes("PROFILE_CHANGED").await;
}

#[tokio::test]
async fn a_socket_that_listens_to_nothing_ends_with_its_session_too() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut socket = Socket::accepted(&app, &ana).await;
    run(&app, &ana, "logout").await;
    assert_eq!(socket.next().await, Said::close(4410, "LOGGED_OUT"));
}

#[tokio::test]
async fn a_stream_outlives_its_token_and_ends_when_the_session_expires() {
    for app in lively().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mut socket = Socket::listening(&app, &ana).await;
        let days = |count: u64| Duration::from_secs(count * 24 * 3600);
        app.clock.advance(days(6));
        let ana = app.refresh(&ana.refresh_token).await.signed_in();
        app.clock.advance(days(6));
        // The end that was known on connecting has passed; the renewal has moved it.
        run(
            &app,
            &app.refresh(&ana.refresh_token).await.signed_in(),
            "updateProfile(input: { name: \"Ana Maria\" }) { id }",
        )
        .await;
        socket.changes("PROFILE_CHANGED").await;
        app.clock.advance(days(8));
        socket.ends("SESSION_EXPIRED").await;
    }
}

#[tokio::test]
async fn an_idle_socket_asks_no_database() {
    for app in lively().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let mut socket = Socket::listening(&app, &ana).await;
        let before = app.app.storage.statements();
        let mut pings = 0;
        while pings < 2 {
            let message = tokio::time::timeout(PATIENCE, socket.0.next())
                .await
                .unwrap();
            pings += usize::from(matches!(message, Some(Ok(Message::Ping(_)))));
        }
        assert_eq!(app.app.storage.statements(), before);
    }
}

#[tokio::test]
async fn the_protocol_is_kept() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": SUBSCRIBE } });
    let init = json!({ "type": "connection_init", "payload": { "token": ana.access_token } });

    let mut socket = Socket::open(&app).await;
    socket.send(subscribe.clone()).await;
    assert_eq!(socket.next().await, Said::close(4401, "Unauthorized"));

    for bad in [
        "nonsense".to_owned(),
        "{}".to_owned(),
        json!({ "type": "unheard" }).to_string(),
        json!({ "type": "subscribe", "id": "1" }).to_string(),
        json!({ "type": "ping", "payload": "x".repeat(16 * 1024) }).to_string(),
    ] {
        let mut socket = Socket::listening(&app, &ana).await;
        socket.send_text(bad).await;
        assert_eq!(socket.next().await, Said::close(4400, "Invalid message"));
    }

    let mut socket = Socket::listening(&app, &ana).await;
    socket
        .0
        .send(Message::Binary(init.to_string().into()))
        .await
        .unwrap();
    assert_eq!(socket.next().await, Said::close(4400, "Invalid message"));

    let mut socket = Socket::accepted(&app, &ana).await;
    socket.send(init).await;
    assert_eq!(
        socket.next().await,
        Said::close(4429, "Too many initialisation requests")
    );

    let mut socket = Socket::listening(&app, &ana).await;
    socket.send(subscribe.clone()).await;
    assert_eq!(
        socket.next().await,
        Said::close(4409, "Subscriber already exists")
    );

    let mut socket = Socket::listening(&app, &ana).await;
    for id in ["2", "3", "4", "5"] {
        socket.subscribe(id, SUBSCRIBE).await;
    }
    assert_eq!(
        socket.next().await,
        Said::close(4429, "Too many operations on this socket")
    );

    // One that was completed makes room, and is told no more.
    let mut socket = Socket::listening(&app, &ana).await;
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.send(subscribe).await;
    socket.settle().await;
    run(&app, &ana, "logout").await;
    socket.ends("LOGGED_OUT").await;
}

#[tokio::test]
async fn who_does_not_introduce_themselves_is_sent_away() {
    let app = TestApp::builder().on_sqlite().await;
    let mut socket = Socket::open(&app).await;
    socket.settle().await;
    assert_eq!(
        socket.next().await,
        Said::close(4408, "Connection initialisation timeout")
    );
}

#[tokio::test]
async fn only_subscriptions_run_and_only_those_of_the_schema() {
    let app = TestApp::builder()
        .set("graphql.introspection", "false")
        .on_sqlite()
        .await;
    let ana = app.register("ana@example.com").await;
    let mut socket = Socket::listening(&app, &ana).await;
    let twice = "subscription { a: sessionEvents { kind } b: sessionEvents { kind } }";
    for (query, code, reason) in [
        ("{ me { id } }", "FORBIDDEN", "SUBSCRIPTIONS_ONLY"),
        ("mutation { logout }", "FORBIDDEN", "SUBSCRIPTIONS_ONLY"),
        ("subscription {", "GRAPHQL_PARSE_FAILED", ""),
        (
            "subscription { sessionEvent { kind } }",
            "GRAPHQL_VALIDATION_FAILED",
            "",
        ),
        (
            "subscription { __schema { queryType { name } } }",
            "GRAPHQL_VALIDATION_FAILED",
            "",
        ),
        (
            "query A { me { id } } query B { me { id } }",
            "GRAPHQL_VALIDATION_FAILED",
            "",
        ),
        (twice, "QUERY_TOO_COMPLEX", ""),
        (
            "subscription { ... on Subscription { sessionEvents { kind } } }",
            "GRAPHQL_VALIDATION_FAILED",
            "",
        ),
    ] {
        socket.subscribe("2", query).await;
        assert_eq!(
            socket.error("2").await,
            (code.to_owned(), reason.to_owned()),
            "{query}"
        );
    }
    socket
        .subscribe("2", "subscription { sessionEvent { kind } }")
        .await;
    let Said::Message(misspelt) = socket.next().await else {
        panic!("the socket was closed");
    };
    assert!(
        !misspelt.to_string().contains("sessionEvents"),
        "suggestions leak the schema: {misspelt:#}"
    );
    // The one that runs is none the worse for it.
    run(&app, &ana, "logout").await;
    socket.ends("LOGGED_OUT").await;
}

#[tokio::test]
async fn subscriptions_run_over_sockets_only() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let answer = app.run_as(&ana.access_token, SUBSCRIBE, json!({})).await;
    assert_eq!(answer.error().0, "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn foreign_pages_hosts_and_protocols_are_refused() {
    let app = TestApp::builder()
        .set("http.allowed_origins", "https://app.example.com")
        .on_sqlite()
        .await;
    let open = async |headers: &[(&'static str, &str)]| {
        let mut all = vec![("sec-websocket-protocol", "graphql-transport-ws")];
        all.extend(headers);
        Socket::open_with(&app.origin, &all).await.err()
    };
    assert_eq!(open(&[]).await, None);
    assert_eq!(open(&[("origin", &app.origin)]).await, None);
    assert_eq!(open(&[("origin", "https://app.example.com")]).await, None);
    for origin in ["https://evil.example", "null"] {
        assert_eq!(
            open(&[("origin", origin)]).await,
            Some(StatusCode::FORBIDDEN),
            "{origin}"
        );
    }
    assert_eq!(
        open(&[("host", "evil.example")]).await,
        Some(StatusCode::MISDIRECTED_REQUEST)
    );
    assert_eq!(
        open(&[("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")]).await,
        None
    );
    for protocol in ["graphql-ws", "Graphql-Transport-WS", "soap"] {
        let refused = open(&[("sec-websocket-protocol", protocol)]).await;
        assert_eq!(refused, Some(StatusCode::BAD_REQUEST), "{protocol}");
    }
    assert_eq!(
        Socket::open_with(&app.origin, &[]).await.err(),
        Some(StatusCode::BAD_REQUEST)
    );
}

#[tokio::test]
async fn sockets_are_limited_per_session_and_per_address_and_in_all() {
    let app = TestApp::builder()
        .set("events.max_per_session", "2")
        .set("events.max_per_address", "3")
        .set("events.max", "5")
        .set("http.trusted_proxies", "127.0.0.1")
        .on_sqlite()
        .await;
    let ana = app.register("ana@example.com").await;
    let ben = app.register("ben@example.com").await;
    let cleo = app.register("cleo@example.com").await;
    let from = async |address: &str, who: &SignedIn| {
        let headers = [
            ("sec-websocket-protocol", "graphql-transport-ws"),
            ("x-forwarded-for", address),
        ];
        let mut socket = Socket::open_with(&app.origin, &headers).await?;
        socket.init(&who.access_token).await;
        let said = socket.next().await;
        Ok::<_, StatusCode>((socket, said))
    };
    let accepted = Said::Message(json!({ "type": "connection_ack" }));
    let first = from("2001:db8::1", &ana).await.unwrap();
    let second = from("2001:db8::2", &ana).await.unwrap();
    assert_eq!((&first.1, &second.1), (&accepted, &accepted));
    let refused = from("203.0.113.1", &ana).await.unwrap();
    assert_eq!(
        refused.1,
        Said::close(4429, "Too many sockets of this session")
    );
    drop(refused);
    let third = from("2001:db8::3", &ben).await.unwrap();
    assert_eq!(third.1, accepted);
    let refused = from("2001:db8::4", &ben).await.unwrap();
    assert_eq!(
        refused.1,
        Said::close(4429, "Too many sockets from this address"),
        "a /64 is one address"
    );
    drop(refused);
    // A place is free when its socket is closed, which the server learns in its own time.
    drop(first);
    let mut sockets = Vec::new();
    let mut refusals = Vec::new();
    while sockets.len() < 3 {
        match from(
            &format!("203.0.113.{}", sockets.len() + 2),
            [&ana, &ben, &cleo][sockets.len()],
        )
        .await
        {
            Ok((socket, said)) if said == accepted => sockets.push(socket),
            Ok((_, said)) => refusals.push(format!("{said:?}")),
            Err(status) => refusals.push(status.to_string()),
        }
        assert!(refusals.len() < 1000, "{refusals:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let full = from("203.0.113.9", &ben).await.map(|_| ());
    assert_eq!(full, Err(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn a_client_that_is_gone_or_never_reads_is_found() {
    let app = lively()
        .set("events.max_per_session", "1")
        .on_sqlite()
        .await;
    let ana = app.register("ana@example.com").await;
    // Nobody polls it, so that nobody answers its pings.
    let _silent = Socket::listening(&app, &ana).await;
    for _ in 0..1000 {
        let (_socket, said) = Socket::greet(&app, &ana.access_token).await;
        match said {
            Said::Message(_) => return,
            refused => assert_eq!(
                refused,
                Said::close(4429, "Too many sockets of this session")
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the silent client keeps its place");
}

#[tokio::test]
async fn a_flood_from_one_address_leaves_the_others_their_places() {
    let app = TestApp::builder()
        .set("events.max_per_address", "2")
        .set("events.max", "10")
        .set("http.trusted_proxies", "127.0.0.1")
        .on_sqlite()
        .await;
    let from = async |address: &str| {
        let headers = [
            ("sec-websocket-protocol", "graphql-transport-ws"),
            ("x-forwarded-for", address),
        ];
        Socket::open_with(&app.origin, &headers).await
    };
    let mut sockets = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..12 {
        match from("203.0.113.1").await {
            Ok(socket) => sockets.push(socket),
            Err(status) => refused.push(status),
        }
    }
    assert_eq!(sockets.len(), 4);
    assert_eq!(refused, vec![StatusCode::TOO_MANY_REQUESTS; 8]);
    assert!(from("203.0.113.2").await.is_ok());
}

#[tokio::test]
async fn two_hundred_sockets_hear_of_their_own_sessions() {
    let app = TestApp::builder()
        .set("events.max_per_address", "200")
        .on_sqlite()
        .await;
    let mut people = Vec::new();
    for number in 0..10 {
        let person = app.register(&format!("person{number}@example.com")).await;
        let mut sockets = Vec::new();
        for _ in 0..20 {
            sockets.push(Socket::listening(&app, &person).await);
        }
        people.push((person, sockets));
    }
    let (stays, mut hears_nothing) = people.pop().unwrap();
    for (person, mut sockets) in people {
        run(&app, &person, "logout").await;
        for socket in &mut sockets {
            socket.ends("LOGGED_OUT").await;
        }
    }
    run(
        &app,
        &stays,
        "updateProfile(input: { name: \"Somebody\" }) { id }",
    )
    .await;
    for socket in &mut hears_nothing {
        socket.changes("PROFILE_CHANGED").await;
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_every_socket() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut sockets = [
        Socket::open(&app).await,
        Socket::accepted(&app, &ana).await,
        Socket::listening(&app, &ana).await,
    ];
    // As clients do, each reads while the server closes.
    let closing = tokio::spawn({
        let app = std::sync::Arc::clone(&app.app);
        async move { app.sockets.close().await }
    });
    for socket in &mut sockets {
        assert_eq!(socket.next().await, Said::close(1001, "The server stops"));
    }
    drop(sockets);
    tokio::time::timeout(PATIENCE, closing)
        .await
        .unwrap()
        .unwrap();
}
