//! The configuration: defaults, then `countersign.toml`, then environment variables, then flags.
//!
//! The only reader of the environment. Every setting stands once, in [`Settings::read`]; all faults are reported together,
//! each with its key and where its value came from.

mod database;
mod http;
mod keys;
mod limits;
mod passwords;
mod reload;
mod sessions;
mod source;
mod traces;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use database::DatabaseSettings;
pub use http::{Assets, ConnectionSettings, HttpSettings};
pub use keys::{KeySettings, LEAST_SECRET, TokenSettings};
pub use limits::{LimitSettings, Rate};
pub use passwords::PasswordSettings;
pub use reload::Changes;
pub use sessions::{EventSettings, SessionSettings, TheftEnds};
pub use source::{Fault, Faults, Flags, Variables};
use source::{Given, Source};
pub use traces::TraceSettings;
use tracing_subscriber::EnvFilter;

use crate::storage::DatabaseUrl;

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
    /// Where traces go.
    pub traces: TraceSettings,
    /// `COUNTERSIGN_LOG__FILTER`: what is logged, as tracing's `EnvFilter` spells it.
    pub log_filter: String,
    /// What an operator should know about them.
    pub warnings: Vec<Fault>,
    /// What was given, to see later what has changed.
    given: Given,
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
        let mut settings = Self::read(&mut source);
        (settings.warnings, settings.given) = source.finish()?;
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
        let http = HttpSettings::read(source, listen, development);
        let ops_listen = Self::read_ops_listen(source, listen, development);
        Self {
            profile,
            ops_listen,
            database: DatabaseSettings::read(source, development),
            keys: KeySettings::read(source, development),
            tokens: TokenSettings::read(source, listen, development),
            http,
            sessions: SessionSettings::read(source),
            events: EventSettings::read(source),
            passwords: PasswordSettings::read(source, development),
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
            limits: LimitSettings::read(source, development),
            graphql: GraphqlSettings::read(source, development),
            traces: TraceSettings::read(source),
            log_filter: source.parsed("log.filter", "info", |text| {
                // tracing-subscriber 0.3.23 panics on some text that is not ASCII.
                if text.is_ascii() && EnvFilter::try_new(text).is_ok() {
                    Ok(text.to_owned())
                } else {
                    Err("is no filter like info or countersign=debug")
                }
            }),
            warnings: Vec::new(),
            given: Given::default(),
        }
    }

    fn read_ops_listen(
        source: &mut Source,
        public: SocketAddr,
        development: bool,
    ) -> Option<SocketAddr> {
        source.optional("ops.listen", |text| match text.parse::<SocketAddr>() {
            Ok(address) if development && !address.ip().is_loopback() => {
                Err("must be a loopback address in development")
            }
            Ok(address) if overlap(address, public) => {
                Err("is http.listen too: health and metrics need an address or a port of their own")
            }
            Ok(address) => Ok(address),
            Err(_) => Err("is no address like 127.0.0.1:9090"),
        })
    }

    /// The file that holds the secret for private keys in development: beside the database, never in it.
    pub fn development_secret_file(&self) -> PathBuf {
        match &self.database.url {
            DatabaseUrl::Sqlite(path) => path.with_extension("keys-secret"),
            DatabaseUrl::Postgres(_) => PathBuf::from("data/countersign.keys-secret"),
        }
    }
}

impl GraphqlSettings {
    fn read(source: &mut Source, development: bool) -> Self {
        let settings = Self {
            introspection: source.switch("graphql.introspection", development),
            graphiql: source.switch("graphql.graphiql", development),
            // The door gives up on a request after 30 s.
            time_limit: source.duration("graphql.time_limit", "20s", "100ms", "25s"),
        };
        if !development && settings.introspection {
            source.warn(
                "graphql.introspection",
                "is on in production: everybody can ask for the whole schema",
            );
        }
        if !development && settings.graphiql {
            source.warn(
                "graphql.graphiql",
                "is on in production: everybody is shown /graphiql",
            );
        }
        settings
    }
}

/// Whether one of two would keep the other from being listened at. Port 0 is any that is free.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let is_same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && is_same_ip
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
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
