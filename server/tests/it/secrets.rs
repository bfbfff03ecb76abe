//! Secrets in files and in memory: who may have them, and that nothing prints them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use countersign::accounts::NewAccount;
use countersign::config::{Flags, Settings};
use countersign::storage::{KeyPurpose, NewNonce, Recovery, Rotation, Storage, UserFilter};
use countersign::values::{Peer, Role, Secret, SessionId, UnixMillis};

use crate::command_line::text;
use crate::crash::Server;
use crate::support::{Database, PASSWORD, TestApp};

const SECRET: &str = "a secret of this test, and long enough";

/// A file of a mode in a folder, and its path.
fn file(folder: &Path, name: &str, content: &str, mode: u32) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What `countersign check-config` finds wrong in production.
fn faults(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let checked = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("check-config")
        .args(arguments)
        .env_clear()
        .env("COUNTERSIGN_PROFILE", "production")
        .env("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com")
        .env("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com")
        .envs(environment.iter().copied())
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let faults = text(&checked.stderr);
    assert_eq!(checked.status.success(), faults.is_empty(), "{faults}");
    faults
}

#[test]
fn every_secret_may_come_from_a_file_that_others_cannot_change() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://countersign:hunter2hunter2@db.example.com/countersign";
    let given = |mode| {
        [
            ("COUNTERSIGN_KEYS__SECRET_FILE", SECRET),
            ("COUNTERSIGN_DATABASE__URL_FILE", url),
            ("COUNTERSIGN_DATABASE__MIGRATIONS_URL_FILE", url),
        ]
        .map(|(variable, content)| {
            let content = format!("{content}\n");
            (variable, file(folder.path(), variable, &content, mode))
        })
    };
    for (mode, is_fine) in [(0o400, true), (0o644, true), (0o620, false), (0o602, false)] {
        let files = given(mode);
        let environment = files.each_ref().map(|(name, path)| (*name, path.as_str()));
        let faults = faults(&[], &environment);
        for (variable, _) in environment {
            let fault = format!("({variable}) names");
            assert_eq!(faults.contains(&fault), !is_fine, "{mode:o}: {faults}");
        }
        assert!(!faults.contains("hunter2") && !faults.contains(SECRET));
    }
}

#[test]
fn a_configuration_that_others_may_read_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("[keys]\nsecret = \"{SECRET}\"\n");
    let url = "[database]\nurl = \"postgres://countersign:hunter2@db.example.com/countersign\"\n";
    let parameter = "[database]\nmigrations_url = \"postgres://db.example.com/c?user=owner&password=hunter2\"\n";
    let typo = "[database]\nurl = \"postgress://countersign:hunter2@db.example.com/c\"\n";
    for (content, key) in [
        (secret.as_str(), "keys.secret"),
        (url, "database.url"),
        (parameter, "database.migrations_url"),
        (typo, "database.url"),
    ] {
        for (mode, is_fine) in [(0o600, true), (0o640, false), (0o604, false)] {
            let path = file(folder.path(), "countersign.toml", content, mode);
            let faults = faults(&["--config", &path], &[]);
            let fault =
                format!("{key} (in {path}) stands in a file that others may read: `chmod 600` it");
            assert_eq!(faults.contains(&fault), !is_fine, "{mode:o}: {faults}");
            assert!(!faults.contains("hunter2") && !faults.contains(SECRET));
        }
    }
    for content in [
        "[http]\ndrain = \"5s\"\n",
        "[database]\nurl = \"sqlite://data/countersign.db\"\n",
        "[database]\nurl = \"postgres://countersign@db.example.com/countersign\"\n",
    ] {
        let path = file(folder.path(), "countersign.toml", content, 0o644);
        let from_elsewhere = [("COUNTERSIGN_KEYS__SECRET", SECRET)];
        assert_eq!(faults(&["--config", &path], &from_elsewhere), "");
    }
}

#[test]
fn a_slip_in_a_file_of_secrets_does_not_show_them() {
    let folder = tempfile::tempdir().unwrap();
    for (content, place) in [
        (format!("[keys]\nsecret = \"{SECRET}\n"), "line 2, column "),
        (format!("[keys]\nsecret = {SECRET}\n"), "line 2, column "),
        (format!("[keys]\nsecret \"{SECRET}\"\n"), "line 2, column "),
        (
            format!("[keys]\nsecret = \"{SECRET}\"\nsecret = \"{SECRET}\"\n"),
            "line 3, column 1: ",
        ),
        (
            format!("[keys]\nsecret = \"\\q{SECRET}\"\n"),
            "line 2, column ",
        ),
        (
            format!("database.url = \"postgres://u:{SECRET}@h/d"),
            "line 1, column ",
        ),
    ] {
        let path = file(folder.path(), "countersign.toml", &content, 0o600);
        let faults = faults(&["--config", &path], &[]);
        assert!(
            faults.contains(&format!("the file (in {path}) is no TOML: {place}")),
            "{faults}"
        );
        assert!(!faults.contains("a secret of"), "{faults}");
    }
}

#[tokio::test]
async fn the_development_secret_is_kept_from_others() {
    let database = Database::sqlite();
    let start = async || {
        let mut flags = Flags::default();
        flags.set("database.url", &database.url(), "the test");
        let settings = Settings::load(&flags).unwrap();
        let path = settings.development_secret_file();
        let started = countersign::app::App::start(settings).await;
        (path, started.err().map(|error| error.to_string()))
    };
    let (path, error) = start().await;
    assert_eq!(error, None);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let refused = start().await.1.unwrap();
    assert!(refused.contains("chmod 600"), "{refused}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_crash_leaves_no_core_with_keys_in_it() {
    let server = Server::start_with(&Database::sqlite(), &[]).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "soft and hard");
    server.kill();
}

#[tokio::test]
async fn nothing_that_holds_a_secret_prints_it() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let storage = Storage::open(&app.app.settings.database).await.unwrap();
    let session = SessionId::parse(&ana.session_id).unwrap();
    let (row, user) = storage.find_session(&session).await.unwrap().unwrap();
    let mut settings = app.app.settings.clone();
    settings.database.url = "postgres://countersign:hunter2@db/x".parse().unwrap();
    settings.database.migrations_url = Some("postgres://owner:hunter2@db/x".to_owned());
    let mut flags = Flags::default();
    flags.set("keys.secret", SECRET, "the test");
    let account = NewAccount {
        email: "ana@example.com".to_owned(),
        name: "Ana".to_owned(),
        password: Secret::new(PASSWORD),
        role: Role::User,
    };
    let rotation = Rotation {
        id: session,
        nonce: &row.nonce,
        generation: 1,
        attempt_hash: Some("hash of an attempt key".to_owned()),
        refresh_expires_at: UnixMillis(0),
        peer: &Peer::default(),
        now: UnixMillis(0),
    };
    let nonce = NewNonce {
        nonce: row.nonce.clone(),
        attempt_hash: Some("hash of an attempt key".to_owned()),
        refresh_expires_at: UnixMillis(0),
    };
    let filter = UserFilter {
        search: Some("ana@example.com".to_owned()),
        role: None,
    };
    let recovery = Recovery {
        user_id: user.id,
        token_hash: "hash of a link's token".to_owned(),
        expires_at: UnixMillis(0),
    };
    let keys = storage.keys(KeyPurpose::Refresh).await.unwrap();
    let printed = format!(
        "{user:?} {row:?} {settings:?} {flags:?} {account:?} {rotation:?} {nonce:?} {filter:?} {recovery:?} {keys:?}"
    );
    assert!(printed.matches("[redacted]").count() >= 10, "{printed}");
    for secret in [
        &user.password_hash,
        &row.nonce,
        "hash of an attempt key",
        "hash of a link's token",
        "hunter2",
        SECRET,
        "a secret of the tests",
        PASSWORD,
        "ana@",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
