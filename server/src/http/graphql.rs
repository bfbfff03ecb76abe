//! GraphQL over HTTP, as the GraphQL-over-HTTP specification (draft of 2025) has it.
//!
//! The stock extractor of async-graphql-axum runs mutations sent by GET and takes JSON sent as text/plain, which a page of any
//! origin can send; so this is our own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Name, Request, Response as GraphqlResponse, ServerError, Variables};
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use tracing::{Instrument as _, field};

use super::media::{MediaType, accepted, is_json, only};
use super::observe::Told;
use super::{cookies, hosts, peer};
use crate::app::App;
use crate::graphql::{Call, Caller, Code, Document};
use crate::telemetry::{metrics, request_id};
use crate::tokens::TokenError;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// A longer name of an operation is not logged.
const MAX_NAME_BYTES: usize = 64;
/// What stands for the field of an operation that has not just one.
const SEVERAL: &str = "several";
/// What stands for the field of a document that was not executed.
pub(super) const INVALID: &str = "invalid";
/// What stands for the field of an operation that did not end.
const UNFINISHED: &str = "unfinished";

/// The parameters of a request.
#[derive(Deserialize)]
struct Parameters {
    query: String,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    /// Read for its type only: we understand none.
    #[serde(default, rename = "extensions")]
    _extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The parameters as they stand in a URL: objects as JSON text.
#[derive(Deserialize)]
pub struct UrlParameters {
    query: String,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<String>,
    #[serde(default)]
    extensions: Option<String>,
}

/// The parts of a request that are neither its body nor its URL. It takes the headers away from it.
pub struct Envelope {
    pub(super) connection: SocketAddr,
    pub(super) headers: HeaderMap,
}

impl axum::extract::FromRequestParts<Arc<App>> for Envelope {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &Arc<App>,
    ) -> Result<Self, Response> {
        let connection = ConnectInfo::<SocketAddr>::from_request_parts(parts, app).await;
        Ok(Self {
            connection: connection.map_err(IntoResponse::into_response)?.0,
            headers: std::mem::take(&mut parts.headers),
        })
    }
}

/// GET: queries only.
pub async fn by_get(
    State(app): State<Arc<App>>,
    envelope: Envelope,
    query: Result<Query<UrlParameters>, QueryRejection>,
) -> Response {
    let Some(media) = accepted(&envelope.headers) else {
        return not_acceptable();
    };
    let Ok(Query(url)) = query else {
        return malformed(
            media,
            "GET needs the parameter query, each parameter at most once.",
        );
    };
    let object = |text: Option<String>| {
        text.filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(&text))
            .transpose()
    };
    let (Ok(variables), Ok(extensions)) = (object(url.variables), object(url.extensions)) else {
        return malformed(media, "variables and extensions are JSON objects.");
    };
    let parameters = Parameters {
        query: url.query,
        operation_name: url.operation_name.filter(|name| !name.is_empty()),
        variables,
        _extensions: extensions,
    };
    answer(app, envelope, parameters, media, Method::Get).await
}

/// POST: `application/json`, in UTF-8.
pub async fn by_post(
    State(app): State<Arc<App>>,
    envelope: Envelope,
    request: HttpRequest,
) -> Response {
    let Some(media) = accepted(&envelope.headers) else {
        return not_acceptable();
    };
    if !is_json(&envelope.headers) {
        let why = "Send the request as application/json in UTF-8.";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, why);
    }
    let stall_limit = app.settings.http.connections.stall_timeout;
    let reading = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let body = match tokio::time::timeout(stall_limit, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            let (status, why) = match error.is::<LengthLimitError>() {
                true => (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The body is larger than 64 KiB.",
                ),
                false => (StatusCode::BAD_REQUEST, "The body was cut short."),
            };
            return refusal(status, media, why);
        }
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, media, "The body is too slow."),
    };
    match serde_json::from_slice(&body) {
        Ok(parameters) => answer(app, envelope, parameters, media, Method::Post).await,
        Err(_) => malformed(
            media,
            "The body is a JSON object with query, and optionally operationName, variables and extensions.",
        ),
    }
}

/// Any other method.
pub async fn other_method() -> Response {
    let mut response = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        MediaType::Json,
        "Use POST, or GET for queries.",
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn answer(
    app: Arc<App>,
    envelope: Envelope,
    parameters: Parameters,
    media: MediaType,
    method: Method,
) -> Response {
    let mut request = Request::new(parameters.query);
    request.operation_name = parameters.operation_name;
    request.variables = Variables::from_json(parameters.variables.unwrap_or_default().into());
    let started = Instant::now();
    let name = request.operation_name.clone();
    let mut told = Told::default();
    let document = match app.documents.admit(&mut request) {
        Ok(document) => document,
        Err(refused) => {
            let refused = GraphqlResponse::from_errors(vec![refused]);
            return render(refused, media, told, started);
        }
    };
    let parsed = request.parsed_query().ok();
    // What cannot be decided is left to the execution, which refuses it.
    let asked = parsed.and_then(|document| operation(document, name.as_deref()));
    if let Some((name, operation)) = asked {
        told.operation = name.and_then(safe_name);
        root_field(operation).clone_into(&mut told.field);
    }
    if method == Method::Get
        && asked.is_some_and(|(_, operation)| operation.ty != OperationType::Query)
    {
        let mut response = refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            media,
            "Send mutations by POST.",
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let settings = &app.settings.http;
    let origin_allowed = !hosts::is_cross_site(&envelope.headers)
        && hosts::origin_is_allowed(settings, app.settings.profile, &envelope.headers);
    let caller = caller(&app, &envelope.headers).await;
    if let Caller::SignedIn(identity) = &caller {
        told.user = Some(identity.user);
    }
    let call = Arc::new(Call {
        caller,
        peer: peer::peer(
            envelope.connection.ip(),
            &envelope.headers,
            &settings.trusted_proxies,
        ),
        cookies: cookies::read(settings, &envelope.headers, origin_allowed),
        in_address: method == Method::Get,
    });
    let request = request.data(Arc::clone(&call));
    let span = tracing::info_span!(
        "operation",
        "graphql.field" = field::Empty,
        "graphql.code" = field::Empty
    );
    let executed = execute(&app, document, request)
        .instrument(span.clone())
        .await;
    let executed = executed.unwrap_or_else(|failed| {
        // Its document may not have been validated.
        UNFINISHED.clone_into(&mut told.field);
        failed
    });
    let mut response = render(executed, media, told, started);
    if let Some(told) = response.extensions().get::<Told>() {
        span.record("graphql.field", &told.field);
        span.record("graphql.code", told.code);
    }
    cookies::write(settings, call.cookies.take_writes(), response.headers_mut());
    response
}

/// Runs the operation. One that has to wait goes on on a task of its own: a client that hangs up must not leave a transaction open
/// half way. Most have not to wait, and a task costs a tenth of what they do.
///
/// # Errors
/// The answer in place of the one that it did not come to.
async fn execute(
    app: &Arc<App>,
    document: Arc<Document>,
    request: Request,
) -> Result<GraphqlResponse, GraphqlResponse> {
    let run = {
        let app = Arc::clone(app);
        async move { app.engine.execute(&document, request).await }
    };
    let mut run = AssertUnwindSafe(run).catch_unwind().boxed();
    let first = poll_fn(|context| Poll::Ready(run.as_mut().poll(context))).await;
    let executed = match first {
        Poll::Ready(executed) => Ok(executed.ok()),
        Poll::Pending => {
            let execution = tokio::spawn(request_id::carried(run.in_current_span()));
            // What it does in the database goes on; only its answer is given up.
            let executed = tokio::time::timeout(app.settings.graphql.time_limit, execution).await;
            executed.map(|joined| joined.ok()?.ok())
        }
    };
    match executed {
        Ok(Some(executed)) => Ok(executed),
        Ok(None) => Err(failure("Something went wrong on our side.", Code::Internal)),
        Err(_) => Err(failure(
            "The service is too slow just now. Try again in a moment.",
            Code::Unavailable,
        )),
    }
}

/// The operation that would run, and its name; `None` when the execution is going to refuse the document.
pub(super) fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<(Option<&'a str>, &'a OperationDefinition)> {
    let mut operations = document.operations.iter();
    let (name, operation) = match (&document.operations, name) {
        (DocumentOperations::Multiple(_), Some(name)) => {
            operations.find(|(known, _)| known.is_some_and(|known| known == name))
        }
        // One operation runs without being named, though it may have a name.
        _ => operations.next().filter(|_| operations.next().is_none()),
    }?;
    Some((name.map(Name::as_str), &operation.node))
}

/// The name that the client gave its operation, where nothing can be hidden in it: the grammar lets letters, digits and `_` in.
fn safe_name(name: &str) -> Option<String> {
    (name.len() <= MAX_NAME_BYTES).then(|| name.to_owned())
}

/// The field at the operation's root. That it is one of the schema's is known only when the document was validated.
fn root_field(operation: &OperationDefinition) -> &str {
    match operation.selection_set.node.items.as_slice() {
        [only] => match &only.node {
            Selection::Field(field) => field.node.name.node.as_str(),
            _ => SEVERAL,
        },
        _ => SEVERAL,
    }
}

/// Who the bearer token speaks for (RFC 6750 §2.1).
async fn caller(app: &App, headers: &HeaderMap) -> Caller {
    if !headers.contains_key(AUTHORIZATION) {
        return Caller::Anonymous;
    }
    let token = only(headers, &AUTHORIZATION).and_then(|text| text.split_once(' '));
    let admitted = match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            app.sessions.admit(token).await
        }
        _ => Err(TokenError::Invalid("not a bearer token").into()),
    };
    match admitted {
        Ok(caller) => Caller::SignedIn(caller),
        Err(refused) => {
            tracing::debug!(%refused, "an access token was refused");
            Caller::Rejected(refused)
        }
    }
}

fn not_acceptable() -> Response {
    let why = "Accept application/graphql-response+json or application/json.";
    refusal(StatusCode::NOT_ACCEPTABLE, MediaType::Json, why)
}

fn malformed(media: MediaType, why: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, media, why)
}

fn refusal(status: StatusCode, media: MediaType, why: &str) -> Response {
    let extensions = serde_json::json!({ "code": Code::ValidationFailed.as_str() });
    let body = serde_json::json!({ "errors": [{ "message": why, "extensions": extensions }] });
    respond(status, media, body.to_string())
}

fn failure(message: &str, code: Code) -> GraphqlResponse {
    let mut error = ServerError::new(message, None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code.as_str());
    if code == Code::Unavailable {
        extensions.set("retryAfter", 1);
    }
    GraphqlResponse::from_errors(vec![error])
}

/// The answer, with the status that its media type asks for and what is told of it.
fn render(
    mut response: GraphqlResponse,
    media: MediaType,
    mut told: Told,
    started: Instant,
) -> Response {
    name_request(&mut response.errors);
    let executed = !response.errors.iter().any(refuses_document);
    let retry_after = response
        .errors
        .iter()
        .find_map(|error| text_of(error, "retryAfter"));
    // Fields stand in the order in which they were asked for (GraphQL §7.2.2), so this goes through no map of its own.
    let json = match executed {
        true => serde_json::to_string(&response),
        // An answer to what was not executed has no data at all (GraphQL §7.1.2).
        false => serde_json::to_string(&serde_json::json!({ "errors": response.errors })),
    };
    let Ok(json) = json else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let status = match media {
        MediaType::GraphqlResponse if !executed => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    if !executed {
        INVALID.clone_into(&mut told.field);
    }
    if let Some(error) = response.errors.first() {
        let code = text_of(error, "code").and_then(|code| code.parse().ok());
        told.code = code.map_or(Told::OTHER, Code::as_str);
    }
    metrics::count_operation(&told.field, told.code, started.elapsed());
    let mut answer = respond(status, media, json);
    answer.extensions_mut().insert(told);
    if let Some(wait) = retry_after.and_then(|wait| wait.parse().ok()) {
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    answer
}

/// Whether the error says that the document itself was refused, so that nothing was executed.
fn refuses_document(error: &ServerError) -> bool {
    const CODES: [Code; 3] = [Code::ParseFailed, Code::ValidationFailed, Code::TooComplex];
    let code = text_of(error, "code");
    error.path.is_empty()
        && CODES
            .iter()
            .any(|refusal| code.as_deref() == Some(refusal.as_str()))
}

fn text_of(error: &ServerError, name: &str) -> Option<String> {
    match error.extensions.as_ref()?.get(name)? {
        async_graphql::Value::String(text) => Some(text.clone()),
        async_graphql::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Puts the request's id into each error that is a fault of ours, so that its report leads to the line in the log.
fn name_request(errors: &mut [ServerError]) {
    for error in errors {
        if text_of(error, "code").as_deref() == Some(Code::Internal.as_str())
            && let Some(id) = request_id::current()
        {
            error
                .extensions
                .get_or_insert_default()
                .set("requestId", id.as_str());
        }
    }
}

fn respond(status: StatusCode, media: MediaType, json: String) -> Response {
    // Answers hold tokens (RFC 6749 §5.1).
    let headers = [
        (CONTENT_TYPE, media.content_type()),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, json).into_response()
}
