//! SIGHUP: a running server takes over its configuration, all of it or nothing, and nobody who is served notices.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use reqwest::Method;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::crash::{Server, free_port};
use crate::support::Database;

const AGAIN: &str = "the configuration was read again";
const REFUSED: &str = "the one before stays in force";

/// Sends SIGHUP.
pub fn hang_up(process: &Child) {
    let mut kill = Command::new("kill");
    let sent = kill.args(["-HUP", &process.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Whether it comes to be so.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..600 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// The binary with a configuration file and a log of its own; it ends with the test.
struct Configured {
    server: Server,
    folder: tempfile::TempDir,
    _database: Database,
}

impl Configured {
    async fn start(configuration: &str) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), Database::sqlite());
        let path = folder.path().join("countersign.toml");
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.stderr(File::create(folder.path().join("log")).unwrap());
        let environment = [("COUNTERSIGN_CONFIG", path.to_str().unwrap())];
        Self {
            server: Server::run(&mut command, &database, free_port(), &environment).await,
            folder,
            _database: database,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("countersign.toml")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Gives it another configuration; what it says of it.
    async fn reload(&self, configuration: &str) -> String {
        fs::write(self.file(), configuration).unwrap();
        let before = self.log().len();
        hang_up(&self.server.process);
        let said =
            async || self.log()[before..].contains(AGAIN) || self.log()[before..].contains(REFUSED);
        assert!(until(said).await, "{}", self.log());
        self.log()[before..].to_owned()
    }

    async fn run(&self, query: &str, headers: &[(&str, &str)]) -> Value {
        let mut request = reqwest::Client::new()
            .post(format!("{}/graphql", self.server.origin))
            .json(&json!({ "query": query }));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn reason(&self, query: &str, headers: &[(&str, &str)]) -> Value {
        self.run(query, headers).await["errors"][0]["extensions"]["reason"].clone()
    }

    /// Which origin a browser is told that it may read the answer for.
    async fn readable_by(&self, origin: &str) -> Option<String> {
        let answer = reqwest::Client::new()
            .request(Method::OPTIONS, format!("{}/graphql", self.server.origin))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await
            .unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        allowed.map(|origin| origin.to_str().unwrap().to_owned())
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        self.server.process.kill().unwrap();
        self.server.process.wait().unwrap();
    }
}

const ORIGIN: &str = "https://app.example.com";
/// What a browser sends for a page of it.
const PAGE: [(&str, &str); 2] = [("origin", ORIGIN), ("cookie", "__Host-countersign=v1.x")];
const REFRESH: &str = "mutation { refresh { sessionId } }";
const REGISTER: &str = "mutation { register(input: { email: \"ana@example.com\", password: \"short\", name: \"Ana\" }, transport: BODY) { sessionId } }";

#[tokio::test]
async fn origins_and_registration_change_while_it_runs() {
    let server = Configured::start("").await;
    assert_eq!(server.readable_by(ORIGIN).await, None);
    assert_eq!(server.reason(REFRESH, &PAGE).await, "ORIGIN_REFUSED");
    assert_eq!(server.reason(REGISTER, &[]).await, "PASSWORD_TOO_SHORT");

    let said = server
        .reload("[http]\nallowed_origins = [\"https://app.example.com\"]\n[accounts]\nregistration = \"closed\"\n")
        .await;
    assert!(
        said.contains("accounts.registration http.allowed_origins"),
        "{said}"
    );
    assert!(!said.contains("restart"), "{said}");
    assert_eq!(server.readable_by(ORIGIN).await.as_deref(), Some(ORIGIN));
    assert_eq!(server.reason(REFRESH, &PAGE).await, "REFRESH_INVALID");
    assert_eq!(server.reason(REGISTER, &[]).await, "REGISTRATION_CLOSED");

    server.reload("").await;
    assert_eq!(server.readable_by(ORIGIN).await, None);
    assert_eq!(server.reason(REGISTER, &[]).await, "PASSWORD_TOO_SHORT");
}

#[tokio::test]
async fn limits_and_what_is_logged_change_while_it_runs() {
    let server = Configured::start("[log]\nfilter = \"warn,countersign::cli=info\"\n").await;
    let estimate = "{ passwordStrength(password: \"plum tractor\") { score } }";
    assert_eq!(server.run(estimate, &[]).await.get("errors"), None);
    assert!(!server.log().contains("/graphql"), "{}", server.log());

    let said = server
        .reload("[log]\nfilter = \"info\"\n[limits]\nstrength_per_minute = 1\n[graphql]\nintrospection = false\n")
        .await;
    assert!(
        said.contains("graphql.introspection limits.strength_per_minute log.filter"),
        "{said}"
    );
    server.run(estimate, &[]).await;
    let refused = server.run(estimate, &[]).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(until(async || server.log().contains("/graphql")).await);
    let schema = server.run("{ __schema { queryType { name } } }", &[]).await;
    assert_ne!(schema.get("errors"), None, "{schema}");
}

#[tokio::test]
async fn a_configuration_with_a_fault_changes_nothing() {
    let good = "[http]\nallowed_origins = [\"https://app.example.com\"]\n";
    let server = Configured::start(good).await;
    for (broken, faults) in [
        (
            "[http]\nallowed_origins = [\"*\"]\nlisen = \"x\"\n[limits]\nfree_attempts = 0\n",
            vec![
                "http.allowed_origins (in ",
                "\"*\" would let every page use the session cookie",
                "did you mean http.listen?",
                "limits.free_attempts (in ",
            ],
        ),
        ("[http\n", vec!["is no TOML: line 1"]),
        (
            "profile = \"production\"\n",
            vec!["http.public_url (not set; "],
        ),
    ] {
        let said = server.reload(broken).await;
        for fault in faults {
            assert!(said.contains(fault), "{fault}: {said}");
        }
        assert!(said.contains(REFUSED), "{said}");
        assert_eq!(server.readable_by(ORIGIN).await.as_deref(), Some(ORIGIN));
    }
    assert!(server.reload(good).await.contains(AGAIN));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_has_no_effect() {
    let server = Configured::start("").await;
    let changed = "[http]\nmax_connections = 7\n[sessions]\nrefresh_ttl = \"1d\"\n[ops]\nlisten = \"127.0.0.1:1\"\n[limits]\nfree_attempts = 9\n";
    let first = server.reload(changed).await;
    assert!(first.contains("limits.free_attempts"), "{first}");
    let again = server.reload(changed).await;
    assert!(!again.contains("limits.free_attempts"), "{again}");
    // Until it is restarted, each time.
    for said in [first, again] {
        assert!(
            said.contains("http.max_connections ops.listen sessions.refresh_ttl"),
            "{said}"
        );
        assert!(said.contains("needs a restart"), "{said}");
    }
}

#[test]
fn a_terminal_that_is_closed_ends_a_server_that_was_started_in_it() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let inside = || {
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(OFlags::NOCTTY.bits().cast_signed());
        options.open(&name).unwrap()
    };
    let database = Database::sqlite();
    let port = free_port();
    let mut server = Command::new("setsid")
        .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_countersign")])
        .args(["serve", "--database-url", &database.url()])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .stdin(inside())
        .stdout(inside())
        .stderr(inside())
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(terminal);
    server.wait().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn requests_under_way_are_not_disturbed() {
    let server = Configured::start("").await;
    let (origin, client) = (server.server.origin.clone(), reqwest::Client::new());
    let asking = tokio::spawn(async move {
        for _ in 0..200 {
            let body = json!({ "query": "{ passwordPolicy { minLength } }" });
            let answer = client
                .post(format!("{origin}/graphql"))
                .json(&body)
                .send()
                .await;
            assert!(answer.unwrap().status().is_success());
        }
    });
    for origin in ["a", "b", "c", "d"] {
        server
            .reload(&format!(
                "[http]\nallowed_origins = [\"https://{origin}.example.com\"]\n"
            ))
            .await;
    }
    asking.await.unwrap();
}
