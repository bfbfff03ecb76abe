//! Traces, sent by OTLP over HTTP where the configuration says so.
//!
//! Spans are made with the crate `tracing` wherever something takes time. Without an endpoint nobody looks at them, and they
//! cost next to nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use tokio::runtime::Handle;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use super::BoxedLayer;
use crate::config::TraceSettings;
use crate::roots::system_roots;

/// How long the collector may take over what it is sent.
const LIMIT: Duration = Duration::from_secs(5);
/// What the spans are told to be of.
const SERVICE: &str = "countersign";

/// The traces of this process.
pub struct Traces(SdkTracerProvider);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter.
    #[error("COUNTERSIGN_TRACES__ENDPOINT: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// TLS.
    #[error("TLS to the collector: {0}")]
    Tls(#[from] rustls::Error),
}

impl Traces {
    /// What hears of spans, and what sends them; nothing where no endpoint is configured. Wants a runtime.
    ///
    /// # Errors
    /// [`TracesError`], whose text says what is wrong.
    pub fn start(settings: &TraceSettings) -> Result<Option<(BoxedLayer, Self)>, TracesError> {
        let Some(endpoint) = &settings.endpoint else {
            return Ok(None);
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(system_roots())
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime {
                client: HyperClient::new(https, LIMIT, None),
                runtime: Handle::current(),
            })
            .with_endpoint(endpoint.as_str())
            .with_headers(settings.headers.clone())
            .with_timeout(LIMIT)
            .build()?;
        let sampler = Sampler::TraceIdRatioBased(settings.sample);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(Resource::builder().with_service_name(SERVICE).build())
            .build();
        let ours = filter_fn(|metadata| {
            metadata.is_span()
                && metadata.target().starts_with(SERVICE)
                && *metadata.level() <= Level::INFO
        });
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
            .boxed();
        Ok(Some((layer, Self(provider))))
    }

    /// Sends what has not been sent, and ends.
    pub async fn finish(self) {
        let finishing = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LIMIT));
        if let Ok(Err(error)) = finishing.await {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Has a request's span go on with the trace that its headers name (W3C Trace Context).
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        let context = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // There is nobody to tell where nobody looks at spans.
        let _ = span.set_parent(context);
    }
}

/// Sends from a task of the runtime: what gathers the spans has a thread of its own, without one.
#[derive(Debug)]
struct OnRuntime {
    client: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self
            .runtime
            .spawn(async move { client.send_bytes(request).await });
        sending.await?
    }
}
