//! What a request costs among a million users, beside what it costs among a thousand: on either database, in processor time of
//! the server and of PostgreSQL, with the time until the answer beside it.
//!
//! The callers are as many in both, so that what is kept in memory for each of them helps both alike, and they are scattered
//! over all users.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use xtask::postgres::Postgres;

use crate::callers::post;
use crate::load::{Caller, closed};
use crate::people::{PASSWORD, People, Person};
use crate::report::{Goal, Series, Wanted};
use crate::servers::{self, Cores, Server};
use crate::{Bench, Sample, median};

/// The server's default number of connections to PostgreSQL.
const CONNECTIONS: usize = 16;
const FEW: u64 = 1_000;
/// Sessions that are asked about, the same number of either site.
const CALLERS: u64 = 1_600;
const AT_MOST: Wanted = Wanted::RatioAtMost(1.2);

/// What is asked, with its name in the report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Me,
    Login,
    Refresh,
    FirstPage,
    DeepPage,
    /// For a prefix of some fifty addresses.
    Search,
    /// For a prefix of every address.
    WideSearch,
}

const ALL: [(Ask, [&str; 2], &str); 7] = [
    (Ask::Me, ["growth-sqlite-me", "growth-postgres-me"], "`me`"),
    (
        Ask::Login,
        ["growth-sqlite-login", "growth-postgres-login"],
        "`login`",
    ),
    (
        Ask::Refresh,
        ["growth-sqlite-refresh", "growth-postgres-refresh"],
        "`refresh`",
    ),
    (
        Ask::FirstPage,
        ["growth-sqlite-users", "growth-postgres-users"],
        "the first page of `users`",
    ),
    (
        Ask::DeepPage,
        ["growth-sqlite-users-deep", "growth-postgres-users-deep"],
        "a page of `users` further on",
    ),
    (
        Ask::Search,
        ["growth-sqlite-search", "growth-postgres-search"],
        "a search in `users` that finds fifty",
    ),
    (
        Ask::WideSearch,
        ["growth-sqlite-search-wide", "growth-postgres-search-wide"],
        "a search in `users` that finds all",
    ),
];

/// Measures all of it on both databases.
///
/// # Errors
/// When a database or a server cannot be started, and when an answer is wrong.
pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let many = if bench.is_quick { 20_000 } else { 1_000_000 };
    let folder = bench.new_folder()?;
    let sqlite = |users: u64| format!("sqlite://{}", folder.join(format!("{users}.db")).display());
    let mut goals = measure(bench, 0, "SQLite", [sqlite(many), sqlite(FEW)], many, None)?;
    // Gigabytes.
    std::fs::remove_dir_all(folder)?;

    let bin = xtask::tools::postgres().context("there is no PostgreSQL on this machine")?;
    let postgres = Postgres::start_durable(&bin)?;
    let database = |users: u64| {
        let name = format!("users_{users}");
        let mut psql = std::process::Command::new(bin.join("psql"));
        servers::finish(psql.args([&postgres.url(), "-c", &format!("CREATE DATABASE {name}")]))?;
        let url = postgres.url();
        let (server, _) = url.rsplit_once('/').context("a URL without a database")?;
        anyhow::Ok(format!("{server}/{name}"))
    };
    let urls = [database(many)?, database(FEW)?];
    goals.extend(measure(
        bench,
        1,
        "PostgreSQL",
        urls,
        many,
        Some(&postgres),
    )?);
    Ok(goals)
}

fn measure(
    bench: &Bench,
    database: usize,
    name: &str,
    urls: [String; 2],
    many: u64,
    postgres: Option<&Postgres>,
) -> Result<Vec<Goal>> {
    let folder = bench.new_folder()?;
    let begin = Instant::now();
    let [large, small] = urls;
    let mut sites = [
        Site::start(bench, &folder, &large, many, postgres)?,
        Site::start(bench, &folder, &small, FEW, postgres)?,
    ];
    eprintln!("  {name}: filled in {:.0?}", begin.elapsed());
    let names = [format!("{many} users"), format!("{FEW} users")];
    let mut goals = Vec::new();
    for (ask, goal, what) in ALL {
        // Caches are filled by it: those of the server, of the database and of the system.
        for site in &mut sites {
            site.ask(ask, bench.round)?;
            site.latencies.clear();
        }
        let [large, small] = &mut sites;
        let mut contestants = [(names[0].as_str(), large), (names[1].as_str(), small)];
        let series: Vec<Series> =
            bench.alternate(&mut contestants, |site| site.ask(ask, bench.round))?;
        let [large, small] = sites.each_ref().map(|site| median(&site.latencies));
        goals.push(Goal {
            goal: goal[database],
            title: what_grows(what, name),
            unit: "µs of processor time",
            wanted: AT_MOST,
            series,
            notes: vec![format!(
                "Answered in {large:.0} µs among many users and in {small:.0} µs among few (medians of all, {CONNECTIONS} at a time): {:.2} times.",
                large / small
            )],
        });
    }
    Ok(goals)
}

/// Titles live as long as the report.
fn what_grows(what: &str, database: &str) -> &'static str {
    format!("What {what} costs on {database}").leak()
}

/// A server, its database and some who are signed in.
struct Site<'a> {
    server: Server,
    postgres: Option<&'a Postgres>,
    /// One for each connection.
    callers: Vec<Asker>,
    /// In microseconds.
    latencies: Vec<f64>,
}

impl<'a> Site<'a> {
    fn start(
        bench: &Bench,
        folder: &Path,
        url: &str,
        count: u64,
        postgres: Option<&'a Postgres>,
    ) -> Result<Self> {
        let people = People::make(url, count, &[])?;
        let sessions = 3 * count;
        let mut some = people.some((0..CALLERS).map(|n| n * 7_368_787 % sessions + 1))?;
        let administrator = people.administrator()?;
        let share = some.len() / CONNECTIONS;
        let callers = (0..CONNECTIONS).map(|number| {
            let theirs = some.split_off(some.len() - share);
            Asker::new(theirs, &people, number, &administrator)
        });
        let callers = callers.collect();
        let server = Server::start(Cores::First, folder, "/readyz", |address| {
            people.serve(&bench.binary, address)
        })?;
        Ok(Self {
            server,
            postgres,
            callers,
            latencies: Vec::new(),
        })
    }

    /// What one answer costs, in microseconds, when all connections ask this for so long.
    fn ask(&mut self, ask: Ask, time: Duration) -> Result<Sample> {
        for caller in &mut self.callers {
            caller.ask = ask;
        }
        let before = (self.server.cpu()?, self.database_cpu()?);
        let (load, callers) = closed(
            Cores::Second,
            self.server.address,
            std::mem::take(&mut self.callers),
            time,
        )?;
        let server = self.server.cpu()? - before.0;
        let database = self.database_cpu()?.saturating_sub(before.1);
        self.callers = callers;
        for caller in &mut self.callers {
            self.latencies.append(&mut caller.latencies);
        }
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(load.answers);
        Ok(Sample {
            value: micros(server + database),
            cpu_micros: Some(micros(server)),
        })
    }

    /// Of PostgreSQL's processes. One that ends meanwhile is in the time of the one that started it, which is read last.
    fn database_cpu(&self) -> Result<Duration> {
        let Some(main) = self.postgres.and_then(Postgres::pid) else {
            return Ok(Duration::ZERO);
        };
        let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children"))?;
        let children = children.split_whitespace();
        let running = children.filter_map(|process| servers::cpu(process.parse().ok()?).ok());
        let ended = servers::cpu_with_ended(u32::try_from(main.as_raw())?)?;
        Ok(running.sum::<Duration>() + ended)
    }
}

/// What one connection asks.
struct Asker {
    ask: Ask,
    people: Vec<Person>,
    /// Cursors in the middle of the list, and what is searched for.
    places: Vec<(String, String)>,
    administrator: String,
    /// How many requests it has made.
    count: usize,
    request: Vec<u8>,
    asked: Instant,
    /// In microseconds.
    latencies: Vec<f64>,
}

impl Asker {
    fn new(people: Vec<Person>, of: &People, number: usize, administrator: &str) -> Self {
        let places = (0..100).map(|place| {
            let scattered = (place * 7_919 + number as u64 * 104_729) % of.count;
            let cursor = BASE64URL.encode(of.id(of.count / 4 + scattered / 2));
            (
                cursor,
                format!("team{:05}.", 1 + scattered % (of.count / 50 - 1)),
            )
        });
        Self {
            ask: Ask::Me,
            people,
            places: places.collect(),
            administrator: administrator.to_owned(),
            count: 0,
            request: Vec::new(),
            asked: Instant::now(),
            latencies: Vec::new(),
        }
    }

    fn person(&mut self) -> &mut Person {
        let number = self.count % self.people.len();
        &mut self.people[number]
    }

    /// The document, its variables and the bearer token.
    fn question(&mut self) -> (&'static str, Value, Option<String>) {
        const USERS: &str = "query($after: String, $search: String) { users(first: 20, after: $after, search: $search) { edges { node { id email name role } } pageInfo { endCursor hasNextPage } } }";
        let (cursor, search) = &self.places[self.count % self.places.len()];
        let page = match self.ask {
            Ask::FirstPage => Some(json!({})),
            Ask::DeepPage => Some(json!({ "after": cursor })),
            Ask::Search => Some(json!({ "search": search })),
            Ask::WideSearch => Some(json!({ "search": "team" })),
            Ask::Me | Ask::Login | Ask::Refresh => None,
        };
        if let Some(variables) = page {
            return (USERS, variables, Some(self.administrator.clone()));
        }
        let ask = self.ask;
        let person = self.person();
        match ask {
            Ask::Login => {
                let query = "mutation($input: LoginInput!) { login(input: $input, transport: BODY) { accessToken refreshToken expiresIn } }";
                let input = json!({ "email": person.email, "password": PASSWORD });
                (query, json!({ "input": input }), None)
            }
            Ask::Refresh => {
                let query = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken expiresIn } }";
                (query, json!({ "token": person.refresh }), None)
            }
            _ => (
                "{ me { id email name role } }",
                json!({}),
                Some(person.access.clone()),
            ),
        }
    }
}

impl Caller for Asker {
    fn request(&mut self) -> Option<&[u8]> {
        let (query, variables, token) = self.question();
        let body = json!({ "query": query, "variables": variables });
        self.request = post("/graphql", self.count, token.as_deref(), &body.to_string());
        self.asked = Instant::now();
        Some(&self.request)
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        self.latencies
            .push(self.asked.elapsed().as_secs_f64() * 1e6);
        let answer: Value = serde_json::from_str(body)?;
        ensure!(answer.get("errors").is_none(), "an error was answered");
        let data = &answer["data"];
        match self.ask {
            Ask::Refresh => {
                let token = data["refresh"]["refreshToken"].as_str();
                let token = token.context("no refresh token")?.to_owned();
                self.person().refresh = token;
            }
            Ask::Me => ensure!(data["me"]["id"].is_string(), "nobody is told"),
            Ask::Login => ensure!(data["login"]["accessToken"].is_string(), "no token"),
            _ => {
                let edges = data["users"]["edges"].as_array().map(Vec::len);
                ensure!(edges == Some(20), "not a whole page");
            }
        }
        self.count += 1;
        Ok(())
    }
}
