//! What an idle subscriber of `sessionEvents` costs the server in memory, beside an idle socket of a bare axum server (the
//! limit). Both are processes of their own; the subscribers are in this one. For Linux, which tells resident memory.
//!
//! `COUNTERSIGN_BIN` names the server's binary; `cargo xtask bench` builds and sets it.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, extract::ws::WebSocketUpgrade, routing::get};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use reqwest::Client;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle, time::sleep};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

const SUBSCRIBERS: usize = 2_000;
/// How many are opened at a time.
const AT_ONCE: usize = 32;
/// The server pings every second meanwhile, as it does over a longer time.
const IDLE: Duration = Duration::from_secs(5);
const ADDRESS: &str = "idle@example.com";
const PASSWORD: &str = "plum tractor ninety seven";

type Socket = WebSocketStream<TcpStream>;

/// A server in a process of its own, ended when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    http: Client,
}

impl Server {
    async fn start(command: impl Fn(&str) -> Command) -> Self {
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let server = Self {
            process: command(&address.to_string())
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
            address,
            http: Client::new(),
        };
        let ready = server.url("http", "/readyz");
        while server.http.get(&ready).send().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    /// Its resident memory, in bytes.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<usize>().unwrap() * 1024
    }

    async fn connect(&self, path: &str, protocol: Option<&str>) -> Socket {
        let mut request = self.url("ws", path).into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let small = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, stream, Some(small))
            .await
            .unwrap();
        socket
    }

    /// Prints what each of the sockets costs that `open` opens. They are kept open; each gives the server's close frame.
    async fn measure(
        &self,
        name: &str,
        open: impl AsyncFn(usize) -> Socket,
    ) -> Vec<JoinHandle<Option<CloseFrame>>> {
        let before = self.memory();
        let listening = async |number| tokio::spawn(listen(open(number).await));
        let sockets = stream::iter(0..SUBSCRIBERS).map(listening);
        let sockets = sockets.buffer_unordered(AT_ONCE).collect().await;
        sleep(IDLE).await;
        let after = self.memory();
        println!(
            "idle subscribers/{name}: {} bytes for each of {SUBSCRIBERS} ({} KiB before, {} KiB after)",
            after.saturating_sub(before) / SUBSCRIBERS,
            before / 1024,
            after / 1024,
        );
        sockets
    }

    async fn graphql(&self, token: &str, query: &str) -> Value {
        let request = self.http.post(self.url("http", "/graphql"));
        let request = request.bearer_auth(token).json(&json!({ "query": query }));
        request.send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers pings until the server closes.
async fn listen(mut socket: Socket) -> Option<CloseFrame> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(frame) = message {
            return frame;
        }
    }
    None
}

async fn say(socket: &mut Socket, message: Value, until: &str) {
    let text = Message::text(message.to_string());
    socket.send(text).await.unwrap();
    loop {
        let answer = socket.next().await.unwrap().unwrap();
        if answer.to_text().unwrap().contains(until) {
            return;
        }
    }
}

async fn countersign() {
    let binary = env::var_os("COUNTERSIGN_BIN");
    let binary = binary
        .unwrap_or_else(|| panic!("COUNTERSIGN_BIN names no server: see `cargo xtask bench`"));
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("countersign.db");
    let command = |address: &str| {
        let mut command = Command::new(&binary);
        command
            .current_dir(folder.path())
            .env("COUNTERSIGN_HTTP__LISTEN", address)
            .env("COUNTERSIGN_DATABASE__URL", format!("sqlite://{}", database.display()))
            .env("COUNTERSIGN_LOG__FILTER", "warn")
            // Else it has the port in it.
            .env("COUNTERSIGN_TOKENS__ISSUER", "http://localhost")
            // Passwords are not what is measured.
            .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8192")
            .env("COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE", "off")
            .env("COUNTERSIGN_LIMITS__FAILURES_PER_HOUR", "off")
            .env("COUNTERSIGN_SESSIONS__MAX_PER_USER", "10000")
            .env("COUNTERSIGN_EVENTS__MAX_PER_ADDRESS", "10000")
            .env("COUNTERSIGN_EVENTS__PING_INTERVAL", "1s")
            .arg("serve");
        command
    };
    let server = Server::start(command).await;

    let account = format!(r#"email: "{ADDRESS}", password: "{PASSWORD}""#);
    let register = format!(
        r#"mutation {{ register(input: {{ {account}, name: "Idle" }}, transport: BODY) {{ sessionId }} }}"#
    );
    server.graphql("", &register).await;
    let login =
        format!("mutation {{ login(input: {{ {account} }}, transport: BODY) {{ accessToken }} }}");
    let sign_in = async |_| {
        let answer = server.graphql("", &login).await;
        let token = answer["data"]["login"]["accessToken"].as_str();
        token.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let tokens = stream::iter(0..SUBSCRIBERS)
        .map(sign_in)
        .buffer_unordered(4);
    let tokens: Vec<String> = tokens.collect().await;
    // Begun again, so that what was freed after the sign-ins is not taken for free.
    drop(server);
    let server = Server::start(command).await;

    let subscribe = async |number: usize| {
        let mut socket = server
            .connect("/graphql/ws", Some("graphql-transport-ws"))
            .await;
        let payload = json!({ "token": tokens[number] });
        say(
            &mut socket,
            json!({ "type": "connection_init", "payload": payload }),
            "connection_ack",
        )
        .await;
        let payload = json!({ "query": "subscription { sessionEvents { kind at reason } }" });
        let operation = json!({ "type": "subscribe", "id": "1", "payload": payload });
        socket
            .send(Message::text(operation.to_string()))
            .await
            .unwrap();
        say(&mut socket, json!({ "type": "ping" }), "pong").await;
        socket
    };
    let sockets = server.measure("sessionEvents", subscribe).await;

    // That they all were subscribers: ending the sessions reaches every one.
    let start = Instant::now();
    server
        .graphql(&tokens[0], "mutation { logoutEverywhere }")
        .await;
    for socket in sockets {
        let frame = socket.await.unwrap().unwrap();
        assert_eq!(
            (u16::from(frame.code), frame.reason.as_str()),
            (4410, "LOGGED_OUT_EVERYWHERE")
        );
    }
    println!(
        "idle subscribers/all of them told of their end: {:?}",
        start.elapsed()
    );
}

/// An axum server that keeps sockets open and knows nothing of them.
async fn bare() {
    let this = env::current_exe().unwrap();
    let server = Server::start(|address| {
        let mut command = Command::new(&this);
        command.env("BARE", address);
        command
    })
    .await;
    let open = async |_| {
        let mut socket = server.connect("/", None).await;
        say(&mut socket, json!("hello"), "hello").await;
        socket
    };
    server.measure("bare axum", open).await;
}

async fn serve_bare(address: String) {
    let echo = async |upgrade: WebSocketUpgrade| {
        let upgrade = upgrade.read_buffer_size(1024).write_buffer_size(0);
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        })
    };
    let router = Router::new().route("/", get(echo));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}

#[tokio::main]
async fn main() {
    if let Ok(address) = env::var("BARE") {
        return serve_bare(address).await;
    }
    // A filter by name, as Criterion takes one.
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"idle subscribers".contains(&filter)) {
        return;
    }
    // Each socket is an open file, here and in the server, which inherits the limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    bare().await;
    countersign().await;
}
