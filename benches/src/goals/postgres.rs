//! `refresh` on PostgreSQL, beside what the same server commits when pgbench sends it one UPDATE by key: all are durable.
//!
//! PostgreSQL has the first core in both, and who asks it the second: pgbench, or our server with what loads it. It is the
//! database that is shared by everything, and nodes are added at will; so the question is how much of what it can commit
//! comes out as renewed sessions.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::postgres::Postgres;

use crate::callers::post;
use crate::load::{Caller, closed};
use crate::people::People;
use crate::report::{Goal, Wanted};
use crate::servers::{self, Cores, Server};
use crate::{Bench, Sample};

/// To PostgreSQL: the server's default.
const CONNECTIONS: usize = 16;
/// To our server.
const CLIENTS: usize = 64;
const USERS: u64 = 10_000;

/// Measures it.
///
/// # Errors
/// When PostgreSQL, pgbench or our server cannot be started, and when an answer is wrong.
pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let bin = xtask::tools::postgres().context("there is no PostgreSQL on this machine")?;
    let postgres = Postgres::start_durable(&bin)?;
    let main = postgres.pid().context("PostgreSQL has ended")?;
    let pid = rustix::process::Pid::from_raw(main.as_raw());
    Cores::First.hold(pid.context("PostgreSQL has ended")?)?;
    let folder = bench.new_folder()?;
    let url = postgres.url();
    let people = People::make(&url, USERS, &[])?;
    let rows = format!(
        "CREATE TABLE counters (id bigint PRIMARY KEY, count bigint NOT NULL); \
         INSERT INTO counters SELECT n, 0 FROM generate_series(1, {USERS}) AS n; VACUUM ANALYZE counters"
    );
    for statement in rows.split(';') {
        servers::finish(Command::new(bin.join("psql")).args([&url, "-c", statement]))?;
    }
    let script = folder.join("update.sql");
    std::fs::write(
        &script,
        format!(
            "\\set id random(1, {USERS})\nUPDATE counters SET count = count + 1 WHERE id = :id;\n"
        ),
    )?;
    // It counts from its start, and its rate from when all are connected.
    let seconds = (bench.round.as_secs() + 2).to_string();
    let pgbench = || {
        let mut pgbench = Command::new(bin.join("pgbench"));
        let connections = CONNECTIONS.to_string();
        pgbench.args([
            "-n",
            "-M",
            "prepared",
            "-c",
            &connections,
            "-T",
            &seconds,
            "-f",
        ]);
        pgbench.arg(&script).arg(&url);
        let output = Cores::Second.run(|| Ok(pgbench.output()?))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split(' ').next());
        let rate = rate.with_context(|| format!("no rate: {output:?}"))?;
        let value = rate.parse()?;
        Ok(Sample {
            value,
            cpu_micros: None,
        })
    };

    let mut some = people.some((1..=CLIENTS as u64 * 16).map(|n| n * 7_919 % USERS + 1))?;
    let mut callers: Vec<Renewals> = Vec::new();
    for _ in 0..CLIENTS {
        let tokens = some.split_off(some.len() - 16).into_iter();
        callers.push(Renewals {
            tokens: tokens.map(|person| person.refresh).collect(),
            count: 0,
            request: Vec::new(),
        });
    }
    let server = Server::start(Cores::Second, &folder, "/readyz", |address| {
        people.serve(&bench.binary, address)
    })?;
    let mut ours = || {
        let before = server.cpu()?;
        let (load, back) = closed(
            Cores::Second,
            server.address,
            std::mem::take(&mut callers),
            bench.round,
        )?;
        callers = back;
        let cpu = (server.cpu()? - before).as_secs_f64() * 1e6;
        Ok(Sample {
            value: f64::from(load.answers) / load.elapsed.as_secs_f64(),
            cpu_micros: Some(cpu / f64::from(load.answers)),
        })
    };
    ours()?;
    let mut contestants: [(&str, &mut dyn FnMut() -> Result<Sample>); 2] = [
        ("Countersign", &mut ours),
        ("pgbench, one UPDATE by key", &mut { pgbench }),
    ];
    let series = bench.alternate(&mut contestants, |measure| measure())?;
    Ok(vec![Goal {
        goal: "refresh-postgres",
        title: "Sessions renewed on PostgreSQL",
        unit: "refreshes/s",
        wanted: Wanted::RatioAtLeast(0.6),
        series,
        notes: vec![format!(
            "{CONNECTIONS} connections to PostgreSQL in both, `fsync` and `synchronous_commit` on; {CLIENTS} connections to our server. PostgreSQL has one core, and pgbench, or our server with what loads it, the other."
        )],
    }])
}

/// What one connection renews, one session after the other.
struct Renewals {
    tokens: Vec<String>,
    count: usize,
    request: Vec<u8>,
}

impl Caller for Renewals {
    fn request(&mut self) -> Option<&[u8]> {
        let query = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken expiresIn } }";
        let token = &self.tokens[self.count % self.tokens.len()];
        let body = json!({ "query": query, "variables": { "token": token } });
        self.request = post("/graphql", self.count, None, &body.to_string());
        Some(&self.request)
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        let mut answer: Value = serde_json::from_str(body)?;
        ensure!(answer.get("errors").is_none(), "an error was answered");
        let number = self.count % self.tokens.len();
        self.tokens[number] = match answer["data"]["refresh"]["refreshToken"].take() {
            Value::String(token) => token,
            _ => anyhow::bail!("no refresh token"),
        };
        self.count += 1;
        Ok(())
    }
}
