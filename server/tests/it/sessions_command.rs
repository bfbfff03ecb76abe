//! `countersign sessions end`, beside a running server.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command_line::{countersign, text};
use crate::crash::{LOGIN, REFRESH, REGISTER, Server, free_port, refusal, run};
use crate::support::{Database, PASSWORD, each_database};

/// An access token and a refresh token.
pub async fn register(origin: &str, email: &str) -> (String, String) {
    let query = REGISTER.replace("{ refreshToken }", "{ accessToken refreshToken }");
    let input = json!({ "email": email, "password": PASSWORD, "name": "Ana" });
    let payload = run(origin, &query, json!({ "input": input }))
        .await
        .unwrap();
    let token = |name: &str| payload[name].as_str().unwrap().to_owned();
    (token("accessToken"), token("refreshToken"))
}

pub async fn login(origin: &str, email: &str) -> Option<Value> {
    let input = json!({ "email": email, "password": PASSWORD });
    run(origin, LOGIN, json!({ "input": input })).await
}

/// Asks until the token is refused: another process writes, and a server hears of it within a second.
async fn until_ended(origin: &str, token: &str) {
    for _ in 0..200 {
        if refusal(origin, token).await.as_deref() == Some("SESSION_ENDED") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the token stays good");
}

async fn alive(database: &Database) -> usize {
    let query = "SELECT id AS text FROM sessions WHERE ended_at IS NULL";
    database.texts(query).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_signed_out_beside_a_running_server() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let (ana, ana_refresh) = register(&server.origin, "ana@example.com").await;
        let (bob, _) = register(&server.origin, "bob@example.com").await;
        // More than two batches.
        database.fill(450).await;
        let url = database.url();
        let end = ["sessions", "end", "--all", "--database-url", &url];
        let unconfirmed = countersign(&end, "yes\n", &[]);
        assert_eq!(unconfirmed.status.code(), Some(6));
        assert!(text(&unconfirmed.stderr).contains("--yes"));
        assert_eq!(alive(&database).await, 452);
        let ended = countersign(&[&end[..], &["--yes"]].concat(), "", &[]);
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        assert_eq!(
            text(&ended.stdout),
            "452 sessions of 452 users were ended.\n"
        );
        assert_eq!(alive(&database).await, 0);
        for token in [ana, bob] {
            until_ended(&server.origin, &token).await;
        }
        let refreshed = run(&server.origin, REFRESH, json!({ "token": ana_refresh })).await;
        assert_eq!(refreshed, None);
        assert!(login(&server.origin, "ana@example.com").await.is_some());
        let lines = "SELECT user_id || session_id AS text FROM auth_events WHERE kind = 'SESSION_REVOKED' AND actor_id IS NULL";
        let sessions = "SELECT user_id || id AS text FROM sessions WHERE ended_at IS NOT NULL";
        let (mut lines, mut sessions) =
            (database.texts(lines).await, database.texts(sessions).await);
        lines.sort();
        sessions.sort();
        assert_eq!(lines, sessions);
        // Above whatever a token can say that was signed before a restore.
        let versions = "SELECT DISTINCT CAST(token_version AS text) AS text FROM users";
        assert_eq!(database.texts(versions).await, ["1000001"]);
        let reasons = "SELECT DISTINCT reason AS text FROM revocations WHERE kind = 'USER'";
        assert_eq!(database.texts(reasons).await, ["ENDED_BY_ADMINISTRATOR"]);
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_is_signed_out() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let (ana, _) = register(&server.origin, "ana@example.com").await;
        let (bob, _) = register(&server.origin, "bob@example.com").await;
        let url = database.url();
        let end = |user| {
            let arguments = ["sessions", "end", "--user", user, "--database-url", &url];
            countersign(&arguments, "", &[])
        };
        let list = ["sessions", "list", "--user", "ana@example.com", "--json"];
        let listed = countersign(&[&list[..], &["--database-url", &url]].concat(), "", &[]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["deviceName"], "Unknown device");
        assert_eq!(listed["ipAddress"], "127.0.0.1");
        let ended = end("Ana@Example.com");
        assert_eq!(text(&ended.stdout), "1 sessions were ended.\n");
        until_ended(&server.origin, &ana).await;
        assert_eq!(refusal(&server.origin, &bob).await, None);
        let unknown = end("nobody@example.com");
        assert_eq!(unknown.status.code(), Some(5));
        assert!(text(&unknown.stderr).contains("there is no user"));
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_writes_meanwhile_and_an_interruption_is_made_up_for() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        register(&server.origin, "ana@example.com").await;
        database.fill(6000).await;
        let url = database.url();
        let end = ["sessions", "end", "--all", "--yes", "--database-url", &url];
        let mut first = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(end)
            .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8")
            .env("COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE", "off")
            .env("COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR", "off")
            .env(
                "COUNTERSIGN_KEYS__SECRET",
                "a secret of the tests, long enough",
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while alive(&database).await > 5800 {
            assert!(first.try_wait().unwrap().is_none(), "it ended too soon");
        }
        let during = login(&server.origin, "ana@example.com").await;
        assert!(
            during.is_some(),
            "no sign-in while sessions were being ended"
        );
        first.kill().unwrap();
        first.wait().unwrap();
        let left = alive(&database).await;
        assert!(left > 200, "it was interrupted too late");
        let second = countersign(&end, "", &[]);
        assert!(second.status.success(), "{}", text(&second.stderr));
        assert!(text(&second.stdout).ends_with(" sessions of 6001 users were ended.\n"));
        assert_eq!(alive(&database).await, 0);
        server.kill();
    }
}
