//! What is served at an address: its routes, what every request there has to be like, and what every answer carries.
//!
//! All of it is one function around the routes. Layers of tower's are cloned and boxed for each request, which took a fifth of
//! the time of a query.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tower::Service as _;
use tracing::Instrument as _;

use super::observe::Observed;
use super::{assets, health, hosts, requests};
use crate::app::App;
use crate::telemetry::request_id;

/// No page that opened ours, or that ours opened, holds on to it (HTML, "cross-origin opener policies").
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// No page of another origin takes in what is ours but through CORS (Fetch, "Cross-Origin-Resource-Policy header").
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What every answer carries.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];
/// What every answer carries where the public URL is https.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What every answer carries that has no policy of its own.
const POLICY: HeaderValue = HeaderValue::from_static(assets::BARE_POLICY);

/// Routes, and what surrounds them.
pub struct Site {
    routes: Router,
    app: Arc<App>,
    /// The paths that are answered whatever name the server is asked by; `None`: all of them.
    nameless: Option<&'static [&'static str]>,
}

impl Site {
    /// Everything at the public address.
    pub fn public(app: &Arc<App>) -> Self {
        Self {
            routes: super::public_routes(app).with_state(Arc::clone(app)),
            app: Arc::clone(app),
            nameless: Some(match app.settings.ops_listen {
                None => health::PROBES,
                Some(_) => &[],
            }),
        }
    }

    /// What operators ask, where it has an address of its own.
    pub fn operations(app: &Arc<App>) -> Self {
        let routes = health::router().merge(health::metrics_router());
        Self {
            routes: routes.with_state(Arc::clone(app)),
            app: Arc::clone(app),
            nameless: None,
        }
    }

    /// The answer to a request, whatever comes of it.
    pub async fn answer(&self, request: Request) -> Response {
        let observed = Observed::begin(&self.app, &request);
        let id = observed.id.clone();
        request_id::within(Some(id), async {
            let answering = AssertUnwindSafe(self.admit(request)).catch_unwind();
            let answered = answering.instrument(observed.span.clone()).await;
            // A fault of ours; the log has the panic's text and place.
            let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
            let mut answer = requests::explain(answered.unwrap_or_else(failed));
            self.add_headers(answer.headers_mut());
            observed.end(&mut answer);
            answer
        })
        .await
    }

    async fn admit(&self, request: Request) -> Response {
        if let Some(refused) = requests::refuse(&request) {
            return refused.into_response();
        }
        if self
            .nameless
            .is_some_and(|paths| !paths.contains(&request.uri().path()))
            && let Some(refused) = hosts::refuse_foreign(&self.app.settings, &request)
        {
            return refused;
        }
        // Unlike tower's, this timer is not set for what is answered without waiting.
        let answering = self.routes.clone().call(request);
        match tokio::time::timeout(requests::TIME_LIMIT, answering).await {
            Ok(Ok(answer)) => answer,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in HEADERS {
            headers.insert(name, value);
        }
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
        if self.app.settings.http.public_url.scheme() == "https" {
            headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;

    use super::*;
    use crate::config::{Flags, Settings};

    #[tokio::test]
    async fn a_panic_is_an_answer_that_says_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/countersign.db", folder.path().display());
        let mut flags = Flags::default();
        flags.values.insert("database.url", (database, "the test"));
        let app = App::start(Settings::load(&flags).unwrap()).await.unwrap();
        let fails = async || -> &'static str { panic!("what is inside") };
        let site = Site {
            routes: Router::new().route("/", get(fails)),
            ..Site::operations(&app)
        };
        let answer = site.answer(Request::new(Body::empty())).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[X_FRAME_OPTIONS], "DENY");
        assert_eq!(
            answer.headers()[CONTENT_SECURITY_POLICY],
            assets::BARE_POLICY
        );
        let body = to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(body, "Internal Server Error.\n");
    }
}
