//! What the requests of every day cost in processor time, on a node and on PostgreSQL: the figures that docs/capacity.md is
//! worked out from. Processor time tells more than throughput does where the machine is busy with other things too.
//!
//! `COUNTERSIGN_BIN` names the server's binary (`cargo xtask bench` builds and sets it), and `COUNTERSIGN_COSTS_URL` an empty
//! database on a PostgreSQL of this machine that nobody else uses meanwhile. For Linux, which tells processor times.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::{
    collections::HashMap,
    env, fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Client;
use rustix::param::clock_ticks_per_second;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_postgres::NoTls;

/// Callers at a time, each with an account of its own.
const CALLERS: usize = 16;
const DURATION: Duration = Duration::from_secs(20);
const PASSWORD: &str = "plum tractor ninety seven";

/// The server in a process of its own, ended when it is dropped.
struct Server {
    process: Child,
    endpoint: String,
    http: Client,
}

impl Server {
    async fn start(database: &str) -> Self {
        let binary = env::var_os("COUNTERSIGN_BIN");
        let binary = binary
            .unwrap_or_else(|| panic!("COUNTERSIGN_BIN names no server: see `cargo xtask bench`"));
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let process = Command::new(binary)
            .env("COUNTERSIGN_HTTP__LISTEN", address.to_string())
            .env("COUNTERSIGN_DATABASE__URL", database)
            .env(
                "COUNTERSIGN_KEYS__SECRET",
                "a secret of a benchmark, nothing else",
            )
            .env("COUNTERSIGN_LOG__FILTER", "warn")
            .arg("serve")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            endpoint: format!("http://{address}/graphql"),
            http: Client::new(),
        };
        let ready = format!("http://{address}/readyz");
        while server.http.get(&ready).send().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let mut request = self.http.post(&self.endpoint).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    /// Its resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One user, signed in.
struct Caller {
    email: String,
    access: String,
    refresh: String,
}

impl Caller {
    async fn register(server: &Server, number: usize) -> Self {
        let email = format!("cost{number}@example.com");
        let query = "mutation($input: RegisterInput!) { register(input: $input, transport: BODY) { accessToken refreshToken } }";
        let input = json!({ "email": email, "name": "Cost", "password": PASSWORD });
        let answer = server.ask(None, query, json!({ "input": input })).await;
        Self {
            access: text(&answer["register"]["accessToken"]),
            refresh: text(&answer["register"]["refreshToken"]),
            email,
        }
    }

    async fn call(&mut self, server: &Server, operation: Operation) {
        match operation {
            Operation::Me => {
                let query = "{ me { id email name role } }";
                server.ask(Some(&self.access), query, json!({})).await;
            }
            Operation::Refresh => {
                let query = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken expiresIn } }";
                let answer = server
                    .ask(None, query, json!({ "token": self.refresh }))
                    .await;
                self.refresh = text(&answer["refresh"]["refreshToken"]);
            }
            Operation::Login => {
                let query = "mutation($input: LoginInput!) { login(input: $input, transport: BODY) { accessToken expiresIn } }";
                let input = json!({ "email": self.email, "password": PASSWORD });
                server.ask(None, query, json!({ "input": input })).await;
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Me,
    Refresh,
    Login,
}

/// What was used up to a moment.
struct Usage {
    node: u64,
    /// By process, as they come and go.
    postgres: HashMap<u32, u64>,
    wal_bytes: i64,
}

impl Usage {
    async fn read(server: &Server, database: &tokio_postgres::Client) -> Self {
        let processes = database
            .query(
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
                &[],
            )
            .await
            .unwrap();
        let processes = processes.iter().map(|row| {
            let id = row.get::<_, i32>(0).unsigned_abs();
            (id, ticks(id))
        });
        let wal = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        Self {
            node: ticks(server.process.id()),
            postgres: processes.collect(),
            wal_bytes: database.query_one(wal, &[]).await.unwrap().get(0),
        }
    }

    fn postgres_since(&self, before: &Self) -> u64 {
        let used = |(id, ticks): (&u32, &u64)| {
            ticks.saturating_sub(before.postgres.get(id).copied().unwrap_or_default())
        };
        self.postgres.iter().map(used).sum()
    }
}

/// The processor time of a process in clock ticks, of its own and of the kernel for it (proc_pid_stat(5), utime and stime).
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name before it may hold blanks.
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Lets all callers repeat one operation, each as soon as the last was answered, and prints what one cost.
async fn measure(
    server: &Server,
    callers: &mut [Caller],
    database: &tokio_postgres::Client,
    operation: Operation,
) {
    let before = Usage::read(server, database).await;
    let start = Instant::now();
    let calling = callers.iter_mut().map(async |caller| {
        let mut count = 0;
        while start.elapsed() < DURATION {
            caller.call(server, operation).await;
            count += 1;
        }
        count
    });
    let count: u64 = join_all(calling).await.into_iter().sum();
    let after = Usage::read(server, database).await;
    let micros = |ticks: u64| ticks * 1_000_000 / clock_ticks_per_second() / count;
    println!(
        "cost of {operation:?}: node {} µs, PostgreSQL {} µs of processor time, {} bytes of WAL ({count} calls; the node has {} KiB)",
        micros(after.node - before.node),
        micros(after.postgres_since(&before)),
        (after.wal_bytes - before.wal_bytes).unsigned_abs() / count,
        server.memory(),
    );
}

#[tokio::main]
async fn main() {
    // A filter by name, as Criterion takes one.
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"costs".contains(&filter)) {
        return;
    }
    let Ok(url) = env::var("COUNTERSIGN_COSTS_URL") else {
        println!("costs: not measured, as COUNTERSIGN_COSTS_URL names no PostgreSQL");
        return;
    };
    let (database, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let server = Server::start(&url).await;
    println!("memory of an idle node: {} KiB", server.memory());
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        callers.push(Caller::register(&server, number).await);
    }
    for operation in [Operation::Me, Operation::Refresh, Operation::Login] {
        measure(&server, &mut callers, &database, operation).await;
    }
}
