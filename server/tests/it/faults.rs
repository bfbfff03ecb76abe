//! What the database can do to a server: refuse, hang, fill up, change, and come back. The fault suite does worse under load.

use std::process::{Command, Stdio};
use std::time::Duration;

use countersign::config::{Flags, Settings};
use countersign::storage::{Storage, StorageError};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::command_line::countersign;
use crate::crash::{Server, free_port};
use crate::support::{Database, TestApp, each_database};

const ME: &str = "{ me { id } }";

fn unavailable(answer: &crate::support::Answer) {
    assert_eq!(
        answer.extensions()["code"],
        "UNAVAILABLE",
        "{}",
        answer.json
    );
    assert!(answer.extensions()["retryAfter"].as_i64().unwrap() >= 1);
}

async fn status(origin: &str) -> u16 {
    let answer = reqwest::get(format!("{origin}/readyz")).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn connections_that_broke_while_idle_are_noticed_by_nobody() {
    let app = TestApp::builder().on_each_database().await.pop().unwrap();
    let ana = app.register("ana@example.com").await;
    for _ in 0..3 {
        let terminate = "SELECT pg_terminate_backend(pid)::text AS text FROM pg_stat_activity \
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(!app.database.texts(terminate).await.is_empty());
        app.run_as(&ana.access_token, "{ sessions { id } }", json!({}))
            .await
            .data("sessions");
        app.database.texts(terminate).await;
        app.login("ana@example.com", crate::support::PASSWORD)
            .await
            .data("login");
    }
}

#[tokio::test]
async fn a_transaction_that_hangs_is_given_up_in_time() {
    let builder = TestApp::builder().set("database.statement_timeout", "300ms");
    let app = builder.on_each_database().await.pop().unwrap();
    let ana = app.register("ana@example.com").await;
    let mut conn = AsyncPgConnection::establish(&app.database.url())
        .await
        .unwrap();
    conn.batch_execute("BEGIN; SELECT id FROM sessions FOR UPDATE")
        .await
        .unwrap();
    unavailable(&app.refresh(&ana.refresh_token).await);
    conn.batch_execute("COMMIT").await.unwrap();
    app.refresh(&ana.refresh_token).await.data("refresh");
}

/// Who serves need not be allowed to change the schema.
#[tokio::test]
async fn the_schema_is_brought_up_to_date_by_another_user() {
    let database = Database::postgres().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let mut url = url::Url::parse(&database.url()).unwrap();
    url.set_username(&name).unwrap();
    url.set_password(Some("secret")).unwrap();
    database
        .execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
        .await;
    let mut flags = Flags::default();
    flags.set("database.url", url.as_str(), "the test");
    let alone = Storage::open(&Settings::load(&flags).unwrap().database).await;
    assert!(matches!(alone, Err(StorageError::Migration(_))));
    let owner = database.url();
    flags.set("database.migrations_url", &owner, "the test");
    database
        .execute(&format!(
            "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}"
        ))
        .await;
    let storage = Storage::open(&Settings::load(&flags).unwrap().database).await;
    storage.unwrap().check().await.unwrap();
    // Nothing is pending now, so the owner is not asked.
    flags.values.remove("database.migrations_url");
    let storage = Storage::open(&Settings::load(&flags).unwrap().database).await;
    storage.unwrap().check().await.unwrap();
    database.execute(&format!("DROP OWNED BY {name}")).await;
    database.execute(&format!("DROP ROLE {name}")).await;
}

#[tokio::test]
async fn a_database_that_only_reads_is_not_ready() {
    let app = TestApp::builder().on_each_database().await.pop().unwrap();
    until_ready(&app, true).await;
    let name = app.database.url().rsplit('/').next().unwrap().to_owned();
    let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    app.database.execute(&set).await;
    let terminate = "SELECT pg_terminate_backend(pid)::text AS text FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
    app.database.texts(terminate).await;
    until_ready(&app, false).await;
    let input = json!({ "input": { "email": "ana@example.com", "password": crate::support::PASSWORD, "name": "Ana" } });
    let register = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { accessToken } }";
    unavailable(&app.run(register, input).await);
    let mut conn = AsyncPgConnection::establish(&app.database.url())
        .await
        .unwrap();
    let reset = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    for statement in ["SET default_transaction_read_only = off", &reset] {
        conn.batch_execute(statement).await.unwrap();
    }
    until_ready(&app, true).await;
    app.register("ana@example.com").await;
}

/// The database is asked every half second, and the feed connects again every second.
async fn until_ready(app: &TestApp, expected: bool) {
    for _ in 0..100 {
        if app.app.readiness.check().is_ok() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not become {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlites_readers_do_not_wait_for_its_writer() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut conn = app.database.sqlite_connection().unwrap();
    let lock = |sql: &str, conn: &mut _| {
        diesel::connection::SimpleConnection::batch_execute(conn, sql).unwrap();
    };
    lock("BEGIN IMMEDIATE", &mut conn);
    app.run_as(&ana.access_token, ME, json!({}))
        .await
        .data("me");
    unavailable(&app.refresh(&ana.refresh_token).await);
    assert_eq!(app.app.readiness.check(), Ok(()), "others may write");
    lock("ROLLBACK", &mut conn);
    app.refresh(&ana.refresh_token).await.data("refresh");
}

/// A server whose files cannot grow past what they have once the test says so.
struct Confined {
    server: Server,
    pid: Pid,
}

impl Confined {
    async fn start(database: &Database) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        // The signal that a file is too large would end the process before SQLite could report it.
        let process = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .args([env!("CARGO_BIN_EXE_countersign"), "serve", "--listen"])
            .args([&listen, "--database-url", &database.url()])
            .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8")
            .env("COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE", "off")
            .env("COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR", "off")
            .env(
                "COUNTERSIGN_KEYS__SECRET",
                "a secret of the tests, long enough",
            )
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&process);
        let origin = format!("http://localhost:{port}");
        let server = Server { process, origin };
        server.wait_until_ready().await;
        Self { server, pid }
    }

    fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.pid), Resource::Fsize, limit).unwrap();
    }
}

/// The answer of a registration, whole.
async fn register(origin: &str, email: &str) -> serde_json::Value {
    let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { accessToken refreshToken } }";
    let input = json!({ "email": email, "password": crate::support::PASSWORD, "name": "Ana" });
    let body = json!({ "query": query, "variables": { "input": input } });
    let sent = reqwest::Client::new()
        .post(format!("{origin}/graphql"))
        .json(&body)
        .send();
    sent.await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_unavailable_and_nothing_is_lost() {
    let database = Database::sqlite();
    let confined = Confined::start(&database).await;
    let origin = &confined.server.origin;
    let mut kept = Vec::new();
    for round in 0..3 {
        for person in 0..5 {
            let email = format!("p{round}-{person}@example.com");
            assert!(register(origin, &email).await.get("errors").is_none());
            kept.push(email);
        }
        confined.limit_files(Some(4096));
        for person in 0..3 {
            let answer = register(origin, &format!("lost{round}-{person}@example.com")).await;
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
                "{answer}"
            );
        }
        confined.limit_files(None);
    }
    confined.server.kill();
    let check = "SELECT integrity_check AS text FROM pragma_integrity_check";
    assert_eq!(database.texts(check).await, ["ok"]);
    let found = database
        .texts("SELECT email AS text FROM users ORDER BY created_at, email")
        .await;
    kept.sort();
    let mut found = found;
    found.sort();
    assert_eq!(found, kept);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named() {
    let url = "sqlite:///proc/countersign.db";
    let refused = countersign(&["serve", "--database-url", url], "", &[]);
    assert_eq!(refused.status.code(), Some(4));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("/proc/countersign.db cannot be opened for writing"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_migrate_once() {
    for database in each_database().await {
        let starts = (0..10).map(|_| {
            let url = database.url();
            tokio::spawn(async move { open(&url, true).await.map(|_| ()) })
        });
        for started in starts.collect::<Vec<_>>() {
            started.await.unwrap().unwrap();
        }
    }
}

async fn open(url: &str, migrates: bool) -> Result<Storage, StorageError> {
    let mut flags = Flags::default();
    flags.set("database.url", url, "the test");
    flags.set(
        "database.migrate",
        if migrates { "true" } else { "false" },
        "the test",
    );
    Storage::open(&Settings::load(&flags).unwrap().database).await
}

#[tokio::test]
async fn a_start_that_must_not_migrate_wants_a_complete_schema() {
    for database in each_database().await {
        let url = database.url();
        let refused = countersign(&["serve", "--no-migrate", "--database-url", &url], "", &[]);
        assert_eq!(refused.status.code(), Some(1));
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains("run `countersign migrate`"), "{text}");
        assert!(
            countersign(&["migrate", "--database-url", &url], "", &[])
                .status
                .success()
        );
        open(&url, false).await.unwrap();
    }
}

/// What a next release may do while this one still runs: it adds. What nobody uses any more is taken away a release later.
const NEXT_RELEASE: [&str; 5] = [
    "ALTER TABLE users ADD COLUMN locale text",
    "ALTER TABLE sessions ADD COLUMN device_key text DEFAULT 'none'",
    "CREATE TABLE next_release (id text PRIMARY KEY)",
    "CREATE INDEX sessions_by_device_key ON sessions (device_key)",
    "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')",
];

#[tokio::test]
async fn a_node_goes_on_while_a_newer_release_changes_the_schema() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        for statement in NEXT_RELEASE {
            app.database.execute(statement).await;
        }
        app.run_as(&ana.access_token, ME, json!({}))
            .await
            .data("me");
        let ana = app.refresh(&ana.refresh_token).await.signed_in();
        app.register("bob@example.com").await;
        // One of this release that starts now finds all that it needs.
        let node = app.another_node("database.migrate", "false").await;
        node.refresh(&ana.refresh_token).await.data("refresh");
        let input = json!({ "token": ana.refresh_token });
        app.run(
            "mutation($token: String) { logout(refreshToken: $token) }",
            input,
        )
        .await
        .data("logout");
        node.until(&ana.access_token, ME, ("UNAUTHENTICATED", "SESSION_ENDED"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_about_to_stop_is_not_ready_and_still_serves() {
    let database = Database::sqlite();
    let mut server = Server::start_with(&database, &[("COUNTERSIGN_HTTP__DRAIN", "3s")]).await;
    assert_eq!(status(&server.origin).await, 200);
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    while status(&server.origin).await == 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = register(&server.origin, "ana@example.com").await;
    assert!(answer.get("errors").is_none(), "{answer}");
    // A second signal cuts it short.
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}
