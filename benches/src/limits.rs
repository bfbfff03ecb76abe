//! Servers that do nothing, which no server of their kind is faster than.

use std::net::SocketAddr;

use anyhow::Result;
use async_graphql::{
    EmptyMutation, EmptySubscription, Enum, ID, Object, Request, Schema, SimpleObject,
};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use clap::ValueEnum;

use crate::contest::{email, user_id};

/// Which one.
#[derive(Clone, Copy, ValueEnum)]
pub enum Limit {
    /// axum alone, which does not look at what it is asked.
    Bare,
    /// axum and async-graphql.
    Constant,
    /// axum, which says at `/graphql/ws` what it hears.
    Sockets,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum Role {
    User,
}

#[derive(SimpleObject)]
struct User {
    id: ID,
    email: String,
    role: Role,
}

struct Query;

#[Object]
impl Query {
    /// User 0.
    async fn me(&self) -> User {
        User {
            id: user_id(0).into(),
            email: email(0),
            role: Role::User,
        }
    }
}

type Constant = Schema<Query, EmptyMutation, EmptySubscription>;

/// Serves until it is killed.
///
/// # Errors
/// When it cannot listen.
#[tokio::main]
pub async fn serve(limit: Limit, address: SocketAddr) -> Result<()> {
    let hello = get(async || "ready");
    let router = match limit {
        Limit::Bare => {
            let answer = format!(
                r#"{{"data":{{"me":{{"id":"{}","email":"{}","role":"USER"}}}}}}"#,
                user_id(0),
                email(0)
            );
            let answer = Bytes::from(answer);
            Router::new().route(
                "/graphql",
                axum::routing::post(async move || ([(CONTENT_TYPE, "application/json")], answer)),
            )
        }
        Limit::Constant => {
            let schema = Constant::new(Query, EmptyMutation, EmptySubscription);
            Router::new()
                .route("/graphql", axum::routing::post(execute))
                .with_state(schema)
        }
        Limit::Sockets => Router::new().route("/graphql/ws", get(echo)),
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, router.route("/", hello)).await?)
}

async fn execute(
    State(schema): State<Constant>,
    Json(request): Json<Request>,
) -> impl IntoResponse {
    Json(schema.execute(request).await)
}

/// With buffers as small as the server has them.
async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    let upgrade = upgrade
        .protocols(["graphql-transport-ws"])
        .read_buffer_size(1024)
        .write_buffer_size(0);
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            let _ = socket.send(message).await;
        }
    })
}
