//! The configuration: defaults, then `countersign.toml`, then environment variables, then flags.
//!
//! The only reader of the environment. Every setting stands once, in [`Settings::read`]; all faults are reported together,
//! each with its key and where its value came from.

mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

pub use source::{Fault, Faults, Flags, Variables};
use source::{Source, parse_duration};

use crate::accounts::{Breached, MOST_ARGON2_KIB};
use crate::storage::{DatabaseUrl, StorageError};
use crate::tokens::Algorithm;
use crate::values::Secret;

/// A secret of fewer characters could be guessed.
pub const LEAST_SECRET: usize = 32;
/// Random ones have more, even in hexadecimal; a key held down has fewer.
const LEAST_DISTINCT: usize = 8;
/// A new key signs ten minutes after it was made; keys that change much faster would only grow the ring.
const LEAST_ROTATION: Duration = Duration::from_secs(3600);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How careful the server has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// On one's own machine: listens on loopback only, shows GraphiQL, makes its own secret.
    Development,
    /// On the internet: the safe settings, and a refusal to start without the ones that only an operator can choose.
    Production,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `COUNTERSIGN_PROFILE`: `development` or `production`.
    pub profile: Profile,
    /// The network side.
    pub http: HttpSettings,
    /// `COUNTERSIGN_OPS__LISTEN`: where health is served instead of at the public address.
    pub ops_listen: Option<SocketAddr>,
    /// The database.
    pub database: DatabaseSettings,
    /// The keys that sign.
    pub keys: KeySettings,
    /// Access tokens.
    pub tokens: TokenSettings,
    /// Sessions.
    pub sessions: SessionSettings,
    /// Sockets that listen to session events.
    pub events: EventSettings,
    /// Passwords.
    pub passwords: PasswordSettings,
    /// Accounts.
    pub accounts: AccountSettings,
    /// The audit trail.
    pub audit: AuditSettings,
    /// How much may be tried.
    pub limits: LimitSettings,
    /// GraphQL.
    pub graphql: GraphqlSettings,
    /// `COUNTERSIGN_LOG__FILTER`: what is logged, as tracing's `EnvFilter` spells it.
    pub log_filter: String,
}

/// The network side.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// `COUNTERSIGN_HTTP__LISTEN`: the public address.
    pub listen: SocketAddr,
    /// `COUNTERSIGN_HTTP__PUBLIC_URL`: what browsers call this server.
    pub public_url: Url,
    /// `COUNTERSIGN_HTTP__ALLOWED_ORIGINS`: pages of other origins that may use this server, cookies included.
    pub allowed_origins: Vec<String>,
    /// `COUNTERSIGN_HTTP__ALLOWED_HEADERS`: what these pages may send besides our own headers, such as `traceparent`.
    pub allowed_headers: Vec<HeaderName>,
    /// `COUNTERSIGN_HTTP__ALLOWED_HOSTS`: the `Host` names that are answered, without ports.
    pub allowed_hosts: Vec<String>,
    /// `COUNTERSIGN_HTTP__TRUSTED_PROXIES`: the addresses or networks of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `COUNTERSIGN_HTTP__ASSETS`: the folder of the built demo and GraphiQL.
    pub assets: PathBuf,
    /// `COUNTERSIGN_HTTP__DRAIN`: how long a node that was told to stop still takes requests, and says that it is not ready.
    pub drain: Duration,
    /// `COUNTERSIGN_HTTP__DEV_COOKIE`: a plain cookie without `Secure`, for browsers that refuse the safe one on localhost.
    pub dev_cookie: bool,
    /// Connections.
    pub connections: ConnectionSettings,
}

/// Connections. A WebSocket is one until it is open, and counts among [`EventSettings`] then.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// `COUNTERSIGN_HTTP__MAX_CONNECTIONS`: how many may be open at each address that is listened at.
    pub max: usize,
    /// `COUNTERSIGN_HTTP__MAX_CONNECTIONS_PER_ADDRESS`: how many from one address, or one /64 of IPv6, trusted proxies aside.
    pub max_per_address: usize,
    /// `COUNTERSIGN_HTTP__STALL_TIMEOUT`: how long a client may take to send a request's head, and its body, and for how long it
    /// may take nothing of an answer.
    pub stall_timeout: Duration,
    /// `COUNTERSIGN_HTTP__ANSWER_TIMEOUT`: how long a client may take for the whole of an answer.
    pub answer_timeout: Duration,
    /// `COUNTERSIGN_HTTP__IDLE_TIMEOUT`: how long a connection may wait for its next request.
    pub idle_timeout: Duration,
}

/// The database.
#[derive(Clone, derive_more::Debug)]
pub struct DatabaseSettings {
    /// `COUNTERSIGN_DATABASE__URL`: `sqlite://PATH` or `postgres://…`.
    pub url: DatabaseUrl,
    /// `COUNTERSIGN_DATABASE__CONNECTIONS`: how many connections at most.
    pub connections: usize,
    /// `COUNTERSIGN_DATABASE__WAIT`: how long a request waits for one.
    pub wait: Duration,
    /// `COUNTERSIGN_DATABASE__CONNECT_TIMEOUT`: how long making one may take.
    pub connect_timeout: Duration,
    /// `COUNTERSIGN_DATABASE__STATEMENT_TIMEOUT`: how long PostgreSQL may take over a transaction.
    pub statement_timeout: Duration,
    /// `COUNTERSIGN_DATABASE__POOLER`: whether a pooler in transaction mode is in between.
    pub is_pooled: bool,
    /// `COUNTERSIGN_DATABASE__MIGRATIONS_URL`: the `postgres://…` of a user who may change the schema; `None`: the same.
    #[debug("[redacted]")]
    pub migrations_url: Option<String>,
    /// `COUNTERSIGN_DATABASE__MIGRATE`, `--no-migrate`: whether a start brings the schema up to date.
    pub migrates: bool,
}

/// The keys that sign.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// `COUNTERSIGN_KEYS__SECRET`: what private keys are encrypted under. `None` in development: a file beside the database.
    pub secret: Option<Secret>,
    /// `COUNTERSIGN_TOKENS__ALGORITHM`: the algorithm of new keys for access tokens.
    pub algorithm: Algorithm,
    /// `COUNTERSIGN_KEYS__FOLDER`: the keys for access tokens are PEM files in this folder, not in the database.
    pub folder: Option<PathBuf>,
    /// `COUNTERSIGN_KEYS__ROTATE_EVERY`: how old the newest key in the database gets before there is a newer one.
    pub rotate_every: Option<Duration>,
}

/// Access tokens.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `COUNTERSIGN_TOKENS__ISSUER`: `iss`.
    pub issuer: String,
    /// `COUNTERSIGN_TOKENS__AUDIENCE`: `aud`.
    pub audience: String,
    /// `COUNTERSIGN_TOKENS__ACCESS_TTL`: how long an access token is good for.
    pub access_ttl: Duration,
}

/// Sessions.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// `COUNTERSIGN_SESSIONS__REFRESH_TTL`: how long a session lives unused.
    pub refresh_ttl: Duration,
    /// `COUNTERSIGN_SESSIONS__ABSOLUTE_TTL`: how long a session lives at most.
    pub absolute_ttl: Duration,
    /// `COUNTERSIGN_SESSIONS__REUSE_GRACE`: how long a superseded refresh token is still answered.
    pub reuse_grace: Duration,
    /// `COUNTERSIGN_SESSIONS__MAX_PER_USER`: how many sessions a user may have; `i64::MAX` when it is `off`.
    pub max_per_user: i64,
    /// `COUNTERSIGN_SESSIONS__THEFT_ENDS`: `session` or `user`.
    pub theft_ends: TheftEnds,
    /// `COUNTERSIGN_SESSIONS__FRESH_AUTH`: how old a sign-in may be for an act that needs a fresh one.
    pub fresh_auth: Duration,
}

/// What ends when a refresh token was stolen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TheftEnds {
    /// The session that it belongs to.
    Session,
    /// Every session of the user.
    User,
}

/// Sockets that listen to session events.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// `COUNTERSIGN_EVENTS__MAX`: how many may be open.
    pub max: usize,
    /// `COUNTERSIGN_EVENTS__MAX_PER_ADDRESS`: how many from one address, or one /64 of IPv6.
    pub max_per_address: usize,
    /// `COUNTERSIGN_EVENTS__MAX_PER_SESSION`: how many of one session.
    pub max_per_session: usize,
    /// `COUNTERSIGN_EVENTS__PING_INTERVAL`: how often each is asked whether somebody is there.
    pub ping_interval: Duration,
}

/// Passwords. The defaults are those of the OWASP Password Storage Cheat Sheet.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// `COUNTERSIGN_PASSWORDS__THREADS`: how many passwords are hashed at once.
    pub threads: usize,
    /// `COUNTERSIGN_PASSWORDS__QUEUE`: how many more may wait; what does not fit is told to come again.
    pub queue: usize,
    /// `COUNTERSIGN_PASSWORDS__MEMORY_KIB`: Argon2's memory for one hash.
    pub memory_kib: u32,
    /// `COUNTERSIGN_PASSWORDS__ITERATIONS`: Argon2's passes over it.
    pub iterations: u32,
    /// `COUNTERSIGN_PASSWORDS__MIN_LENGTH`: the fewest characters.
    pub min_length: usize,
    /// `COUNTERSIGN_PASSWORDS__MAX_LENGTH`: the most.
    pub max_length: usize,
    /// `COUNTERSIGN_PASSWORDS__BREACHED`: the filter of passwords that were stolen elsewhere.
    pub breached: Option<Arc<Breached>>,
}

/// Accounts.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// `COUNTERSIGN_ACCOUNTS__REGISTRATION`: `open`, or `closed` to all but the command line.
    pub registration_open: bool,
}

/// The audit trail. `None` is `off`: never.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `COUNTERSIGN_AUDIT__RETENTION`: after how long a line is deleted.
    pub retention: Option<Duration>,
    /// `COUNTERSIGN_AUDIT__DELETED_USER_DETAILS`: how long after the account the addresses and user agents of its user go.
    pub deleted_user_details: Option<Duration>,
}

/// How much may be tried. `None` is `off`: without limit.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// `COUNTERSIGN_LIMITS__FREE_ATTEMPTS`: how many wrong passwords in a row of one account before there are delays.
    pub free_attempts: u32,
    /// `COUNTERSIGN_LIMITS__LONGEST_DELAY`: how long the delay grows, from one second on.
    pub longest_delay: Duration,
    /// `COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE`: wrong passwords and made-up tokens from one address.
    pub failures_per_minute: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__FAILURES_PER_HOUR`: the same for longer.
    pub failures_per_hour: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR`: tries to register from one address.
    pub registrations_per_hour: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__STRENGTH_PER_MINUTE`: estimates of a password's strength for one address, on each node.
    pub strength_per_minute: Option<Rate>,
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// The time for each.
    pub fn interval(&self) -> Duration {
        self.per / self.count.max(1)
    }
}

/// GraphQL.
#[derive(Clone, Debug)]
pub struct GraphqlSettings {
    /// `COUNTERSIGN_GRAPHQL__INTROSPECTION`: whether the schema can be asked for.
    pub introspection: bool,
    /// `COUNTERSIGN_GRAPHQL__GRAPHIQL`: whether `/graphiql` is served.
    pub graphiql: bool,
    /// `COUNTERSIGN_GRAPHQL__TIME_LIMIT`: how long an operation may take.
    pub time_limit: Duration,
}

impl Settings {
    /// Reads the file, the environment and the flags.
    ///
    /// # Errors
    /// Every fault at once, each with its key and where its value came from.
    pub fn load(flags: &Flags) -> Result<Self, Faults> {
        Self::load_from(flags, &std::env::vars_os().collect())
    }

    /// Reads the file, these environment variables and the flags.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_from(flags: &Flags, variables: &Variables) -> Result<Self, Faults> {
        let mut source = Source::open(flags, variables)?;
        let settings = Self::read(&mut source);
        source.finish()?;
        Ok(settings)
    }

    fn read(source: &mut Source) -> Self {
        let profile = source.parsed("profile", "development", |text| match text {
            "development" => Ok(Profile::Development),
            "production" => Ok(Profile::Production),
            _ => Err("is neither development nor production"),
        });
        let development = profile == Profile::Development;
        let listen: SocketAddr = source.parsed("http.listen", "127.0.0.1:4000", |text| {
            text.parse()
                .map_err(|_| "is no address like 127.0.0.1:4000")
        });
        if development && !listen.ip().is_loopback() {
            source.fault("http.listen", "must be a loopback address in development: set COUNTERSIGN_PROFILE=production to serve others");
        }
        let http = Self::read_http(source, listen, development);
        Self {
            profile,
            ops_listen: source.optional("ops.listen", |text| match text.parse::<SocketAddr>() {
                Ok(address) if development && !address.ip().is_loopback() => {
                    Err("must be a loopback address in development")
                }
                Ok(address) => Ok(address),
                Err(_) => Err("is no address like 127.0.0.1:9090"),
            }),
            database: DatabaseSettings {
                url: source.private("database.url", "sqlite://data/countersign.db", str::parse),
                connections: source.number("database.connections", 16, 1..=1024),
                wait: source.duration("database.wait", "5s", "1ms", "1m"),
                connect_timeout: source.duration("database.connect_timeout", "5s", "100ms", "1m"),
                statement_timeout: source.duration(
                    "database.statement_timeout",
                    "5s",
                    "100ms",
                    "5m",
                ),
                is_pooled: source.parsed("database.pooler", "none", |text| match text {
                    "none" => Ok(false),
                    "transaction" => Ok(true),
                    _ => Err("is neither none nor transaction"),
                }),
                migrations_url: source.optional_private(
                    "database.migrations_url",
                    |text| match text.parse()? {
                        DatabaseUrl::Postgres(url) => Ok(url),
                        DatabaseUrl::Sqlite(_) => {
                            Err(StorageError::Url("is for PostgreSQL only".to_owned()))
                        }
                    },
                ),
                migrates: source.switch("database.migrate", true),
            },
            keys: Self::read_keys(source, development),
            tokens: Self::read_tokens(source, &http, development),
            http,
            sessions: SessionSettings {
                refresh_ttl: source.duration("sessions.refresh_ttl", "7d", "1s", "400d"),
                absolute_ttl: source.duration("sessions.absolute_ttl", "30d", "1s", "400d"),
                reuse_grace: source.duration("sessions.reuse_grace", "30s", "0s", "10m"),
                max_per_user: source.parsed("sessions.max_per_user", "100", |text| {
                    match text.parse() {
                        _ if text == "off" => Ok(i64::MAX),
                        Ok(number @ 1..=10_000) => Ok(number),
                        _ => Err("is neither off nor a whole number from 1 to 10000"),
                    }
                }),
                theft_ends: source.parsed("sessions.theft_ends", "session", |text| match text {
                    "session" => Ok(TheftEnds::Session),
                    "user" => Ok(TheftEnds::User),
                    _ => Err("is neither session nor user"),
                }),
                fresh_auth: source.duration("sessions.fresh_auth", "10m", "1s", "1d"),
            },
            events: EventSettings {
                max: source.number("events.max", 10_000, 1..=1_000_000),
                max_per_address: source.number("events.max_per_address", 100, 1..=1_000_000),
                max_per_session: source.number("events.max_per_session", 20, 1..=1000),
                ping_interval: source.duration("events.ping_interval", "25s", "100ms", "5m"),
            },
            passwords: Self::read_passwords(source, development),
            accounts: AccountSettings {
                registration_open: source.parsed(
                    "accounts.registration",
                    "open",
                    |text| match text {
                        "open" => Ok(true),
                        "closed" => Ok(false),
                        _ => Err("is neither open nor closed"),
                    },
                ),
            },
            audit: AuditSettings {
                retention: source.duration_or_off("audit.retention", "180d", "1d", "36500d"),
                deleted_user_details: source.duration_or_off(
                    "audit.deleted_user_details",
                    "30d",
                    "0s",
                    "36500d",
                ),
            },
            limits: LimitSettings {
                free_attempts: source.number("limits.free_attempts", 5, 1..=100),
                longest_delay: source.duration("limits.longest_delay", "5m", "1s", "1h"),
                failures_per_minute: source.rate("limits.failures_per_minute", 20, MINUTE),
                failures_per_hour: source.rate("limits.failures_per_hour", 300, HOUR),
                registrations_per_hour: source.rate("limits.registrations_per_hour", 60, HOUR),
                strength_per_minute: source.rate("limits.strength_per_minute", 120, MINUTE),
            },
            graphql: GraphqlSettings {
                introspection: source.switch("graphql.introspection", development),
                graphiql: source.switch("graphql.graphiql", development),
                // The door gives up on a request after 30 s.
                time_limit: source.duration("graphql.time_limit", "20s", "100ms", "25s"),
            },
            log_filter: source.parsed("log.filter", "info", |text| {
                // tracing-subscriber 0.3.23 panics on some text that is not ASCII.
                if text.is_ascii() && EnvFilter::try_new(text).is_ok() {
                    Ok(text.to_owned())
                } else {
                    Err("is no filter like info or countersign=debug")
                }
            }),
        }
    }

    fn read_http(source: &mut Source, listen: SocketAddr, development: bool) -> HttpSettings {
        let local = format!("http://localhost:{}", listen.port());
        // Somebody may have put a password into it.
        let public_url = source.optional_private("http.public_url", parse_public_url);
        match &public_url {
            None if !development => source.fault(
                "http.public_url",
                "is required in production: the URL that browsers use, https://…",
            ),
            Some(url) if !development && url.scheme() != "https" => {
                source.fault("http.public_url", "must be https in production");
            }
            _ => {}
        }
        let public_url = public_url
            .or_else(|| Url::parse(&local).ok())
            .unwrap_or_else(|| unreachable!("a URL made from a port"));
        let own_host = public_url.host_str().unwrap_or_default().to_owned();
        let mut default_hosts = vec![own_host];
        if development {
            default_hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        let dev_cookie = source.switch("http.dev_cookie", false);
        if dev_cookie && !development {
            source.fault(
                "http.dev_cookie",
                "is for development only: in production the cookie is always Secure",
            );
        }
        HttpSettings {
            listen,
            public_url,
            allowed_origins: source.list("http.allowed_origins", Vec::new(), |text| match Url::parse(text) {
                Ok(url) if url.scheme() != "https" && !development => Err("must be https in production"),
                Ok(url) if url.origin().is_tuple() && url.origin().ascii_serialization() == text => Ok(text.to_owned()),
                _ => Err("is no origin like https://app.example.com, without a path or a slash at the end"),
            }),
            allowed_headers: source.list("http.allowed_headers", Vec::new(), |text| match text.parse() {
                Ok(name) if text != "*" => Ok(name),
                _ => Err("is no name of a header like traceparent"),
            }),
            allowed_hosts: source.list("http.allowed_hosts", default_hosts, |text| match Host::parse(text) {
                Ok(host) if !text.contains('*') => Ok(host.to_string()),
                _ => Err("is no host name like auth.example.com, without port and wildcard"),
            }),
            trusted_proxies: source.list("http.trusted_proxies", Vec::new(), |text| {
                // A lone address is a network of one.
                match text.parse().or_else(|_| text.parse().map(|ip: IpAddr| IpNet::from(ip))) {
                    Ok(network) if network.prefix_len() == 0 && !development => {
                        Err("is everybody: whoever sent X-Forwarded-For would be believed")
                    }
                    Ok(network) => Ok(network),
                    Err(_) => Err("is neither an IP address nor a network like 10.0.0.0/8"),
                }
            }),
            assets: source.parsed("http.assets", "web-demo/dist", |text| Ok(PathBuf::from(text))),
            drain: source.duration("http.drain", if development { "0s" } else { "5s" }, "0s", "5m"),
            dev_cookie,
            connections: ConnectionSettings {
                max: source.number("http.max_connections", 10_000, 1..=1_000_000),
                max_per_address: source.number("http.max_connections_per_address", 256, 1..=1_000_000),
                stall_timeout: source.duration("http.stall_timeout", "15s", "100ms", "5m"),
                answer_timeout: source.duration("http.answer_timeout", "5m", "100ms", "1h"),
                idle_timeout: source.duration("http.idle_timeout", "75s", "100ms", "1h"),
            },
        }
    }

    fn read_passwords(source: &mut Source, development: bool) -> PasswordSettings {
        let least = if development { 8 } else { 7_168 };
        let settings = PasswordSettings {
            threads: source.number("passwords.threads", cores(), 1..=256),
            queue: source.number("passwords.queue", 64, 1..=100_000),
            memory_kib: source.number("passwords.memory_kib", 19_456, least..=262_144),
            iterations: source.number("passwords.iterations", 2, 1..=100),
            min_length: source.number("passwords.min_length", 8, 8..=64),
            max_length: source.number("passwords.max_length", 256, 64..=4096),
            breached: source.optional_private("passwords.breached", |path| {
                Breached::open(Path::new(path)).map(Arc::new)
            }),
        };
        // What is made today is verified tomorrow within the bounds that hold for hashes of every origin.
        if u64::from(settings.memory_kib) * u64::from(settings.iterations) > MOST_ARGON2_KIB {
            source.fault(
                "passwords.iterations",
                "times passwords.memory_kib is more than 1048576: a sign-in would take seconds",
            );
        }
        settings
    }

    fn read_keys(source: &mut Source, development: bool) -> KeySettings {
        let secret = source.secret("keys.secret", |text| {
            let distinct = text.chars().collect::<BTreeSet<_>>().len();
            if text.len() < LEAST_SECRET {
                Err("is shorter than 32 characters: `openssl rand -base64 32` makes a good one")
            } else if distinct < LEAST_DISTINCT && !development {
                Err("has fewer than 8 different characters: `openssl rand -base64 32` makes a good one")
            } else {
                Ok(())
            }
        });
        if secret.is_none() && !development {
            source.fault("keys.secret", "is required in production: what private keys are encrypted under. `openssl rand -base64 32` makes one");
        }
        let algorithm = source.parsed("tokens.algorithm", "EdDSA", |text| {
            text.parse()
                .map_err(|_| "is none of EdDSA, ES256, RS256 and HS256")
        });
        let folder = source.optional("keys.folder", |text| Ok(PathBuf::from(text)));
        if folder.is_some() && algorithm == Algorithm::Hs256 {
            source.fault(
                "tokens.algorithm",
                "cannot be HS256 with keys.folder: PEM files hold no secrets",
            );
        }
        KeySettings {
            secret,
            algorithm,
            folder,
            rotate_every: source.parsed("keys.rotate_every", "90d", |text| {
                match (text, parse_duration(text)) {
                    ("off", _) => Ok(None),
                    (_, Some(every)) if every < LEAST_ROTATION => Err("is shorter than 1h"),
                    (_, every @ Some(_)) => Ok(every),
                    _ => Err("is neither off nor a length of time like 90d"),
                }
            }),
        }
    }

    fn read_tokens(source: &mut Source, http: &HttpSettings, development: bool) -> TokenSettings {
        let issuer = source.optional("tokens.issuer", |text| match Url::parse(text) {
            Ok(url) if url.has_host() => Ok(text.to_owned()),
            _ => Err("is no URL like https://auth.example.com"),
        });
        match &issuer {
            None if !development => source.fault(
                "tokens.issuer",
                "is required in production: the https URL that stands in every token as iss",
            ),
            Some(url) if !development && !url.starts_with("https://") => {
                source.fault("tokens.issuer", "must be https in production");
            }
            _ => {}
        }
        let issuer = issuer.unwrap_or_else(|| format!("http://localhost:{}", http.listen.port()));
        TokenSettings {
            audience: source
                .optional("tokens.audience", |text| Ok(text.to_owned()))
                .unwrap_or_else(|| issuer.clone()),
            issuer,
            access_ttl: source.duration("tokens.access_ttl", "15m", "1s", "1d"),
        }
    }

    /// The file that holds the secret for private keys in development: beside the database, never in it.
    pub fn development_secret_file(&self) -> PathBuf {
        match &self.database.url {
            DatabaseUrl::Sqlite(path) => path.with_extension("keys-secret"),
            DatabaseUrl::Postgres(_) => PathBuf::from("data/countersign.keys-secret"),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

/// A URL of the whole host: the cookie and all paths are of its root.
fn parse_public_url(text: &str) -> Result<Url, &'static str> {
    use url::Position;
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .ok_or("is no URL like https://auth.example.com")?;
    if !url[Position::BeforeUsername..Position::BeforeHost].is_empty() {
        return Err("must not name a user");
    }
    if url[Position::BeforePath..] != *"/" {
        return Err("must have neither path nor query: https://auth.example.com");
    }
    Ok(url)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented() {
        let documentation = include_str!("../../../docs/configuration.md");
        let mut source = Source::open(&Flags::default(), &Variables::new()).unwrap();
        Settings::read(&mut source);
        assert!(source.variables().count() > 20);
        for variable in source.variables() {
            assert!(
                documentation.contains(&format!("`{variable}`")),
                "docs/configuration.md says nothing of {variable}"
            );
        }
    }
}
