//! The integration tests: whole servers on both databases, over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod accounts;
mod administration;
mod audit;
mod backup;
mod browsers;
mod command_line;
mod configuration;
mod cookies;
mod copy;
mod crash;
mod credentials;
mod devices;
mod doctor;
mod errors;
mod faults;
mod hostile_graphql;
mod hostile_http;
mod http;
mod https;
mod keys;
mod login;
mod logs;
mod metrics;
#[cfg(feature = "embedded-pages")]
mod pages;
mod passwords;
mod recovery;
mod refresh;
mod register;
mod reload;
mod remembered;
mod revocation;
mod rfc8725;
mod schema;
mod secrets;
mod sessions_command;
mod support;
mod throttle;
mod tls;
mod traces;
mod users_command;
mod users_import;
mod vectors;
mod ws;
