//! An answer of the server, and what tests want to know of it.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{SignedIn, log};

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null when it is no JSON.
    pub json: Value,
}

impl Answer {
    pub(super) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        log::note_fields(&json);
        log::note_cookies(&headers);
        Self {
            status,
            headers,
            json,
        }
    }

    /// The value at a path such as `me.email` below `data`, in an answer without errors.
    pub fn data(&self, path: &str) -> &Value {
        assert_eq!(self.json.get("errors"), None, "{:#}", self.json);
        path.split('.')
            .fold(&self.json["data"], |value, name| &value[name])
    }

    /// The text at a path below `data`.
    pub fn text(&self, path: &str) -> &str {
        self.data(path)
            .as_str()
            .unwrap_or_else(|| panic!("no text at {path}: {:#}", self.json))
    }

    /// The first error's extensions.
    pub fn extensions(&self) -> &Value {
        let extensions = &self.json["errors"][0]["extensions"];
        assert!(extensions.is_object(), "no error: {:#}", self.json);
        extensions
    }

    /// The first error's code and reason.
    pub fn error(&self) -> (&str, &str) {
        let text = |name: &str| self.extensions()[name].as_str().unwrap_or_default();
        (text("code"), text("reason"))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The refresh token that the session cookie was set to; empty when it was cleared, `None` when it was left alone.
    pub fn cookie(&self) -> Option<&str> {
        self.header("set-cookie")
            .strip_prefix("__Host-countersign=")
            .map(|rest| rest.split(';').next().unwrap())
    }

    /// What a client keeps of an answer whose `payload` is an AuthPayload.
    pub fn signed_in(&self) -> SignedIn {
        let text = |path: &str| self.text(path).to_owned();
        let in_body = self.data("payload.refreshToken").as_str();
        SignedIn {
            access_token: text("payload.accessToken"),
            refresh_token: in_body.or(self.cookie()).unwrap().to_owned(),
            user_id: text("payload.user.id"),
            session_id: text("payload.sessionId"),
        }
    }
}
