//! What a server writes down: nothing that signs anybody in, and nobody's address.

use std::fs::{self, File};
use std::process::Command;

use serde_json::{Value, json};

use crate::crash::{Server, free_port, run};
use crate::support::{PASSWORD, each_database};
use crate::ws::{PROTOCOL, Socket};

const WRONG: &str = "plum tractor ninety eight";
const NEW: &str = "another plum and tractor";
const SECRET: &str = "a secret of this test, and long enough";
const PAYLOAD: &str = "{ accessToken refreshToken }";

#[tokio::test(flavor = "multi_thread")]
async fn the_loudest_log_of_a_production_server_tells_no_secret() {
    for database in each_database().await {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = File::options().append(true).create(true).open(&path);
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.stderr(log.unwrap());
        let environment = [
            ("COUNTERSIGN_PROFILE", "production"),
            ("COUNTERSIGN_LOG__FILTER", "trace"),
            ("COUNTERSIGN_KEYS__SECRET", SECRET),
            ("COUNTERSIGN_TOKENS__ISSUER", "https://auth.example.com"),
            ("COUNTERSIGN_HTTP__PUBLIC_URL", "https://auth.example.com"),
            ("COUNTERSIGN_HTTP__ALLOWED_HOSTS", "localhost"),
            ("COUNTERSIGN_HTTP__DRAIN", "0s"),
            ("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "7168"),
        ];
        let server = Server::run(&mut command, &database, free_port(), &environment).await;
        let mut secrets = live(&server.origin).await;
        for column in [
            "password_hash AS text FROM users",
            "nonce AS text FROM sessions",
            "sealed AS text FROM keys",
        ] {
            let stored = database.texts(&format!("SELECT {column}")).await;
            assert!(!stored.is_empty(), "{column}");
            secrets.extend(stored);
        }
        tokio::task::spawn_blocking(|| server.stop()).await.unwrap();

        let log = fs::read_to_string(&path).unwrap();
        let requests = log.lines().filter(|line| line.contains("/graphql"));
        assert!(requests.count() >= 7, "it logs: {log}");
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).expect("one JSON object a line");
            let text = line.to_string();
            let told = |secret: &&String| {
                // Parameters of statements are printed as lists of bytes.
                let bytes = format!("{:?}", secret.as_bytes());
                text.contains(*secret) || text.contains(bytes.trim_matches(['[', ']']))
            };
            assert_eq!(secrets.iter().find(told), None, "{line:#}");
        }
    }
}

/// Signs in and does what is done with passwords and tokens; all that must stay between the two.
async fn live(origin: &str) -> Vec<String> {
    let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
    let register = format!(
        "mutation($input: RegisterInput!) {{ payload: register(input: $input, transport: BODY) {PAYLOAD} }}"
    );
    let login = format!(
        "mutation($input: LoginInput!) {{ payload: login(input: $input, transport: BODY) {PAYLOAD} }}"
    );
    let refresh =
        format!("mutation($token: String!) {{ payload: refresh(refreshToken: $token) {PAYLOAD} }}");
    let first = run(origin, &register, json!({ "input": input }))
        .await
        .unwrap();
    let token = |payload: &Value, name: &str| payload[name].as_str().unwrap().to_owned();
    let wrong = json!({ "email": "ana@example.com", "password": WRONG });
    assert_eq!(run(origin, &login, json!({ "input": wrong })).await, None);
    let stranger = json!({ "email": "stranger@example.com", "password": WRONG });
    assert_eq!(
        run(origin, &login, json!({ "input": stranger })).await,
        None
    );
    let old = token(&first, "refreshToken");
    let renewed = run(origin, &refresh, json!({ "token": old }))
        .await
        .unwrap();
    let (id, mac) = old.rsplit_once('.').unwrap();
    let forged = format!("{id}.{}", "A".repeat(mac.len()));
    assert_eq!(
        run(origin, &refresh, json!({ "token": forged })).await,
        None
    );
    let bad_token = token(&renewed, "accessToken") + "x";
    for bearer in [token(&renewed, "accessToken"), bad_token.clone()] {
        let change = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { accessToken } }";
        let input = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        reqwest::Client::new()
            .post(format!("{origin}/graphql"))
            .bearer_auth(bearer)
            .json(&json!({ "query": change, "variables": { "input": input } }))
            .send()
            .await
            .unwrap();
    }
    let mut socket = Socket::open_with(origin, &PROTOCOL).await.unwrap();
    socket.init(&bad_token).await;
    socket.next().await;
    let mut secrets = [PASSWORD, WRONG, NEW, SECRET, "ana@example.com", "stranger@"]
        .map(str::to_owned)
        .to_vec();
    secrets.extend([old, forged, bad_token]);
    for payload in [&first, &renewed] {
        secrets.extend(["accessToken", "refreshToken"].map(|name| token(payload, name)));
    }
    secrets
}
