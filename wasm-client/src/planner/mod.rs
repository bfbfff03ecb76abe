//! When to renew a session: a pure function from state, event, time and randomness to the next state and action.
//!
//! All times are milliseconds of the caller's clock, all durations milliseconds. What the server says of time is a
//! duration (`expiresIn`), so a clock that is wrong but steady does no harm; one that jumps makes a renewal early.
//!
//! ```text
//! L  = lifetime of the token            E  = time its request was sent + L
//! M  = min(60 s, max(5 s, L/10), L/2)   T  = E − M − U(0, min(M/2, 15 s))
//! retry n: U(0.5, 1) · min(60 s, 1 s · 2^n), or the server's Retry-After
//! ```

mod numbers;
#[cfg(test)]
mod tests;

/// What the session is now. The numbers are TypeScript's too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Nobody knows yet whether the browser holds a session.
    #[default]
    Restoring = 0,
    /// There is none.
    Anonymous = 1,
    /// There is a token, and it is not yet time to renew it.
    Live = 2,
    /// The first attempt of a renewal is under way.
    Refreshing = 3,
    /// A renewal failed; the token is still good.
    Backoff = 4,
    /// A renewal failed and the token has expired; the session is kept.
    Stale = 5,
    /// The server or the user ended the session.
    SignedOut = 6,
}

/// Everything the planner remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What the session is.
    pub status: Status,
    /// When the request of the current token was sent.
    pub sent_at: i64,
    /// When the current token expires: E.
    pub expires_at: i64,
    /// When to renew it: T.
    pub refresh_at: i64,
    /// Failures in a row; 0 when the server itself said when to come back.
    pub failures: u32,
    /// No attempt is made before this time.
    pub retry_at: i64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session was looked at for the first time, or another tab has begun one since this one's was over.
    Started {
        /// Whether there may be something to restore.
        restorable: bool,
    },
    /// The server signed a token.
    Granted {
        /// Its life, from the server.
        lifetime: i64,
        /// When the request was sent.
        sent_at: i64,
    },
    /// A timer fired, or the page became visible.
    Ticked,
    /// The network came back.
    Woke,
    /// A request needs a token.
    Wanted {
        /// How long it has to be good for.
        min_ttl: i64,
    },
    /// A request needs another token than the current one: the server refused that.
    Forced,
    /// An attempt failed in a way that says nothing about the session.
    Failed {
        /// When the server said to come back, as a duration.
        retry_after: Option<i64>,
    },
    /// The server said that there is no session to renew.
    Refused {
        /// It got no refresh token at all.
        missing: bool,
    },
    /// The user signed out.
    SignedOut,
}

/// What to do. The numbers are TypeScript's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// Nothing; a request goes without a token.
    Nothing = 0,
    /// Come back with [`Event::Ticked`] at the step's time.
    Wait = 1,
    /// Renew, or join the renewal that is under way.
    Refresh = 2,
    /// The current token serves.
    Use = 3,
    /// It cannot be known now whether there is a session; it can be asked again at the step's time.
    Fail = 4,
    /// The current token serves, and it is time to renew it: nobody waits for what is not needed yet.
    Renew = 5,
}

/// A new state and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state from now on.
    pub state: State,
    /// What to do.
    pub action: Action,
    /// The time of [`Action::Wait`] and [`Action::Fail`].
    pub at: i64,
}

const SECOND: i64 = 1000;
const MAX_MARGIN: i64 = 60 * SECOND;
const MIN_MARGIN: i64 = 5 * SECOND;
const MAX_JITTER: i64 = 15 * SECOND;
const MAX_BACKOFF: i64 = 60 * SECOND;
/// The longest wait that a `Retry-After` can order: a wrong one must not silence a session for good.
const MAX_RETRY_AFTER: i64 = 300 * SECOND;
/// Lifetimes outside are taken as the nearest bound: one of 0 would renew without pause, and 2^53 leaves no room to add.
const LIFETIMES: (i64, i64) = (SECOND, 366 * 24 * 3600 * SECOND);

/// The next state and action. `random` is uniform over all of `u32`.
pub fn step(state: State, event: Event, now: i64, random: u32) -> Step {
    let state = aged(state, now);
    match event {
        Event::Started { restorable } => started(state, restorable, now),
        Event::Granted { lifetime, sent_at } => granted(lifetime, sent_at, random),
        Event::Ticked => looked_at(state, now),
        Event::Woke => looked_at(woken(state, now), now),
        Event::Wanted { min_ttl } => wanted(state, now, Some(min_ttl)),
        Event::Forced => wanted(state, now, None),
        Event::Failed { retry_after } => failed(state, retry_after, now, random),
        Event::Refused { missing } => refused(state, missing),
        Event::SignedOut => Step::idle(State::of(Status::SignedOut)),
    }
}

/// A token does not outlive its time because nothing happened.
fn aged(state: State, now: i64) -> State {
    let expired = state.status == Status::Backoff && !state.has_good_token(now);
    if expired {
        State {
            status: Status::Stale,
            ..state
        }
    } else {
        state
    }
}

fn started(state: State, restorable: bool, now: i64) -> Step {
    match (state.status, restorable) {
        (Status::Restoring, false) => Step::idle(State::of(Status::Anonymous)),
        (Status::Anonymous | Status::SignedOut, true) => looked_at(State::default(), now),
        _ => looked_at(state, now),
    }
}

fn granted(lifetime: i64, sent_at: i64, random: u32) -> Step {
    let lifetime = lifetime.clamp(LIFETIMES.0, LIFETIMES.1);
    let margin = margin(lifetime);
    let expires_at = sent_at.saturating_add(lifetime);
    let refresh_at = expires_at - margin - part((margin / 2).min(MAX_JITTER), random);
    let state = State {
        status: Status::Live,
        sent_at,
        expires_at,
        refresh_at,
        failures: 0,
        retry_at: 0,
    };
    Step {
        state,
        action: Action::Wait,
        at: refresh_at,
    }
}

/// M: how long before expiry a token is renewed.
fn margin(lifetime: i64) -> i64 {
    (lifetime / 10)
        .max(MIN_MARGIN)
        .min(lifetime / 2)
        .min(MAX_MARGIN)
}

/// What the session does by itself at `now`.
fn looked_at(state: State, now: i64) -> Step {
    match state.status {
        Status::Live if state.has_good_token(now) && now < state.refresh_at => Step {
            state,
            action: Action::Wait,
            at: state.refresh_at,
        },
        Status::Live => Step::refresh(State {
            status: Status::Refreshing,
            ..state
        }),
        Status::Restoring | Status::Backoff | Status::Stale if state.must_wait(now) => state.wait(),
        Status::Restoring | Status::Backoff | Status::Stale => Step::refresh(state),
        Status::Refreshing | Status::Anonymous | Status::SignedOut => Step::idle(state),
    }
}

/// A failure was the network's, and that is back; an order of the server's still stands.
fn woken(state: State, now: i64) -> State {
    if state.failures == 0 {
        state
    } else {
        State {
            failures: 0,
            retry_at: now,
            ..state
        }
    }
}

/// What a request gets that needs a token for `min_ttl`, or (`None`) another token than the current.
fn wanted(state: State, now: i64, min_ttl: Option<i64>) -> Step {
    let is_due = state.status == Status::Live && now >= state.refresh_at;
    // `has_good_token(now)` too: only it knows a clock that was set back.
    let serves = state.has_good_token(now)
        && min_ttl.is_some_and(|ttl| state.has_good_token(now.saturating_add(ttl.max(0))));
    match state.status {
        Status::Anonymous | Status::SignedOut => Step::idle(state),
        _ if serves && !is_due => Step {
            state,
            action: Action::Use,
            at: 0,
        },
        Status::Live => Step {
            action: if serves {
                Action::Renew
            } else {
                Action::Refresh
            },
            ..Step::refresh(State {
                status: Status::Refreshing,
                ..state
            })
        },
        Status::Refreshing => Step::refresh(state),
        Status::Restoring | Status::Backoff | Status::Stale if state.must_wait(now) => Step {
            state,
            action: Action::Fail,
            at: state.retry_at,
        },
        Status::Restoring | Status::Backoff | Status::Stale => Step::refresh(state),
    }
}

fn failed(state: State, retry_after: Option<i64>, now: i64, random: u32) -> Step {
    let status = match state.status {
        Status::Anonymous | Status::SignedOut => return Step::idle(state),
        Status::Restoring => Status::Restoring,
        _ if state.has_good_token(now) => Status::Backoff,
        _ => Status::Stale,
    };
    let (delay, failures) = match retry_after {
        Some(order) => (order.clamp(SECOND, MAX_RETRY_AFTER), 0),
        None => (
            backoff(state.failures, random),
            state.failures.saturating_add(1),
        ),
    };
    State {
        status,
        failures,
        retry_at: now.saturating_add(delay),
        ..state
    }
    .wait()
}

fn backoff(failures: u32, random: u32) -> i64 {
    let longest = SECOND
        .saturating_mul(1 << failures.min(16))
        .min(MAX_BACKOFF);
    longest / 2 + part(longest / 2, random)
}

fn refused(state: State, missing: bool) -> Step {
    let status = match state.status {
        Status::Restoring if missing => Status::Anonymous,
        Status::Anonymous => Status::Anonymous,
        _ => Status::SignedOut,
    };
    Step::idle(State::of(status))
}

/// U(0, `whole`): `random` as a fraction of all its values.
fn part(whole: i64, random: u32) -> i64 {
    whole.saturating_mul(i64::from(random)) >> u32::BITS
}

impl State {
    fn of(status: Status) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Whether the token is good at `now`; not before it was made, or else the clock was set back and its end is unknown.
    fn has_good_token(&self, now: i64) -> bool {
        self.sent_at <= now && now < self.expires_at
    }

    /// Whether it is too early for another attempt. A wait longer than any that is ordered is a clock that was set back.
    fn must_wait(&self, now: i64) -> bool {
        now < self.retry_at && self.retry_at.saturating_sub(now) <= MAX_RETRY_AFTER
    }

    /// Waits for the next attempt, or for the expiry that turns [`Status::Backoff`] into [`Status::Stale`].
    fn wait(self) -> Step {
        let expiry = if self.status == Status::Backoff {
            self.expires_at
        } else {
            i64::MAX
        };
        Step {
            state: self,
            action: Action::Wait,
            at: self.retry_at.min(expiry),
        }
    }
}

impl Step {
    /// Nothing to do.
    pub fn idle(state: State) -> Self {
        Self {
            state,
            action: Action::Nothing,
            at: 0,
        }
    }

    fn refresh(state: State) -> Self {
        Self {
            state,
            action: Action::Refresh,
            at: 0,
        }
    }
}
