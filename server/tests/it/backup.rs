//! `countersign backup`, and what a restore means.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command_line::{countersign, text};
use crate::crash::{REFRESH, Server, free_port, run};
use crate::sessions_command::{login, register};
use crate::support::Database;

fn backup(database: &Database, file: &Path) -> Output {
    let url = database.url();
    let file = file.to_str().unwrap();
    countersign(&["backup", file, "--database-url", &url], "", &[])
}

/// Registers as fast as it can, and notes whom the server has acknowledged.
async fn keep_registering(origin: String, number: u32, acknowledged: Arc<Mutex<Vec<String>>>) {
    for person in 0.. {
        let email = format!("p{number}-{person}@example.com");
        register(&origin, &email).await;
        acknowledged.lock().unwrap().push(email);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_all_that_was_acknowledged_before() {
    let database = Database::sqlite();
    let server = Server::start(&database, free_port(), "8").await;
    database.fill(3000).await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let load: Vec<_> = (0..4)
        .map(|number| {
            let work = keep_registering(server.origin.clone(), number, acknowledged.clone());
            tokio::spawn(work)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.db");
    while acknowledged.lock().unwrap().len() < 40 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = acknowledged.lock().unwrap().clone();
    let written = backup(&database, &file);
    assert!(written.status.success(), "{}", text(&written.stderr));
    while acknowledged.lock().unwrap().len() < before.len() + 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.iter().for_each(tokio::task::JoinHandle::abort);
    server.kill();

    let metadata = file.metadata().unwrap();
    assert!(text(&written.stdout).ends_with(&format!(" {} bytes.\n", metadata.len())));
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
    let restored = Database::Sqlite(folder);
    let integrity = "SELECT integrity_check AS text FROM pragma_integrity_check";
    assert_eq!(restored.texts(integrity).await, ["ok"]);
    let emails = restored.texts("SELECT email AS text FROM users").await;
    for email in &before {
        assert!(emails.contains(email), "{email} was lost");
    }
    let server = Server::start(&restored, free_port(), "8").await;
    for email in &before {
        assert!(login(&server.origin, email).await.is_some(), "{email}");
    }
    server.kill();
}

#[tokio::test]
async fn what_cannot_be_backed_up_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let missing = Database::sqlite();
    let failed = backup(&missing, &file);
    assert_eq!(failed.status.code(), Some(3));
    assert!(text(&failed.stderr).contains("there is no database at"));
    let made = missing.url().trim_start_matches("sqlite://").to_owned();
    assert!(!Path::new(&made).exists());

    let served = backup(&Database::postgres().await, &file);
    assert_eq!(served.status.code(), Some(6));
    for expected in ["pg_dump", "docs/operations.md"] {
        assert!(text(&served.stderr).contains(expected));
    }
    assert!(!file.exists());

    let database = Database::sqlite();
    database
        .execute("CREATE TABLE some_rows (id integer)")
        .await;
    std::fs::write(&file, "precious").unwrap();
    let refused = backup(&database, &file);
    assert_eq!(refused.status.code(), Some(6));
    assert!(text(&refused.stderr).contains("is there already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let nowhere = backup(&database, &folder.path().join("none/backup.db"));
    assert!(text(&nowhere.stderr).contains("cannot be written"));
}

async fn refreshed(origin: &str, token: &str) -> Option<String> {
    let payload = run(origin, REFRESH, json!({ "token": token })).await?;
    payload["refreshToken"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_newer_tokens_are_good_and_ended_sessions_live_until_all_are_ended() {
    let database = Database::sqlite();
    let port = free_port();
    let server = Server::start(&database, port, "8").await;
    let (_, mut ana) = register(&server.origin, "ana@example.com").await;
    let (_, bob) = register(&server.origin, "bob@example.com").await;
    let restored = Database::sqlite();
    let path = restored.url().trim_start_matches("sqlite://").to_owned();
    let written = backup(&database, Path::new(&path));
    assert!(written.status.success(), "{}", text(&written.stderr));
    for _ in 0..3 {
        ana = refreshed(&server.origin, &ana).await.unwrap();
    }
    let logout = "mutation($token: String) { payload: logout(refreshToken: $token) }";
    let ended: Option<Value> = run(&server.origin, logout, json!({ "token": bob })).await;
    assert_eq!(ended, Some(json!(true)));
    assert_eq!(refreshed(&server.origin, &bob).await, None);
    server.kill();

    let server = Server::start(&restored, port, "8").await;
    let ana = refreshed(&server.origin, &ana)
        .await
        .expect("a token that is newer than the database");
    let bob = refreshed(&server.origin, &bob)
        .await
        .expect("a session that the backup knows as alive");
    let url = restored.url();
    let end = ["sessions", "end", "--all", "--yes", "--database-url", &url];
    let ended = countersign(&end, "", &[]);
    assert_eq!(text(&ended.stdout), "2 sessions of 2 users were ended.\n");
    for token in [ana, bob] {
        assert_eq!(refreshed(&server.origin, &token).await, None);
    }
    server.kill();
}
