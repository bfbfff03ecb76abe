//! The service over HTTP: against the shared vectors, an issuer that misbehaves on request, and the real server.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod keys;
mod refusals;
mod server;
mod support;
mod vectors;
