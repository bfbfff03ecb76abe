//! `/graphql/ws`: subscriptions, over the protocol graphql-transport-ws of the graphql-ws project.
//!
//! Queries and mutations are refused, as they would outlive their token. The socket library of async-graphql closes with
//! codes that the protocol does not know, executes queries and takes the protocol before this one too; so this is our own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::ClientMessage;
use async_graphql::parser::types::{OperationDefinition, OperationType, Selection};
use async_graphql::{Request, Response as GraphqlResponse, ServerError};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderName, ORIGIN, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::graphql::{Envelope, operation};
use super::observe::millis;
use super::places::{Place, Places};
use super::{hosts, peer};
use crate::app::App;
use crate::graphql::{Code, subscriptions_only, with_code};
use crate::sessions::{SessionError, Watch};
use crate::telemetry::request_id;
use crate::tokens::TokenError;

const PROTOCOL: &str = "graphql-transport-ws";
/// The largest message that is read. A token has at most half of it.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// Kept per socket for as long as it is open, so both are small: a socket is idle nearly always.
const READ_BUFFER_BYTES: usize = 1024;
const MAX_WRITE_BUFFER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// How many operations one socket may run at a time.
const MAX_OPERATIONS: usize = 4;
/// How long a client may take to send `connection_init`.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long a write may take. The system's buffers hold many pings, so a client that is slower does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take to answer our close frame with its own.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Who gets no socket keeps no connection either: a flood would hold them all.
const LATER: [(HeaderName, &str); 2] = [(RETRY_AFTER, "10"), (CONNECTION, "close")];

/// The sockets that are open.
#[derive(Default)]
pub struct Sockets {
    stopping: CancellationToken,
    open: TaskTracker,
    places: Arc<Places>,
}

/// A socket's place among them, until it is dropped.
struct Seat {
    app: Arc<App>,
    place: Place,
    _open: TaskTrackerToken,
}

impl Sockets {
    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Closes all, and waits until they are.
    pub async fn close(&self) {
        self.stopping.cancel();
        self.open.close();
        self.open.wait().await;
    }
}

impl Seat {
    fn take(app: &Arc<App>, ip: IpAddr) -> Self {
        Self {
            app: Arc::clone(app),
            place: app.sockets.places.take(ip),
            _open: app.sockets.open.token(),
        }
    }
}

/// Opens a socket for pages of allowed origins, and for clients that are no pages.
pub async fn upgrade(
    State(app): State<Arc<App>>,
    // Before the envelope, which takes the headers.
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    envelope: Envelope,
) -> Response {
    let settings = &app.settings;
    let headers = &envelope.headers;
    if headers.contains_key(ORIGIN)
        && !hosts::origin_is_allowed(&settings.http, settings.profile, headers)
    {
        let why = "Pages of this origin are not served. See COUNTERSIGN_HTTP__ALLOWED_ORIGINS.\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(refused) => return refused.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        let why = "Ask for the subprotocol graphql-transport-ws.\n";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    if app.sockets.open.len() >= settings.events.max {
        let why = "Too many sockets are open. Try again later.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, LATER, why).into_response();
    }
    let client = peer::client_ip(
        envelope.connection.ip().to_canonical(),
        headers,
        &settings.http.trusted_proxies,
    );
    let seat = Seat::take(&app, client);
    // A few over the limit are told so in the socket; a flood gets none, as each takes a place until it is closed.
    if seat.place.neighbours() > 2 * settings.events.max_per_address {
        let why = "Too many sockets from this address. Try again later.\n";
        return (StatusCode::TOO_MANY_REQUESTS, LATER, why).into_response();
    }
    let id = request_id::current();
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(|socket| request_id::within(id, serve(seat, socket)))
}

/// Why a conversation is over.
enum End {
    /// There is nobody to tell.
    Gone,
    /// The client is told by a close frame.
    Close(u16, &'static str),
}

impl End {
    const STOPPING: Self = Self::Close(1001, "The server stops");
    const BAD_MESSAGE: Self = Self::Close(4400, "Invalid message");
    const NO_INIT: Self = Self::Close(4401, "Unauthorized");
    const LATE_INIT: Self = Self::Close(4408, "Connection initialisation timeout");
    const ID_IN_USE: Self = Self::Close(4409, "Subscriber already exists");
    const SECOND_INIT: Self = Self::Close(4429, "Too many initialisation requests");
    const OPERATIONS: Self = Self::Close(4429, "Too many operations on this socket");
    const SESSION_SOCKETS: Self = Self::Close(4429, "Too many sockets of this session");
    const ADDRESS_SOCKETS: Self = Self::Close(4429, "Too many sockets from this address");

    /// The client may not have what it asks for.
    const fn refused(reason: &'static str) -> Self {
        Self::Close(4403, reason)
    }
}

async fn serve(seat: Seat, mut socket: WebSocket) {
    let app = &seat.app;
    let opened = Instant::now();
    let end = tokio::select! {
        () = app.sockets.stopping.cancelled() => End::STOPPING,
        end = converse(&seat, &mut socket) => end,
    };
    let (code, reason) = match end {
        End::Gone => (None, None),
        End::Close(code, reason) => (Some(code), Some(reason)),
    };
    tracing::info!(code, reason, ms = millis(opened.elapsed()), "socket closed");
    if let End::Close(code, reason) = end {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = timeout(WRITE_LIMIT, socket.send(Message::Close(Some(frame)))).await;
    }
    // What the client sent and nobody read would have the system reset the connection, and the close frame be lost.
    let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(CLOSE_LIMIT, rest).await;
}

async fn converse(seat: &Seat, socket: &mut WebSocket) -> End {
    let app = &*seat.app;
    if seat.place.neighbours() > app.settings.events.max_per_address {
        return End::ADDRESS_SOCKETS;
    }
    // Boxed, as is all that is done once or seldom: a future is as large as its largest step, for as long as it lives.
    let watch = match timeout(INIT_LIMIT, Box::pin(greet(app, socket))).await {
        Ok(Ok(watch)) => watch,
        Ok(Err(end)) => return end,
        Err(_) => return End::LATE_INIT,
    };
    let mut conversation = Conversation {
        app,
        socket,
        watch,
        operations: Vec::new(),
    };
    let Err(end) = conversation.run().await;
    end
}

/// Waits for `connection_init`, and accepts or refuses it.
async fn greet(app: &App, socket: &mut WebSocket) -> Result<Watch, End> {
    loop {
        match receive(socket).await? {
            Some(ClientMessage::ConnectionInit { payload }) => {
                let token = payload.as_ref().and_then(|payload| payload.get("token"));
                let watch = admit(app, token).await?;
                send(socket, &ServerMessage::ConnectionAck).await?;
                return Ok(watch);
            }
            Some(ClientMessage::Start { .. }) => return Err(End::NO_INIT),
            Some(ClientMessage::Ping { .. }) => send(socket, &ServerMessage::Pong).await?,
            _ => {}
        }
    }
}

/// The session of a token, unless the token is refused or the session has ended.
async fn admit(app: &App, token: Option<&serde_json::Value>) -> Result<Watch, End> {
    let token = match token {
        None | Some(serde_json::Value::Null) => return Err(End::refused("TOKEN_MISSING")),
        Some(token) => token.as_str().unwrap_or_default(),
    };
    let caller = app.tokens.identify(token).map_err(|refused| {
        tracing::debug!(%refused, "an access token was refused");
        End::refused(match refused {
            TokenError::Expired => "TOKEN_EXPIRED",
            TokenError::Invalid(_) => "TOKEN_INVALID",
        })
    })?;
    let most = app.settings.events.max_per_session;
    match app.sessions.watch(&caller, most).await {
        Ok(Some(watch)) => Ok(watch),
        Ok(None) => Err(End::SESSION_SOCKETS),
        Err(SessionError::Ended) => Err(End::refused("SESSION_ENDED")),
        Err(error) => {
            tracing::warn!(%error, "a session could not be read for its socket");
            Err(End::refused("UNAVAILABLE"))
        }
    }
}

/// A socket whose client was let in.
struct Conversation<'a> {
    app: &'a App,
    socket: &'a mut WebSocket,
    watch: Watch,
    operations: Vec<Operation>,
}

/// A subscription that runs.
struct Operation {
    id: String,
    responses: BoxStream<'static, GraphqlResponse>,
}

/// What a conversation waits for.
enum Turn {
    Response(usize, Option<GraphqlResponse>),
    Ended(&'static str),
    Message(Option<ClientMessage>),
    Pulse,
}

impl Conversation<'_> {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        let interval = self.app.settings.events.ping_interval;
        let mut pulse = Instant::now() + interval;
        let mut is_heard = true;
        loop {
            let turn = tokio::select! {
                biased;
                (index, response) = next(&mut self.operations) => Turn::Response(index, response),
                reason = self.watch.ended() => Turn::Ended(reason.as_str()),
                () = sleep_until(pulse) => Turn::Pulse,
                message = receive(self.socket) => Turn::Message(message?),
            };
            match turn {
                Turn::Response(index, response) => {
                    Box::pin(self.deliver(index, response)).await?;
                }
                Turn::Ended(reason) => {
                    // Each of the operations tells of it and completes.
                    while !self.operations.is_empty() {
                        let (index, response) = next(&mut self.operations).await;
                        Box::pin(self.deliver(index, response)).await?;
                    }
                    return Err(End::Close(4410, reason));
                }
                Turn::Message(message) => {
                    is_heard = true;
                    if let Some(message) = message {
                        Box::pin(self.answer(message)).await?;
                    }
                }
                // Answered by browsers themselves, so that a page that sleeps is not taken for dead.
                Turn::Pulse if !std::mem::take(&mut is_heard) => return Err(End::Gone),
                Turn::Pulse => {
                    pulse = Instant::now() + interval;
                    Box::pin(self.check_expiry()).await;
                    write(self.socket, Message::Ping(Default::default())).await?;
                }
            }
        }
    }

    /// Nothing depends on the very second: no token is good past its session's end.
    async fn check_expiry(&mut self) {
        if let Err(error) = self.app.sessions.check_expiry(&mut self.watch).await {
            tracing::warn!(%error, "a session could not be read for its socket");
        }
    }

    async fn deliver(
        &mut self,
        index: usize,
        response: Option<GraphqlResponse>,
    ) -> Result<(), End> {
        match response {
            Some(payload) if payload.is_ok() => {
                let id = &self.operations[index].id;
                send(self.socket, &ServerMessage::Next { id, payload }).await
            }
            Some(response) => {
                let id = self.operations.swap_remove(index).id;
                self.refuse(&id, response.errors).await
            }
            None => {
                let id = &self.operations.swap_remove(index).id;
                send(self.socket, &ServerMessage::Complete { id }).await
            }
        }
    }

    async fn refuse(&mut self, id: &str, payload: Vec<ServerError>) -> Result<(), End> {
        send(self.socket, &ServerMessage::Error { id, payload }).await
    }

    async fn answer(&mut self, message: ClientMessage) -> Result<(), End> {
        match message {
            ClientMessage::ConnectionInit { .. } => Err(End::SECOND_INIT),
            ClientMessage::Start { id, payload } => self.subscribe(id, payload).await,
            ClientMessage::Stop { id } => {
                self.operations.retain(|operation| operation.id != id);
                Ok(())
            }
            ClientMessage::Ping { .. } => send(self.socket, &ServerMessage::Pong).await,
            ClientMessage::Pong { .. } => Ok(()),
            ClientMessage::ConnectionTerminate => Err(End::Gone),
        }
    }

    async fn subscribe(&mut self, id: String, mut request: Request) -> Result<(), End> {
        if self.operations.iter().any(|operation| operation.id == id) {
            return Err(End::ID_IN_USE);
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(End::OPERATIONS);
        }
        let name = request.operation_name.clone();
        if let Err(refused) = self.app.documents.admit(&mut request) {
            return self.refuse(&id, vec![refused]).await;
        }
        if let Ok(document) = request.parsed_query() {
            let operation = operation(document, name.as_deref());
            if operation.is_some_and(|(_, operation)| operation.ty != OperationType::Subscription) {
                return self.refuse(&id, vec![subscriptions_only()]).await;
            }
            // The library runs plain fields only, and would end the others without a word.
            if operation.is_some_and(|(_, operation)| has_fragment(operation)) {
                let why = "Name the subscription's field itself, without a fragment.";
                let error = with_code(ServerError::new(why, None), Code::ValidationFailed);
                return self.refuse(&id, vec![error]).await;
            }
        }
        let request = request.data(self.watch.report());
        let responses = self.app.engine.subscribe(request);
        self.operations.push(Operation { id, responses });
        Ok(())
    }
}

fn has_fragment(operation: &OperationDefinition) -> bool {
    let mut selections = operation.selection_set.node.items.iter();
    selections.any(|selection| !matches!(selection.node, Selection::Field(_)))
}

/// The next response of any operation, or its end.
async fn next(operations: &mut [Operation]) -> (usize, Option<GraphqlResponse>) {
    std::future::poll_fn(|context| {
        for (index, operation) in operations.iter_mut().enumerate() {
            if let std::task::Poll::Ready(response) = operation.responses.poll_next_unpin(context) {
                return std::task::Poll::Ready((index, response));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// What we say.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerMessage<'a> {
    ConnectionAck,
    Next {
        id: &'a str,
        payload: GraphqlResponse,
    },
    Error {
        id: &'a str,
        payload: Vec<ServerError>,
    },
    Complete {
        id: &'a str,
    },
    Pong,
}

/// The client's next message; `None` for a frame that says only that it is there.
async fn receive(socket: &mut WebSocket) -> Result<Option<ClientMessage>, End> {
    match socket.recv().await {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Text(text))) => ClientMessage::from_bytes(text.as_str())
            .map(Some)
            .map_err(|_| End::BAD_MESSAGE),
        Some(Ok(Message::Binary(_)) | Err(_)) => Err(End::BAD_MESSAGE),
    }
}

async fn send(socket: &mut WebSocket, message: &ServerMessage<'_>) -> Result<(), End> {
    let json = serde_json::to_string(message).map_err(|_| End::Gone)?;
    write(socket, Message::Text(json.into())).await
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(WRITE_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Gone),
    }
}
