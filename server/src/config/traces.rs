//! Where traces go.

use std::collections::HashMap;

use axum::http::{HeaderName, HeaderValue};
use url::Url;

use super::source::Source;

/// Where traces go. Without an endpoint there are none.
#[derive(Clone, derive_more::Debug)]
pub struct TraceSettings {
    /// `COUNTERSIGN_TRACES__ENDPOINT`: what takes traces by OTLP over HTTP, such as `https://collector.example.com/v1/traces`.
    pub endpoint: Option<Url>,
    /// `COUNTERSIGN_TRACES__HEADERS`: what is sent along, such as `authorization=Bearer …`.
    #[debug("[redacted]")]
    pub headers: HashMap<String, String>,
    /// `COUNTERSIGN_TRACES__SAMPLE`: which share of the requests is traced, where no proxy has decided it.
    pub sample: f64,
}

impl TraceSettings {
    pub(super) fn read(source: &mut Source) -> Self {
        Self {
            endpoint: source.optional_private("traces.endpoint", |text| match Url::parse(text) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                    Err("is neither http nor https")
                }
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    Err("must not name a user: use COUNTERSIGN_TRACES__HEADERS")
                }
                Ok(url) => Ok(url),
                Err(_) => Err("is no URL like https://collector.example.com/v1/traces"),
            }),
            headers: source
                .optional_private("traces.headers", |text| {
                    text.split(',')
                        .map(header)
                        .collect::<Option<_>>()
                        .ok_or("are no headers like authorization=Bearer TOKEN,x-tenant=one")
                })
                .unwrap_or_default(),
            sample: source.parsed("traces.sample", "1", |text| match text.parse() {
                Ok(share @ 0.0..=1.0) => Ok(share),
                _ => Err("is no share from 0 to 1"),
            }),
        }
    }
}

fn header(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).ok()?;
    HeaderValue::try_from(value).ok()?;
    Some((name.to_owned(), value.to_owned()))
}
