//! The binary's commands.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

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
        assert_eq!(again.status.code(), Some(6));
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
        assert_eq!(refused.status.code(), Some(6));
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
    assert_eq!(checked.status.code(), Some(3));
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
        assert_eq!(failed.status.code(), Some(4));
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

/// A database with one account and its keys.
fn with_ada() -> Database {
    let database = Database::sqlite();
    let created = create(&database, "ada@example.com", PASSWORD);
    assert!(created.status.success(), "{}", text(&created.stderr));
    database
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", text(bytes)))
}

#[test]
fn each_kind_of_failure_has_its_exit_code_its_name_and_a_hint() {
    let database = with_ada();
    let url = database.url();
    let on = |arguments: &[&str], environment: &[(&str, &str)]| {
        let arguments = [arguments, &["--json", "--database-url", &url]].concat();
        countersign(&arguments, "", environment)
    };
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let other = [(
        "COUNTERSIGN_KEYS__SECRET",
        "another secret of the tests, long enough",
    )];
    let quiet = [("COUNTERSIGN_LOG__FILTER", "off")];
    let wrong = [("COUNTERSIGN_PASSWORDS__THREADS", "0")];
    let away = "postgres://nobody@127.0.0.1:1/nothing";
    let stopped = countersign(&["keys", "list", "--json", "--database-url", away], "", &[]);
    let nobody = ["--email", "nobody@example.com"];
    for (output, exit_code, code, hint) in [
        (
            on(&["serve", "--listen", &busy], &quiet),
            1,
            "FAILED",
            Some("`countersign doctor` asks which"),
        ),
        (on(&["user", "list"], &[]), 2, "USAGE", Some("'users'")),
        (
            on(&["users", "show", "--email", "nobody"], &[]),
            2,
            "USAGE",
            None,
        ),
        (on(&["keys", "list"], &wrong), 3, "CONFIGURATION", None),
        (on(&["keys", "list"], &other), 3, "CONFIGURATION", None),
        (stopped, 4, "UNAVAILABLE", Some("is the database running")),
        (on(&["keys", "retire", "nobody"], &[]), 5, "NOT_FOUND", None),
        (
            on(&[&["users", "show"], &nobody[..]].concat(), &[]),
            5,
            "NOT_FOUND",
            None,
        ),
        (
            on(&["users", "disable", "--email", "ada@example.com"], &[]),
            6,
            "REFUSED",
            None,
        ),
        (on(&["sessions", "end", "--all"], &[]), 6, "REFUSED", None),
    ] {
        let said = json(&output.stderr);
        let told = (output.status.code(), said["code"].as_str());
        assert_eq!(told, (Some(exit_code), Some(code)), "{said}");
        assert_eq!(text(&output.stdout), "");
        assert!(
            said["error"]
                .as_str()
                .is_some_and(|error| !error.is_empty()),
            "{said}"
        );
        match hint {
            None => assert!(exit_code != 2 || said["hint"].is_null(), "{said}"),
            Some(hint) => assert!(
                said["hint"].as_str().is_some_and(|it| it.contains(hint)),
                "{said}"
            ),
        }
    }
}

#[test]
fn people_get_the_hint_on_a_line_of_its_own() {
    let away = "postgres://nobody@127.0.0.1:1/nothing";
    let failed = countersign(&["migrate", "--database-url", away], "", &[]);
    let told = text(&failed.stderr);
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with("countersign: the database is not available"),
        "{told}"
    );
    assert!(
        lines[1].starts_with("hint: is the database running"),
        "{told}"
    );
}

#[test]
fn a_full_disk_is_told_with_what_helps() {
    let database = with_ada();
    // The limit stands for a disk that has no more room. A write over it fails, as the signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let output = Command::new("bash")
        .args(["-c", script, "bash", env!("CARGO_BIN_EXE_countersign")])
        .args([
            "users",
            "create",
            "--email",
            "bob@example.com",
            "--name",
            "Bob",
            "--generate",
        ])
        .args(["--json", "--database-url", &database.url()])
        .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8")
        .env(
            "COUNTERSIGN_KEYS__SECRET",
            "a secret of the tests, long enough",
        )
        .output()
        .unwrap();
    let said = json(&output.stderr);
    assert_eq!(
        (output.status.code(), &said["code"]),
        (Some(4), &json!("UNAVAILABLE")),
        "{said}"
    );
    assert!(said["hint"].as_str().unwrap().contains("room"), "{said}");
}

#[test]
fn what_a_script_reads_is_json() {
    let database = with_ada();
    let url = database.url();
    let done = |arguments: &[&str]| {
        let arguments = [arguments, &["--json", "--database-url", &url]].concat();
        let output = countersign(&arguments, "", &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(text(&output.stdout).lines().count(), 1, "{arguments:?}");
        json(&output.stdout)
    };
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let ada = ["--email", "ada@example.com"];
    let user = "createdAt disabled email id name role";
    let shown = done(&[&["users", "show"], &ada[..]].concat());
    assert_eq!(keys(&shown), user);
    assert_eq!(shown, done(&["users", "list"]));
    let renamed = [
        "users",
        "create",
        "--email",
        "bob@example.com",
        "--name",
        "Bob",
        "--generate",
    ];
    let bob = done(&renamed);
    assert_eq!(keys(&bob), "createdAt disabled email id name password role");
    assert_eq!(bob["password"].as_str().unwrap().len(), 29);
    let bob = ["--email", "bob@example.com"];
    assert_eq!(
        done(&[&["users", "set-role"], &bob[..], &["MANAGER"]].concat())["role"],
        "MANAGER"
    );
    assert_eq!(
        done(&[&["users", "disable"], &bob[..]].concat())["disabled"],
        true
    );
    let link = done(&[&["users", "recover"], &bob[..]].concat());
    assert!(
        link["link"].as_str().unwrap().contains("/recover#token="),
        "{link}"
    );
    assert!(link["expiresAt"].as_str().unwrap().ends_with('Z'), "{link}");
    let ended = done(&["sessions", "end", "--all", "--yes"]);
    assert_eq!(
        (keys(&ended).as_str(), &ended["sessions"]),
        ("sessions users", &json!(0))
    );
    assert_eq!(
        keys(&done(&[&["users", "delete", "--yes"], &bob[..]].concat())),
        user
    );
    assert_eq!(
        done(&["migrate"]),
        json!({ "database": url, "applied": [] })
    );
    let rotated = done(&["keys", "rotate"]);
    let shape = "algorithm createdAt kid purpose signsFrom state verifiesUntil";
    assert_eq!(
        (keys(&rotated).as_str(), &rotated["state"]),
        (shape, &json!("NEXT"))
    );
    let kid = rotated["kid"].as_str().unwrap();
    assert_eq!(done(&["keys", "retire", kid]), json!({ "kid": kid }));
    let checked = done(&["check-config"]);
    assert_eq!(
        (&checked["profile"], &checked["faults"]),
        (&json!("development"), &json!([]))
    );
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db").display().to_string();
    let written = done(&["backup", &backup]);
    assert_eq!(
        (&written["file"], &written["database"]),
        (&json!(backup), &json!(url))
    );
    let people = folder.path().join("people.jsonl");
    std::fs::write(&people, "{}\n").unwrap();
    let import = [
        "users",
        "import",
        people.to_str().unwrap(),
        "--skip-bad",
        "--json",
        "--database-url",
        &url,
    ];
    let imported = countersign(&import, "", &[]);
    assert_eq!(json(&imported.stderr)["line"], 1);
    assert_eq!(
        keys(&json(&imported.stdout)),
        "bad deleted isWritten new present readdressed"
    );
}

#[test]
fn every_fault_and_warning_of_the_configuration_is_in_the_json() {
    let production = [
        ("COUNTERSIGN_PROFILE", "production"),
        ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "19456"),
        ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
        ("COUNTERSIGN_TOKENS__ACCESS_TTL", "2h"),
    ];
    let checked = countersign(&["check-config", "--json"], "", &production);
    let warnings = json(&checked.stdout)["warnings"].clone();
    let keys = warnings.as_array().unwrap().iter().map(|it| &it["key"]);
    assert!(
        keys.into_iter().any(|key| key == "tokens.access_ttl"),
        "{warnings}"
    );
    let wrong = [
        ("COUNTERSIGN_HTTP__LISTEN", "everywhere"),
        ("COUNTERSIGN_LOG__FILTER", "[["),
    ];
    let checked = countersign(&["check-config", "--json"], "", &wrong);
    assert_eq!(
        (checked.status.code(), text(&checked.stderr)),
        (Some(3), String::new())
    );
    let faults = json(&checked.stdout)["faults"].clone();
    let faults = faults.as_array().unwrap();
    assert_eq!(faults.len(), 2, "{faults:?}");
    let listen = faults.iter().find(|it| it["key"] == "http.listen");
    assert_eq!(listen.unwrap()["origin"], "COUNTERSIGN_HTTP__LISTEN");
}

#[test]
fn who_has_read_enough_is_no_error() {
    for command in ["schema", "--help", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(command.split(' '))
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), String::new()),
            "{command}"
        );
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = text(&countersign(&["completions", "bash"], "", &[]).stdout);
    let completed = |words: &[&str]| {
        let last = words.len() - 1;
        let ask = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}; _countersign countersign '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words[last],
            words[last - 1],
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &ask])
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(completed(&["countersign", "use"]), "users");
    assert_eq!(completed(&["countersign", "keys", "rot"]), "rotate");
    assert_eq!(
        completed(&["countersign", "keys", "rotate", "--purpose", "r"]),
        "refresh"
    );
    assert_eq!(completed(&["countersign", "doctor", "--js"]), "--json");
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = countersign(&["completions", shell], "", &[]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("build-filter"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let written = countersign(&["man", pages.to_str().unwrap(), "--json"], "", &[]);
    assert_eq!(json(&written.stdout), json!({ "folder": pages }));
    for page in [
        "countersign",
        "countersign-doctor",
        "countersign-users-create",
    ] {
        let page = std::fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(
            page.contains(".TH countersign") && page.contains("Examples:"),
            "{page}"
        );
    }
}
