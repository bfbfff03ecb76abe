//! `countersign copy`: from SQLite to PostgreSQL.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use countersign::clock::node_time;
use countersign::config::DatabaseSettings;
use countersign::storage::{CopyError, DatabaseCopy};
use serde_json::{Value, json};

use crate::command_line::{countersign, create, text};
use crate::crash::{LOGIN, REFRESH, REGISTER, Server, free_port, refusal, run};
use crate::sessions_command::{login, register};
use crate::support::{Database, PASSWORD};

const SECRET: (&str, &str) = (
    "COUNTERSIGN_KEYS__SECRET",
    "a secret of the tests, long enough",
);

fn copy(from: &Database, to: &Database) -> Output {
    let (from, to) = (from.url(), to.url());
    countersign(&["copy", "--from", &from, "--to", &to], "", &[])
}

fn cancel(from: &Database) -> Output {
    countersign(&["copy", "--from", &from.url(), "--cancel"], "", &[])
}

fn succeeds(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn fails(output: &Output, why: &str) {
    let code = output.status.code();
    assert!(
        matches!(code, Some(1..=4 | 6)),
        "{code:?} {}",
        text(&output.stdout)
    );
    let told = text(&output.stderr);
    assert!(told.contains(why), "{why}: {told}");
}

/// `serve` ends at once, and says why.
fn is_not_served(database: &Database, why: &str) {
    let url = database.url();
    for command in ["serve", "migrate"] {
        fails(
            &countersign(&[command, "--database-url", &url], "", &[]),
            why,
        );
    }
}

/// Lines of the printed table: of each table the rows and the checksum in source and target.
fn checksums(stdout: &str) -> Vec<&str> {
    let lines = stdout.lines().filter(|line| {
        let last = line.trim_end_matches("  same");
        last.len() > 64
            && last[last.len() - 64..]
                .chars()
                .all(|c| c.is_ascii_hexdigit())
    });
    lines.collect()
}

async fn count(database: &Database, table: &str) -> usize {
    let count = format!("SELECT CAST(count(*) AS text) AS text FROM {table}");
    database.texts(&count).await[0].parse().unwrap()
}

/// The whole answer, also when it is an error.
async fn answer(origin: &str, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let request = reqwest::Client::new().post(format!("{origin}/graphql"));
    request
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_keep_their_passwords_sessions_and_keys() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    let port = free_port();
    let server = Server::start(&source, port, "8").await;
    let (ana, ana_refresh) = register(&server.origin, "ana@example.com").await;
    let (bob, bob_refresh) = register(&server.origin, "bob@example.com").await;
    let logout = "mutation($token: String) { payload: logout(refreshToken: $token) }";
    run(&server.origin, logout, json!({ "token": bob_refresh }))
        .await
        .unwrap();
    source.fill(2500).await;
    source.execute("INSERT INTO recoveries (user_id, token_hash, expires_at) SELECT id, 'x', 2 FROM users LIMIT 1").await;
    // One that no node needs any more, if this machine's clock is right.
    source.execute("INSERT INTO revocations (kind, subject, reason, at, expires_at) VALUES ('KEYS', 'all', 'KEYS_CHANGED', 1, 2)").await;

    let copied = copy(&source, &target);
    let table = succeeds(&copied);
    assert_eq!(checksums(&table).len(), 16, "{table}");
    assert_eq!(table.matches("  same\n").count(), 8, "{table}");
    let progress = text(&copied.stderr);
    for line in ["copying users: 2502 rows", "comparing sessions: 5004 rows"] {
        assert!(progress.contains(line), "{progress}");
    }

    // The server that ran on the source goes on reading and writes nothing.
    assert_eq!(refusal(&server.origin, &ana).await, None);
    assert_eq!(
        refusal(&server.origin, &bob).await.as_deref(),
        Some("SESSION_ENDED")
    );
    let input = json!({ "email": "ana@example.com", "password": PASSWORD });
    for (query, variables) in [
        (LOGIN, json!({ "input": input })),
        (REFRESH, json!({ "token": ana_refresh })),
    ] {
        let error = &answer(&server.origin, query, variables).await["errors"][0];
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{error}");
        assert_eq!(error["extensions"]["retryAfter"], 10);
        assert!(error["message"].as_str().unwrap().contains("being moved"));
    }
    server.kill();
    is_not_served(&source, "was moved to postgres://");

    let tables = ["users", "sessions", "auth_events", "keys"];
    for table in tables {
        assert_eq!(
            count(&source, table).await,
            count(&target, table).await,
            "{table}"
        );
    }
    let names = "SELECT id || name AS text FROM users ORDER BY id";
    assert_eq!(source.texts(names).await, target.texts(names).await);
    let expired = "SELECT subject AS text FROM revocations WHERE expires_at = 2";
    assert_eq!(target.texts(expired).await, ["all"]);

    let server = Server::start(&target, port, "8").await;
    assert_eq!(refusal(&server.origin, &ana).await, None);
    assert_eq!(
        refusal(&server.origin, &bob).await.as_deref(),
        Some("SESSION_ENDED")
    );
    let renewed = run(&server.origin, REFRESH, json!({ "token": ana_refresh })).await;
    assert!(renewed.is_some(), "the session is lost");
    assert!(login(&server.origin, "ana@example.com").await.is_some());
    server.kill();

    let again = succeeds(&copy(&source, &target));
    assert!(again.contains("This copy is complete"), "{again}");
}

/// Registers as fast as it can until that is refused; who was acknowledged.
async fn register_until_refused(origin: String, number: u32) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for person in 0.. {
        let email = format!("p{number}-{person}@example.com");
        let input = json!({ "email": email, "password": PASSWORD, "name": "Ana" });
        match run(&origin, REGISTER, json!({ "input": input })).await {
            Some(_) => acknowledged.push(email),
            None => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_acknowledged_under_load_is_in_the_target() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    let server = Server::start(&source, free_port(), "8").await;
    let load: Vec<_> = (0..8)
        .map(|number| tokio::spawn(register_until_refused(server.origin.clone(), number)))
        .collect();
    while count(&source, "users").await < 40 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    succeeds(&copy(&source, &target));
    let emails = target.texts("SELECT email AS text FROM users").await;
    for life in load {
        for email in life.await.unwrap() {
            assert!(emails.contains(&email), "{email} was lost");
        }
    }
    assert_eq!(emails.len(), count(&source, "users").await);
    server.kill();
}

/// Starts a copy and waits until rows have arrived.
async fn begun(source: &Database, target: &Database) -> Child {
    let mut copy = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["copy", "--from", &source.url(), "--to", &target.url()])
        .env(SECRET.0, SECRET.1)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let has_begun = "SELECT 'yes' AS text WHERE to_regclass('marks') IS NOT NULL";
    while target.texts(has_begun).await.is_empty() || count(target, "users").await == 0 {
        assert!(copy.try_wait().unwrap().is_none(), "it ended too soon");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_goes_on_where_it_was() {
    let (source, other) = (Database::sqlite(), Database::sqlite());
    succeeds(&create(&source, "ada@example.com", PASSWORD));
    source.fill(20_000).await;
    let path = |database: &Database| database.url().trim_start_matches("sqlite://").to_owned();
    let saved = countersign(
        &["backup", &path(&other), "--database-url", &source.url()],
        "",
        &[],
    );
    succeeds(&saved);
    let (target, other_target) = (Database::postgres().await, Database::postgres().await);
    let mut first = begun(&source, &target).await;
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(
        count(&target, "auth_events").await,
        0,
        "it was interrupted too late"
    );
    is_not_served(&target, "is not finished");
    is_not_served(&source, "was moved to postgres://");
    fails(
        &copy(&source, &other_target),
        "take that back with --cancel first",
    );

    let second = copy(&source, &target);
    let stdout = succeeds(&second);
    assert!(stdout.contains("goes on where it was"), "{stdout}");
    assert!(text(&second.stderr).contains("of them before"));
    let uninterrupted = succeeds(&copy(&other, &other_target));
    assert_eq!(checksums(&stdout).len(), 16);
    assert_eq!(checksums(&stdout), checksums(&uninterrupted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_is_found_and_the_next_run_begins_anew() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    succeeds(&create(&source, "ada@example.com", PASSWORD));
    source.fill(10).await;
    let good = succeeds(&copy(&source, &target));
    // As if the run had been interrupted just before it compared.
    target
        .execute("UPDATE marks SET name = 'COPY_UNFINISHED'")
        .await;
    target
        .execute("UPDATE users SET role = 'ADMIN' WHERE email = 'person7@example.com'")
        .await;
    let bad = copy(&source, &target);
    fails(&bad, "users differs between the two databases");
    assert_eq!(text(&bad.stdout).matches("  DIFFERENT\n").count(), 1);
    is_not_served(&target, "is not finished");
    let anew = succeeds(&copy(&source, &target));
    assert_eq!(checksums(&anew), checksums(&good));
    let administrators = "SELECT email AS text FROM users WHERE role = 'ADMIN'";
    assert_eq!(target.texts(administrators).await, ["ada@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_can_be_taken_back_and_made_again() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    succeeds(&create(&source, "ada@example.com", PASSWORD));
    fails(&cancel(&source), "was not moved");
    succeeds(&copy(&source, &target));
    fails(
        &create(&source, "bob@example.com", PASSWORD),
        "was moved to postgres://",
    );
    let told = succeeds(&cancel(&source));
    assert!(
        told.contains("is not in it") && told.contains("sessions end --all"),
        "{told}"
    );
    succeeds(&create(&source, "bob@example.com", PASSWORD));
    source
        .execute("DELETE FROM users WHERE email = 'ada@example.com'")
        .await;
    fails(&copy(&source, &target), "a copy needs an empty database");
    // As if the first copy had been interrupted before it was taken back: what it left is of no use.
    target
        .execute("UPDATE marks SET name = 'COPY_UNFINISHED'")
        .await;
    let anew = succeeds(&copy(&source, &target));
    assert!(!anew.contains("goes on where it was"), "{anew}");
    let emails = "SELECT email AS text FROM users";
    assert_eq!(target.texts(emails).await, ["bob@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_released_in_the_middle_stays_the_only_one() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    succeeds(&create(&source, "ada@example.com", PASSWORD));
    source.fill(20_000).await;
    let first = begun(&source, &target).await;
    succeeds(&cancel(&source));
    fails(
        &first.wait_with_output().unwrap(),
        "was released with --cancel while it was copied",
    );
    is_not_served(&target, "is not finished");
    succeeds(&create(&source, "bob@example.com", PASSWORD));
    let anew = succeeds(&copy(&source, &target));
    assert!(!anew.contains("goes on where it was"), "{anew}");
    assert_eq!(count(&target, "users").await, 20_002);
}

async fn prepared(from: &Database, to: &Database, id: &str) -> DatabaseCopy {
    let settings = |database: &Database| DatabaseSettings {
        url: database.url().parse().unwrap(),
        connections: 1,
        wait: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        statement_timeout: Duration::from_secs(5),
        is_pooled: false,
        migrations_url: None,
        migrates: true,
    };
    let (from, to) = (settings(from), settings(to));
    let copy = DatabaseCopy::prepare(&from, &to, id.to_owned(), node_time());
    copy.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_since_the_first_look_is_seen() {
    let source = Database::sqlite();
    succeeds(&create(&source, "ada@example.com", PASSWORD));

    let used = Database::postgres().await;
    let mut copy = prepared(&source, &used, "1").await;
    succeeds(&create(&used, "eve@example.com", PASSWORD));
    let refused = copy.freeze().await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(..)), "{refused}");
    assert_eq!(count(&used, "users").await, 1);
    succeeds(&create(&source, "bob@example.com", PASSWORD));

    let (target, other) = (Database::postgres().await, Database::postgres().await);
    let mut first = prepared(&source, &target, "2").await;
    let mut second = prepared(&source, &other, "3").await;
    assert!(!first.freeze().await.unwrap());
    let refused = second.freeze().await.unwrap_err();
    assert!(
        matches!(refused, CopyError::MovedElsewhere(..)),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_cannot_be_made_leaves_the_source_as_it_is() {
    let (source, target) = (Database::sqlite(), Database::postgres().await);
    fails(&copy(&source, &target), "there is no database at");
    succeeds(&create(&source, "ada@example.com", PASSWORD));
    let used = Database::postgres().await;
    succeeds(&create(&used, "eve@example.com", PASSWORD));
    fails(&copy(&source, &used), "a copy needs an empty database");
    fails(
        &copy(&source, &Database::sqlite()),
        "from sqlite://… to postgres://…",
    );
    let nowhere = Database::Postgres("postgres://nobody@127.0.0.1:1/nothing".to_owned());
    fails(&copy(&source, &nowhere), "not available");
    let other_secret = [(SECRET.0, "another secret of the tests, long enough")];
    let (from, to) = (source.url(), target.url());
    let arguments = ["copy", "--from", &from, "--to", &to];
    fails(
        &countersign(&arguments, "", &other_secret),
        "COUNTERSIGN_KEYS__SECRET is not the secret",
    );
    succeeds(&create(&source, "bob@example.com", PASSWORD));
    assert_eq!(count(&target, "users").await, 0);
    // The target is the configured database where no other is named.
    let configured = [("COUNTERSIGN_DATABASE__URL", to.as_str())];
    succeeds(&countersign(&["copy", "--from", &from], "", &configured));
    assert_eq!(count(&target, "users").await, 2);
}
