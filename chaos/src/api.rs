//! The API as a client library sees it: answers, refusals, and calls that nobody answered.

use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The host that the nodes believe to be called by.
pub const PUBLIC_HOST: &str = "auth.example.com";
/// As the client library has it: a renewal can be repeated however late.
const REPEATABLE_LIMIT: Duration = Duration::from_secs(10);
/// Longer than a node may work at a request: who gives up earlier cannot know whether it still happens.
const ONCE_LIMIT: Duration = Duration::from_secs(40);

/// Why a call brought nothing.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server's definitive no: `code` and `reason` of docs/errors.md.
    Refused(Refusal),
    /// It cannot be known whether it happened; asking again is right.
    Unanswered(String),
    /// The server failed at it, which it never may. Whether it happened cannot be known either.
    Broken(String),
}

/// A definitive no.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What a program does.
    pub code: String,
    /// Why; empty where there is none.
    pub reason: String,
    /// Whether calls before this one were not answered, so that it may be a no to what has happened already.
    pub repeated: bool,
}

impl Refusal {
    /// Whether a renewal helps.
    pub fn is_stale(&self) -> bool {
        ["TOKEN_STALE", "TOKEN_EXPIRED"].contains(&self.reason.as_str())
    }

    /// Whether it is what a revoked token gets.
    pub fn is_revocation(&self) -> bool {
        ["TOKEN_STALE", "SESSION_ENDED"].contains(&self.reason.as_str())
    }
}

/// What comes of a call.
pub type Answer<T> = Result<T, Failure>;

/// What every mutation answers that signs somebody in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The bearer token.
    pub access_token: String,
    /// The token to renew with.
    pub refresh_token: String,
    /// The session's id.
    pub session_id: String,
    /// Who is signed in.
    pub user: User,
}

/// The part of an account that is looked at here.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The account's id.
    pub id: String,
}

const SESSION: &str = "{ accessToken refreshToken sessionId user { id } }";

/// One way to the server: through the load balancer, or straight to a node.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    url: String,
}

impl Api {
    /// The server at a port of 127.0.0.1.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(port: u16) -> Result<Self> {
        let http = Client::builder()
            .user_agent("chaos")
            .connect_timeout(Duration::from_secs(2))
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            url: format!("http://127.0.0.1:{port}"),
        })
    }

    /// Whether `/readyz` says 200.
    pub async fn is_ready(&self) -> bool {
        let request = self.http.get(format!("{}/readyz", self.url));
        let answer = request.timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Makes an account.
    pub async fn register(&self, email: &str, password: &str) -> Answer<Session> {
        let input = json!({ "email": email, "password": password, "name": "Chaos" });
        let mutation = format!(
            "mutation($input: RegisterInput!) {{ payload: register(input: $input, transport: BODY) {SESSION} }}"
        );
        self.sign_in(None, &mutation, json!({ "input": input }), ONCE_LIMIT)
            .await
    }

    /// Signs in.
    pub async fn login(&self, email: &str, password: &str) -> Answer<Session> {
        let input = json!({ "email": email, "password": password });
        let mutation = format!(
            "mutation($input: LoginInput!) {{ payload: login(input: $input, transport: BODY) {SESSION} }}"
        );
        self.sign_in(None, &mutation, json!({ "input": input }), ONCE_LIMIT)
            .await
    }

    /// Renews a session. Who asks again uses the same `attempt`.
    pub async fn refresh(&self, token: &str, attempt: &str) -> Answer<Session> {
        let mutation = format!(
            "mutation($token: String!, $attempt: String!) {{ payload: refresh(refreshToken: $token, attempt: $attempt) {SESSION} }}"
        );
        let variables = json!({ "token": token, "attempt": attempt });
        self.sign_in(None, &mutation, variables, REPEATABLE_LIMIT)
            .await
    }

    /// Changes the password of the token's user.
    pub async fn change_password(&self, access: &str, old: &str, new: &str) -> Answer<Session> {
        let input = json!({ "currentPassword": old, "newPassword": new });
        let mutation = format!(
            "mutation($input: ChangePasswordInput!) {{ payload: changePassword(input: $input) {SESSION} }}"
        );
        let variables = json!({ "input": input });
        self.sign_in(Some(access), &mutation, variables, ONCE_LIMIT)
            .await
    }

    /// Proves the password again, for acts that need a fresh sign-in.
    pub async fn reauthenticate(&self, access: &str, password: &str) -> Answer<Session> {
        let mutation = format!(
            "mutation($password: String!) {{ payload: reauthenticate(password: $password) {SESSION} }}"
        );
        let variables = json!({ "password": password });
        self.sign_in(Some(access), &mutation, variables, ONCE_LIMIT)
            .await
    }

    /// Asks who the token's user is; their role.
    pub async fn me(&self, access: &str) -> Answer<String> {
        let query = "{ payload: me { role } }";
        let me = self
            .call(Some(access), query, json!({}), REPEATABLE_LIMIT)
            .await?;
        Ok(me["role"].as_str().unwrap_or_default().to_owned())
    }

    /// Ends the session of a refresh token.
    pub async fn logout(&self, refresh_token: &str) -> Answer<()> {
        let mutation = "mutation($token: String!) { payload: logout(refreshToken: $token) }";
        self.act("", mutation, json!({ "token": refresh_token }))
            .await
    }

    /// Ends all sessions of the token's user.
    pub async fn logout_everywhere(&self, access: &str) -> Answer<()> {
        self.act(access, "mutation { payload: logoutEverywhere }", json!({}))
            .await
    }

    /// Deletes the account of the token's user.
    pub async fn delete_account(&self, access: &str, password: &str) -> Answer<()> {
        let mutation =
            "mutation($password: String!) { payload: deleteAccount(password: $password) }";
        self.act(access, mutation, json!({ "password": password }))
            .await
    }

    /// Gives somebody a role.
    pub async fn set_role(&self, access: &str, user: &str, role: &str) -> Answer<()> {
        let mutation = "mutation($id: ID!, $role: Role!) { payload: setRole(userId: $id, role: $role) { id } }";
        self.act(access, mutation, json!({ "id": user, "role": role }))
            .await
    }

    /// Switches an account off or on.
    pub async fn set_disabled(&self, access: &str, user: &str, disabled: bool) -> Answer<()> {
        let mutation = "mutation($id: ID!, $disabled: Boolean!) { payload: setDisabled(userId: $id, disabled: $disabled) { id } }";
        self.act(
            access,
            mutation,
            json!({ "id": user, "disabled": disabled }),
        )
        .await
    }

    /// Deletes an account.
    pub async fn delete_user(&self, access: &str, user: &str) -> Answer<()> {
        let mutation = "mutation($id: ID!) { payload: deleteUser(userId: $id) }";
        self.act(access, mutation, json!({ "id": user })).await
    }

    async fn sign_in(
        &self,
        access: Option<&str>,
        query: &str,
        variables: Value,
        limit: Duration,
    ) -> Answer<Session> {
        let payload = self.call(access, query, variables, limit).await?;
        serde_json::from_value(payload).map_err(|error| Failure::Broken(error.to_string()))
    }

    async fn act(&self, access: &str, query: &str, variables: Value) -> Answer<()> {
        let access = Some(access).filter(|access| !access.is_empty());
        self.call(access, query, variables, ONCE_LIMIT).await?;
        Ok(())
    }

    async fn call(
        &self,
        access: Option<&str>,
        query: &str,
        variables: Value,
        limit: Duration,
    ) -> Answer<Value> {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .header("host", PUBLIC_HOST)
            .json(&json!({ "query": query, "variables": variables }))
            .timeout(limit);
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        let unanswered = |error: reqwest::Error| Failure::Unanswered(format!("{error:?}"));
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unanswered)?;
        let Ok(mut body) = serde_json::from_str::<Value>(&text) else {
            let text = format!("{status}: {text}");
            return Err(match status {
                StatusCode::INTERNAL_SERVER_ERROR => Failure::Broken(text),
                _ => Failure::Unanswered(text),
            });
        };
        match body["errors"].get(0) {
            Some(error) => Err(failure(error)),
            None => Ok(body["data"]["payload"].take()),
        }
    }
}

fn failure(error: &Value) -> Failure {
    let text = |name: &str| {
        error["extensions"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let (code, reason) = (text("code"), text("reason"));
    match code.as_str() {
        "UNAVAILABLE" | "RATE_LIMITED" => Failure::Unanswered(format!("{code} {error}")),
        "INTERNAL_SERVER_ERROR" | "" => Failure::Broken(error.to_string()),
        _ => Failure::Refused(Refusal {
            code,
            reason,
            repeated: false,
        }),
    }
}
