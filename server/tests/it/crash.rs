//! The end of the process: `kill -9` loses nothing that was answered, and SIGTERM finishes what is under way.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Database, PASSWORD, SECRET, each_database, log};
use crate::ws::{PROTOCOL, Said, Socket};

/// A server in a process of its own.
pub struct Server {
    /// The process.
    pub process: Child,
    /// `http://localhost:PORT`.
    pub origin: String,
}

impl Server {
    /// On a port, with so much memory for a hash.
    pub async fn start(database: &Database, port: u16, memory_kib: &str) -> Self {
        let environment = [("COUNTERSIGN_PASSWORDS__MEMORY_KIB", memory_kib)];
        Self::start_at(database, port, &environment).await
    }

    /// On a free port, with settings of the test's own.
    pub async fn start_with(database: &Database, environment: &[(&str, &str)]) -> Self {
        Self::start_at(database, free_port(), environment).await
    }

    async fn start_at(database: &Database, port: u16, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        Self::run(log::of(&mut command), database, port, environment).await
    }

    /// By a command that says where its log goes.
    pub async fn run(
        command: &mut Command,
        database: &Database,
        port: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let process = command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--database-url", &database.url()])
            .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8")
            .env("COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE", "off")
            .env("COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR", "off")
            .env("COUNTERSIGN_KEYS__SECRET", SECRET)
            .envs(environment.iter().copied())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            origin: format!("http://localhost:{port}"),
        };
        server.wait_until_ready().await;
        server
    }

    /// Returns when it can serve.
    pub async fn wait_until_ready(&self) {
        for _ in 0..600 {
            if reqwest::get(format!("{}/readyz", self.origin))
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not become ready");
    }

    /// SIGKILL: nothing of the process runs any more.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM: what is under way is finished, and what was gathered of the log is written.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The answer's data, or nothing when the server died before it answered.
pub async fn run(origin: &str, query: &str, variables: Value) -> Option<Value> {
    let body = json!({ "query": query, "variables": variables });
    log::note_fields(&body);
    let response = reqwest::Client::new()
        .post(format!("{origin}/graphql"))
        .json(&body)
        .send()
        .await
        .ok()?;
    let json: Value = response.json().await.ok()?;
    log::note_fields(&json);
    json.get("errors")
        .is_none()
        .then(|| json["data"]["payload"].clone())
}

pub const REGISTER: &str = "mutation($input: RegisterInput!) { payload: register(input: $input, transport: BODY) { refreshToken } }";
pub const LOGIN: &str = "mutation($input: LoginInput!) { payload: login(input: $input, transport: BODY) { refreshToken } }";
pub const REFRESH: &str = "mutation($token: String, $attempt: String) { payload: refresh(refreshToken: $token, attempt: $attempt) { refreshToken } }";

/// Registers, then refreshes as fast as it can until the server dies; what was answered, and the call that was not.
async fn live(
    origin: String,
    email: String,
    signed_in: Arc<AtomicUsize>,
) -> Option<(String, String, String)> {
    let input = json!({ "email": email, "password": PASSWORD, "name": "Ana" });
    let mut token = run(&origin, REGISTER, json!({ "input": input })).await?["refreshToken"]
        .as_str()?
        .to_owned();
    signed_in.fetch_add(1, Ordering::Relaxed);
    for number in 0.. {
        let attempt = format!("attempt-number-{number:08}");
        match run(
            &origin,
            REFRESH,
            json!({ "token": token, "attempt": attempt }),
        )
        .await
        {
            Some(payload) => token = payload["refreshToken"].as_str()?.to_owned(),
            None => return Some((email, token, attempt)),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_and_no_session_is_lost() {
    for database in each_database().await {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut kept = 0;
        for round in 0..4 {
            let server = Server::start(&database, port, "8").await;
            let signed_in = Arc::new(AtomicUsize::new(0));
            let lives: Vec<_> = (0..8)
                .map(|person| {
                    tokio::spawn(live(
                        server.origin.clone(),
                        format!("p{round}-{person}@example.com"),
                        Arc::clone(&signed_in),
                    ))
                })
                .collect();
            while signed_in.load(Ordering::Relaxed) < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(170 * round)).await;
            server.kill();
            let mut acknowledged = Vec::new();
            for life in lives {
                acknowledged.extend(life.await.unwrap());
            }
            let server = Server::start(&database, port, "8").await;
            for (email, token, attempt) in &acknowledged {
                let login = run(
                    &server.origin,
                    LOGIN,
                    json!({ "input": { "email": email, "password": PASSWORD } }),
                )
                .await;
                assert!(login.is_some(), "the account {email} was lost");
                let renewed = run(
                    &server.origin,
                    REFRESH,
                    json!({ "token": token, "attempt": attempt }),
                )
                .await;
                assert!(renewed.is_some(), "the session of {email} was lost");
            }
            kept += acknowledged.len();
            server.kill();
        }
        assert!(
            kept >= 8,
            "only {kept} people were signed in when the server died"
        );
    }
}

/// Renews a session again and again until the server dies; the last token that was answered.
async fn renew(origin: String, mut token: String, renewed: Arc<AtomicUsize>) -> String {
    while let Some(payload) = run(&origin, REFRESH, json!({ "token": token })).await {
        token = payload["refreshToken"].as_str().unwrap().to_owned();
        renewed.fetch_add(1, Ordering::Relaxed);
    }
    token
}

/// Many share a commit on SQLite, so what is looked at are the rows: a token that is ahead of its row would be taken for one from
/// before a restore.
#[tokio::test(flavor = "multi_thread")]
async fn no_renewal_is_lost_that_was_answered_beside_many_others() {
    const SESSIONS: usize = 64;
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let account = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
        let registered = run(&server.origin, REGISTER, json!({ "input": account })).await;
        assert!(registered.is_some());
        let renewed = Arc::new(AtomicUsize::new(0));
        let mut tokens = Vec::new();
        for _ in 0..SESSIONS {
            let input = json!({ "email": "ana@example.com", "password": PASSWORD });
            let payload = run(&server.origin, LOGIN, json!({ "input": input })).await;
            tokens.push(
                payload.unwrap()["refreshToken"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        let renewals = tokens.into_iter().map(|token| {
            let renewed = Arc::clone(&renewed);
            tokio::spawn(renew(server.origin.clone(), token, renewed))
        });
        let renewals: Vec<_> = renewals.collect();
        while renewed.load(Ordering::Relaxed) < 5 * SESSIONS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        let rows = "SELECT id || ' ' || generation AS text FROM sessions";
        let rows = database.texts(rows).await;
        let kept: HashMap<&str, i64> = rows
            .iter()
            .map(|row| row.split_once(' ').unwrap())
            .map(|(id, generation)| (id, generation.parse().unwrap()))
            .collect();
        for renewal in renewals {
            let token = renewal.await.unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let answered: i64 = parts[3].parse().unwrap();
            let kept = kept[parts[2]];
            assert!(
                kept >= answered,
                "{answered} was answered and {kept} is kept"
            );
        }
    }
}

/// What the server says of a session's access token: nothing when it is good, else the reason.
pub async fn refusal(origin: &str, token: &str) -> Option<String> {
    let response = reqwest::Client::new()
        .post(format!("{origin}/graphql"))
        .bearer_auth(token)
        .json(&json!({ "query": "{ me { id } }" }))
        .send()
        .await
        .unwrap();
    let json: Value = response.json().await.unwrap();
    let reason = &json["errors"][0]["extensions"]["reason"];
    reason.as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_revocation_is_forgotten() {
    for database in each_database().await {
        let port = free_port();
        let server = Server::start(&database, port, "8").await;
        let mut tokens = Vec::new();
        for person in 0..5 {
            let register = REGISTER.replace("{ refreshToken }", "{ accessToken refreshToken }");
            let email = format!("p{person}@example.com");
            let input = json!({ "email": email, "password": PASSWORD, "name": "Ana" });
            let payload = run(&server.origin, &register, json!({ "input": input }))
                .await
                .unwrap();
            let token = payload["accessToken"].as_str().unwrap().to_owned();
            assert_eq!(refusal(&server.origin, &token).await, None);
            tokens.push((token, payload["refreshToken"].clone()));
        }
        let (kept, _) = tokens.pop().unwrap();
        let logout = "mutation($token: String) { payload: logout(refreshToken: $token) }";
        for (_, refresh_token) in &tokens {
            let ended = run(&server.origin, logout, json!({ "token": refresh_token })).await;
            assert_eq!(ended, Some(json!(true)));
        }
        server.kill();
        let server = Server::start(&database, port, "8").await;
        for (token, _) in &tokens {
            assert_eq!(
                refusal(&server.origin, token).await.as_deref(),
                Some("SESSION_ENDED")
            );
        }
        assert_eq!(refusal(&server.origin, &kept).await, None);
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_before_the_end() {
    let database = Database::sqlite();
    // As much work as is allowed makes a hash take long enough for the signal to come in the middle of it.
    let work = [
        ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "262144"),
        ("COUNTERSIGN_PASSWORDS__ITERATIONS", "4"),
    ];
    let mut server = Server::start_with(&database, &work).await;
    let origin = server.origin.clone();
    let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
    let request =
        tokio::spawn(async move { run(&origin, REGISTER, json!({ "input": input })).await });
    // The hash is under way when its memory is there.
    while resident_kib(server.process.id()) < 200_000 {
        assert!(!request.is_finished(), "the hash was done too soon");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let signal = Command::new("kill")
        .arg(server.process.id().to_string())
        .status()
        .unwrap();
    assert!(signal.success());
    assert!(request.await.unwrap().is_some(), "the request was cut off");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.map_or(0, |kib| kib.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_tells_its_sockets_and_waits_for_no_request_of_theirs() {
    let mut server = Server::start(&Database::sqlite(), free_port(), "8").await;
    let mut socket = Socket::open_with(&server.origin, &PROTOCOL).await.unwrap();
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert_eq!(socket.next().await, Said::close(1001, "The server stops"));
    drop(socket);
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}
