//! What every request has to be like, and the text of answers that have none.

use std::any::Any;
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The longest address. Queries by GET stand in it.
const MAX_URI_BYTES: usize = 8 * 1024;
/// How large all header lines may be together.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The longest that a request may take, its slow sender included.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Refuses what no route has to look at, and gives up what takes too long.
pub async fn limit(request: Request, next: Next) -> Response {
    let refused = if uri_bytes(request.uri()) > MAX_URI_BYTES {
        StatusCode::URI_TOO_LONG
    } else if header_bytes(request.headers()) > MAX_HEADER_BYTES {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        // Unlike tower's, this timer is not set for what is answered without waiting.
        match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
            Ok(answer) => return answer,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    refused.into_response()
}

fn uri_bytes(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().len())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// A fault of ours; the log has the panic's text and place.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Gives a refusal without a body the name of its status.
pub fn explain<B>(answer: Response<B>) -> Response
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let answer = answer.map(Body::new);
    let status = answer.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || answer.headers().contains_key(CONTENT_TYPE) {
        return answer;
    }
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let text = format!("{}.\n", status.canonical_reason().unwrap_or("Refused"));
    (parts, text).into_response()
}
