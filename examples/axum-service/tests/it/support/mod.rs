//! What the tests share.

mod countersign;
mod issuer;

use axum::Router;
use axum_service::{Settings, app};
use jsonwebtoken::Algorithm;
use reqwest::{Client, Method, RequestBuilder, Response, header::WWW_AUTHENTICATE};

pub use countersign::Countersign;
pub use issuer::{AUDIENCE, Issuer, Key, claims, header, token};

/// Serves `router` on a free loopback port until the test ends; gives its address.
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The service under test, served.
pub struct Service {
    address: String,
    client: Client,
}

impl Service {
    pub async fn start(settings: &Settings) -> Self {
        Self {
            address: serve(app(settings).unwrap()).await,
            client: Client::new(),
        }
    }

    /// A service that trusts `issuer`.
    pub async fn trusting(issuer: &Issuer, algorithm: Algorithm) -> Self {
        Self::start(&Settings {
            issuer: issuer.origin.clone(),
            audience: AUDIENCE.to_owned(),
            algorithm,
            server: issuer.origin.clone(),
        })
        .await
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.address))
    }

    /// The status and `WWW-Authenticate` of a call with `token`.
    pub async fn call(&self, method: Method, path: &str, token: &str) -> (u16, String) {
        let request = self.request(method, path).bearer_auth(token);
        answer(&request.send().await.unwrap())
    }

    pub async fn get(&self, path: &str, token: &str) -> (u16, String) {
        self.call(Method::GET, path, token).await
    }

    pub async fn status(&self, token: &str) -> u16 {
        self.get("/me", token).await.0
    }
}

pub fn answer(response: &Response) -> (u16, String) {
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}
