//! Sessions, and the sockets that listen to what happens to them.

use std::time::Duration;

use super::source::Source;

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

impl SessionSettings {
    pub(super) fn read(source: &mut Source) -> Self {
        Self {
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
        }
    }
}

impl EventSettings {
    pub(super) fn read(source: &mut Source) -> Self {
        Self {
            max: source.number("events.max", 10_000, 1..=1_000_000),
            max_per_address: source.number("events.max_per_address", 100, 1..=1_000_000),
            max_per_session: source.number("events.max_per_session", 20, 1..=1000),
            ping_interval: source.duration("events.ping_interval", "25s", "100ms", "5m"),
        }
    }
}
