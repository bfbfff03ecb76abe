//! Registering.

use serde_json::json;

use crate::support::{PASSWORD, TestApp, together};

#[tokio::test]
async fn a_new_account_is_signed_in_at_once() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("Ana@Example.com").await;
        let me = app
            .run_as(
                &ana.access_token,
                "{ me { id email name role disabled emailVerified createdAt } }",
                json!({}),
            )
            .await;
        assert_eq!(
            *me.data("me"),
            json!({
                "id": ana.user_id, "email": "ana@example.com", "name": "Ana", "role": "USER",
                "disabled": false, "emailVerified": false, "createdAt": "2026-11-21T09:30:00Z"
            })
        );
        assert_eq!(app.events(&ana.user_id).await, ["REGISTERED"]);
    }
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_case() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
        let input = json!({ "email": "ANA@example.com", "password": PASSWORD, "name": "Other" });
        let second = app.run(query, json!({ "input": input })).await;
        assert_eq!(second.error(), ("BAD_USER_INPUT", "EMAIL_TAKEN"));
    }
}

#[tokio::test]
async fn of_many_who_race_for_an_address_one_gets_it() {
    for app in TestApp::builder().on_each_database().await {
        let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
        let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
        let tries: Vec<_> = (0..16)
            .map(|_| app.run(query, json!({ "input": input })))
            .collect();
        let mut won = 0;
        for answer in together(tries).await {
            if answer.json.get("errors").is_none() {
                won += 1;
            } else {
                assert_eq!(answer.error(), ("BAD_USER_INPUT", "EMAIL_TAKEN"));
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn registration_can_be_closed() {
    let app = TestApp::builder()
        .set("accounts.registration", "closed")
        .on_sqlite()
        .await;
    let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
    let input = json!({ "email": "ana@example.com", "password": PASSWORD, "name": "Ana" });
    assert_eq!(
        app.run(query, json!({ "input": input })).await.error(),
        ("FORBIDDEN", "REGISTRATION_CLOSED")
    );
}

#[tokio::test]
async fn the_policy_tells_a_form_what_it_has_to_know() {
    let app = TestApp::builder()
        .set("passwords.min_length", "12")
        .on_sqlite()
        .await;
    let policy = app
        .run("{ passwordPolicy { minLength maxLength } }", json!({}))
        .await;
    assert_eq!(
        *policy.data("passwordPolicy"),
        json!({ "minLength": 12, "maxLength": 256 })
    );
}
