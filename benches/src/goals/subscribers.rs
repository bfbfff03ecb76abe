//! What an idle subscriber of `sessionEvents` costs the server in memory, beside an idle socket of a bare axum server.
//!
//! Each has a session of its own, and every hundred an address of their own, so that all limits are at their defaults but one:
//! `HTTP__MAX_CONNECTIONS` gives files to the sockets where a process may have fewer than 27,000.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::people::People;
use crate::report::{Goal, Series, Wanted};
use crate::servers::{Cores, Server, finish};
use crate::{Bench, Sample};

/// How many are opened at a time.
const AT_ONCE: usize = 32;
/// Sockets from one address: the server's default is the most.
const PER_ADDRESS: usize = 100;
/// The server pings each meanwhile.
const IDLE: Duration = Duration::from_secs(15);

type Socket = WebSocketStream<TcpStream>;

/// Measures it.
///
/// # Errors
/// When a server cannot be started, or a subscriber is not let in or not told of the end.
pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let count = if bench.is_quick { 1_000 } else { 10_000 };
    // Each socket is an open file, here and in the server, which inherits the limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;

    let folder = bench.new_folder()?;
    let url = format!("sqlite://{}", folder.join("countersign.db").display());
    let settings = [
        ("HTTP__MAX_CONNECTIONS", "1000"),
        ("EVENTS__PING_INTERVAL", "5s"),
    ];
    let people = People::make(&url, count as u64, &settings)?;
    let some = people.some(1..=count as u64)?;
    let tokens: Vec<String> = some.into_iter().map(|person| person.access).collect();

    let this = std::env::current_exe()?;
    let bare = Server::start(Cores::First, &folder, "/", |address| {
        let mut command = Command::new(&this);
        command.args(["--limit", "sockets", "--listen", &address.to_string()]);
        command
    })?;
    let bare = Runtime::new()?
        .block_on(async {
            let open = async |number| {
                let mut socket = connect(bare.address, number, "/graphql/ws").await?;
                say(&mut socket, json!("hello"), "hello").await?;
                Ok(socket)
            };
            measure(&bare, "an idle socket of axum", count, open).await
        })?
        .0;

    let server = Server::start(Cores::First, &folder, "/readyz", |address| {
        people.serve(&bench.binary, address)
    })?;
    let (ours, told) = Runtime::new()?.block_on(async {
        let open = async |number: usize| {
            let mut socket = connect(server.address, number, "/graphql/ws").await?;
            subscribe(&mut socket, &tokens[number]).await?;
            Ok(socket)
        };
        let (ours, sockets) = measure(&server, "Countersign", count, open).await?;
        // That they all were subscribers: the end of the sessions reaches every one.
        let begin = Instant::now();
        let mut end = people.command(&bench.binary);
        finish(end.args(["sessions", "end", "--all", "--yes"]))?;
        for socket in sockets {
            let frame = socket.await?.context("closed without a word")?;
            ensure!(
                u16::from(frame.code) == 4410,
                "closed for another reason: {frame}"
            );
        }
        anyhow::Ok((ours, begin.elapsed()))
    })?;
    Ok(vec![Goal {
        goal: "subscribers",
        title: "Memory of the server for each idle subscriber",
        unit: "KiB",
        wanted: Wanted::OursAtMost(20.0),
        series: vec![ours, bare],
        notes: vec![format!(
            "{count} sockets, resident memory; what the kernel keeps for a connection comes on top. After `countersign sessions end --all` all of them had heard that they ended in {told:.1?}."
        )],
    }])
}

/// In KiB for each of the sockets that `open` opens. They are kept open; each gives the server's close frame.
async fn measure(
    server: &Server,
    name: &str,
    count: usize,
    open: impl AsyncFn(usize) -> Result<Socket>,
) -> Result<(Series, Vec<JoinHandle<Option<CloseFrame>>>)> {
    let before = server.memory()?;
    let listening = async |number| anyhow::Ok(tokio::spawn(listen(open(number).await?)));
    let sockets = stream::iter(0..count).map(listening);
    let sockets = sockets.buffer_unordered(AT_ONCE).try_collect().await;
    let sockets = sockets.with_context(|| server.printed())?;
    sleep(IDLE).await;
    let grown = server.memory()?.saturating_sub(before);
    let mut series = Series::new(name);
    series.push(Sample {
        value: grown as f64 / 1024.0 / count as f64,
        cpu_micros: None,
    });
    Ok((series, sockets))
}

async fn connect(server: SocketAddr, number: usize, path: &str) -> Result<Socket> {
    let mut request = format!("ws://auth.example.com{path}").into_client_request()?;
    let protocol = "graphql-transport-ws".parse()?;
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let from = TcpSocket::new_v4()?;
    let neighbourhood = u8::try_from(number / PER_ADDRESS)?;
    from.bind((Ipv4Addr::new(127, 0, 1, neighbourhood), 0).into())?;
    let stream = from.connect(server).await?;
    let small = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0);
    let (socket, _) = client_async_with_config(request, stream, Some(small)).await?;
    Ok(socket)
}

async fn subscribe(socket: &mut Socket, token: &str) -> Result<()> {
    let payload = json!({ "token": token });
    let init = json!({ "type": "connection_init", "payload": payload });
    say(socket, init, "connection_ack").await?;
    let payload = json!({ "query": "subscription { sessionEvents { kind at reason } }" });
    let operation = json!({ "type": "subscribe", "id": "1", "payload": payload });
    socket.send(Message::text(operation.to_string())).await?;
    say(socket, json!({ "type": "ping" }), "pong").await
}

async fn say(socket: &mut Socket, message: Value, until: &str) -> Result<()> {
    socket.send(Message::text(message.to_string())).await?;
    loop {
        let answer = socket.next().await.context("closed")??;
        ensure!(!answer.is_close(), "refused: {answer}");
        if answer.to_text()?.contains(until) {
            return Ok(());
        }
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
