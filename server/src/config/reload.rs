//! Which settings a running server takes over.

use super::{HttpSettings, PasswordSettings, Settings};

/// Keys, or the beginnings of keys, that take effect without a restart.
const LIVE: [&str; 7] = [
    "accounts.registration",
    "events.",
    "graphql.",
    "http.",
    "limits.",
    "log.filter",
    "passwords.breached",
];
/// What of these does not: there is a socket, and there are places, since the start.
const FIXED: [&str; 4] = [
    "events.max",
    "http.drain",
    "http.listen",
    "http.max_connections",
];

/// Which keys were given another value since. No value stands here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that have taken effect.
    pub applied: Vec<String>,
    /// Those that only a restart brings about.
    pub need_restart: Vec<String>,
}

impl Settings {
    /// These settings of a running server, with what of `new` takes effect without a restart.
    pub fn reloaded(&self, new: Self) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut given = self.given.clone();
        for key in new.given.0.keys().chain(self.given.0.keys()) {
            let value = new.given.0.get(key);
            // Each key once, though both may have it.
            if given.0.get(key) == value {
                continue;
            }
            if !is_live(key) {
                if !changes.need_restart.contains(key) {
                    changes.need_restart.push(key.clone());
                }
                continue;
            }
            match value {
                Some(value) => given.0.insert(key.clone(), *value),
                None => given.0.remove(key),
            };
            changes.applied.push(key.clone());
        }
        let certificate = "http.tls_cert".to_owned();
        if self.http.tls.is_some()
            && self.http.tls != new.http.tls
            && !changes.applied.contains(&certificate)
        {
            changes.applied.push(certificate);
        }
        let mut http = HttpSettings {
            listen: self.http.listen,
            drain: self.http.drain,
            ..new.http
        };
        http.connections.max = self.http.connections.max;
        let mut events = new.events;
        events.max = self.events.max;
        let settings = Self {
            http,
            events,
            passwords: PasswordSettings {
                breached: new.passwords.breached,
                ..self.passwords.clone()
            },
            accounts: new.accounts,
            limits: new.limits,
            graphql: new.graphql,
            log_filter: new.log_filter,
            warnings: new.warnings,
            given,
            ..self.clone()
        };
        (settings, changes)
    }
}

fn is_live(key: &str) -> bool {
    !FIXED.contains(&key) && LIVE.iter().any(|live| key.starts_with(live))
}
