//! A whole server for one test: real HTTP on loopback, a real database of its own, and a clock that the test moves.

mod answer;
mod database;
pub mod log;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use answer::Answer;
use arc_swap::ArcSwap;
use countersign::app::App;
use countersign::clock::{Clock, uptime};
use countersign::config::{Flags, Settings};
use countersign::http::{self, Served};
use countersign::values::UnixMillis;
pub use database::{Database, each_database};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Good enough for the password rules.
pub const PASSWORD: &str = "plum tractor ninety seven";

/// What keys are sealed under in all tests.
pub const SECRET: &str = "a secret of the tests, long enough";

/// 2026-11-21T09:30:00Z.
const START: i64 = 1_795_253_400_000;

/// A clock that starts at 2026-11-21T09:30:00Z and stands still until the test moves it. The uptime runs by itself, too.
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        uptime() + self.now().since(UnixMillis(START))
    }
}

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(
            i64::try_from(duration.as_millis()).unwrap(),
            Ordering::SeqCst,
        );
    }

    /// The time now in milliseconds since 1970, as text.
    pub fn text(&self) -> String {
        self.now().0.to_string()
    }

    /// Moves the clock forward by whole seconds.
    pub fn advance_secs(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }
}

/// A running server.
pub struct TestApp {
    /// The server's clock.
    pub clock: Arc<TestClock>,
    /// The server's database.
    pub database: Arc<Database>,
    /// `http://localhost:PORT`.
    pub origin: String,
    /// The server's parts, for tests below HTTP.
    pub app: Arc<App>,
    builder: Builder,
    client: reqwest::Client,
}

/// Says what the test's server is like.
#[derive(Default, Clone)]
pub struct Builder {
    settings: Vec<(&'static str, String)>,
}

impl Builder {
    /// Sets a configuration key, such as `sessions.reuse_grace`.
    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_string()));
        self
    }

    /// One server on SQLite and one on PostgreSQL.
    pub async fn on_each_database(self) -> Vec<TestApp> {
        let mut apps = Vec::new();
        for database in each_database().await {
            apps.push(self.clone().on(Arc::new(database), None).await);
        }
        apps
    }

    /// A server on SQLite, for what the database has no part in.
    pub async fn on_sqlite(self) -> TestApp {
        self.on(Arc::new(Database::sqlite()), None).await
    }

    async fn on(self, database: Arc<Database>, clock: Option<Arc<TestClock>>) -> TestApp {
        log::start();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut flags = Flags::default();
        let defaults = [
            ("database.url", database.url()),
            ("database.connections", "8".to_owned()),
            ("http.listen", address.to_string()),
            ("passwords.memory_kib", "8".to_owned()),
            ("passwords.iterations", "1".to_owned()),
            // All of a test comes from one address, most of it at one instant of the test's clock.
            ("limits.free_attempts", "100".to_owned()),
            ("limits.failures_per_minute", "off".to_owned()),
            ("limits.failures_per_hour", "off".to_owned()),
            ("limits.registrations_per_hour", "off".to_owned()),
            ("limits.strength_per_minute", "off".to_owned()),
            ("keys.secret", SECRET.to_owned()),
        ];
        for (key, value) in defaults.into_iter().chain(self.settings.clone()) {
            if key == "keys.secret" {
                log::note(&value);
            }
            flags.values.insert(key, (value, "the test"));
        }
        let settings = Settings::load(&flags).unwrap();
        let clock = clock.unwrap_or_else(|| Arc::new(TestClock(AtomicI64::new(START))));
        let app = App::start_at(settings, clock.clone()).await.unwrap();
        let served = Arc::new(ArcSwap::from_pointee(Served::public(&app)));
        tokio::spawn(http::serve(listener, served, CancellationToken::new()));
        let origin = format!("http://localhost:{}", address.port());
        TestApp {
            clock,
            database,
            origin,
            app,
            builder: self,
            client: reqwest::Client::new(),
        }
    }
}

/// A server in the production profile. Its public URL has the name that the tests call it by.
pub fn production() -> Builder {
    TestApp::builder()
        .set("profile", "production")
        .set("http.public_url", "https://localhost")
        .set("tokens.issuer", "https://localhost")
        .set("passwords.memory_kib", "7168")
}

/// What a signed-in client holds.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// The refresh token, from the answer or from the cookie.
    pub refresh_token: String,
    /// The user's id.
    pub user_id: String,
    /// The session's id.
    pub session_id: String,
}

const PAYLOAD: &str = "{ accessToken refreshToken expiresIn refreshExpiresIn issuedAt sessionId user { id email name role } }";

impl TestApp {
    /// Says what the test's server is like.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Another server on the same database that signs for the same issuer, with one setting of its own.
    pub async fn another_node(&self, key: &'static str, value: &str) -> Self {
        let issuer = &self.app.settings.tokens.issuer;
        let builder = self
            .builder
            .clone()
            .set("tokens.issuer", issuer)
            .set(key, value);
        let (database, clock) = (Arc::clone(&self.database), Arc::clone(&self.clock));
        builder.on(database, Some(clock)).await
    }

    /// Asks until the answer is the one that is waited for: another node learns of things a moment later.
    pub async fn until(&self, token: &str, query: &str, expected: (&str, &str)) {
        for _ in 0..200 {
            let answer = self.run_as(token, query, json!({})).await;
            let is_error = answer.json.get("errors").is_some();
            if is_error && answer.error() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{query} never answers {expected:?}");
    }

    /// Signs in as an administrator whose sign-in is fresh.
    pub async fn administrator(&self) -> SignedIn {
        self.sign_in_with_role("root@example.com", "ADMIN").await
    }

    /// A request to change before it is sent.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.origin))
    }

    /// Sends a GraphQL request as given by the body and headers.
    pub async fn send(&self, body: Value, headers: &[(&str, &str)]) -> Answer {
        log::note_fields(&body);
        let mut request = self.request(reqwest::Method::POST, "/graphql").json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    /// Runs an operation as nobody.
    pub async fn run(&self, query: &str, variables: Value) -> Answer {
        self.send(json!({ "query": query, "variables": variables }), &[])
            .await
    }

    /// Runs an operation with a bearer token.
    pub async fn run_as(&self, token: &str, query: &str, variables: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        self.send(
            json!({ "query": query, "variables": variables }),
            &[("authorization", &bearer)],
        )
        .await
    }

    /// Registers by the BODY transport; the name is the address's first part.
    pub async fn register(&self, email: &str) -> SignedIn {
        let name = email.split('@').next().unwrap();
        let query = format!(
            "mutation($input: RegisterInput!) {{ payload: register(input: $input, transport: BODY) {PAYLOAD} }}"
        );
        let input = json!({ "email": email, "password": PASSWORD, "name": name });
        self.run(&query, json!({ "input": input }))
            .await
            .signed_in()
    }

    /// Signs in by the BODY transport.
    pub async fn login(&self, email: &str, password: &str) -> Answer {
        let query = format!(
            "mutation($input: LoginInput!) {{ payload: login(input: $input, transport: BODY) {PAYLOAD} }}"
        );
        self.run(
            &query,
            json!({ "input": { "email": email, "password": password } }),
        )
        .await
    }

    /// Signs in by the COOKIE transport, from the server's own page, with the cookie that the browser has.
    pub async fn login_by_cookie(&self, email: &str, cookie: Option<&str>) -> Answer {
        let query =
            format!("mutation($input: LoginInput!) {{ payload: login(input: $input) {PAYLOAD} }}");
        let body = json!({ "query": query, "variables": { "input": { "email": email, "password": PASSWORD } } });
        self.send_from_page(body, cookie).await
    }

    /// Sends a GraphQL request as the server's own page does.
    pub async fn send_from_page(&self, body: Value, cookie: Option<&str>) -> Answer {
        let cookie = cookie.map(|token| format!("__Host-countersign={token}"));
        let mut headers = vec![("origin", self.origin.as_str())];
        headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        self.send(body, &headers).await
    }

    /// Renews by the BODY transport, without an attempt key.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.refresh_from(token, None, &[]).await
    }

    /// Renews with an attempt key.
    pub async fn refresh_attempt(&self, token: &str, attempt: &str) -> Answer {
        self.refresh_from(token, Some(attempt), &[]).await
    }

    /// Renews with an attempt key and headers.
    pub async fn refresh_from(
        &self,
        token: &str,
        attempt: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let query = format!(
            "mutation($token: String, $attempt: String) {{ payload: refresh(refreshToken: $token, attempt: $attempt) {PAYLOAD} }}"
        );
        self.send(
            json!({ "query": query, "variables": { "token": token, "attempt": attempt } }),
            headers,
        )
        .await
    }

    /// Renews by the cookie, from the server's own page.
    pub async fn refresh_by_cookie(&self, cookie: Option<&str>) -> Answer {
        self.send_from_page(
            json!({ "query": format!("mutation {{ payload: refresh {PAYLOAD} }}") }),
            cookie,
        )
        .await
    }

    /// Makes an account with a role, as the command line does, and signs it in.
    pub async fn sign_in_with_role(&self, email: &str, role: &str) -> SignedIn {
        let account = countersign::accounts::NewAccount {
            email: email.to_owned(),
            name: email.split('@').next().unwrap().to_owned(),
            password: countersign::values::Secret::new(PASSWORD),
            role: role.parse().unwrap(),
        };
        self.app.accounts.create(account).await.unwrap();
        self.login(email, PASSWORD).await.signed_in()
    }

    /// The kinds of a user's events, oldest first.
    pub async fn events(&self, user_id: &str) -> Vec<String> {
        let query =
            format!("SELECT kind AS text FROM auth_events WHERE user_id = '{user_id}' ORDER BY id");
        self.database.texts(&query).await
    }
}

/// All answers, of requests that run at once.
pub async fn together(
    requests: impl IntoIterator<Item = impl Future<Output = Answer>>,
) -> Vec<Answer> {
    let mut pending: Vec<_> = requests.into_iter().map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|request| match request.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}
