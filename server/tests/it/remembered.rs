//! What is remembered between requests (verified tokens, accounts, documents) is no way around anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp};

const ME: &str = "{ me { id name role } }";

async fn name(app: &TestApp, device: &SignedIn) -> String {
    let answer = app.run_as(&device.access_token, ME, json!({})).await;
    answer.text("me.name").to_owned()
}

async fn rename(app: &TestApp, device: &SignedIn, name: &str) {
    let rename = format!("mutation {{ updateProfile(input: {{ name: \"{name}\" }}) {{ id }} }}");
    let done = app.run_as(&device.access_token, &rename, json!({})).await;
    done.data("updateProfile");
}

async fn refusal(app: &TestApp, token: &str) -> String {
    let answer = app.run_as(token, ME, json!({})).await;
    let (code, reason) = answer.error();
    assert_eq!(code, "UNAUTHENTICATED");
    reason.to_owned()
}

/// Waits until this is the name there: another node learns of a change a moment later.
async fn until_named(app: &TestApp, device: &SignedIn, expected: &str) {
    for _ in 0..200 {
        if name(app, device).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{expected:?} is never seen");
}

#[tokio::test]
async fn a_verified_token_ends_like_any_other() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    name(&app, &ana).await;
    app.clock.advance_secs(900 + 29);
    name(&app, &ana).await;
    app.clock.advance_secs(1);
    assert_eq!(refusal(&app, &ana.access_token).await, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_verified_token_is_refused_once_its_session_has_ended() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        for _ in 0..3 {
            name(&app, &ana).await;
        }
        let out = app
            .run_as(&ana.access_token, "mutation { logout }", json!({}))
            .await;
        out.data("logout");
        assert_eq!(refusal(&app, &ana.access_token).await, "SESSION_ENDED");
    }
}

#[tokio::test]
async fn a_forged_token_gains_nothing_from_one_that_was_verified() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let bob = app.register("bob@example.com").await;
    name(&app, &ana).await;
    name(&app, &bob).await;
    let (message, signature) = ana.access_token.rsplit_once('.').unwrap();
    let (other, of_other) = bob.access_token.rsplit_once('.').unwrap();
    let changed = if signature.starts_with('A') { "B" } else { "A" };
    for forged in [
        format!("{message}.{of_other}"),
        format!("{other}.{signature}"),
        format!("{message}.{changed}{}", &signature[1..]),
        format!("{message}."),
        format!("{message}.{signature}="),
    ] {
        for _ in 0..2 {
            assert_eq!(refusal(&app, &forged).await, "TOKEN_INVALID");
        }
    }
    assert_eq!(name(&app, &ana).await, "ana");
}

#[tokio::test]
async fn an_account_is_read_once_and_a_change_is_seen_at_once() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        assert_eq!(name(&app, &ana).await, "ana");
        let before = app.app.storage.statements();
        for _ in 0..20 {
            assert_eq!(name(&app, &ana).await, "ana");
        }
        assert_eq!(app.app.storage.statements(), before);
        rename(&app, &ana, "Ana Maria").await;
        assert_eq!(name(&app, &ana).await, "Ana Maria");
    }
}

#[tokio::test]
async fn a_change_reaches_what_other_nodes_remember() {
    for app in TestApp::builder().on_each_database().await {
        let node = app.another_node("tokens.access_ttl", "15m").await;
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        assert_eq!(name(&node, &ana).await, "ana");
        rename(&app, &ana, "Ana Maria").await;
        until_named(&node, &ana, "Ana Maria").await;
        // Who holds a token of after the change sees it on every node, whatever that node has heard.
        let promote = format!(
            "mutation {{ setRole(userId: \"{}\", role: MANAGER) {{ id }} }}",
            ana.user_id
        );
        let promoted = app.run_as(&root.access_token, &promote, json!({})).await;
        promoted.data("setRole");
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        let me = node.run_as(&renewed.access_token, ME, json!({})).await;
        assert_eq!(me.text("me.role"), "MANAGER");
    }
}

#[tokio::test]
async fn a_disabled_account_is_refused_and_an_enabled_one_is_not() {
    for app in TestApp::builder().on_each_database().await {
        let root = app.administrator().await;
        let ana = app.register("ana@example.com").await;
        for round in 0..2 {
            let ana = app.login("ana@example.com", PASSWORD).await.signed_in();
            assert_eq!(name(&app, &ana).await, "ana", "round {round}");
            for disabled in [true, false] {
                let switch = format!(
                    "mutation {{ setDisabled(userId: \"{}\", disabled: {disabled}) {{ id }} }}",
                    ana.user_id
                );
                let done = app.run_as(&root.access_token, &switch, json!({})).await;
                done.data("setDisabled");
                assert_eq!(refusal(&app, &ana.access_token).await, "SESSION_ENDED");
            }
        }
        assert_eq!(refusal(&app, &ana.access_token).await, "SESSION_ENDED");
    }
}

#[tokio::test]
async fn with_a_stale_feed_no_account_is_remembered() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        assert_eq!(name(&app, &ana).await, "ana");
        // The reader fails from here on.
        let hide = "ALTER TABLE revocations RENAME TO hidden";
        app.database.execute(hide).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let by_hand = "UPDATE users SET name = 'Ana Maria'";
        app.database.execute(by_hand).await;
        app.clock.advance_secs(6);
        assert_eq!(name(&app, &ana).await, "Ana Maria");
    }
}

/// Reads that are under way while a change commits bring back what was before. None of them may stay.
#[tokio::test]
async fn reads_that_race_with_changes_leave_nothing_behind() {
    for app in TestApp::builder().on_each_database().await {
        let node = app.another_node("tokens.access_ttl", "15m").await;
        let ana = app.register("ana@example.com").await;
        let is_over = AtomicBool::new(false);
        let read = async |app: &TestApp| {
            while !is_over.load(Ordering::Relaxed) {
                name(app, &ana).await;
            }
        };
        let change = async {
            for round in 0..40 {
                let new = format!("Ana {round}");
                rename(&app, &ana, &new).await;
                assert_eq!(name(&app, &ana).await, new);
            }
            is_over.store(true, Ordering::Relaxed);
        };
        tokio::join!(
            change,
            read(&app),
            read(&app),
            read(&app),
            read(&node),
            read(&node)
        );
        until_named(&node, &ana, "Ana 39").await;
        assert_eq!(name(&app, &ana).await, "Ana 39");
    }
}

#[tokio::test]
async fn a_remembered_document_is_run_anew_for_each_request() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let bob = app.register("bob@example.com").await;
    let both = "query Me($with: Boolean!) { me { name id @include(if: $with) } } query Policy { passwordPolicy { minLength } }";
    for _ in 0..3 {
        for (who, with) in [(&ana, true), (&bob, false)] {
            let body =
                json!({ "query": both, "operationName": "Me", "variables": { "with": with } });
            let bearer = format!("Bearer {}", who.access_token);
            let answer = app.send(body, &[("authorization", &bearer)]).await;
            let mut expected = json!({ "name": name(&app, who).await });
            if with {
                expected["id"] = json!(who.user_id);
            }
            assert_eq!(*answer.data("me"), expected);
        }
        let body = json!({ "query": both, "operationName": "Policy" });
        app.send(body, &[]).await.data("passwordPolicy.minLength");
        let unnamed = app.run(both, json!({ "with": true })).await;
        assert_eq!(unnamed.error().0, "GRAPHQL_VALIDATION_FAILED");
        let wrong = json!({ "query": both, "operationName": "Me", "variables": { "with": "yes" } });
        assert_eq!(
            app.send(wrong, &[]).await.error().0,
            "GRAPHQL_VALIDATION_FAILED"
        );
    }
}

#[tokio::test]
async fn a_document_is_refused_however_often_it_comes() {
    let open = TestApp::builder().on_sqlite().await;
    let closed = TestApp::builder()
        .set("graphql.introspection", "false")
        .on_sqlite()
        .await;
    let introspection = "{ __schema { queryType { name } } }";
    let wide = format!("{{ {} }}", "passwordPolicy { minLength } ".repeat(17));
    for _ in 0..3 {
        open.run(introspection, json!({})).await.data("__schema");
        for (document, code) in [
            (introspection, "GRAPHQL_VALIDATION_FAILED"),
            (&wide, "QUERY_TOO_COMPLEX"),
            ("{ me { ", "GRAPHQL_PARSE_FAILED"),
            ("{ me { nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        ] {
            assert_eq!(
                closed.run(document, json!({})).await.error().0,
                code,
                "{document}"
            );
        }
        let query = [("query", "mutation { logout }")];
        let by_get = open.request(reqwest::Method::GET, "/graphql").query(&query);
        assert_eq!(by_get.send().await.unwrap().status(), 405);
        open.run("mutation { logout }", json!({})).await;
    }
}
