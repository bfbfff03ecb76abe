//! Reads the settings from the environment and serves.

use std::env;

use anyhow::{Context, Result};
use axum_service::{Settings, app};

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt::init();
    let issuer =
        env::var("ISSUER").context("ISSUER is not set, for example http://localhost:4000")?;
    let or_issuer = |name| env::var(name).unwrap_or_else(|_| issuer.clone());
    let settings = Settings {
        audience: or_issuer("AUDIENCE"),
        server: or_issuer("SERVER"),
        algorithm: env::var("ALGORITHM")
            .as_deref()
            .unwrap_or("EdDSA")
            .parse()?,
        issuer,
    };
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    tracing::info!("listening on http://{listen}");
    axum::serve(listener, app(&settings)?).await?;
    Ok(())
}
