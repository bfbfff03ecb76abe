//! The contestants: Countersign, the peers of benches/peers, and servers that do nothing, all with the same users.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, mem};

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::callers::{Login, SignedIn};
use crate::load::{Caller, closed};
use crate::report::Series;
use crate::servers::{Cores, Server, finish};
use crate::{Bench, Sample};

/// Of every user, and its hash: Argon2id with the parameters that all contestants use.
pub const PASSWORD: &str = "plum tractor ninety seven";
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$lV8tQYJD+DpUWhUpdoI81Q$l/u5ksv9ra7N6MQ+DhhmZh/yy5F45RY8+uo5dn83iwE";
/// 256 bits, of the peers that sign with HS256.
pub const JWT_SECRET: &str = "c5b1f0b6a3a14d1f9a0e6f7f2a9c4b8d";
const KEY_FILE: &str = "key.pem";
const PUBLIC_URL: &str = "https://auth.example.com";
/// How many users there are.
pub const USERS: usize = 10_000;
/// How many of them are signed in, each on a connection of its own.
pub const CONNECTIONS: usize = 64;

/// Who can take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours: the release binary in the production profile, with everything at its default.
    Countersign,
    /// Express with Passport and jsonwebtoken, as tutorials write it.
    Express,
    /// The same, tuned.
    ExpressTuned,
    /// Apollo Server with jose.
    Apollo,
    /// axum and async-graphql, which answers a constant `me`.
    Constant,
    /// A bare axum handler.
    Bare,
}

impl Kind {
    /// Countersign and its peers.
    pub const SERVERS: [Self; 4] = [
        Self::Countersign,
        Self::ExpressTuned,
        Self::Apollo,
        Self::Express,
    ];

    /// What it is called in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Countersign => "Countersign",
            Self::Express => "Express + Passport, as in tutorials",
            Self::ExpressTuned => "Express + Passport, tuned",
            Self::Apollo => "Apollo Server + jose",
            Self::Constant => "axum + async-graphql, a constant",
            Self::Bare => "axum, a constant",
        }
    }

    /// Whether it has paths of its own instead of GraphQL.
    pub const fn is_rest(self) -> bool {
        matches!(self, Self::Express | Self::ExpressTuned)
    }
}

/// What all contestants are given.
pub struct World {
    users: PathBuf,
    keys: PathBuf,
    /// What Countersign and Apollo Server sign with.
    pub ed25519: Arc<Ed25519KeyPair>,
}

impl World {
    /// Makes users and a key.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(bench: &Bench) -> Result<Self> {
        let folder = bench.new_folder()?;
        let mut lines = String::new();
        for number in 0..USERS {
            let (id, email) = (user_id(number), email(number));
            let user = json!({ "id": id, "email": email, "name": "Ana", "role": "USER", "passwordHash": PASSWORD_HASH });
            let _ = writeln!(lines, "{user}");
        }
        let users = folder.join("users.jsonl");
        fs::write(&users, lines)?;
        let pair = Ed25519KeyPair::generate()?;
        // With the public half in it, OpenSSL cannot read it.
        let der = pair.to_pkcs8v1()?;
        let keys = folder.join("keys");
        fs::create_dir(&keys)?;
        fs::set_permissions(&keys, Permissions::from_mode(0o700))?;
        let key = keys.join(KEY_FILE);
        let text = STANDARD.encode(&der);
        fs::write(
            &key,
            format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"),
        )?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        Ok(Self {
            users,
            keys,
            ed25519: Arc::new(pair),
        })
    }

    /// A place for a contestant, with a database that has all users.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn site(&self, bench: &Bench, kind: Kind) -> Result<Site> {
        let folder = bench.new_folder()?;
        let site = Site {
            kind,
            binary: match kind {
                Kind::Countersign => bench.binary.clone(),
                Kind::Constant | Kind::Bare => env::current_exe()?,
                Kind::Express | Kind::ExpressTuned | Kind::Apollo => "node".into(),
            },
            peers: bench.root.join("benches/peers"),
            keys: self.keys.clone(),
            folder,
        };
        match kind {
            Kind::Countersign => {
                let nowhere = ([127, 0, 0, 1], 0).into();
                let mut import = site.command(nowhere);
                finish(import.args(["users", "import"]).arg(&self.users))?;
            }
            Kind::Express | Kind::ExpressTuned | Kind::Apollo => {
                let mut fill = Command::new("node");
                fill.arg(site.peers.join("fill.js"))
                    .env("DATABASE", site.folder.join("users.db"))
                    .env("USERS", &self.users);
                finish(&mut fill)?;
            }
            Kind::Constant | Kind::Bare => {}
        }
        Ok(site)
    }

    /// Starts a contestant with an empty database and all users, and signs the first of them in.
    ///
    /// # Errors
    /// When it does not start, or somebody cannot sign in.
    pub fn start(&self, bench: &Bench, kind: Kind, cores: Cores) -> Result<Contestant> {
        let site = self.site(bench, kind)?;
        let mut contestant = Contestant {
            kind,
            server: site.start(cores)?,
            signed_in: Vec::new(),
        };
        if !matches!(kind, Kind::Constant | Kind::Bare) {
            contestant.sign_in()?;
        }
        Ok(contestant)
    }
}

/// Where a contestant runs: it can be started there again and again.
pub struct Site {
    /// Who runs there.
    pub kind: Kind,
    binary: PathBuf,
    peers: PathBuf,
    keys: PathBuf,
    /// Of its database and its log.
    pub folder: PathBuf,
}

impl Site {
    /// What starts it.
    pub fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder);
        let script = match self.kind {
            Kind::Countersign => {
                let database = self.folder.join("countersign.db");
                countersign(&mut command, address)
                    .env(
                        "COUNTERSIGN_DATABASE__URL",
                        format!("sqlite://{}", database.display()),
                    )
                    .env("COUNTERSIGN_KEYS__FOLDER", &self.keys);
                return command;
            }
            Kind::Constant | Kind::Bare => {
                let limit = if self.kind == Kind::Bare {
                    "bare"
                } else {
                    "constant"
                };
                command.args(["--limit", limit, "--listen", &address.to_string()]);
                return command;
            }
            Kind::Express => "express.js",
            Kind::ExpressTuned => "express-tuned.js",
            Kind::Apollo => "apollo.js",
        };
        command
            .arg(self.peers.join(script))
            .env("NODE_ENV", "production")
            .env("PORT", address.port().to_string())
            .env("DATABASE", self.folder.join("users.db"))
            .env("JWT_SECRET", JWT_SECRET)
            .env("KEY", self.keys.join(KEY_FILE));
        if self.kind != Kind::Express {
            // Four threads hash by default: more than there are cores, so that the one that answers gets less.
            command.env("UV_THREADPOOL_SIZE", "2");
        }
        command
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&self, cores: Cores) -> Result<Server> {
        let ready = if self.kind == Kind::Countersign {
            "/readyz"
        } else {
            "/"
        };
        Server::start(cores, &self.folder, ready, |address| self.command(address))
    }
}

/// Makes of it our server in the production profile, as behind a proxy that ends TLS, with nothing set but what has to be.
pub fn countersign(command: &mut Command, address: SocketAddr) -> &mut Command {
    command
        .env_clear()
        .env("COUNTERSIGN_PROFILE", "production")
        .env("COUNTERSIGN_HTTP__LISTEN", address.to_string())
        .env("COUNTERSIGN_HTTP__PUBLIC_URL", PUBLIC_URL)
        .env("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .env("COUNTERSIGN_TOKENS__ISSUER", PUBLIC_URL)
        .env(
            "COUNTERSIGN_KEYS__SECRET",
            "r0LQmT5vX8sYb2uKfW7nZcJ4hD9gAeP3",
        )
}

/// Of a user by number.
pub fn user_id(number: usize) -> String {
    format!("01980000-0000-7000-8000-{number:012x}")
}

/// Of a user by number.
pub fn email(number: usize) -> String {
    format!("user{number}@example.com")
}

/// A server that takes part, with users who are signed in to it.
pub struct Contestant {
    /// Who it is.
    pub kind: Kind,
    /// Its process.
    pub server: Server,
    /// One for each connection.
    pub signed_in: Vec<SignedIn>,
}

impl Contestant {
    fn sign_in(&mut self) -> Result<()> {
        let callers = (0..CONNECTIONS).map(|user| Login::once(self.kind, user));
        let (_, callers) = closed(
            Cores::Second,
            self.server.address,
            callers.collect(),
            Duration::MAX,
        )?;
        self.signed_in = callers.into_iter().map(|login| login.answered).collect();
        Ok(())
    }

    /// A caller for each user who is signed in.
    pub fn callers<C>(&self, make: impl Fn(Kind, &SignedIn) -> C) -> Vec<C> {
        let make = |one| make(self.kind, one);
        self.signed_in.iter().map(make).collect()
    }

    /// Loads it for so long: answers a second, and what one cost it.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub fn load<C: Caller>(&self, callers: &mut Vec<C>, time: Duration) -> Result<Sample> {
        let before = self.server.cpu()?;
        let (load, after) = closed(Cores::Second, self.server.address, mem::take(callers), time)
            .with_context(|| self.server.printed())?;
        *callers = after;
        let used = self.server.cpu()?.saturating_sub(before);
        Ok(Sample {
            value: f64::from(load.answers) / load.elapsed.as_secs_f64(),
            cpu_micros: Some(used.as_secs_f64() * 1e6 / f64::from(load.answers)),
        })
    }
}

/// A contestant with those who ask it.
pub struct Racer<C> {
    /// Whom they ask.
    pub contestant: Contestant,
    callers: Vec<C>,
}

/// Racers by the names of the report.
pub type Race<C> = Vec<(&'static str, Racer<C>)>;

/// Starts servers on the first core, each with callers.
///
/// # Errors
/// When one does not start.
pub fn line_up<C: Caller>(
    bench: &Bench,
    world: &World,
    kinds: &[Kind],
    callers: impl Fn(&Contestant) -> Result<Vec<C>>,
) -> Result<Race<C>> {
    kinds
        .iter()
        .map(|kind| {
            let contestant = world
                .start(bench, *kind, Cores::First)
                .with_context(|| kind.name())?;
            let callers = callers(&contestant)?;
            Ok((
                kind.name(),
                Racer {
                    contestant,
                    callers,
                },
            ))
        })
        .collect()
}

impl<C: Caller> Racer<C> {
    /// Loads it for so long.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub fn run(&mut self, time: Duration) -> Result<Sample> {
        self.contestant.load(&mut self.callers, time)
    }
}

/// Answers a second of each in turn, after all have warmed up.
///
/// # Errors
/// When an answer is wrong.
pub fn race<C: Caller>(bench: &Bench, racers: &mut Race<C>) -> Result<Vec<Series>> {
    for (name, racer) in &mut *racers {
        racer
            .run(bench.round / 2)
            .with_context(|| (*name).to_owned())?;
    }
    bench.alternate(racers, |racer| racer.run(bench.round))
}

/// Ours and then `reference`, before the others.
pub fn against(series: &[Series], reference: Kind) -> Vec<Series> {
    let mut sorted = series.to_vec();
    sorted.sort_by_key(|one| match &*one.name {
        name if name == Kind::Countersign.name() => 0,
        name if name == reference.name() => 1,
        _ => 2,
    });
    sorted
}

/// Ours and then the better of the peers that were tuned, by `is_better`, before the others.
pub fn against_best_peer(series: &[Series], is_better: impl Fn(f64, f64) -> bool) -> Vec<Series> {
    let median = |kind: Kind| {
        let found = series.iter().find(|one| one.name == kind.name());
        found.map_or(f64::NAN, Series::median)
    };
    let is_apollo = is_better(median(Kind::Apollo), median(Kind::ExpressTuned));
    against(
        series,
        if is_apollo {
            Kind::Apollo
        } else {
            Kind::ExpressTuned
        },
    )
}
