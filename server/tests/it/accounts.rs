//! Seeing and changing accounts.

use serde_json::json;

use crate::support::TestApp;

const USERS: &str = "query($first: Int, $after: String, $search: String, $role: Role) {
    users(first: $first, after: $after, search: $search, role: $role) {
        edges { cursor node { email } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

#[tokio::test]
async fn people_are_listed_page_by_page_newest_first() {
    for app in TestApp::builder().on_each_database().await {
        let manager = app.sign_in_with_role("mia@example.com", "MANAGER").await;
        for number in 0..5 {
            app.clock.advance_secs(1);
            app.register(&format!("user{number}@example.com")).await;
        }
        let mut seen = Vec::new();
        let mut after = json!(null);
        loop {
            let page = app
                .run_as(
                    &manager.access_token,
                    USERS,
                    json!({ "first": 2, "after": after }),
                )
                .await;
            let edges = page.data("users.edges").as_array().unwrap();
            seen.extend(
                edges
                    .iter()
                    .map(|edge| edge["node"]["email"].as_str().unwrap().to_owned()),
            );
            assert_eq!(page.data("users.pageInfo.startCursor"), &edges[0]["cursor"]);
            assert_eq!(
                page.data("users.pageInfo.hasPreviousPage"),
                &json!(!after.is_null())
            );
            after = page.data("users.pageInfo.endCursor").clone();
            if page.data("users.pageInfo.hasNextPage") == &json!(false) {
                break;
            }
        }
        let expected = [
            "user4@example.com",
            "user3@example.com",
            "user2@example.com",
            "user1@example.com",
            "user0@example.com",
            "mia@example.com",
        ];
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn people_are_found_by_a_prefix_without_case_and_by_role() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        app.sign_in_with_role("mia@example.com", "MANAGER").await;
        let bob = app.register("bob_x@example.com").await;
        app.clock.advance_secs(1);
        app.register("bobbx@example.com").await;
        let rename = "mutation { updateProfile(input: { name: \"Ämilie 100%\" }) { name } }";
        app.run_as(&bob.access_token, rename, json!({}))
            .await
            .data("updateProfile.name");
        let found = async |variables| {
            let page = app.run_as(&admin.access_token, USERS, variables).await;
            let edges = page.data("users.edges").as_array().unwrap().clone();
            edges
                .iter()
                .map(|edge| edge["node"]["email"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(json!({ "search": "BOB" })).await,
            ["bobbx@example.com", "bob_x@example.com"]
        );
        assert_eq!(
            found(json!({ "search": "bob_" })).await,
            ["bob_x@example.com"],
            "no character is a wildcard"
        );
        assert_eq!(
            found(json!({ "search": "A\u{308}MI" })).await,
            ["bob_x@example.com"]
        );
        assert_eq!(found(json!({ "search": "bob\u{0}" })).await, [""; 0]);
        assert_eq!(found(json!({ "search": "%" })).await, [""; 0]);
        assert_eq!(
            found(json!({ "search": "example" })).await,
            [""; 0],
            "a prefix, not any part"
        );
        assert_eq!(
            found(json!({ "role": "MANAGER" })).await,
            ["mia@example.com"]
        );
        assert_eq!(
            found(json!({ "search": "a", "role": "ADMIN" })).await,
            ["ada@example.com"]
        );
    }
}

/// Of many the newest are met on a walk, few are sorted: see `Storage::list_users`.
#[tokio::test]
async fn a_search_that_finds_many_lists_them_as_one_that_finds_few() {
    for app in TestApp::builder().on_each_database().await {
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        app.database.fill(2_100).await;
        let promote = "UPDATE users SET role = 'MANAGER' WHERE email IN ('person5@example.com', 'person1500@example.com')";
        app.database.execute(promote).await;
        let found = async |variables| {
            let page = app.run_as(&admin.access_token, USERS, variables).await;
            let connection = page.data("users").clone();
            let edges = connection["edges"].as_array().unwrap().iter();
            let emails = edges.map(|edge| edge["node"]["email"].as_str().unwrap().to_owned());
            let end = connection["pageInfo"]["endCursor"].clone();
            (emails.collect::<Vec<_>>(), end)
        };
        // The first finds all by their addresses, the second all by their names, and the third some.
        for (search, expected) in [
            (
                "person",
                ["person2100", "person2099", "person2098", "person2097"],
            ),
            (
                "zoë",
                ["person2100", "person2099", "person2098", "person2097"],
            ),
            (
                "person20",
                ["person2099", "person2098", "person2097", "person2096"],
            ),
        ] {
            let expected = expected.map(|name| format!("{name}@example.com"));
            let (page, end) = found(json!({ "search": search, "first": 2 })).await;
            assert_eq!(page, expected[..2], "{search}");
            let (page, _) = found(json!({ "search": search, "first": 2, "after": end })).await;
            assert_eq!(page, expected[2..], "{search}");
        }
        for search in ["person", "person1"] {
            let (page, _) = found(json!({ "search": search, "role": "MANAGER" })).await;
            let expected = ["person1500@example.com", "person5@example.com"];
            let count = if search == "person" { 2 } else { 1 };
            assert_eq!(page, expected[..count], "{search}");
        }
    }
}

#[tokio::test]
async fn a_page_has_a_size_and_a_place() {
    let app = TestApp::builder().on_sqlite().await;
    let manager = app.sign_in_with_role("mia@example.com", "MANAGER").await;
    for first in [0, -1, 101] {
        let page = app
            .run_as(&manager.access_token, USERS, json!({ "first": first }))
            .await;
        assert_eq!(page.error(), ("BAD_USER_INPUT", "FIRST_INVALID"), "{first}");
    }
    app.run_as(&manager.access_token, USERS, json!({ "first": 100 }))
        .await
        .data("users");
    let page = app
        .run_as(&manager.access_token, USERS, json!({ "after": "nonsense" }))
        .await;
    assert_eq!(page.error(), ("BAD_USER_INPUT", "CURSOR_INVALID"));
}

#[tokio::test]
async fn a_role_decides_what_one_may_see() {
    for app in TestApp::builder().on_each_database().await {
        let user = app.register("ana@example.com").await;
        let manager = app.sign_in_with_role("mia@example.com", "MANAGER").await;
        let admin = app.sign_in_with_role("ada@example.com", "ADMIN").await;
        let one = "query($id: ID!) { user(id: $id) { email } }";
        for query in [USERS, one] {
            let variables = json!({ "id": user.user_id });
            assert_eq!(
                app.run(query, variables.clone()).await.error(),
                ("UNAUTHENTICATED", "TOKEN_MISSING")
            );
            let refused = app
                .run_as(&user.access_token, query, variables.clone())
                .await;
            assert_eq!(refused.error(), ("FORBIDDEN", "ROLE_REQUIRED"));
            app.run_as(&manager.access_token, query, variables.clone())
                .await
                .data("");
            app.run_as(&admin.access_token, query, variables)
                .await
                .data("");
        }
        let found = app
            .run_as(&manager.access_token, one, json!({ "id": user.user_id }))
            .await;
        assert_eq!(found.text("user.email"), "ana@example.com");
        for unknown in ["nonsense", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            let found = app
                .run_as(&manager.access_token, one, json!({ "id": unknown }))
                .await;
            assert_eq!(*found.data("user"), json!(null));
        }
    }
}

const UPDATE: &str =
    "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { name email } }";

#[tokio::test]
async fn a_profile_changes_at_once() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let input = json!({ "input": { "name": "Ana María", "email": "Ana.Maria@example.com" } });
        let changed = app.run_as(&ana.access_token, UPDATE, input).await;
        assert_eq!(
            *changed.data("updateProfile"),
            json!({ "name": "Ana María", "email": "ana.maria@example.com" })
        );
        let me = app
            .run_as(&ana.access_token, "{ me { name email } }", json!({}))
            .await;
        assert_eq!(me.data("me"), changed.data("updateProfile"));
        assert_eq!(
            app.events(&ana.user_id).await.last().unwrap(),
            "PROFILE_CHANGED"
        );
    }
}

#[tokio::test]
async fn a_new_address_needs_a_fresh_sign_in() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.clock.advance_secs(601);
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        let update =
            async |token: &str, input| app.run_as(token, UPDATE, json!({ "input": input })).await;
        let stale = update(&renewed.access_token, json!({ "email": "new@example.com" })).await;
        assert_eq!(stale.error(), ("FORBIDDEN", "REAUTHENTICATION_REQUIRED"));
        update(
            &renewed.access_token,
            json!({ "name": "Other", "email": "ana@example.com" }),
        )
        .await
        .data("updateProfile");
        let fresh = app
            .login("ana@example.com", crate::support::PASSWORD)
            .await
            .signed_in();
        app.clock.advance_secs(600);
        update(&fresh.access_token, json!({ "email": "new@example.com" }))
            .await
            .data("updateProfile");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_stays_with_its_owner() {
    for app in TestApp::builder().on_each_database().await {
        app.register("ana@example.com").await;
        let bob = app.register("bob@example.com").await;
        let taken = app
            .run_as(
                &bob.access_token,
                UPDATE,
                json!({ "input": { "email": "ana@example.com" } }),
            )
            .await;
        assert_eq!(taken.error(), ("BAD_USER_INPUT", "EMAIL_TAKEN"));
    }
}

#[tokio::test]
async fn an_ended_session_changes_nothing_though_its_token_still_verifies() {
    for app in TestApp::builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        app.run_as(&ana.access_token, "mutation { logout }", json!({}))
            .await
            .data("logout");
        let late = app
            .run_as(
                &ana.access_token,
                UPDATE,
                json!({ "input": { "name": "Mallory" } }),
            )
            .await;
        assert_eq!(late.error(), ("UNAUTHENTICATED", "SESSION_ENDED"));
        assert_eq!(
            app.database.texts("SELECT name AS text FROM users").await,
            ["ana"]
        );
    }
}
