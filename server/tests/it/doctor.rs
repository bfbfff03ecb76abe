//! `countersign doctor`: with the real binary, healthy and broken in each way.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command_line::{countersign, create, text};
use crate::crash::{Server, free_port};
use crate::support::{Database, PASSWORD, each_database};

/// What it found, by its exit code and each check's level.
struct Diagnosis {
    code: Option<i32>,
    report: Value,
}

impl Diagnosis {
    fn of(database: &Database, environment: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        Self::at(&database.url(), &listen, environment)
    }

    fn at(url: &str, listen: &str, environment: &[(&str, &str)]) -> Self {
        let arguments = [
            "doctor",
            "--json",
            "--database-url",
            url,
            "--listen",
            listen,
        ];
        let output = countersign(&arguments, "", environment);
        assert_eq!(text(&output.stderr), "");
        Self {
            code: output.status.code(),
            report: serde_json::from_slice(&output.stdout).unwrap(),
        }
    }

    fn checks(&self) -> &Vec<Value> {
        self.report["checks"].as_array().unwrap()
    }

    fn level(&self, check: &str) -> &str {
        let found = self.checks().iter().find(|it| it["check"] == check);
        found.map_or("", |it| it["level"].as_str().unwrap())
    }

    /// That this is a fault, which says both texts, and is what the exit code is for.
    fn finds(&self, check: &str, what: &str, hint: &str) {
        let found = self.checks().iter().find(|it| it["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no {check}: {:#}", self.report));
        assert_eq!(found["level"], "FAULT", "{found}");
        let says = |field: &str, part: &str| found[field].as_str().unwrap().contains(part);
        assert!(says("text", what) && says("hint", hint), "{found}");
        assert_eq!(self.code, Some(1));
    }

    /// That this is a warning with this text.
    fn warns(&self, check: &str, what: &str) {
        let found = self.checks().iter().find(|it| it["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no {check}: {:#}", self.report));
        assert_eq!(found["level"], "WARNING", "{found}");
        assert!(found["text"].as_str().unwrap().contains(what), "{found}");
    }
}

/// A database with keys and an account.
fn filled(database: &Database) {
    let created = create(database, "ada@example.com", PASSWORD);
    assert!(created.status.success(), "{}", text(&created.stderr));
}

fn file(database: &Database) -> PathBuf {
    database.url().trim_start_matches("sqlite://").into()
}

/// Every file in a folder, with what it holds.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_sound_database_has_no_faults() {
    for database in each_database().await {
        filled(&database);
        let found = Diagnosis::of(&database, &[]);
        assert_eq!(found.code, Some(0), "{:#}", found.report);
        assert_eq!(found.report["faults"], 0);
        for check in [
            "configuration",
            "database.schema",
            "keys.secret",
            "keys.access",
            "keys.refresh",
            "listen.public",
        ] {
            assert_eq!(found.level(check), "OK", "{check}: {:#}", found.report);
        }
        let special = match database {
            Database::Sqlite(_) => [
                "database.file",
                "database.journal",
                "database.integrity",
                "disk.database",
            ],
            Database::Postgres(_) => [
                "database.version",
                "database.writable",
                "database.tls",
                "clock.database",
            ],
        };
        assert!(
            special.iter().all(|check| !found.level(check).is_empty()),
            "{:#}",
            found.report
        );
    }
}

#[test]
fn looking_changes_nothing() {
    let database = Database::sqlite();
    let folder = file(&database).parent().unwrap().to_owned();
    let found = Diagnosis::of(&database, &[]);
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    assert!(contents(&folder).is_empty(), "nothing is made");
    filled(&database);
    let before = contents(&folder);
    Diagnosis::of(&database, &[]);
    assert_eq!(contents(&folder), before);
}

#[test]
fn people_get_a_table_without_colours_outside_of_a_terminal() {
    let database = Database::sqlite();
    let listen = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "doctor",
        "--database-url",
        &database.url(),
        "--listen",
        &listen,
    ];
    let shown = text(&countersign(&arguments, "", &[]).stdout);
    assert!(shown.starts_with("ok       configuration "), "{shown}");
    assert!(
        shown.trim_end().ends_with(" warnings.") && !shown.contains('\x1b'),
        "{shown}"
    );
}

#[test]
fn every_fault_of_the_configuration_is_a_finding() {
    let environment = [
        ("COUNTERSIGN_PASSWORDS__THREADS", "0"),
        ("COUNTERSIGN_LOG__FILTER", "[["),
    ];
    let found = Diagnosis::of(&Database::sqlite(), &environment);
    found.finds(
        "configuration",
        "passwords.threads",
        "docs/configuration.md",
    );
    assert!(
        found.report.to_string().contains("log.filter"),
        "{}",
        found.report
    );
    assert_eq!(found.report["faults"], 2);
}

#[tokio::test]
async fn another_secret_than_before_is_found() {
    for database in each_database().await {
        filled(&database);
        let other = [(
            "COUNTERSIGN_KEYS__SECRET",
            "another secret of the tests, long enough",
        )];
        let found = Diagnosis::of(&database, &other);
        found.finds(
            "keys.secret",
            "COUNTERSIGN_KEYS__SECRET is not the secret",
            "COUNTERSIGN_KEYS__SECRET_FILE",
        );
    }
}

#[tokio::test]
async fn an_old_schema_and_a_newer_one_are_told_apart() {
    for database in each_database().await {
        filled(&database);
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')";
        database.execute(newer).await;
        let found = Diagnosis::of(&database, &[]);
        found.warns("database.schema", "99991231000000");
        assert_eq!(
            found.code,
            Some(0),
            "the release before may go on: {:#}",
            found.report
        );
        database
            .execute("DELETE FROM __diesel_schema_migrations WHERE version > '9'")
            .await;
        let last = "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
        database.execute(last).await;
        Diagnosis::of(&database, &[]).warns("database.schema", "1 changes are to be made");
        let found = Diagnosis::of(&database, &[("COUNTERSIGN_DATABASE__MIGRATE", "false")]);
        found.finds(
            "database.schema",
            "a start is not to make them",
            "countersign migrate",
        );
        assert_eq!(
            found.level("keys"),
            "OK",
            "keys are left alone: {:#}",
            found.report
        );
    }
}

#[test]
fn a_database_that_cannot_be_had_is_found() {
    let stopped = format!("postgres://nobody@127.0.0.1:{}/nothing", free_port());
    let listen = format!("127.0.0.1:{}", free_port());
    let found = Diagnosis::at(&stopped, &listen, &[]);
    found.finds(
        "database",
        "Connection refused",
        "COUNTERSIGN_DATABASE__URL",
    );
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("file");
    fs::write(&occupied, "").unwrap();
    let url = format!("sqlite://{}/countersign.db", occupied.display());
    let found = Diagnosis::at(&url, &listen, &[]);
    found.finds(
        "configuration",
        "what is no folder",
        "docs/configuration.md",
    );
    let url = format!("sqlite://{}", occupied.display());
    fs::write(
        &occupied,
        "this is a text, and longer than a header would be".repeat(40),
    )
    .unwrap();
    Diagnosis::at(&url, &listen, &[]).finds("database", "not a database", "a database of ours");
}

#[tokio::test]
async fn a_damaged_file_and_one_that_others_may_read_are_found() {
    let database = Database::sqlite();
    filled(&database);
    let path = file(&database);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    Diagnosis::of(&database, &[]).warns("database.file", "others on this machine may read");
    // The page of an index, in the middle of the file: what reads the keys does not see it.
    database
        .execute("CREATE TABLE filler AS SELECT zeroblob(200000) AS bytes")
        .await;
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4096;
    bytes[end..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    Diagnosis::of(&database, &[]).finds("database.integrity", "damaged", "restore the last backup");
}

#[tokio::test]
async fn a_clock_that_went_back_is_found() {
    for database in each_database().await {
        filled(&database);
        database
            .execute("UPDATE keys SET created_at = created_at + 7200000")
            .await;
        Diagnosis::of(&database, &[]).finds("clock", "went back, or was ahead", "NTP");
    }
}

#[tokio::test]
async fn keys_that_nobody_replaces_are_told() {
    let database = Database::sqlite();
    filled(&database);
    database.execute("UPDATE keys SET created_at = created_at - 8640000000, signs_from = signs_from - 8640000000").await;
    let found = Diagnosis::of(&database, &[]);
    found.warns("keys.access", "100 days old, and should have been replaced");
    found.warns(
        "keys.refresh",
        "100 days old, and should have been replaced",
    );
    let other = [("COUNTERSIGN_TOKENS__ALGORITHM", "ES256")];
    Diagnosis::of(&database, &other).warns("keys.access", "COUNTERSIGN_TOKENS__ALGORITHM is ES256");
    let folder = tempfile::tempdir().unwrap();
    let folder = [("COUNTERSIGN_KEYS__FOLDER", folder.path().to_str().unwrap())];
    Diagnosis::of(&database, &folder).finds("keys.folder", "", "\"Keys in a folder\"");
}

#[tokio::test]
async fn what_postgresql_does_not_allow_us_is_found() {
    let database = Database::postgres().await;
    filled(&database);
    let (role, url) = other_user(&database).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let found = Diagnosis::at(&url, &listen, &[]);
    found.finds("database.rights", "UPDATE on sessions", "deploy/grants.sql");
    let grant =
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}");
    database.execute(&grant).await;
    let found = Diagnosis::at(&url, &listen, &[]);
    assert_eq!(found.level("database.rights"), "OK", "{:#}", found.report);
    // As a superuser, in contrast.
    Diagnosis::of(&database, &[]).warns("database.rights", "superuser");
    let many = [("COUNTERSIGN_DATABASE__CONNECTIONS", "1024")];
    Diagnosis::of(&database, &many).finds(
        "database.connections",
        "up to 1026 of",
        "max_connections",
    );
    database.execute(&format!("DROP OWNED BY {role}")).await;
    database.execute(&format!("DROP ROLE {role}")).await;
}

/// A role of the test's own that may read marks, and the URL with which it connects.
async fn other_user(database: &Database) -> (String, String) {
    let mut url = url::Url::parse(&database.url()).unwrap();
    let role = url.path().trim_start_matches('/').to_owned();
    let password = url.password().unwrap_or_default();
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'");
    database.execute(&create).await;
    let grant = format!("GRANT SELECT ON marks, __diesel_schema_migrations, keys TO {role}");
    database.execute(&grant).await;
    url.set_username(&role).unwrap();
    (role, url.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_beside_a_server_and_knows_it_from_another_program() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let address = server.origin.trim_start_matches("http://localhost:");
        let address = format!("127.0.0.1:{address}");
        let found = Diagnosis::at(&database.url(), &address, &[]);
        assert_eq!(
            (found.code, found.level("listen.public")),
            (Some(0), "OK"),
            "{:#}",
            found.report
        );
        server.kill();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        let silent = std::thread::spawn(move || drop(other.accept()));
        let found = Diagnosis::at(&database.url(), &address, &[]);
        found.finds(
            "listen.public",
            "another program listens",
            "COUNTERSIGN_HTTP__LISTEN",
        );
        silent.join().unwrap();
    }
}

#[test]
fn a_public_url_that_is_not_answered_and_an_issuer_elsewhere_are_told() {
    let environment = [
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "http://auth.example.com"),
        ("COUNTERSIGN_HTTP__ALLOWED_HOSTS", "localhost"),
    ];
    let found = Diagnosis::of(&Database::sqlite(), &environment);
    found.warns("configuration.hosts", "auth.example.com");
    found.warns(
        "configuration.issuer",
        "tokens are issued as http://localhost:",
    );
}

/// The binary as a user who is not root, who may do everything.
fn as_anybody(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("countersign");
    // By another process: a file that this one has open for writing cannot be run, and any child of a test beside this one may
    // have it for a moment.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_countersign").as_ref(), binary.as_path()])
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(binary);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = command
        .args(arguments)
        .env_clear()
        .env(
            "COUNTERSIGN_KEYS__SECRET",
            "a secret of the tests, long enough",
        )
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_folder_and_a_file_that_this_user_may_not_write_to_are_found() {
    let database = Database::sqlite();
    filled(&database);
    let path = file(&database);
    let folder = path.parent().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(folder, 0o555).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let missing = format!("{}.missing", database.url());
    for (url, file, check, what, hint) in [
        (
            database.url(),
            0o666,
            "database.file",
            "may not write to",
            "user",
        ),
        (
            database.url(),
            0o444,
            "configuration",
            "writable",
            "configuration.md",
        ),
        (
            missing,
            0o666,
            "configuration",
            "writable",
            "configuration.md",
        ),
    ] {
        mode(&path, file).unwrap();
        let arguments = [
            "doctor",
            "--json",
            "--database-url",
            &url,
            "--listen",
            &listen,
        ];
        let found = Diagnosis {
            code: Some(1),
            report: as_anybody(&arguments),
        };
        found.finds(check, what, hint);
    }
    mode(folder, 0o755).unwrap();
}
