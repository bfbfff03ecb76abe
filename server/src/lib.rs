//! Countersign: a GraphQL authentication server.
//!
//! `graphql` → domain (`accounts`, `sessions`, `audit`, `tokens`) → `storage`, in one direction; `http` is the door and `app`
//! the only place that constructs services. docs/architecture.md has the map.

pub mod accounts;
pub mod app;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod graphql;
pub mod http;
pub mod readiness;
pub mod roots;
pub mod sessions;
pub mod storage;
pub mod telemetry;
pub mod tokens;
pub mod values;
