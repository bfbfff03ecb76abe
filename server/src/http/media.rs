//! Media types of GraphQL requests and answers (RFC 9110 §8.3 and §12.5.1).

use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};

/// The media type of the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/graphql-response+json`: the status says whether the request could be executed.
    GraphqlResponse,
    /// `application/json`, for older clients: a well-formed request is answered with 200.
    Json,
}

impl MediaType {
    /// The answer's `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// The media type that the client wants; `None` when it wants neither of ours.
pub fn accepted(headers: &HeaderMap) -> Option<MediaType> {
    let lines: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    if lines.is_empty() {
        return Some(MediaType::Json);
    }
    let ranges = lines.iter().flat_map(|line| line.split(','));
    let mut best: Option<(MediaType, f32)> = None;
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let media = match parts
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "application/graphql-response+json" => MediaType::GraphqlResponse,
            "application/json" | "application/*" | "*/*" => MediaType::Json,
            _ => continue,
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1.0), |q| q.parse::<f32>().ok());
        match (quality, best) {
            (Some(quality), Some((_, most))) if quality <= most => {}
            (Some(quality), _) if quality > 0.0 => best = Some((media, quality)),
            _ => {}
        }
    }
    best.map(|(media, _)| media)
}

/// Whether the body is JSON in UTF-8. A page of another origin can send form and text bodies without being asked, not this.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = only(headers, &CONTENT_TYPE) else {
        return false;
    };
    let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
    let json = parts
        .next()
        .is_some_and(|media| media == "application/json");
    let utf8 = parts.all(|part| match part.strip_prefix("charset=") {
        Some(charset) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        None => true,
    });
    json && utf8
}

/// The text of a header that stands there once. Of two that say different things, somebody on the way may have read the other.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}
