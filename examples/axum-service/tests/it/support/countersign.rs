//! The real server's binary.

use std::{env, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::{sleep, timeout},
};

const PASSWORD: &str = "plum tractor ninety seven";

/// Environment variables, beside those of every test.
type Settings = &'static [(&'static str, &'static str)];

/// A server on a free loopback port, with a database in a folder of its own. It ends when it is dropped.
pub struct Countersign {
    pub origin: String,
    folder: TempDir,
    settings: Settings,
    client: Client,
    _process: Child,
}

impl Countersign {
    pub async fn start(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = command(&folder, settings)
            .env("COUNTERSIGN_HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .arg("serve")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let server = Self {
            origin: format!("http://localhost:{port}"),
            folder,
            settings,
            client: Client::new(),
            _process: process,
        };
        timeout(Duration::from_secs(60), server.ready())
            .await
            .unwrap();
        server
    }

    async fn ready(&self) {
        let address = format!("{}/readyz", self.origin);
        while !self.get_ok(&address).await {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get_ok(&self, address: &str) -> bool {
        let answer = self.client.get(address).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Runs the server's command line on the same database.
    pub async fn run(&self, arguments: &[&str], input: &str) {
        let mut child = command(&self.folder, self.settings)
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        assert!(child.wait().await.unwrap().success(), "{arguments:?}");
    }

    /// The answer of a GraphQL operation.
    pub async fn graphql(&self, token: &str, query: &str) -> Value {
        let request = self
            .client
            .post(format!("{}/graphql", self.origin))
            .bearer_auth(token)
            .json(&json!({ "query": query }));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The access token of a new user with `role`.
    pub async fn token_of(&self, role: &str) -> String {
        let email = email_of(role);
        let create = ["users", "create", "--password-stdin", "--name", "Ana"];
        let more = ["--email", &email, "--role", role];
        self.run(&[&create[..], &more].concat(), PASSWORD).await;
        self.sign_in(role).await
    }

    /// Another access token of that user.
    pub async fn sign_in(&self, role: &str) -> String {
        let email = email_of(role);
        let login = format!(
            r#"mutation {{ login(input: {{ email: "{email}", password: "{PASSWORD}" }}, transport: BODY) {{ accessToken }} }}"#
        );
        let answer = self.graphql("", &login).await;
        let token = answer["data"]["login"]["accessToken"].as_str();
        token.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

fn email_of(role: &str) -> String {
    format!("{}@example.com", role.to_lowercase())
}

fn command(folder: &TempDir, settings: Settings) -> Command {
    let database = folder.path().join("countersign.db");
    let mut command = Command::new(binary());
    command
        .current_dir(folder.path())
        .env("COUNTERSIGN_LOG__FILTER", "warn")
        .env(
            "COUNTERSIGN_DATABASE__URL",
            format!("sqlite://{}", database.display()),
        )
        // The cost of hashing is not what these tests are about.
        .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8192")
        .envs(settings.iter().copied())
        .stdout(Stdio::null());
    command
}

/// `cargo test --workspace` builds it beside this test's own folder.
fn binary() -> PathBuf {
    let test = env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("countersign");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build -p server` first",
        binary.display()
    );
    binary
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}
