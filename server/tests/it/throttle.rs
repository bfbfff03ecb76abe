//! How often a password may be tried.

use serde_json::{Value, json};

use crate::support::{Answer, Builder, PASSWORD, SignedIn, TestApp, together};

const WRONG: &str = "not the right password";
const BAD: (&str, &str) = ("UNAUTHENTICATED", "BAD_CREDENTIALS");
const LIMITED: (&str, &str) = ("RATE_LIMITED", "");

/// A server with the delays of the default configuration, and no limits on addresses.
fn builder() -> Builder {
    TestApp::builder().set("limits.free_attempts", "5")
}

async fn guess(app: &TestApp, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(app.login(email, WRONG).await.error(), BAD);
    }
}

fn count(answers: &[Answer], error: (&str, &str)) -> usize {
    answers
        .iter()
        .filter(|answer| answer.error() == error)
        .count()
}

#[tokio::test]
async fn after_five_wrong_passwords_each_next_try_has_to_wait_longer() {
    for app in builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        guess(&app, "ana@example.com", 5).await;
        for seconds in [1, 2, 4, 8] {
            let refused = app.login(" ANA@example.com", PASSWORD).await;
            assert_eq!(
                refused.error(),
                LIMITED,
                "the right password has to wait, too"
            );
            assert_eq!(
                *refused.extensions(),
                json!({ "code": "RATE_LIMITED", "retryAfter": seconds })
            );
            assert_eq!(refused.header("retry-after"), seconds.to_string());
            app.clock.advance_secs(seconds);
            guess(&app, "ana@example.com", 1).await;
        }
        app.clock.advance_secs(16);
        app.login("ana@example.com", PASSWORD).await.signed_in();
        guess(&app, "ana@example.com", 5).await;
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            LIMITED
        );
        let throttled = app.events(&ana.user_id).await;
        let throttled = throttled.iter().filter(|kind| *kind == "LOGIN_THROTTLED");
        assert_eq!(throttled.count(), 5, "one line for each delay");
    }
}

#[tokio::test]
async fn a_flood_of_refused_tries_is_one_line_of_the_audit_trail() {
    for app in builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        guess(&app, "ana@example.com", 5).await;
        let flood = together((0..20).map(|_| app.login("ana@example.com", WRONG))).await;
        assert_eq!(count(&flood, LIMITED), 20);
        let events = app.events(&ana.user_id).await;
        assert_eq!(
            events
                .iter()
                .filter(|kind| *kind == "LOGIN_THROTTLED")
                .count(),
            1
        );
        assert_eq!(
            events.iter().filter(|kind| *kind == "LOGIN_FAILED").count(),
            5
        );
    }
}

#[tokio::test]
async fn an_unknown_address_is_slowed_like_a_known_one() {
    for app in builder().on_each_database().await {
        app.register("ana@example.com").await;
        for email in ["ana@example.com", "bob@example.com", "not an address"] {
            guess(&app, email, 5).await;
            let refused = app.login(email, WRONG).await;
            assert_eq!(
                *refused.extensions(),
                json!({ "code": "RATE_LIMITED", "retryAfter": 1 }),
                "{email}"
            );
        }
    }
}

#[tokio::test]
async fn tries_at_once_on_two_nodes_are_counted_together() {
    for app in builder().on_each_database().await {
        app.register("ana@example.com").await;
        let other = app.another_node("passwords.queue", "1000").await;
        let nodes = [&app, &other];
        let tries = (0..40).map(|n| nodes[n % 2].login("ana@example.com", WRONG));
        let answers = together(tries).await;
        assert_eq!(count(&answers, BAD), 5);
        assert_eq!(count(&answers, LIMITED), 35);
    }
}

#[tokio::test]
async fn aliases_of_one_request_try_no_more_than_requests_do() {
    for app in builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let input = format!("{{ email: \"ana@example.com\", password: \"{WRONG}\" }}");
        let fields: String = (0..10)
            .map(|n| format!("a{n}: login(input: {input}, transport: BODY) {{ sessionId }} "))
            .collect();
        for _ in 0..10 {
            app.run(&format!("mutation {{ {fields} }}"), json!({}))
                .await;
        }
        let tried = app.events(&ana.user_id).await;
        assert_eq!(
            tried.iter().filter(|kind| *kind == "LOGIN_FAILED").count(),
            5
        );
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            LIMITED
        );
    }
}

#[tokio::test]
async fn a_device_that_signed_in_before_is_not_slowed_by_strangers() {
    for app in builder().on_each_database().await {
        app.register("ana@example.com").await;
        app.register("bob@example.com").await;
        let device = device_of(&app.login_by_cookie("ana@example.com", None).await);
        let bobs = device_of(&app.login_by_cookie("bob@example.com", None).await);
        guess(&app, "ana@example.com", 5).await;
        assert_eq!(login_on(&app, "", PASSWORD).await.error(), LIMITED);
        for foreign in [
            bobs,
            device.replace("v1.", "v2."),
            device[..device.len() - 1].to_owned(),
        ] {
            assert_eq!(login_on(&app, &foreign, PASSWORD).await.error(), LIMITED);
        }
        let again = login_on(&app, &device, PASSWORD).await;
        assert_eq!(device_of(&again), device, "one device has one budget");
        let ana = again.signed_in();
        assert_eq!(
            login_on(&app, "", PASSWORD).await.error(),
            LIMITED,
            "strangers still wait"
        );

        for _ in 0..5 {
            assert_eq!(login_on(&app, &device, WRONG).await.error(), BAD);
        }
        assert_eq!(login_on(&app, &device, PASSWORD).await.error(), LIMITED);
        let cookies = format!(
            "__Host-countersign={}; __Host-countersign-device={device}",
            ana.refresh_token
        );
        let headers = [
            ("origin", app.origin.as_str()),
            ("cookie", cookies.as_str()),
        ];
        let logout = app
            .send(json!({ "query": "mutation { logout }" }), &headers)
            .await;
        assert_eq!(
            logout.headers.get_all("set-cookie").iter().count(),
            1,
            "the device's cookie stays"
        );
    }
}

#[tokio::test]
async fn a_device_that_knew_an_older_password_is_a_stranger() {
    for app in builder().on_each_database().await {
        app.register("ana@example.com").await;
        let device = device_of(&app.login_by_cookie("ana@example.com", None).await);
        let ana = login_on(&app, &device, PASSWORD).await.signed_in();
        guess(&app, "ana@example.com", 5).await;
        let change = format!(
            "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"another long good one\" }}) {{ sessionId }} }}"
        );
        let bearer = format!("Bearer {}", ana.access_token);
        let headers = [("origin", app.origin.as_str()), ("authorization", &bearer)];
        let changed = app.send(json!({ "query": change }), &headers).await;
        assert_ne!(device_of(&changed), device);
        assert_eq!(login_on(&app, &device, WRONG).await.error(), LIMITED);
        assert_eq!(
            login_on(&app, &device_of(&changed), WRONG).await.error(),
            BAD
        );
    }
}

#[tokio::test]
async fn new_addresses_cannot_be_tried_without_end() {
    let builder = builder().set("limits.registrations_per_hour", "2");
    for app in builder.on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let change = async |email: &str| {
            let query = format!(
                "mutation {{ updateProfile(input: {{ email: \"{email}\" }}) {{ email }} }}"
            );
            act(&app, &ana, &query).await
        };
        change("ana@example.com").await.text("updateProfile.email");
        change("ana@example.org").await.text("updateProfile.email");
        let renewed = app.refresh(&ana.refresh_token).await.signed_in();
        let query = "mutation { updateProfile(input: { email: \"bob@example.com\" }) { email } }";
        assert_eq!(act(&app, &renewed, query).await.error(), LIMITED);
        let query = "mutation { updateProfile(input: { name: \"Anna\" }) { name } }";
        act(&app, &renewed, query).await.text("updateProfile.name");
    }
}

/// The device's token in the answer's second cookie, whose attributes are those of the first.
fn device_of(answer: &Answer) -> String {
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let cookie = cookies[1].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=31536000"
    );
    pair.strip_prefix("__Host-countersign-device=")
        .unwrap()
        .to_owned()
}

async fn login_on(app: &TestApp, device: &str, password: &str) -> Answer {
    let query = "mutation($input: LoginInput!) { payload: login(input: $input) { accessToken refreshToken sessionId user { id } } }";
    let input = json!({ "email": "ana@example.com", "password": password });
    let cookie = format!("__Host-countersign-device={device}");
    let headers = [("origin", app.origin.as_str()), ("cookie", cookie.as_str())];
    app.send(
        json!({ "query": query, "variables": { "input": input } }),
        &headers,
    )
    .await
}

/// From these addresses, one after the other, somebody tries the passwords of many accounts.
async fn spray(app: &TestApp, addresses: &[&str]) -> Vec<Value> {
    let mut codes = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let email = format!("person{number}@example.com");
        let query =
            "mutation($input: LoginInput!) { login(input: $input, transport: BODY) { sessionId } }";
        let body = json!({ "query": query, "variables": { "input": { "email": email, "password": WRONG } } });
        let answer = app.send(body, &[("x-forwarded-for", address)]).await;
        codes.push(answer.extensions()["code"].clone());
    }
    codes
}

#[tokio::test]
async fn many_accounts_cannot_be_tried_from_one_address() {
    let proxied = || builder().set("http.trusted_proxies", "127.0.0.1");
    let small = || proxied().set("limits.failures_per_minute", "2");
    for app in small().on_each_database().await {
        let codes = spray(
            &app,
            &["203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"],
        )
        .await;
        assert_eq!(
            codes,
            [
                "UNAUTHENTICATED",
                "UNAUTHENTICATED",
                "RATE_LIMITED",
                "UNAUTHENTICATED"
            ]
        );
        let refused = app
            .database
            .texts("SELECT kind AS text FROM auth_events WHERE kind = 'LOGIN_THROTTLED'")
            .await;
        assert_eq!(refused.len(), 1);
    }
    let hourly = proxied().set("limits.failures_per_hour", "2");
    let app = hourly.on_sqlite().await;
    let codes = spray(&app, &["203.0.113.1"; 3]).await;
    assert_eq!(codes[2], "RATE_LIMITED");
    app.clock.advance_secs(60);
    assert_eq!(spray(&app, &["203.0.113.1"]).await, ["RATE_LIMITED"]);
}

#[tokio::test]
async fn of_ipv6_the_network_counts_and_not_the_address() {
    let app = builder()
        .set("http.trusted_proxies", "127.0.0.1")
        .set("limits.failures_per_minute", "2")
        .on_sqlite()
        .await;
    let codes = spray(
        &app,
        &["2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:9::3"],
    )
    .await;
    assert_eq!(codes[2], "RATE_LIMITED", "one /64");
    let codes = spray(
        &app,
        &[
            "2001:db8:1:2::1",
            "2001:db8:1:2::1",
            "2001:db8:1:3::1",
            "2001:db8:1:3::1",
        ],
    )
    .await;
    assert!(
        codes.iter().all(|code| code == "UNAUTHENTICATED"),
        "another /64: {codes:?}"
    );
    let codes = spray(
        &app,
        &[
            "2001:db8:1:4::1",
            "2001:db8:1:4::1",
            "2001:db8:1:5::1",
            "2001:db8:2:5::1",
        ],
    )
    .await;
    assert_eq!(
        codes,
        [
            "UNAUTHENTICATED",
            "UNAUTHENTICATED",
            "RATE_LIMITED",
            "UNAUTHENTICATED"
        ],
        "a /48 has four times as much"
    );
}

#[tokio::test]
async fn the_right_password_gives_its_try_back_and_no_other() {
    for app in builder()
        .set("limits.failures_per_minute", "3")
        .on_each_database()
        .await
    {
        app.register("ana@example.com").await;
        for email in ["a@example.com", "b@example.com"] {
            guess(&app, email, 1).await;
            app.login("ana@example.com", PASSWORD).await.signed_in();
        }
        guess(&app, "c@example.com", 1).await;
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            LIMITED
        );
    }
}

#[tokio::test]
async fn signed_in_acts_that_prove_the_password_share_a_budget() {
    for app in builder().on_each_database().await {
        let ana = app.register("ana@example.com").await;
        let wrong = [
            format!("mutation {{ reauthenticate(password: \"{WRONG}\") {{ sessionId }} }}"),
            format!(
                "mutation {{ changePassword(input: {{ currentPassword: \"{WRONG}\", newPassword: \"{PASSWORD}\" }}) {{ sessionId }} }}"
            ),
            format!("mutation {{ deleteAccount(password: \"{WRONG}\") }}"),
        ];
        for number in 0..5 {
            assert_eq!(act(&app, &ana, &wrong[number % 3]).await.error(), BAD);
        }
        for query in &wrong {
            assert_eq!(act(&app, &ana, query).await.error(), LIMITED);
        }
        assert_eq!(
            app.events(&ana.user_id).await.last().unwrap(),
            "LOGIN_THROTTLED"
        );
        app.login("ana@example.com", PASSWORD).await.signed_in();
        app.clock.advance_secs(1);
        let right =
            format!("mutation {{ reauthenticate(password: \"{PASSWORD}\") {{ sessionId }} }}");
        act(&app, &ana, &right)
            .await
            .text("reauthenticate.sessionId");
    }
}

async fn act(app: &TestApp, who: &SignedIn, query: &str) -> Answer {
    app.run_as(&who.access_token, query, json!({})).await
}

#[tokio::test]
async fn an_address_makes_so_many_accounts_an_hour() {
    for app in builder()
        .set("limits.registrations_per_hour", "2")
        .on_each_database()
        .await
    {
        app.register("ana@example.com").await;
        app.register("bob@example.com").await;
        let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { sessionId } }";
        let input = json!({ "email": "cem@example.com", "password": PASSWORD, "name": "Cem" });
        let refused = app.run(query, json!({ "input": input })).await;
        assert_eq!(
            *refused.extensions(),
            json!({ "code": "RATE_LIMITED", "retryAfter": 1800 })
        );
        app.clock.advance_secs(1800);
        app.register("cem@example.com").await;
    }
}

#[tokio::test]
async fn an_address_asks_for_so_many_estimates_a_minute() {
    let app = builder()
        .set("limits.strength_per_minute", "2")
        .on_sqlite()
        .await;
    let ask = || {
        app.run(
            "{ passwordStrength(password: \"plum\") { score } }",
            json!({}),
        )
    };
    for _ in 0..2 {
        ask().await.data("passwordStrength");
    }
    let limited = json!({ "code": "RATE_LIMITED", "retryAfter": 30 });
    assert_eq!(*ask().await.extensions(), limited);
    // Another's password is looked at all the same.
    app.register("ana@example.com").await;
    app.clock.advance_secs(30);
    ask().await.data("passwordStrength");
    assert_eq!(*ask().await.extensions(), limited);
}

#[tokio::test]
async fn a_made_up_refresh_token_counts_against_its_address() {
    for app in builder()
        .set("limits.failures_per_minute", "1")
        .on_each_database()
        .await
    {
        let ana = app.register("ana@example.com").await;
        let (_, mac) = ana.refresh_token.rsplit_once('.').unwrap();
        for no_token in [
            "nonsense",
            &ana.refresh_token.replace("v1.", "v1.ffffffff."),
            "",
        ] {
            app.refresh(no_token).await;
        }
        let forged = ana.refresh_token.replace(mac, &"A".repeat(43));
        let refused = app.refresh(&forged).await;
        assert_eq!(refused.error(), ("UNAUTHENTICATED", "REFRESH_INVALID"));
        assert_eq!(
            app.login("ana@example.com", PASSWORD).await.error(),
            LIMITED
        );
        app.refresh(&ana.refresh_token).await.signed_in();
    }
}

#[tokio::test]
async fn the_table_names_nobody_and_forgets() {
    for app in builder()
        .set("limits.failures_per_hour", "300")
        .on_each_database()
        .await
    {
        guess(&app, "bob@example.com", 1).await;
        let keys = app.database.texts("SELECT key AS text FROM throttle").await;
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key.len() == 22), "{keys:?}");
        app.clock.advance_secs(24 * 3600);
        app.app.sessions.delete_expired().await.unwrap();
        assert!(
            app.database
                .texts("SELECT key AS text FROM throttle")
                .await
                .is_empty()
        );
    }
}
