//! What every request has to be like, and the text of answers that have none.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// The longest address. Queries by GET stand in it.
const MAX_URI_BYTES: usize = 8 * 1024;
/// How large all header lines may be together.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The longest that a request may take, its slow sender included.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// With what a request is refused that no route has to look at.
pub fn refuse(request: &Request) -> Option<StatusCode> {
    if uri_bytes(request.uri()) > MAX_URI_BYTES {
        Some(StatusCode::URI_TOO_LONG)
    } else if header_bytes(request.headers()) > MAX_HEADER_BYTES {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        None
    }
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

/// Gives a refusal without a body the name of its status.
pub fn explain(answer: Response) -> Response {
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
