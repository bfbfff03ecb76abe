//! Whether the time of a failed sign-in tells that an address has an account.
//!
//! Wrong passwords are sent over HTTP in turn for addresses with an account and for some without, and both sets of times are
//! compared by a rank test (Mann and Whitney, 1947): its statistic is how often a known address took longer than an unknown
//! one, 50 % where the time tells nothing. Twice: with the hash that the server uses by default, as attackers meet it, and with
//! one that costs next to nothing and so hides nothing else. Beside them accounts that were imported with bcrypt and have not
//! signed in: their time does tell (docs/security.md, "What it does not do").
//!
//! On SQLite, or on the empty PostgreSQL that `COUNTERSIGN_TIMING_URL` names.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::{
    env,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::Request};
use countersign::{
    accounts::NewAccount,
    app::App,
    config::{Flags, Settings},
    http::Site,
    values::{Role, Secret},
};
use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;

/// Addresses of either kind. Each is tried less often than it may be in a day without a delay.
const ADDRESSES: usize = 50;
/// Of so many rounds one tries an imported account, too: bcrypt takes long.
const IMPORTED_EACH: usize = 10;
/// A bcrypt hash of cost 12.
const BCRYPT: &str = "$2b$12$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h6";
/// Standard deviations that chance alone reaches once in 1000 times.
const TELLING: f64 = 3.29;

struct Server {
    endpoint: String,
    http: Client,
}

impl Server {
    /// `cost` is the memory of a hash in KiB and its passes.
    async fn start(database: &str, cost: [&str; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut flags = Flags::default();
        for (key, value) in [
            ("database.url", database),
            ("http.listen", &address.to_string()),
            ("keys.secret", "a secret of a benchmark, nothing else"),
            ("passwords.memory_kib", cost[0]),
            ("passwords.iterations", cost[1]),
            ("limits.free_attempts", "100"),
            ("limits.failures_per_minute", "off"),
            ("limits.failures_per_hour", "off"),
        ] {
            flags.set(key, value, "the benchmark");
        }
        let app = App::start(Settings::load(&flags).unwrap()).await.unwrap();
        for number in 0..ADDRESSES {
            let account = NewAccount {
                email: email("known", number, cost),
                name: "Somebody".to_owned(),
                password: Secret::new("plum tractor ninety seven"),
                role: Role::User,
            };
            app.accounts.create(account).await.unwrap();
            let line = json!({ "email": email("import", number, cost), "name": "Somebody", "passwordHash": BCRYPT });
            let line = app.accounts.read_import(line.to_string().as_bytes());
            let imported = app.accounts.import(&[line.unwrap().user]).await.unwrap();
            assert!(imported[0].is_ok());
        }
        let site = Arc::new(Site::public(&app));
        let answer = move |request: Request| {
            let site = Arc::clone(&site);
            async move { site.answer(request).await }
        };
        let router = Router::new().fallback(answer);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            endpoint: format!("http://{address}/graphql"),
            http: Client::new(),
        }
    }

    async fn failed_login(&self, email: &str) -> Duration {
        let query =
            "mutation($input: LoginInput!) { login(input: $input, transport: BODY) { sessionId } }";
        let input = json!({ "email": email, "password": "plum tractor ninety eight" });
        let body = json!({ "query": query, "variables": { "input": input } });
        let request = self.http.post(&self.endpoint).json(&body);
        let start = Instant::now();
        let answer = request.send().await.unwrap().text().await.unwrap();
        let time = start.elapsed();
        assert!(answer.contains("BAD_CREDENTIALS"), "{answer}");
        time
    }
}

/// All are of one length, as a longer request takes longer. Hashes of another cost belong to other accounts.
fn email(kind: &str, number: usize, cost: [&str; 2]) -> String {
    format!("{kind:x<7}{number:03}-{:0>5}@example.com", cost[0])
}

/// How often a value of `left` is greater than one of `right`, ties counted half; and how many standard deviations this is
/// from the half that chance would give.
fn compare(left: &[Duration], right: &[Duration]) -> (f64, f64) {
    let mut sorted = right.to_vec();
    sorted.sort_unstable();
    let wins: f64 = left
        .iter()
        .map(|time| {
            let below = sorted.partition_point(|other| other < time);
            let not_above = sorted.partition_point(|other| other <= time);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    let (n, m) = (left.len() as f64, right.len() as f64);
    let share = wins / (n * m);
    let deviation = ((n + m + 1.0) / (12.0 * n * m)).sqrt();
    (share, (share - 0.5) / deviation)
}

fn describe(name: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "  {name:8} n={} 10%={:.3} ms  median={:.3} ms  90%={:.3} ms",
        sorted.len(),
        at(0.1),
        at(0.5),
        at(0.9)
    );
}

async fn measure(database: &str, title: &str, cost: [&str; 2], rounds: usize) {
    let server = Server::start(database, cost).await;
    let (mut known, mut unknown, mut imported) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (one, other) = (
            email("known", round % ADDRESSES, cost),
            email("unknown", round % ADDRESSES, cost),
        );
        // Whichever comes second may gain by what the first has warmed, so they take turns.
        if round % 2 == 0 {
            known.push(server.failed_login(&one).await);
            unknown.push(server.failed_login(&other).await);
        } else {
            unknown.push(server.failed_login(&other).await);
            known.push(server.failed_login(&one).await);
        }
        if round % IMPORTED_EACH == 0 {
            let address = email("import", round / IMPORTED_EACH % ADDRESSES, cost);
            imported.push(server.failed_login(&address).await);
        }
    }
    // The first tries open connections and fill caches.
    let (known, unknown) = (&known[ADDRESSES..], &unknown[ADDRESSES..]);
    let imported = &imported[ADDRESSES / IMPORTED_EACH..];
    println!("{title}:");
    describe("known", known);
    describe("unknown", unknown);
    describe("imported", imported);
    judge("a known", known, unknown);
    judge("an imported", imported, unknown);
}

fn judge(which: &str, times: &[Duration], unknown: &[Duration]) {
    let (share, deviations) = compare(times, unknown);
    let verdict = match deviations.abs() > TELLING {
        false => "the times do not tell them apart".to_owned(),
        // n tries of each kind have a standard deviation of 1/sqrt(6n).
        true => format!(
            "they can be told apart, by some {:.0} tries for each address",
            (TELLING / (share - 0.5)).powi(2) / 6.0
        ),
    };
    println!(
        "  {which} address took longer in {:.1} % of all pairs ({deviations:+.1} standard deviations): {verdict}",
        share * 100.0
    );
}

#[tokio::main]
async fn main() {
    // A filter by name, as Criterion takes one.
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"login-timing".contains(&filter)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", folder.path().join("timing.db").display());
    let database = env::var("COUNTERSIGN_TIMING_URL").unwrap_or(sqlite);
    measure(&database, "the default hash", ["19456", "2"], 500).await;
    measure(&database, "a hash that costs nothing", ["8", "1"], 2000).await;
}
