//! Passwords: hashes of other systems, the rules for new ones, and lists of stolen ones.

use std::path::{Path, PathBuf};

use countersign::accounts::check_hash;
use serde_json::json;

use crate::command_line::{countersign, text};
use crate::support::{PASSWORD, SignedIn, TestApp, together};

/// [`PASSWORD`] as other systems hash it.
pub const FOREIGN: [&str; 5] = [
    "$2y$04$9AmX5rpxq.S6TUQ4MYINKuGvN8AEpIJlsN5LKw.GDYy0g9kLGqvnS",
    "$scrypt$ln=4,r=8,p=2$5XwPwRiDkJISYmztvbeWcg$DicZnxKSRqyN9UTBayQUNwwE/1BvKyy1bXQ5pShx8y4",
    "$pbkdf2-sha256$1000$9h6DsBYCQAiBsPb.f.99zw$C9vKdJJXjM3FYDcZniX7eccM6H9mAKb3n4V/VPFJV.k",
    "pbkdf2_sha256$1000$r4nd0mSalt$h7VjaqC4oczyYZV69sbqgl/GNINnh2NuCAcnvwR7SeM=",
    "$argon2id$v=19$m=64,t=1,p=2$c1bmyEjI/UxycEOGdS550Q$Ur3gZ2aIypFCzdh+05dID8jnz+9/8suWXm59dmTRWYU",
];

async fn store(app: &TestApp, hash: &str) {
    let statement = format!("UPDATE users SET password_hash = '{hash}'");
    app.database.execute(&statement).await;
}

async fn stored(app: &TestApp) -> String {
    let query = "SELECT password_hash AS text FROM users";
    app.database.texts(query).await.remove(0)
}

/// Ana, who came with `hash`.
async fn import(app: &TestApp, hash: &str) -> SignedIn {
    assert_eq!(check_hash(hash), Ok(()), "{hash}");
    let ana = app.register("ana@example.com").await;
    store(app, hash).await;
    ana
}

#[tokio::test]
async fn a_hash_of_another_system_is_replaced_at_the_first_sign_in() {
    // Of two passes, which none of the others has.
    let builder = TestApp::builder().set("passwords.iterations", "2");
    for app in builder.on_each_database().await {
        let ana = import(&app, FOREIGN[0]).await;
        for foreign in FOREIGN {
            store(&app, foreign).await;
            let wrong = app.login("ana@example.com", "plum tractor").await;
            assert_eq!(wrong.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
            assert_eq!(
                stored(&app).await,
                foreign,
                "a wrong password changes nothing"
            );
            app.login("ana@example.com", PASSWORD).await.signed_in();
            let upgraded = stored(&app).await;
            assert!(
                upgraded.starts_with("$argon2id$v=19$m=8,t=2,p=1$"),
                "{upgraded}"
            );
            app.login("ana@example.com", PASSWORD).await.signed_in();
            assert_eq!(stored(&app).await, upgraded, "it is made once");
        }
        let me = app
            .run_as(&ana.access_token, "{ me { id } }", json!({}))
            .await;
        assert_eq!(me.text("me.id"), ana.user_id, "nobody was signed out by it");
        app.refresh(&ana.refresh_token).await.signed_in();
        let versions = "SELECT CAST(token_version AS TEXT) AS text FROM users";
        assert_eq!(app.database.texts(versions).await, ["1"]);
    }
}

#[tokio::test]
async fn a_hash_stronger_than_ours_stays() {
    let stronger = FOREIGN.iter().find(|hash| hash.starts_with("$argon2id$"));
    for app in TestApp::builder().on_each_database().await {
        import(&app, stronger.unwrap()).await;
        app.login("ana@example.com", PASSWORD).await.signed_in();
        assert_eq!(stored(&app).await, *stronger.unwrap());
    }
}

#[tokio::test]
async fn whoever_proves_their_password_again_upgrades_its_hash_too() {
    for app in TestApp::builder().on_each_database().await {
        let ana = import(&app, FOREIGN[0]).await;
        let prove =
            format!("mutation {{ reauthenticate(password: {PASSWORD:?}) {{ sessionId }} }}");
        let proven = app.run_as(&ana.access_token, &prove, json!({})).await;
        assert_eq!(proven.text("reauthenticate.sessionId"), ana.session_id);
        assert!(stored(&app).await.starts_with("$argon2id$"));
    }
}

#[tokio::test]
async fn of_many_who_sign_in_with_an_old_hash_at_once_none_is_refused() {
    for app in TestApp::builder().on_each_database().await {
        import(&app, FOREIGN[0]).await;
        let logins = (0..8).map(|_| app.login("ana@example.com", PASSWORD));
        for answer in together(logins).await {
            answer.signed_in();
        }
        assert!(stored(&app).await.starts_with("$argon2id$"));
    }
}

#[tokio::test]
async fn a_hash_that_asks_for_too_much_is_a_wrong_password() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let costly = "$2y$31$9AmX5rpxq.S6TUQ4MYINKuGvN8AEpIJlsN5LKw.GDYy0g9kLGqvnS";
    assert!(check_hash(costly).is_err());
    store(&app, costly).await;
    let answer = app.login("ana@example.com", PASSWORD).await;
    assert_eq!(answer.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
}

#[tokio::test]
async fn a_password_that_is_too_long_is_wrong_for_everybody() {
    let app = TestApp::builder().on_sqlite().await;
    app.register("ana@example.com").await;
    let long = "x".repeat(60_000);
    let known = app.login("ana@example.com", &long).await;
    let unknown = app.login("bob@example.com", &long).await;
    assert_eq!(known.error(), ("UNAUTHENTICATED", "BAD_CREDENTIALS"));
    assert_eq!(known.json["errors"], unknown.json["errors"]);
}

const STRENGTH: &str = "query($password: String!, $email: String, $name: String) { \
    passwordStrength(password: $password, email: $email, name: $name) \
    { score guessesLog10 accepted reason warning suggestions } }";

#[tokio::test]
async fn a_form_learns_how_strong_a_password_is() {
    let app = TestApp::builder().on_sqlite().await;
    let ask = async |password: &str| {
        let variables =
            json!({ "password": password, "email": "ana.velasquez@example.com", "name": "Ana" });
        let answer = app.run(STRENGTH, variables).await;
        answer.data("passwordStrength").clone()
    };
    let good = ask(PASSWORD).await;
    assert_eq!(
        (&good["accepted"], &good["score"]),
        (&json!(true), &json!(4))
    );
    assert_eq!(
        (&good["reason"], &good["suggestions"]),
        (&json!(null), &json!([]))
    );
    let short = ask("x7!kQ2").await;
    assert_eq!(short["reason"], "PASSWORD_TOO_SHORT");
    assert_eq!(
        short["warning"],
        "The password is too short: it needs at least 8 characters."
    );
    let own = ask("velasquez1").await;
    assert_eq!(
        (&own["accepted"], &own["reason"]),
        (&json!(false), &json!("PASSWORD_TOO_WEAK"))
    );
    assert_eq!(own["warning"], "Your own name or address is easy to guess.");
    assert_eq!(
        own["suggestions"][0],
        "Add another word or two. Uncommon words are better."
    );
    assert_eq!(
        ask("plum tractor\u{7}ninety").await["reason"],
        "PASSWORD_INVALID"
    );
    assert_eq!(
        ask(&"plum tractor ".repeat(4_000)).await["reason"],
        "PASSWORD_TOO_LONG"
    );
    assert_eq!(ask("").await["score"], 0);
}

#[tokio::test]
async fn the_strength_of_a_password_is_not_asked_for_in_an_address() {
    let app = TestApp::builder().on_sqlite().await;
    let query = [(
        "query",
        "{ passwordStrength(password: \"plum\") { score } }",
    )];
    let request = app.request(reqwest::Method::GET, "/graphql").query(&query);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["reason"]),
        (&json!("FORBIDDEN"), &json!("POST_REQUIRED"))
    );
}

#[tokio::test]
async fn one_request_asks_for_one_estimate() {
    let app = TestApp::builder().on_sqlite().await;
    let query = |count: usize| {
        let one = |n| format!("a{n}: passwordStrength(password: \"plum\") {{ score }} ");
        format!("{{ {} }}", (0..count).map(one).collect::<String>())
    };
    let one = app.run(&query(1), json!({})).await;
    assert_eq!(one.json.get("errors"), None);
    let two = app.run(&query(2), json!({})).await;
    assert_eq!(two.extensions()["code"], "QUERY_TOO_COMPLEX");
}

/// A filter in `folder` of [`PASSWORD`] and another, made by the command.
fn build(folder: &Path) -> PathBuf {
    let (list, filter) = (folder.join("words.txt"), folder.join("breached.filter"));
    std::fs::write(&list, format!("{PASSWORD}\nanother one\n")).unwrap();
    let (from, to) = (list.to_str().unwrap(), filter.to_str().unwrap());
    let built = countersign(
        &["passwords", "build-filter", "--from", from, "--to", to],
        "",
        &[],
    );
    assert!(built.status.success(), "{}", text(&built.stderr));
    let said = text(&built.stdout);
    assert!(
        said.contains("words.txt: a password in each line\n"),
        "{said}"
    );
    assert!(said.ends_with("has 2 passwords.\n"), "{said}");
    filter
}

#[tokio::test]
async fn a_breached_password_is_refused_wherever_one_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let filter = build(folder.path());
    let builder = TestApp::builder().set("passwords.breached", filter.to_str().unwrap());
    let app = builder.on_sqlite().await;
    let register = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { accessToken } }";
    let ana = |password: &str| json!({ "input": { "email": "ana@example.com", "name": "Ana", "password": password } });
    let refused = app.run(register, ana(PASSWORD)).await;
    assert_eq!(refused.error(), ("BAD_USER_INPUT", "PASSWORD_BREACHED"));
    assert_eq!(refused.extensions()["field"], "password");
    let own = "a password of her own choice";
    let registered = app.run(register, ana(own)).await;
    let token = registered.text("register.accessToken");
    let change =
        "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { sessionId } }";
    let input = json!({ "input": { "currentPassword": own, "newPassword": PASSWORD } });
    let refused = app.run_as(token, change, input).await;
    assert_eq!(refused.error(), ("BAD_USER_INPUT", "PASSWORD_BREACHED"));
    assert_eq!(refused.extensions()["field"], "newPassword");
    let strength = app.run(STRENGTH, json!({ "password": PASSWORD })).await;
    let strength = strength.data("passwordStrength");
    assert_eq!(
        (&strength["accepted"], &strength["reason"]),
        (&json!(false), &json!("PASSWORD_BREACHED"))
    );
    let root = countersign::accounts::NewAccount {
        email: "root@example.com".to_owned(),
        name: "Root".to_owned(),
        password: countersign::values::Secret::new(PASSWORD),
        role: countersign::values::Role::Admin,
    };
    let refused = app.app.accounts.create(root).await.unwrap_err();
    assert!(refused.to_string().contains("stolen"), "{refused}");
}

#[test]
fn a_filter_that_is_not_whole_is_a_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let filter = build(folder.path());
    let path = filter.to_str().unwrap();
    let check = || {
        countersign(
            &["check-config"],
            "",
            &[("COUNTERSIGN_PASSWORDS__BREACHED", path)],
        )
    };
    assert!(check().status.success());
    let whole = std::fs::read(&filter).unwrap();
    for (content, told) in [
        (&whole[..whole.len() - 1], "damaged"),
        (b"words", "is no filter"),
    ] {
        std::fs::write(&filter, content).unwrap();
        let refused = check();
        let report = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3));
        assert!(
            report.contains("passwords.breached (COUNTERSIGN_PASSWORDS__BREACHED)"),
            "{report}"
        );
        assert!(report.contains(told) && report.contains(path), "{report}");
    }
}
