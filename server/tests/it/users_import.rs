//! `countersign users import`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command_line::{countersign, create, text};
use crate::crash::{Server, free_port};
use crate::passwords::FOREIGN;
use crate::sessions_command::{login, register};
use crate::support::{Database, PASSWORD, each_database};
use crate::users_command::{command, done, refused};

/// A database with one account, the hash of its password, and a folder for files.
struct Setting {
    database: Database,
    hash: String,
    folder: tempfile::TempDir,
}

impl Setting {
    async fn on(database: Database) -> Self {
        assert!(
            create(&database, "ada@example.com", PASSWORD)
                .status
                .success()
        );
        let hash = database
            .texts("SELECT password_hash AS text FROM users")
            .await
            .remove(0);
        Self {
            database,
            hash,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn on_each_database() -> Vec<Self> {
        let mut settings = Vec::new();
        for database in each_database().await {
            settings.push(Self::on(database).await);
        }
        settings
    }

    fn file(&self, lines: &str) -> PathBuf {
        let path = self.folder.path().join("users.jsonl");
        std::fs::write(&path, lines).unwrap();
        path
    }

    /// So many people, all with one password.
    fn people(&self, count: u32) -> PathBuf {
        let mut lines = String::new();
        for n in 0..count {
            writeln!(
                lines,
                "{}",
                self.person(&format!("imported{n}@example.com"))
            )
            .unwrap();
        }
        self.file(&lines)
    }

    fn person(&self, email: &str) -> Value {
        json!({ "email": email, "name": "Zoë 🦀", "passwordHash": self.hash })
    }

    async fn count(&self) -> u32 {
        let query = "SELECT CAST(count(*) AS text) AS text FROM users WHERE email LIKE 'imported%'";
        self.database.texts(query).await[0].parse().unwrap()
    }
}

fn import(path: &Path) -> [&str; 2] {
    ["import", path.to_str().unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_people_come_once_and_sign_in() {
    for setting in Setting::on_each_database().await {
        let Setting { database, hash, .. } = &setting;
        let path = setting.people(10_000);
        let server = Server::start(database, free_port(), "8").await;
        let rehearsal = done(
            database,
            &["import", path.to_str().unwrap(), "--dry-run"],
            "",
        );
        assert_eq!(
            rehearsal,
            "10000 accounts would be written, 0 were there already, 0 lines are bad.\n"
        );
        assert_eq!(setting.count().await, 0);
        let url = database.url();
        let output = countersign(
            &[&["users"], &import(&path)[..], &["--database-url", &url]].concat(),
            "",
            &[],
        );
        assert_eq!(
            text(&output.stderr),
            "",
            "no bar where there is no terminal"
        );
        assert_eq!(
            text(&output.stdout),
            "10000 accounts were written, 0 were there already, 0 lines are bad.\n"
        );
        assert_eq!(setting.count().await, 10_000);
        for email in ["imported0@example.com", "imported9999@example.com"] {
            assert!(login(&server.origin, email).await.is_some(), "{email}");
        }
        // Each has its line in the audit trail, and no second one by the second run.
        let again = done(database, &import(&path), "");
        assert_eq!(
            again,
            "0 accounts were written, 10000 were there already, 0 lines are bad.\n"
        );
        let lines = "SELECT CAST(count(*) AS text) || '/' || CAST(count(DISTINCT user_id) AS text) AS text \
             FROM auth_events WHERE kind = 'REGISTERED' AND user_id IN (SELECT id FROM users)";
        assert_eq!(database.texts(lines).await, ["10001/10001"]);
        let hashes = "SELECT DISTINCT password_hash AS text FROM users";
        assert_eq!(database.texts(hashes).await, [hash.as_str()]);
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_beside_a_running_server() {
    for setting in Setting::on_each_database().await {
        let database = &setting.database;
        let path = setting.people(10_000);
        let server = Server::start(database, free_port(), "8").await;
        let mut first = command(database, &import(&path))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while setting.count().await < 2000 {
            assert!(first.try_wait().unwrap().is_none(), "it ended too soon");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        register(&server.origin, "meanwhile@example.com").await;
        first.kill().unwrap();
        first.wait().unwrap();
        let written = setting.count().await;
        assert!((2000..10_000).contains(&written), "{written}");
        assert_eq!(written % 1000, 0, "a batch is written whole");
        // Somebody has signed in since, which may have given them a new hash, and somebody else has changed their name.
        database
            .execute(
                "UPDATE users SET password_hash = 'upgraded' WHERE email = 'imported1@example.com'",
            )
            .await;
        database
            .execute("UPDATE users SET name = 'Ana' WHERE email = 'imported2@example.com'")
            .await;
        let second = done(database, &import(&path), "");
        let expected = format!(
            "{} accounts were written, {written} were there already, 0 lines are bad.\n",
            10_000 - written
        );
        assert_eq!(second, expected);
        assert_eq!(setting.count().await, 10_000);
        let kept = "SELECT password_hash AS text FROM users WHERE email = 'imported1@example.com'";
        assert_eq!(database.texts(kept).await, ["upgraded"]);
        assert!(
            login(&server.origin, "imported9999@example.com")
                .await
                .is_some()
        );
        server.kill();
    }
}

#[tokio::test]
async fn bad_lines_are_named_and_keep_everything_out() {
    for setting in Setting::on_each_database().await {
        let Setting { database, hash, .. } = &setting;
        let with = |key: &str, value: Value| {
            let mut person = setting.person("imported@example.com");
            person[key] = value;
            person.to_string()
        };
        let known = "01900000-0000-7000-8000-000000000001";
        let repeated_id = |email: &str| {
            json!({ "email": email, "name": "A", "passwordHash": hash, "id": known }).to_string()
        };
        let lines = [
            (setting.person("imported0@example.com").to_string(), ""),
            (String::new(), ""),
            ("{".to_owned(), "column 1: EOF while parsing an object"),
            (
                json!([
                    "imported@example.com",
                    "A",
                    hash,
                    null,
                    null,
                    null,
                    false,
                    null
                ])
                .to_string(),
                "it is no JSON object",
            ),
            ("null".to_owned(), "it is no JSON object"),
            (
                json!({ "name": "A", "passwordHash": hash }).to_string(),
                "missing field `email`",
            ),
            (with("pasword", json!(hash)), "unknown field `pasword`"),
            (
                json!({ "eve@example.com": hash }).to_string(),
                "unknown field, expected one of",
            ),
            (
                json!({ "a` plum `a": 1, "email": 1 }).to_string(),
                "unknown field, expected one of",
            ),
            (
                json!({ "a".repeat(33): hash }).to_string(),
                "unknown field, expected one of",
            ),
            (
                with("disabled", json!(hash)),
                "a value is not what it has to be: expected a boolean",
            ),
            (
                with("passwordHash", json!(7)),
                "a value is not what it has to be: expected a string",
            ),
            (
                with("role", json!("KING")),
                "this is not USER, MANAGER or ADMIN",
            ),
            (
                with("email", json!("ana")),
                "email is not a valid e-mail address",
            ),
            (with("name", json!("\u{202E}")), "name has to have"),
            (with("id", json!("7")), "id is not a UUID"),
            (
                with("id", json!("00000000-0000-0000-0000-000000000000")),
                "id is not a UUID",
            ),
            (
                with("createdAt", json!("yesterday")),
                "createdAt is not a time in the past",
            ),
            (
                with("createdAt", json!("2999-01-01T00:00:00Z")),
                "createdAt is not a time in the past",
            ),
            (
                with("createdAt", json!("1969-12-31T23:59:59Z")),
                "createdAt is not a time in the past",
            ),
            (
                with("passwordHash", json!("plum tractor ninety seven")),
                "passwordHash: this is no hash of Argon2, bcrypt",
            ),
            (
                with(
                    "passwordHash",
                    json!(
                        "pbkdf2_sha256$1000$r4nd\0Salt$h7VjaqC4oczyYZV69sbqgl/GNINnh2NuCAcnvwR7SeM="
                    ),
                ),
                "passwordHash: a hash has at most 512 characters",
            ),
            (
                setting.person("Imported0@EXAMPLE.com").to_string(),
                "an earlier line has this address",
            ),
            (repeated_id("imported3@example.com"), ""),
            (
                repeated_id("imported4@example.com"),
                "an earlier line has this id",
            ),
            (
                setting.person("ada@example.com").to_string(),
                "another account has this address",
            ),
            (
                format!("{}\u{1b}[2J", with("name", json!("A"))),
                "trailing characters",
            ),
            (
                with("name", json!("x".repeat(70_000))),
                "it is longer than 65536 bytes",
            ),
            (setting.person("imported5@example.com").to_string(), ""),
        ];
        let text: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
        let path = setting.file(&text.join("\r\n"));
        let said = refused(database, &import(&path), "");
        let bad = lines.iter().filter(|(_, why)| !why.is_empty()).count();
        assert!(
            said.contains(&format!("nothing was written, as {bad} lines are bad")),
            "{said}"
        );
        for (number, (_, why)) in (1..).zip(&lines) {
            let found = said
                .lines()
                .find(|line| line.starts_with(&format!("line {number}: ")));
            assert_eq!(found.is_some(), !why.is_empty(), "line {number}: {said}");
            assert!(found.unwrap_or_default().contains(why), "{why}: {found:?}");
        }
        assert!(
            ["argon2", "plum", "eve@", "\u{1b}"]
                .iter()
                .all(|value| !said.contains(value)),
            "{said}"
        );
        assert_eq!(setting.count().await, 0);

        let skipping = ["import", path.to_str().unwrap(), "--skip-bad"];
        let written = done(database, &skipping, "");
        assert_eq!(
            written,
            format!("3 accounts were written, 0 were there already, {bad} lines are bad.\n")
        );
        assert_eq!(setting.count().await, 3);
        let again = done(database, &skipping, "");
        assert_eq!(
            again,
            format!("0 accounts were written, 3 were there already, {bad} lines are bad.\n")
        );
    }
}

#[tokio::test]
async fn of_many_bad_lines_a_hundred_are_named() {
    let setting = Setting::on(Database::sqlite()).await;
    let path = setting.file(&"{}\n".repeat(250));
    let said = refused(&setting.database, &import(&path), "");
    assert!(
        said.contains("\nline 100: ") && !said.contains("line 101: "),
        "{said}"
    );
    assert!(said.contains("and 150 more bad lines\n"), "{said}");
}

#[tokio::test]
async fn every_field_is_kept() {
    for setting in Setting::on_each_database().await {
        let database = &setting.database;
        let id = "6d1f0c1e-8a0b-4d6e-9d6a-3f1c2b4a5e6f";
        let person = json!({
            "email": " Imported@Example.com", "name": "Zoë", "passwordHash": setting.hash, "id": id, "role": "MANAGER",
            "createdAt": "2019-05-17T11:30:00.25+02:00", "disabled": true, "emailVerified": true,
        });
        let said = done(database, &["import", "-"], &person.to_string());
        assert!(said.contains("emailVerified is not kept"), "{said}");
        let listed = done(database, &["list", "--json", "--search", "imported"], "");
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let expected = json!({
            "id": id, "email": "imported@example.com", "name": "Zoë", "role": "MANAGER",
            "createdAt": "2019-05-17T09:30:00.25Z", "disabled": true,
        });
        assert_eq!(listed, expected);
        let again = done(database, &["import", "-"], &person.to_string());
        assert!(
            again.starts_with("0 accounts were written, 1 were there already"),
            "{again}"
        );
    }
}

#[tokio::test]
async fn who_was_deleted_or_has_another_address_since_does_not_come_again() {
    for setting in Setting::on_each_database().await {
        let database = &setting.database;
        let mut lines = String::new();
        for n in 0..4 {
            let with_id = format!("01900000-0000-7000-8000-00000000000{n}");
            let extras = [
                ("without", Value::Null),
                ("createdAt", json!("2019-05-17T09:30:00Z")),
                ("id", json!(with_id)),
            ];
            for (key, value) in extras {
                let mut person = setting.person(&format!("imported.{n}.{key}@example.com"));
                if !value.is_null() {
                    person[key] = value;
                }
                writeln!(lines, "{person}").unwrap();
            }
        }
        let path = setting.file(&lines);
        done(database, &import(&path), "");
        for key in ["without", "createdat", "id"] {
            // Of the first nothing is left, and the second came back with a password of today.
            for n in 0..2 {
                let email = format!("imported.{n}.{key}@example.com");
                done(database, &["delete", "--yes", "--email", &email], "");
            }
            let back = format!("imported.1.{key}@example.com");
            assert!(create(database, &back, PASSWORD).status.success());
            let moved = format!(
                "UPDATE users SET email = 'moved.{key}@example.com' WHERE email = 'imported.2.{key}@example.com'"
            );
            database.execute(&moved).await;
        }
        let before = database
            .texts("SELECT id || email AS text FROM users ORDER BY id")
            .await;
        for (option, what) in [(Some("--dry-run"), "would be"), (None, "were")] {
            let mut again = import(&path).to_vec();
            again.extend(option);
            assert_eq!(
                done(database, &again, ""),
                format!(
                    "0 accounts {what} written, 3 were there already, 0 lines are bad.\n\
                     Left out, as an earlier run wrote them: 3 have another address now, 6 were deleted since.\n"
                )
            );
        }
        let after = database
            .texts("SELECT id || email AS text FROM users ORDER BY id")
            .await;
        assert_eq!(before, after);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for path in ["/nowhere/users.jsonl", "/tmp"] {
        let said = refused(&Database::sqlite(), &["import", path], "");
        assert!(said.contains(&format!("{path} cannot be read")), "{said}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_and_a_pipe_do_no_harm() {
    let setting = Setting::on(Database::sqlite()).await;
    let line = format!("\u{feff}{}", setting.person("imported@example.com"));
    let path = setting.file(&line);
    let written = done(&setting.database, &import(&path), "");
    assert!(written.starts_with("1 accounts were written"), "{written}");
    let again = done(&setting.database, &["import", "/dev/stdin"], &line);
    assert!(
        again.starts_with("0 accounts were written, 1 were there already"),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_hashes_of_other_systems_sign_in_and_get_one_of_ours() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let setting = Setting {
            database,
            hash: String::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let mut lines = String::new();
        for (n, hash) in FOREIGN.iter().enumerate() {
            let mut person = setting.person(&format!("imported{n}@example.com"));
            person["passwordHash"] = json!(hash);
            writeln!(lines, "{person}").unwrap();
        }
        let path = setting.file(&lines);
        let written = done(&setting.database, &import(&path), "");
        assert!(written.starts_with("5 accounts were written"), "{written}");
        for n in 0..FOREIGN.len() {
            let email = format!("imported{n}@example.com");
            assert!(login(&server.origin, &email).await.is_some(), "{n}");
        }
        let ours = "SELECT password_hash AS text FROM users WHERE password_hash LIKE '$argon2id$v=19$m=8,t=2,p=1$%'";
        assert_eq!(setting.database.texts(ours).await.len(), FOREIGN.len());
        let again = done(&setting.database, &import(&path), "");
        assert!(
            again.starts_with("0 accounts were written, 5 were there already, 0"),
            "{again}"
        );
        assert_eq!(setting.database.texts(ours).await.len(), FOREIGN.len());
        server.kill();
    }
}
