//! `countersign users`, beside a running server.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use countersign::values::{Peer, Role, UserId};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::{Value, json};

use crate::command_line::{countersign, create, text};
use crate::crash::{LOGIN, REFRESH, Server, free_port, refusal, run};
use crate::sessions_command::{login, register};
use crate::support::{Database, PASSWORD, TestApp, each_database};

const NEW_PASSWORD: &str = "another long good one";

fn users(database: &Database, arguments: &[&str], input: &str) -> Output {
    let url = database.url();
    let all = [&["users"], arguments, &["--database-url", &url]].concat();
    countersign(&all, input, &[])
}

/// What the command prints when it does what it was asked for.
pub fn done(database: &Database, arguments: &[&str], input: &str) -> String {
    let output = users(database, arguments, input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Why the command does not.
pub fn refused(database: &Database, arguments: &[&str], input: &str) -> String {
    let output = users(database, arguments, input);
    let code = output.status.code();
    assert!(
        matches!(code, Some(1 | 5 | 6)),
        "{code:?} {}",
        text(&output.stdout)
    );
    text(&output.stderr)
}

/// Asks until the token is refused for this reason: another process writes, and a server hears of it within a second.
async fn until_refused(origin: &str, token: &str, reason: &str) {
    for _ in 0..200 {
        if refusal(origin, token).await.as_deref() == Some(reason) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the token is never refused with {reason}");
}

async fn sign_in(origin: &str, email: &str, password: &str) -> Option<Value> {
    let input = json!({ "email": email, "password": password });
    run(origin, LOGIN, json!({ "input": input })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_reaches_a_running_server() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let origin = server.origin.as_str();
        let email = "ana@example.com";
        let (token, refresh_token) = register(origin, email).await;
        let promoted = done(
            &database,
            &["set-role", "--email", "Ana@Example.com", "MANAGER"],
            "",
        );
        assert_eq!(promoted, "ana@example.com is MANAGER now.\n");
        until_refused(origin, &token, "TOKEN_STALE").await;
        let renew = REFRESH.replace("{ refreshToken }", "{ accessToken user { role } }");
        let renewed = run(origin, &renew, json!({ "token": refresh_token }))
            .await
            .unwrap();
        assert_eq!(renewed["user"]["role"], "MANAGER");

        let id = database
            .texts("SELECT id AS text FROM users")
            .await
            .remove(0);
        done(&database, &["disable", "--id", &id], "");
        let token = renewed["accessToken"].as_str().unwrap();
        until_refused(origin, token, "SESSION_ENDED").await;
        assert_eq!(login(origin, email).await, None);
        done(&database, &["enable", "--email", email], "");
        let query = LOGIN.replace("{ refreshToken }", "{ accessToken }");
        let input = json!({ "email": email, "password": PASSWORD });
        let signed_in = run(origin, &query, json!({ "input": input }))
            .await
            .unwrap();

        let weak = refused(
            &database,
            &["set-password", "--email", email],
            "password1\n",
        );
        assert!(weak.contains("too easy to guess"), "{weak}");
        let said = done(
            &database,
            &["set-password", "--email", email],
            &format!("{NEW_PASSWORD}\n"),
        );
        assert!(!said.contains(NEW_PASSWORD), "{said}");
        let token = signed_in["accessToken"].as_str().unwrap();
        until_refused(origin, token, "SESSION_ENDED").await;
        assert_eq!(login(origin, email).await, None);
        assert!(sign_in(origin, email, NEW_PASSWORD).await.is_some());

        let unconfirmed = refused(&database, &["delete", "--email", email], "yes\n");
        assert!(unconfirmed.contains("--yes"), "{unconfirmed}");
        done(&database, &["delete", "--email", email, "--yes"], "");
        assert_eq!(sign_in(origin, email, NEW_PASSWORD).await, None);
        let lines = format!(
            "SELECT kind AS text FROM auth_events WHERE user_id = '{id}' AND actor_id IS NULL AND ip_address IS NULL ORDER BY id"
        );
        assert_eq!(
            database.texts(&lines).await,
            [
                "ROLE_CHANGED",
                "USER_DISABLED",
                "SESSION_REVOKED",
                "USER_ENABLED",
                "PASSWORD_CHANGED",
                "SESSION_REVOKED",
                "USER_DELETED"
            ]
        );
        server.kill();
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    for database in each_database().await {
        assert!(
            create(&database, "root@example.com", PASSWORD)
                .status
                .success()
        );
        let acts: [&[&str]; 3] = [
            &["set-role", "--email", "root@example.com", "USER"],
            &["disable", "--email", "root@example.com"],
            &["delete", "--email", "root@example.com", "--yes"],
        ];
        for act in acts {
            let why = refused(&database, act, "");
            assert!(why.contains("make another administrator first"), "{why}");
        }
        done(
            &database,
            &["set-role", "--email", "root@example.com", "ADMIN"],
            "",
        );
        assert!(
            create(&database, "other@example.com", PASSWORD)
                .status
                .success()
        );
        done(&database, &["disable", "--email", "other@example.com"], "");
        refused(&database, acts[0], "");
        done(&database, &["enable", "--email", "other@example.com"], "");
        done(&database, acts[0], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_administrators_whom_an_operator_and_an_administrator_remove_one_stays() {
    for app in TestApp::builder().on_each_database().await {
        let mut a = app.administrator().await;
        for round in 0..8 {
            let b = app
                .sign_in_with_role(&format!("b{round}@example.com"), "ADMIN")
                .await;
            let act = format!(
                "mutation {{ setDisabled(userId: \"{}\", disabled: true) {{ id }} }}",
                a.user_id
            );
            let id = UserId::parse(&b.user_id).unwrap();
            let operator = async {
                let nobody = Peer::default();
                let demoted = app.app.accounts.set_role(None, &id, Role::User, &nobody);
                demoted.await.is_ok()
            };
            let (by_b, by_operator) =
                tokio::join!(app.run_as(&b.access_token, &act, json!({})), operator);
            let query =
                "SELECT email AS text FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL";
            let left = app.database.texts(query).await;
            let by_b = by_b.json.get("errors").is_none();
            assert_eq!(
                (by_b != by_operator, left.len()),
                (true, 1),
                "{by_b} {by_operator}"
            );
            a = app.login(&left[0], PASSWORD).await.signed_in();
        }
    }
}

/// Writes 1200 users, more than two pages of the list.
async fn fill(database: &Database) {
    database.fill(1200).await;
    // Those have names that nobody can give themselves.
    database
        .execute("UPDATE users SET name = 'Zoë' WHERE name_key = 'zoë'")
        .await;
}

#[tokio::test]
async fn accounts_are_listed_whole_and_for_programs() {
    for database in each_database().await {
        assert!(
            create(&database, "ada@example.com", PASSWORD)
                .status
                .success()
        );
        fill(&database).await;
        let table = done(&database, &["list"], "");
        assert_eq!(table.lines().count(), 1202);
        assert!(table.starts_with("ID "), "{table}");
        assert!(table.contains("  ADMIN    "), "{table}");
        assert!(
            table
                .lines()
                .nth(1)
                .unwrap()
                .ends_with("  ada@example.com, Ada"),
            "newest first"
        );
        done(
            &database,
            &["disable", "--email", "person7@example.com"],
            "",
        );
        let found = done(&database, &["list", "--json", "--search", "PERSON7@"], "");
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["email"], "person7@example.com");
        assert_eq!(found["disabled"], true);
        assert!(found["createdAt"].as_str().unwrap().ends_with('Z'));
        let administrators = done(&database, &["list", "--json", "--role", "ADMIN"], "");
        assert_eq!(administrators.lines().count(), 1);
        assert!(!administrators.contains("argon2"), "{administrators}");
    }
}

#[tokio::test]
async fn a_reader_who_has_enough_is_no_failure() {
    let database = Database::sqlite();
    assert!(
        create(&database, "ada@example.com", PASSWORD)
            .status
            .success()
    );
    fill(&database).await;
    let mut child = command(&database, &["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

/// The command, not yet started.
pub fn command(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .arg("users")
        .args(arguments)
        .args(["--database-url", &database.url()]);
    command.env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8");
    command.env(
        "COUNTERSIGN_KEYS__SECRET",
        "a secret of the tests, long enough",
    );
    command
}

/// Runs the command at a terminal of its own and answers its questions; what the terminal shows, and the exit code.
fn at_terminal(
    database: &Database,
    arguments: &[&str],
    answers: &[(&str, &str)],
) -> (String, Option<i32>) {
    let mut terminal = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let inside = || {
        let mut options = File::options();
        options.read(true).write(true);
        let flags = OFlags::NOCTTY.bits().cast_signed();
        options.custom_flags(flags).open(&name).unwrap()
    };
    let inner = command(database, arguments);
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(inside())
        .stdout(inside())
        .stderr(inside())
        .spawn()
        .unwrap();
    let (mut shown, mut byte) = (String::new(), [0]);
    for (question, answer) in answers {
        while !shown.ends_with(question) {
            terminal.read_exact(&mut byte).unwrap();
            shown.push(char::from(byte[0]));
        }
        // Between the question and the end of the echo nobody types.
        let shows = |terminal| {
            tcgetattr(terminal)
                .unwrap()
                .local_modes
                .contains(LocalModes::ECHO)
        };
        while question.ends_with(": ") && shows(&terminal) {
            std::thread::sleep(Duration::from_millis(5));
        }
        terminal
            .write_all(format!("{answer}\n").as_bytes())
            .unwrap();
    }
    let status = child.wait().unwrap();
    // It ends with an error: nobody has the other end open any more.
    let _ = terminal.read_to_string(&mut shown);
    (shown, status.code())
}

#[test]
fn at_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let database = Database::sqlite();
    let create = ["create", "--email", "ana@example.com", "--name", "Ana"];
    let (shown, code) = at_terminal(
        &database,
        &create,
        &[("Password: ", PASSWORD), ("The same again: ", "another")],
    );
    assert!(
        shown.contains("the two are not the same") && code == Some(6),
        "{shown}"
    );
    let (shown, code) = at_terminal(
        &database,
        &create,
        &[("Password: ", PASSWORD), ("The same again: ", PASSWORD)],
    );
    assert!(
        shown.contains(" USER ana@example.com") && code == Some(0),
        "{shown}"
    );
    assert!(!shown.contains(PASSWORD), "{shown}");
    let delete = ["delete", "--email", "ana@example.com"];
    let question = "This deletes the account of Ana <ana@example.com>. Go on (yes)? ";
    let (shown, code) = at_terminal(&database, &delete, &[(question, "no")]);
    assert!(
        shown.contains("nothing was done") && code == Some(6),
        "{shown}"
    );
    let (shown, code) = at_terminal(&database, &delete, &[(question, "yes")]);
    assert!(
        shown.contains("ana@example.com is deleted.") && code == Some(0),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_password_is_shown_once_and_works() {
    let database = Database::sqlite();
    let server = Server::start(&database, free_port(), "8").await;
    let create = [
        "create",
        "--email",
        "ana@example.com",
        "--name",
        "Ana",
        "--generate",
    ];
    let mut passwords = Vec::new();
    for act in [
        &create[..],
        &["set-password", "--email", "ana@example.com", "--generate"],
    ] {
        let said = done(&database, act, "");
        let (_, password) = said.trim_end().split_once("shown this once: ").unwrap();
        assert_eq!(password.len(), 29);
        assert!(
            sign_in(&server.origin, "ana@example.com", password)
                .await
                .is_some()
        );
        passwords.push(password.to_owned());
    }
    assert_ne!(passwords[0], passwords[1]);
    assert_eq!(
        sign_in(&server.origin, "ana@example.com", &passwords[0]).await,
        None
    );
    server.kill();
}

#[test]
fn what_was_not_understood_does_nothing() {
    let database = Database::sqlite();
    let not_understood: [&[&str]; 6] = [
        &["disable"],
        &["disable", "--email", "a@example.com", "--id", "x"],
        &["set-role", "--email", "a@example.com", "KING"],
        &[
            "set-password",
            "--email",
            "a@example.com",
            "--password",
            "plum tractor",
        ],
        &[
            "set-password",
            "--email",
            "a@example.com",
            "--generate",
            "--password-stdin",
        ],
        &[
            "create",
            "--email",
            "a@example.com",
            "--name",
            "A",
            "plum tractor",
        ],
    ];
    for arguments in not_understood {
        let output = users(&database, arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    for who in [["--email", "nobody@example.com"], ["--id", "nobody"]] {
        for act in ["disable", "enable", "recover", "set-password", "delete"] {
            let why = refused(&database, &[&[act], &who[..]].concat(), PASSWORD);
            assert!(why.contains("there is no such account"), "{act}: {why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_recovers_the_account_at_a_running_server() {
    for database in each_database().await {
        let server = Server::start(&database, free_port(), "8").await;
        let (token, _) = register(&server.origin, "ana@example.com").await;
        let output = users(&database, &["recover", "--email", "ana@example.com"], "");
        let (link, words) = (text(&output.stdout), text(&output.stderr));
        let (page, secret) = link.trim_end().split_once("#token=").unwrap();
        assert_eq!(page, "http://localhost:4000/recover");
        assert!(
            words.contains("of Ana <ana@example.com>") && words.contains("good once, until "),
            "{words}"
        );
        let stored = "SELECT user_id || token_hash AS text FROM recoveries";
        assert!(!database.texts(stored).await.concat().contains(secret));
        let recover =
            "mutation($input: RecoverAccountInput!) { payload: recoverAccount(input: $input) }";
        let input = json!({ "token": secret, "newPassword": NEW_PASSWORD });
        let recovered = run(&server.origin, recover, json!({ "input": input })).await;
        assert_eq!(recovered, Some(json!(true)));
        // This server did it, so it knows at once.
        assert_eq!(
            refusal(&server.origin, &token).await.as_deref(),
            Some("SESSION_ENDED")
        );
        assert!(
            sign_in(&server.origin, "ana@example.com", NEW_PASSWORD)
                .await
                .is_some()
        );
        done(&database, &["disable", "--email", "ana@example.com"], "");
        let output = users(&database, &["recover", "--email", "ana@example.com"], "");
        assert!(
            text(&output.stderr).contains("The account is disabled"),
            "{output:?}"
        );
        server.kill();
    }
}

#[test]
fn a_link_that_cannot_be_written_is_a_failure_and_no_panic() {
    let database = Database::sqlite();
    assert!(
        create(&database, "ana@example.com", PASSWORD)
            .status
            .success()
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&database, &["recover", "--email", "ana@example.com"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("it was done, but could not be written to standard output"),
        "{said}"
    );
}
