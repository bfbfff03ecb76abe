//! Who calls, and the answers to those who may not (RFC 6750 §3).

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::FromRequestParts,
    http::{
        StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{Claims, RETRY, Role, Service};

/// A caller whose token is good.
pub struct Caller {
    /// What the token says.
    pub claims: Claims,
    token: String,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No bearer token was sent.
    Missing,
    /// The token is not good: why, for the log of the caller's developer.
    Invalid(&'static str),
    /// The role is not enough.
    Role,
    /// The server that could tell does not answer.
    Unavailable,
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION);
        let (scheme, token) = header
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .ok_or(Refusal::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Missing);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        Ok(Self {
            claims: service.verifier.verify(token, now).await?,
            token: token.to_owned(),
        })
    }
}

impl Caller {
    /// Lets the caller pass whose role is `role` or more.
    ///
    /// # Errors
    /// [`Refusal::Role`]
    pub fn require(&self, role: Role) -> Result<(), Refusal> {
        if self.claims.role >= role {
            Ok(())
        } else {
            Err(Refusal::Role)
        }
    }

    /// Asks the server whether the session lives and the role is still the one of the token.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] when not, [`Refusal::Unavailable`] when the server does not say.
    pub async fn require_live(&self, service: &Service) -> Result<(), Refusal> {
        let question = service
            .http
            .post(&service.graphql)
            .bearer_auth(&self.token)
            .json(&json!({ "query": "{ viewer { id } }" }));
        let unavailable = |_| Refusal::Unavailable;
        let answer = question.send().await.map_err(unavailable)?;
        let answer: Value = answer.json().await.map_err(unavailable)?;
        if answer["data"]["viewer"]["id"] == self.claims.sub.as_str() {
            return Ok(());
        }
        match answer["errors"][0]["extensions"]["code"].as_str() {
            Some("UNAUTHENTICATED") => Err(Refusal::Invalid("ended or stale")),
            _ => Err(Refusal::Unavailable),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let bearer = r#"Bearer realm="reports""#;
        let challenge = |status, text| (status, [(WWW_AUTHENTICATE, text)]).into_response();
        match self {
            // No error code for who did not try (RFC 6750 §3.1).
            Self::Missing => challenge(StatusCode::UNAUTHORIZED, bearer.to_owned()),
            Self::Invalid(why) => challenge(
                StatusCode::UNAUTHORIZED,
                format!(r#"{bearer}, error="invalid_token", error_description="{why}""#),
            ),
            Self::Role => challenge(
                StatusCode::FORBIDDEN,
                format!(r#"{bearer}, error="insufficient_scope""#),
            ),
            Self::Unavailable => {
                let retry = [(RETRY_AFTER, RETRY.as_secs().to_string())];
                (StatusCode::SERVICE_UNAVAILABLE, retry).into_response()
            }
        }
    }
}
