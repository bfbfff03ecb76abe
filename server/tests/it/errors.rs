//! Every error that a client can meet, held in one snapshot: clients switch on these.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, together};

const DOCUMENTATION: &str = include_str!("../../../docs/errors.md");

fn line(case: &str, answer: &crate::support::Answer) -> Value {
    let error = &answer.json["errors"][0];
    json!({ "case": case, "status": answer.status.as_u16(), "message": error["message"], "extensions": error["extensions"] })
}

#[tokio::test]
async fn errors_are_what_the_documentation_says() {
    let app = TestApp::builder()
        .set("limits.free_attempts", "1")
        .on_sqlite()
        .await;
    let ana = app.register("ana@example.com").await;
    let register = async |email: &str, password: &str, name: &str| {
        let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
        app.run(
            query,
            json!({ "input": { "email": email, "password": password, "name": name } }),
        )
        .await
    };
    let nobody = async |query: &str| app.run(query, json!({})).await;
    let users = "{ users { edges { cursor } } }";
    let deep = format!(
        "{{ __schema {{ types {}{{ name }}{} }} }}",
        "{ fields { type ".repeat(8),
        " } }".repeat(8)
    );
    let mut lines = vec![
        line("no token", &nobody("{ me { id } }").await),
        line("bad token", &app.run_as("a.b.c", "{ me { id } }", json!({})).await),
        line("not a bearer token", &app.send(json!({ "query": "{ me { id } }" }), &[("authorization", "Basic YTpi")]).await),
        line("role", &app.run_as(&ana.access_token, users, json!({})).await),
        line("credentials", &app.login("ana@example.com", "wrong").await),
        line("too many tries", &app.login("ana@example.com", PASSWORD).await),
        line("address", &register("ana", PASSWORD, "Ana").await),
        line("address taken", &register("ana@example.com", PASSWORD, "Ana").await),
        line("name", &register("bob@example.com", PASSWORD, "\u{202E}").await),
        line("short password", &register("bob@example.com", "x7!kQ2", "Bob").await),
        line("long password", &register("bob@example.com", &"x".repeat(257), "Bob").await),
        line("control character in a password", &register("bob@example.com", "plum tractor\tninety", "Bob").await),
        line("weak password", &register("bob@example.com", "password1", "Bob").await),
        line("own address as password", &register("bob@example.com", "bob@example.com", "Bob").await),
        line("no refresh token", &nobody("mutation { refresh { sessionId } }").await),
        line("bad refresh token", &app.refresh("nonsense").await),
        line("recovery link", &nobody("mutation { recoverAccount(input: { token: \"x\", newPassword: \"x\" }) }").await),
        line("short attempt", &app.refresh_attempt(&ana.refresh_token, "short").await),
        line("no origin", &nobody("mutation { login(input: { email: \"a\", password: \"b\" }) { sessionId } }").await),
        line("syntax", &nobody("{").await),
        line("unknown field", &nobody("{ nothing }").await),
        line("wrong argument", &nobody("{ user(id: {}) { id } }").await),
        line("missing variable", &nobody("query($id: ID!) { user(id: $id) { id } }").await),
        line("wrong variable", &app.run("query($role: Role) { users(role: $role) { edges { cursor } } }", json!({ "role": "KING" })).await),
        line("unknown operation", &app.send(json!({ "query": "query A { viewer { id } } query B { viewer { id } }", "operationName": "C" }), &[]).await),
        line("too deep", &nobody(&deep).await),
        line("too complex", &nobody(&format!("{{ {} }}", (0..700).map(|n| format!("a{n}: viewer {{ id name }}")).collect::<String>())).await),
    ];
    let root = app.administrator().await;
    let as_root = async |query: &str| app.run_as(&root.access_token, query, json!({})).await;
    let own = format!(
        "mutation {{ setRole(userId: \"{}\", role: USER) {{ id }} }}",
        root.user_id
    );
    let delete_own = format!("mutation {{ deleteAccount(password: {PASSWORD:?}) }}");
    let change = format!(
        "mutation {{ changePassword(input: {{ currentPassword: {PASSWORD:?}, newPassword: \"password1\" }}) {{ sessionId }} }}"
    );
    lines.extend([
        line(
            "no such account",
            &as_root("mutation { setRole(userId: \"x\", role: USER) { id } }").await,
        ),
        line("own account", &as_root(&own).await),
        line("last administrator", &as_root(&delete_own).await),
        line("weak new password", &as_root(&change).await),
        line(
            "wrong password",
            &as_root("mutation { reauthenticate(password: \"x\") { sessionId } }").await,
        ),
    ]);
    let promote = format!(
        "mutation {{ setRole(userId: \"{}\", role: MANAGER) {{ id }} }}",
        ana.user_id
    );
    as_root(&promote).await;
    lines.push(line(
        "stale token",
        &app.run_as(&ana.access_token, "{ me { id } }", json!({}))
            .await,
    ));
    app.clock.advance_secs(900 + 30);
    lines.push(line(
        "expired token",
        &app.run_as(&ana.access_token, "{ me { id } }", json!({}))
            .await,
    ));
    let renewed = app.refresh(&ana.refresh_token).await.signed_in();
    let update = "mutation { updateProfile(input: { email: \"new@example.com\" }) { id } }";
    lines.push(line(
        "stale sign-in",
        &app.run_as(&renewed.access_token, update, json!({})).await,
    ));
    app.clock.advance_secs(31);
    lines.push(line(
        "reused refresh token",
        &app.refresh(&ana.refresh_token).await,
    ));
    lines.push(line(
        "ended session",
        &app.refresh(&renewed.refresh_token).await,
    ));
    app.clock.advance_secs(31 * 24 * 3600);
    let bob = app.register("bob@example.com").await;
    app.clock.advance_secs(8 * 24 * 3600);
    lines.push(line(
        "expired session",
        &app.refresh(&bob.refresh_token).await,
    ));
    app.database
        .execute("UPDATE users SET disabled_at = 1")
        .await;
    lines.push(line(
        "disabled account",
        &app.login("bob@example.com", PASSWORD).await,
    ));
    for name in lines
        .iter()
        .flat_map(|line| [&line["extensions"]["code"], &line["extensions"]["reason"]])
    {
        let name = name.as_str().unwrap_or("code");
        assert!(
            DOCUMENTATION.contains(&format!("`{name}`")),
            "docs/errors.md says nothing of {name}"
        );
    }
    insta::assert_json_snapshot!(lines);
}

#[tokio::test]
async fn a_fault_of_ours_names_the_request_and_tells_no_cause() {
    let app = TestApp::builder().on_sqlite().await;
    app.database.execute("DROP TABLE auth_events").await;
    let answer = app.login("ana@example.com", PASSWORD).await;
    assert_eq!(answer.error().0, "INTERNAL_SERVER_ERROR");
    assert_eq!(
        answer.extensions()["requestId"],
        answer.header("x-request-id")
    );
    assert!(
        !answer.json.to_string().contains("auth_events"),
        "{:#}",
        answer.json
    );
}

#[tokio::test]
async fn more_passwords_than_the_machine_can_check_are_refused_at_once() {
    let builder = TestApp::builder()
        .set("passwords.threads", "1")
        .set("passwords.queue", "1")
        .set("passwords.memory_kib", "65536");
    let app = builder.on_sqlite().await;
    let answers = together((0..16).map(|_| app.login("ana@example.com", PASSWORD))).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.error().0 == "UNAVAILABLE")
        .collect();
    assert!(
        !refused.is_empty() && refused.len() < 16,
        "{}",
        refused.len()
    );
    assert_eq!(refused[0].extensions()["retryAfter"], 1);
    assert_eq!(refused[0].header("retry-after"), "1");
}

#[tokio::test]
async fn a_database_that_cannot_write_is_a_passing_fault() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let mut other = app.database.sqlite_connection().unwrap();
    diesel::RunQueryDsl::execute(diesel::sql_query("BEGIN IMMEDIATE"), &mut other).unwrap();
    let answer = app.refresh(&ana.refresh_token).await;
    assert_eq!(answer.error().0, "UNAVAILABLE");
    assert_eq!(answer.extensions()["retryAfter"], 1);
    diesel::RunQueryDsl::execute(diesel::sql_query("ROLLBACK"), &mut other).unwrap();
    app.refresh(&ana.refresh_token).await.signed_in();
}
