//! The keys that sign: four algorithms, rotation without a restart, retirement, and key files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign::app::{App, StartError};
use countersign::clock::Clock;
use countersign::config::{Flags, Settings};
use countersign::storage::KeyPurpose;
use countersign::tokens::{KeyError, KeyState, Keys};
use countersign::values::UnixMillis;
use pkcs8::{LineEnding, SecretDocument};
use reqwest::Method;
use serde_json::{Value, json};

use crate::command_line::countersign;
use crate::support::{Database, PASSWORD, TestApp, each_database};

const ME: &str = "{ me { id } }";
const INVALID: (&str, &str) = ("UNAUTHENTICATED", "TOKEN_INVALID");
const EXPIRED: (&str, &str) = ("UNAUTHENTICATED", "TOKEN_EXPIRED");
/// Twice the max-age of the JWKS.
const PUBLISHED_BEFORE: u64 = 600;
const DAY: u64 = 24 * 3600;

async fn jwks(app: &TestApp) -> Vec<Value> {
    let response = app.request(Method::GET, "/.well-known/jwks.json").send();
    let set: Value = response.await.unwrap().json().await.unwrap();
    set["keys"].as_array().unwrap().clone()
}

async fn published(app: &TestApp) -> Vec<String> {
    let keys = jwks(app).await;
    keys.iter().map(|key| text(key, "kid").to_owned()).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn header(token: &str) -> Value {
    let part = token.split('.').next().unwrap();
    serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    text(&header(token), "kid").to_owned()
}

fn keys(app: &TestApp) -> &Keys {
    app.app.tokens.keys().unwrap()
}

/// A token that is signed now.
async fn signed_now(app: &TestApp) -> String {
    let login = app.login("ana@example.com", PASSWORD).await;
    login.signed_in().access_token
}

async fn is_accepted(app: &TestApp, token: &str) -> bool {
    let answer = app.run_as(token, ME, json!({})).await;
    answer.json.get("errors").is_none()
}

async fn refusal(app: &TestApp, token: &str) -> (String, String) {
    let answer = app.run_as(token, ME, json!({})).await;
    let (code, reason) = answer.error();
    (code.to_owned(), reason.to_owned())
}

fn owned((code, reason): (&str, &str)) -> (String, String) {
    (code.to_owned(), reason.to_owned())
}

/// Waits until the node has heard of a change of its keys.
async fn until(app: &TestApp, is_so: impl Fn(&[(String, KeyState)]) -> bool) {
    for _ in 0..200 {
        let ring = app.app.tokens.ring().list(app.clock.now());
        let states: Vec<_> = ring.into_iter().map(|key| (key.id, key.state)).collect();
        if is_so(&states) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the node never heard of it");
}

async fn until_known(app: &TestApp, id: &str) {
    until(app, |keys| keys.iter().any(|(key, _)| key == id)).await;
}

async fn count(database: &Database, purpose: &str) -> usize {
    let query = format!("SELECT id AS text FROM keys WHERE purpose = '{purpose}'");
    database.texts(&query).await.len()
}

/// The signature of `token` checked by its published key alone.
fn is_signed(token: &str, jwk: &Value) -> bool {
    let bytes = |name: &str| BASE64URL.decode(text(jwk, name)).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (message.as_bytes(), BASE64URL.decode(signature).unwrap());
    let verified = match text(jwk, "kty") {
        "OKP" => UnparsedPublicKey::new(&ED25519, bytes("x")).verify(message, &signature),
        "EC" => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        _ => {
            let (n, e) = (bytes("n"), bytes("e"));
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature)
        }
    };
    verified.is_ok()
}

#[tokio::test]
async fn each_algorithm_signs_and_publishes_what_others_need_to_check() {
    for (algorithm, members, signature_bytes) in [
        ("EdDSA", "alg crv kid kty use x", 64),
        ("ES256", "alg crv kid kty use x y", 64),
        ("RS256", "alg e kid kty n use", 384),
    ] {
        let builder = TestApp::builder().set("tokens.algorithm", algorithm);
        for app in builder.on_each_database().await {
            let token = app.register("ana@example.com").await.access_token;
            assert!(is_accepted(&app, &token).await);
            assert!(is_accepted(&app, &signed_now(&app).await).await);
            assert_eq!(text(&header(&token), "alg"), algorithm);
            let signature = BASE64URL.decode(token.rsplit('.').next().unwrap());
            assert_eq!(signature.unwrap().len(), signature_bytes);

            let keys = jwks(&app).await;
            assert_eq!(keys.len(), 1);
            let key = &keys[0];
            let mut names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
            names.sort();
            assert_eq!(names.join(" "), members, "nothing private is published");
            assert_eq!((text(key, "alg"), text(key, "use")), (algorithm, "sig"));
            assert_eq!(text(key, "kid"), kid(&token));
            assert!(is_signed(&token, key));
        }
    }
}

#[tokio::test]
async fn a_secret_is_not_published() {
    let builder = TestApp::builder().set("tokens.algorithm", "HS256");
    for app in builder.on_each_database().await {
        let token = app.register("ana@example.com").await.access_token;
        assert!(is_accepted(&app, &token).await);
        assert_eq!(text(&header(&token), "alg"), "HS256");
        assert_eq!(jwks(&app).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_verifies_afterwards() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        let old = kid(&signed_now(&app).await);
        let new = keys(&app).rotate(KeyPurpose::Access, false).await.unwrap();
        until_known(&app, &new).await;
        assert_eq!(published(&app).await, [old.clone(), new.clone()]);

        app.clock.advance_secs(PUBLISHED_BEFORE - 1);
        let last = signed_now(&app).await;
        assert_eq!(kid(&last), old);
        app.clock.advance_secs(1);
        assert_eq!(kid(&signed_now(&app).await), new);

        let leeway = 30;
        app.clock.advance_secs(15 * 60 - 2 + leeway);
        assert!(is_accepted(&app, &last).await, "to the end of its life");
        app.clock.advance_secs(1);
        assert_eq!(refusal(&app, &last).await, owned(EXPIRED));
        app.clock.advance_secs(120 - leeway);
        assert_eq!(published(&app).await, [old.clone(), new.clone()]);
        app.clock.advance_secs(1);
        assert_eq!(published(&app).await, [new.as_str()]);
        assert_eq!(refusal(&app, &last).await, owned(INVALID));

        app.app.tokens.tend_keys().await;
        assert_eq!(
            count(&app.database, "ACCESS").await,
            2,
            "it is still listed"
        );
        app.clock.advance_secs(DAY);
        app.app.tokens.tend_keys().await;
        assert_eq!(count(&app.database, "ACCESS").await, 1);
        assert_eq!(kid(&signed_now(&app).await), new);
    }
}

#[tokio::test]
async fn a_key_outlives_the_tokens_of_every_node() {
    for app in TestApp::builder().on_each_database().await {
        app.another_node("tokens.access_ttl", "1h").await;
        let new = keys(&app).rotate(KeyPurpose::Access, false).await.unwrap();
        until_known(&app, &new).await;
        app.clock.advance_secs(PUBLISHED_BEFORE + 3600 + 119);
        assert_eq!(published(&app).await.len(), 2);
        app.clock.advance_secs(1);
        assert_eq!(published(&app).await.len(), 1);
    }
}

#[tokio::test]
async fn a_retired_key_is_refused_on_every_node() {
    for app in TestApp::builder().on_each_database().await {
        let node = app.another_node("tokens.access_ttl", "15m").await;
        let ana = app.register("ana@example.com").await;
        let old = kid(&ana.access_token);
        let only = keys(&app).retire(&old).await;
        assert!(matches!(only, Err(KeyError::OnlySigningKey(id)) if id == old));
        let unknown = keys(&app).retire("nobody").await;
        assert!(matches!(unknown, Err(KeyError::Unknown(_))));

        let new = keys(&app).rotate(KeyPurpose::Access, true).await.unwrap();
        until_known(&node, &new).await;
        app.clock.advance_secs(5);
        let fresh = signed_now(&node).await;
        assert_eq!(kid(&fresh), new, "it signs as soon as every node has it");
        assert!(is_accepted(&app, &ana.access_token).await);

        keys(&node).retire(&old).await.unwrap();
        for place in [&app, &node] {
            place.until(&ana.access_token, ME, INVALID).await;
            assert_eq!(published(place).await, [new.as_str()]);
            assert!(is_accepted(place, &fresh).await);
        }
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        assert!(
            is_accepted(&node, &renewed.access_token).await,
            "the session lives on"
        );
    }
}

#[tokio::test]
async fn the_next_key_takes_the_place_of_a_retired_one_at_once() {
    for app in TestApp::builder().on_each_database().await {
        let old = kid(&app.register("ana@example.com").await.access_token);
        let next = keys(&app).rotate(KeyPurpose::Access, false).await.unwrap();
        keys(&app).retire(&old).await.unwrap();
        until(&app, |keys| {
            keys.contains(&(next.clone(), KeyState::Signing))
        })
        .await;
        assert_eq!(kid(&signed_now(&app).await), next);
    }
}

#[tokio::test]
async fn a_key_whose_time_is_over_does_not_come_back() {
    for app in TestApp::builder().on_each_database().await {
        let first = kid(&app.register("ana@example.com").await.access_token);
        let mut ids = vec![first];
        for _ in 0..2 {
            ids.push(keys(&app).rotate(KeyPurpose::Access, false).await.unwrap());
            app.clock.advance_secs(2 * 3600);
        }
        until_known(&app, &ids[2]).await;
        // Without the second, the third would seem to have followed the first.
        keys(&app).retire(&ids[1]).await.unwrap();
        until(&app, |keys| keys.iter().all(|(id, _)| *id != ids[1])).await;
        assert_eq!(published(&app).await, [ids[2].clone()]);
        assert_eq!(count(&app.database, "ACCESS").await, 1);
    }
}

#[tokio::test]
async fn a_ring_holds_keys_of_several_algorithms() {
    for app in TestApp::builder().on_each_database().await {
        let first = app.register("ana@example.com").await.access_token;
        let mut tokens = vec![first];
        for algorithm in ["ES256", "RS256", "HS256", "EdDSA"] {
            let node = app.another_node("tokens.algorithm", algorithm).await;
            let before = count(&app.database, "ACCESS").await;
            for _ in 0..2 {
                node.app.tokens.adopt_algorithm().await.unwrap();
            }
            assert_eq!(count(&app.database, "ACCESS").await, before + 1);
            until(&app, |keys| keys.len() == before + 2).await;
            app.clock.advance_secs(PUBLISHED_BEFORE - 1);
            let still = signed_now(&node).await;
            assert_eq!(header(&still)["alg"], header(tokens.last().unwrap())["alg"]);
            app.clock.advance_secs(1);
            // The old node has another configuration, and signs with the newest key all the same.
            let token = signed_now(&app).await;
            assert_eq!(text(&header(&token), "alg"), algorithm);
            assert!(is_accepted(&node, &token).await && is_accepted(&node, &still).await);
            tokens.push(token);
        }
        let algorithms: Vec<_> = jwks(&app).await;
        let algorithms: Vec<_> = algorithms.iter().map(|key| text(key, "alg")).collect();
        assert_eq!(
            algorithms,
            ["RS256", "EdDSA"],
            "of the five keys two are over and one is a secret"
        );

        // A header that names another algorithm than its key has.
        let token = tokens.last().unwrap();
        let (head, rest) = token.split_once('.').unwrap();
        let head = String::from_utf8(BASE64URL.decode(head).unwrap()).unwrap();
        for other in ["HS256", "RS256", "none"] {
            let head = BASE64URL.encode(head.replace("EdDSA", other));
            assert_eq!(
                refusal(&app, &format!("{head}.{rest}")).await,
                owned(INVALID)
            );
        }
    }
}

/// A start by itself, as [`TestApp`] does it.
async fn start(
    url: &str,
    settings: &[(&'static str, &str)],
    clock: Arc<dyn Clock>,
) -> Result<Arc<App>, StartError> {
    let mut flags = Flags::default();
    let defaults = [
        ("database.url", url),
        ("keys.secret", "a secret of the tests, long enough"),
    ];
    for (key, value) in defaults.into_iter().chain(settings.iter().copied()) {
        flags.values.insert(key, (value.to_owned(), "the test"));
    }
    App::start_at(Settings::load(&flags).unwrap(), clock).await
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_795_253_400_000)
    }
}

#[tokio::test]
async fn nodes_that_start_together_agree_on_one_key() {
    for database in each_database().await {
        let url = database.url();
        let starts = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { start(&url, &[], Arc::new(Fixed)).await.unwrap() })
        });
        let mut published = Vec::new();
        for started in starts.collect::<Vec<_>>() {
            published.push(started.await.unwrap().tokens.jwks());
        }
        assert!(published.iter().all(|keys| *keys == published[0]));
        assert_eq!(count(&database, "ACCESS").await, 1);
        assert_eq!(count(&database, "REFRESH").await, 1);
    }
}

#[tokio::test]
async fn keys_are_rotated_on_schedule_once() {
    let builder = TestApp::builder().set("keys.rotate_every", "30d");
    for app in builder.on_each_database().await {
        let node = app.another_node("keys.rotate_every", "30d").await;
        let idle = app.another_node("keys.rotate_every", "off").await;
        app.clock.advance_secs(30 * DAY - 1);
        app.app.tokens.tend_keys().await;
        assert_eq!(count(&app.database, "ACCESS").await, 1);
        app.clock.advance_secs(1);
        idle.app.tokens.tend_keys().await;
        assert_eq!(count(&app.database, "ACCESS").await, 1);
        tokio::join!(app.app.tokens.tend_keys(), node.app.tokens.tend_keys());
        tokio::join!(app.app.tokens.tend_keys(), node.app.tokens.tend_keys());
        assert_eq!(count(&app.database, "ACCESS").await, 2);
        assert_eq!(count(&app.database, "REFRESH").await, 2);
    }
}

#[tokio::test]
async fn a_refresh_key_serves_until_no_session_can_need_it() {
    for app in TestApp::builder().on_each_database().await {
        let node = app.another_node("sessions.refresh_ttl", "9d").await;
        let key_of = |token: &str| token.split('.').nth(1).unwrap().to_owned();
        let old = app.register("ana@example.com").await.refresh_token;
        let new = keys(&app).rotate(KeyPurpose::Refresh, true).await.unwrap();
        until_known(&app, &new).await;
        until_known(&node, &new).await;
        app.clock.advance_secs(5);
        let renewed = node.refresh(&old).await.signed_in().refresh_token;
        assert_eq!(key_of(&renewed), new);
        let again = app.refresh(&renewed).await.signed_in().refresh_token;
        assert_eq!(key_of(&again), new);

        let unused = key_of(&old);
        for (days, count_then) in [(9, 2), (1, 2), (1, 1)] {
            app.clock.advance_secs(days * DAY);
            app.app.tokens.tend_keys().await;
            assert_eq!(count(&app.database, "REFRESH").await, count_then);
        }
        until(&app, |keys| keys.iter().all(|(id, _)| *id != unused)).await;
    }
}

#[tokio::test]
async fn the_sessions_of_a_retired_refresh_key_end() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let old = ana.refresh_token.split('.').nth(1).unwrap().to_owned();
        let new = keys(&app).rotate(KeyPurpose::Refresh, true).await.unwrap();
        keys(&app).retire(&old).await.unwrap();
        until(&app, |keys| {
            keys.contains(&(new.clone(), KeyState::Signing))
        })
        .await;
        let refused = app.refresh(&ana.refresh_token).await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "REFRESH_INVALID"));
        let bob = app.register("bob@example.com").await;
        assert!(
            app.refresh(&bob.refresh_token)
                .await
                .json
                .get("errors")
                .is_none()
        );
    }
}

fn write_key(folder: &Path, name: &str, der: &[u8], label: &'static str) {
    let pem = SecretDocument::try_from(der).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, pem.to_pem(label, LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn new_key() -> Vec<u8> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    made.as_ref().to_vec()
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn keys_in_a_folder_come_and_go_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_key(path, "first.pem", &new_key(), "PRIVATE KEY");
    let builder = TestApp::builder().set("keys.folder", path.to_str().unwrap());
    for app in builder.on_each_database().await {
        assert_eq!(count(&app.database, "ACCESS").await, 0);
        let old = app.register("ana@example.com").await.access_token;
        assert_eq!(published(&app).await, [kid(&old)]);

        // The clock of the tests starts at 09:30.
        write_key(
            path,
            "20261121T094000Z-second.pem",
            &new_key(),
            "PRIVATE KEY",
        );
        app.app.tokens.tend_keys().await;
        assert_eq!(published(&app).await.len(), 2);
        assert_eq!(kid(&signed_now(&app).await), kid(&old));
        app.clock.advance_secs(PUBLISHED_BEFORE);
        let new = signed_now(&app).await;
        assert_ne!(kid(&new), kid(&old));

        std::fs::write(path.join("third.pem"), "half a file").unwrap();
        app.app.tokens.tend_keys().await;
        assert!(
            is_accepted(&app, &old).await,
            "what cannot be read changes nothing"
        );
        std::fs::remove_file(path.join("third.pem")).unwrap();

        let made = keys(&app).rotate(KeyPurpose::Access, false).await.unwrap();
        until_known(&app, &made).await;
        let written = format!("20261121T095000Z-{}.pem", &made[..8]);
        assert!(file_names(path).contains(&written));
        let mode = std::fs::metadata(path.join(&written))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);

        keys(&app).retire(&kid(&new)).await.unwrap();
        until(&app, |keys| {
            keys.contains(&(made.clone(), KeyState::Signing))
        })
        .await;
        assert_eq!(refusal(&app, &new).await, owned(INVALID));
        assert!(is_accepted(&app, &old).await);
        assert_eq!(kid(&signed_now(&app).await), made);

        for name in file_names(path).iter().filter(|name| *name != "first.pem") {
            std::fs::remove_file(path.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_is_told() {
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
    let p384 = p384.unwrap().as_ref().to_vec();
    let (one, two) = (new_key(), new_key());
    let database = Database::sqlite();
    for (files, why) in [
        (vec![], "holds no key"),
        (
            vec![("a.pem", &p384, "PRIVATE KEY")],
            "none of Ed25519, P-256 and RSA",
        ),
        (
            vec![("a.pem", &one, "RSA PRIVATE KEY")],
            "no private key in PKCS#8",
        ),
        (
            vec![("2026-11-21.pem", &one, "PRIVATE KEY")],
            "begins with a time such as",
        ),
        (
            vec![
                ("a.pem", &one, "PRIVATE KEY"),
                ("b.pem", &two, "PRIVATE KEY"),
            ],
            "need a time in one of the names",
        ),
        (
            vec![
                ("a.pem", &one, "PRIVATE KEY"),
                ("20261121T094000Z.pem", &one, "PRIVATE KEY"),
            ],
            "hold the same key",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, der, label) in files {
            write_key(folder.path(), name, der, label);
        }
        let settings = [("keys.folder", folder.path().to_str().unwrap())];
        let failed = start(&database.url(), &settings, Arc::new(Fixed)).await;
        let error = failed
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_key_file_that_others_can_read_and_a_folder_that_they_can_write_to_are_refused() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::sqlite());
    write_key(folder.path(), "key.pem", &new_key(), "PRIVATE KEY");
    let settings = [("keys.folder", folder.path().to_str().unwrap())];
    for (file, mode, advice) in [
        ("key.pem", 0o640, "`chmod 600`"),
        ("key.pem", 0o604, "`chmod 600`"),
        ("key.pem", 0o600, ""),
        ("", 0o770, "`chmod go-w`"),
        ("", 0o1777, "`chmod go-w`"),
        ("", 0o755, ""),
    ] {
        let path = folder.path().join(file);
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let refused = start(&database.url(), &settings, Arc::new(Fixed)).await;
        let error = refused.err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert_eq!(error.is_empty(), advice.is_empty(), "{mode:o}: {error}");
        assert!(error.contains(advice), "{mode:o}: {error}");
    }
}

/// The lines of the table that a command prints, without its head, each in words.
fn table(
    database: &Database,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Vec<Vec<String>> {
    let url = database.url();
    let arguments = [&["keys"], arguments, &["--database-url", &url]].concat();
    let done = countersign(&arguments, "", environment);
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{error}");
    let lines = String::from_utf8(done.stdout).unwrap();
    lines
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

fn refused(database: &Database, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let url = database.url();
    let arguments = [&["keys"], arguments, &["--database-url", &url]].concat();
    let done = countersign(&arguments, "", environment);
    assert!(matches!(done.status.code(), Some(3 | 5 | 6)), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_managed_beside_a_running_server() {
    for app in TestApp::builder().on_each_database().await {
        let token = app.register("ana@example.com").await.access_token;
        let old = kid(&token);
        let listed = table(&app.database, &["list"], &[]);
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0][..4], [&old, "access", "EdDSA", "signing"]);
        assert_eq!(listed[1][1..4], ["refresh", "HS256", "signing"]);

        let only = refused(&app.database, &["retire", &old], &[]);
        assert!(only.contains("countersign keys rotate --now"), "{only}");
        let unknown = refused(&app.database, &["retire", "-nobody"], &[]);
        assert!(unknown.contains("there is no key -nobody"), "{unknown}");

        let algorithm = [("COUNTERSIGN_TOKENS__ALGORITHM", "ES256")];
        let made = table(&app.database, &["rotate"], &algorithm);
        assert_eq!(made[0][1..4], ["access", "ES256", "next"]);
        until_known(&app, &made[0][0]).await;
        assert_eq!(published(&app).await.len(), 2);
        let listed = table(&app.database, &["list"], &[]);
        assert_eq!(
            listed.len(),
            3,
            "looking changes nothing, whatever the configuration says"
        );

        assert!(table(&app.database, &["retire", &old], &[]).is_empty());
        app.until(&token, ME, INVALID).await;
        assert_eq!(text(&header(&signed_now(&app).await), "alg"), "ES256");

        let refresh = ["rotate", "--now", "--purpose", "refresh"];
        assert_eq!(
            table(&app.database, &refresh, &[])[0][1..3],
            ["refresh", "HS256"]
        );
        let secret = [(
            "COUNTERSIGN_KEYS__SECRET",
            "another secret of the tests, long enough",
        )];
        for arguments in [
            &["list"][..],
            &["rotate"],
            &["rotate", "--purpose", "refresh"],
        ] {
            let wrong = refused(&app.database, arguments, &secret);
            assert!(
                wrong.contains("COUNTERSIGN_KEYS__SECRET is not the secret"),
                "{wrong}"
            );
        }
        let listed = table(&app.database, &["list"], &[]);
        assert_eq!(listed.len(), 3, "one access key and two refresh keys");
    }
}

#[test]
fn the_first_key_file_is_made_by_the_command_line() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::sqlite());
    let environment = [("COUNTERSIGN_KEYS__FOLDER", folder.path().to_str().unwrap())];
    let empty = refused(&database, &["list"], &environment);
    assert!(
        empty.contains("`countersign keys rotate` makes one"),
        "{empty}"
    );
    let first = table(&database, &["rotate"], &environment);
    assert_eq!(first[0][1..4], ["access", "EdDSA", "signing"]);
    let second = table(&database, &["rotate"], &environment);
    assert_eq!(second[0][1..4], ["access", "EdDSA", "next"]);
    assert!(table(&database, &["retire", &first[0][0]], &environment).is_empty());
    let listed = table(&database, &["list"], &environment);
    assert_eq!(
        listed[0][..4],
        [&second[0][0], "access", "EdDSA", "signing"]
    );
    assert_eq!(file_names(folder.path()).len(), 1);

    let secret = [environment[0], ("COUNTERSIGN_TOKENS__ALGORITHM", "HS256")];
    let fault = refused(&database, &["rotate"], &secret);
    assert!(
        fault.contains("tokens.algorithm (COUNTERSIGN_TOKENS__ALGORITHM) cannot be HS256"),
        "{fault}"
    );
}
