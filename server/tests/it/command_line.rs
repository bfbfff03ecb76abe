//! The binary's commands.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::support::{Database, PASSWORD, each_database};

/// Runs the binary in a folder of its own, without the environment of the test run.
pub fn countersign(arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .env_clear()
        .envs([
            ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8"),
            (
                "COUNTERSIGN_KEYS__SECRET",
                "a secret of the tests, long enough",
            ),
        ])
        .envs(environment.iter().copied())
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails before it reads its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn create(database: &Database, email: &str, password: &str) -> Output {
    let url = database.url();
    let arguments = [
        "users",
        "create",
        "--email",
        email,
        "--name",
        "Ada",
        "--role",
        "ADMIN",
        "--password-stdin",
        "--database-url",
        &url,
    ];
    countersign(&arguments, &format!("{password}\n"), &[])
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_first_administrator_comes_from_the_command_line() {
    for database in each_database().await {
        let created = create(&database, "ada@example.com", PASSWORD);
        assert!(created.status.success(), "{}", text(&created.stderr));
        assert!(text(&created.stdout).ends_with(" ADMIN ada@example.com\n"));
        assert!(
            !text(&created.stdout).contains(PASSWORD) && !text(&created.stderr).contains(PASSWORD)
        );
        assert_eq!(
            database.texts("SELECT role AS text FROM users").await,
            ["ADMIN"]
        );
        let again = create(&database, "ADA@example.com", PASSWORD);
        assert_eq!(again.status.code(), Some(1));
        assert!(
            text(&again.stderr).contains("exists already"),
            "{}",
            text(&again.stderr)
        );
    }
}

#[test]
fn a_bad_account_is_refused_with_what_is_wrong() {
    let database = Database::sqlite();
    for (email, password, why) in [
        ("ada", PASSWORD, "e-mail"),
        ("ada@example.com", "short", "at least 8"),
        ("ada@example.com", "password1", "too easy to guess"),
        ("ada@example.com", "", "no password"),
    ] {
        let refused = create(&database, email, password);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            text(&refused.stderr).contains(why),
            "{why}: {}",
            text(&refused.stderr)
        );
    }
    let role = [
        "users",
        "create",
        "--email",
        "a@example.com",
        "--name",
        "A",
        "--role",
        "KING",
        "--password-stdin",
    ];
    assert_eq!(countersign(&role, "", &[]).status.code(), Some(2));
}

#[test]
fn every_wrong_setting_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.toml");
    std::fs::write(
        &file,
        "profile = [\"production\"]\n[sessions]\nrefresh_ttl = \"soon\"\n[passwords]\nthreads = 0\n[htpp]\nlisten = \"x\"\n",
    )
    .unwrap();
    let secret = folder.path().join("missing");
    let environment = [
        ("COUNTERSIGN_HTTP__LISTEN", "everywhere"),
        ("COUNTERSIGN_KEYS__SECRET", "short secret"),
        ("COUNTERSIGN_DATABASE__URL", "postgress://u:hunter2@h/d"),
        ("COUNTERSIGN_LOG__FILTER", "a=b=c,,[["),
        ("COUNTERSIGN_TOKENS__ACCESS_TTL", "100y"),
        ("COUNTERSIGN_TOKENS__ISSUER_FILE", secret.to_str().unwrap()),
    ];
    let checked = countersign(
        &["check-config", "--config", file.to_str().unwrap()],
        "",
        &environment,
    );
    assert_eq!(checked.status.code(), Some(1));
    let report = text(&checked.stderr);
    for expected in [
        "http.listen (COUNTERSIGN_HTTP__LISTEN) \"everywhere\" is no address",
        "database.url (COUNTERSIGN_DATABASE__URL)",
        "log.filter (COUNTERSIGN_LOG__FILTER)",
        "tokens.access_ttl (COUNTERSIGN_TOKENS__ACCESS_TTL) \"100y\" is too long",
        "profile (in ",
        "keys.secret (COUNTERSIGN_KEYS__SECRET) is shorter than 32 characters",
        "sessions.refresh_ttl (in ",
        "passwords.threads (in ",
        "htpp.listen (in ",
        "(COUNTERSIGN_TOKENS__ISSUER_FILE) names ",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
    for secret in ["short secret", "hunter2"] {
        assert!(
            !report.contains(secret),
            "a secret is never repeated: {report}"
        );
    }
}

#[test]
fn production_needs_what_only_an_operator_can_choose() {
    let production = |more: &[(&str, &str)]| {
        let mut environment = vec![
            ("COUNTERSIGN_PROFILE", "production"),
            ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "19456"),
        ];
        environment.extend(more);
        countersign(&["check-config"], "", &environment)
    };
    let bare = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("check-config")
        .env_clear()
        .env("COUNTERSIGN_PROFILE", "production")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let bare = text(&bare.stderr);
    for needed in ["http.public_url", "tokens.issuer", "keys.secret"] {
        let fault = format!("{needed} (not set; ");
        assert!(bare.contains(&fault), "{needed}: {bare}");
    }
    let insecure = [
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "http://auth.example.com"),
        ("COUNTERSIGN_TOKENS__ISSUER", "http://auth.example.com"),
        ("COUNTERSIGN_HTTP__DEV_COOKIE", "true"),
        ("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "0.0.0.0/0,::/0"),
        (
            "COUNTERSIGN_KEYS__SECRET",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    ];
    let refused = text(&production(&insecure).stderr);
    for fault in [
        "http.public_url",
        "tokens.issuer",
        "http.dev_cookie",
        "\"0.0.0.0/0\" is everybody",
        "\"::/0\" is everybody",
        "keys.secret",
    ] {
        assert!(refused.contains(fault), "{fault}: {refused}");
    }
    let good = [
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
    ];
    let accepted = production(&good);
    assert!(accepted.status.success(), "{}", text(&accepted.stderr));
}

#[test]
fn a_name_of_the_server_that_could_never_be_asked_for_is_refused() {
    let checked = |variable, value| {
        let environment = [(variable, value)];
        text(&countersign(&["check-config"], "", &environment).stderr)
    };
    for url in [
        "https://ada:hunter2@auth.example.com",
        "https://ada@auth.example.com",
        "https://auth.example.com/login",
        "https://auth.example.com?a",
        "https://auth.example.com/#a",
        "ftp://auth.example.com",
    ] {
        let fault = checked("COUNTERSIGN_HTTP__PUBLIC_URL", url);
        assert!(fault.contains("http.public_url ("), "{url}: {fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
    for hosts in [
        "*",
        "*.example.com",
        "auth.example.com:443",
        "https://auth.example.com",
        "auth.example.com/",
        "::1",
        "[::1]:4000",
    ] {
        let fault = checked("COUNTERSIGN_HTTP__ALLOWED_HOSTS", hosts);
        assert!(fault.contains("http.allowed_hosts ("), "{hosts}: {fault}");
    }
    let hosts = "auth.example.com, Localhost, 192.0.2.1, [2001:DB8::1]";
    assert_eq!(checked("COUNTERSIGN_HTTP__ALLOWED_HOSTS", hosts), "");
}

#[test]
fn development_is_not_served_to_others() {
    let refused = countersign(&["check-config", "--listen", "0.0.0.0:4000"], "", &[]);
    assert!(
        text(&refused.stderr).contains("http.listen (--listen) must be a loopback address"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn the_schema_is_printed() {
    let printed = countersign(&["schema"], "", &[]);
    assert_eq!(text(&printed.stdout), countersign::graphql::sdl());
}

#[test]
fn a_database_that_cannot_be_had_is_told() {
    for url in [
        "postgres://nobody@127.0.0.1:1/nothing",
        "sqlite:///proc/nothing/countersign.db",
    ] {
        let failed = countersign(&["migrate", "--database-url", url], "", &[]);
        assert_eq!(failed.status.code(), Some(1));
        assert!(
            text(&failed.stderr).contains("the database is not available"),
            "{}",
            text(&failed.stderr)
        );
    }
}

#[test]
fn another_secret_than_before_is_told() {
    let database = Database::sqlite();
    assert!(
        create(&database, "ada@example.com", PASSWORD)
            .status
            .success()
    );
    let url = database.url();
    let other = [(
        "COUNTERSIGN_KEYS__SECRET",
        "another secret of the tests, long enough",
    )];
    let arguments = [
        "users",
        "create",
        "--email",
        "b@example.com",
        "--name",
        "B",
        "--password-stdin",
        "--database-url",
        &url,
    ];
    let failed = countersign(&arguments, PASSWORD, &other);
    assert!(
        text(&failed.stderr).contains("COUNTERSIGN_KEYS__SECRET is not the secret"),
        "{}",
        text(&failed.stderr)
    );
}
