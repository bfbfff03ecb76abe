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
    /// The session was looked at for the first time.
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
    if state.status == Status::Restoring && !restorable {
        return Step::idle(State::of(Status::Anonymous));
    }
    looked_at(state, now)
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
    let serves = min_ttl.is_some_and(|ttl| state.has_good_token(now.saturating_add(ttl.max(0))));
    match state.status {
        Status::Anonymous | Status::SignedOut => Step::idle(state),
        // `has_good_token(now)` too: only it knows a clock that was set back.
        _ if serves && !is_due && state.has_good_token(now) => Step {
            state,
            action: Action::Use,
            at: 0,
        },
        Status::Live => Step::refresh(State {
            status: Status::Refreshing,
            ..state
        }),
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

    /// The state of six numbers: status, `sent_at`, `expires_at`, `refresh_at`, `failures`, `retry_at`.
    ///
    /// Anything that is no such state reads as a session that nothing is known of.
    pub fn from_numbers(numbers: &[f64]) -> Self {
        let &[status, sent_at, expires_at, refresh_at, failures, retry_at] = numbers else {
            return Self::default();
        };
        Self {
            status: Status::from_number(status as u8),
            sent_at: sent_at as i64,
            expires_at: expires_at as i64,
            refresh_at: refresh_at as i64,
            failures: failures as u32,
            retry_at: retry_at as i64,
        }
    }
}

impl Status {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Anonymous,
            2 => Self::Live,
            3 => Self::Refreshing,
            4 => Self::Backoff,
            5 => Self::Stale,
            6 => Self::SignedOut,
            _ => Self::Restoring,
        }
    }
}

impl Event {
    /// The event of a number and its two values; `None` when there is no such event.
    ///
    /// 0 `Started` (1 when restorable), 1 `Granted` (lifetime, sent at), 2 `Ticked`, 3 `Woke`, 4 `Wanted` (least life),
    /// 5 `Forced`, 6 `Failed` (retry after, negative when the server said nothing), 7 `Refused` (1 when the refresh token
    /// was missing), 8 `SignedOut`.
    pub fn from_numbers(event: u32, value: f64, extra: f64) -> Option<Self> {
        let value = value as i64;
        Some(match event {
            0 => Self::Started {
                restorable: value == 1,
            },
            1 => Self::Granted {
                lifetime: value,
                sent_at: extra as i64,
            },
            2 => Self::Ticked,
            3 => Self::Woke,
            4 => Self::Wanted { min_ttl: value },
            5 => Self::Forced,
            6 => Self::Failed {
                retry_after: (value >= 0).then_some(value),
            },
            7 => Self::Refused {
                missing: value == 1,
            },
            8 => Self::SignedOut,
            _ => return None,
        })
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

    /// The state's six numbers, the action's and the time.
    pub fn to_numbers(self) -> [f64; 8] {
        let state = self.state;
        [
            f64::from(state.status as u8),
            state.sent_at as f64,
            state.expires_at as f64,
            state.refresh_at as f64,
            f64::from(state.failures),
            state.retry_at as f64,
            f64::from(self.action as u8),
            self.at as f64,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000_000;

    fn live(lifetime: i64) -> State {
        step(
            State::default(),
            Event::Granted {
                lifetime,
                sent_at: NOW,
            },
            NOW,
            0,
        )
        .state
    }

    fn after(state: State, event: Event, now: i64) -> Step {
        step(state, event, now, u32::MAX)
    }

    #[test]
    fn a_token_of_fifteen_minutes_is_renewed_a_minute_before_it_ends() {
        let state = live(900 * SECOND);
        assert_eq!(state.expires_at, NOW + 900 * SECOND);
        assert_eq!(state.refresh_at, NOW + 840 * SECOND);
    }

    #[test]
    fn margins_follow_the_formula() {
        let seconds = [
            (1, 500),
            (4, 2000),
            (10, 5000),
            (50, 5000),
            (60, 6000),
            (600, 60_000),
            (86_400, 60_000),
        ];
        for (lifetime, expected) in seconds {
            assert_eq!(margin(lifetime * SECOND), expected, "{lifetime} s");
        }
    }

    #[test]
    fn a_first_visitor_is_anonymous_without_a_call() {
        let step = after(State::default(), Event::Started { restorable: false }, NOW);
        assert_eq!(
            (step.state.status, step.action),
            (Status::Anonymous, Action::Nothing)
        );
    }

    #[test]
    fn a_returning_visitor_is_restored() {
        let step = after(State::default(), Event::Started { restorable: true }, NOW);
        assert_eq!(
            (step.state.status, step.action),
            (Status::Restoring, Action::Refresh)
        );
        let nothing = after(step.state, Event::Refused { missing: true }, NOW);
        assert_eq!(nothing.state.status, Status::Anonymous);
        let ended = after(step.state, Event::Refused { missing: false }, NOW);
        assert_eq!(ended.state.status, Status::SignedOut);
    }

    #[test]
    fn a_restore_without_network_stays_undecided() {
        let failed = after(State::default(), Event::Failed { retry_after: None }, NOW);
        assert_eq!(failed.state.status, Status::Restoring);
        assert_eq!(
            after(failed.state, Event::Wanted { min_ttl: 0 }, NOW).action,
            Action::Fail
        );
        assert_eq!(
            after(failed.state, Event::Ticked, failed.at).action,
            Action::Refresh
        );
    }

    #[test]
    fn a_sign_in_before_the_start_is_kept() {
        let step = after(live(60 * SECOND), Event::Started { restorable: false }, NOW);
        assert_eq!(
            (step.state.status, step.action),
            (Status::Live, Action::Wait)
        );
    }

    #[test]
    fn a_due_token_is_renewed_by_the_timer_and_by_a_request() {
        let state = live(60 * SECOND);
        for event in [Event::Ticked, Event::Wanted { min_ttl: 0 }] {
            assert_ne!(
                after(state, event, state.refresh_at - 1).action,
                Action::Refresh
            );
            let due = after(state, event, state.refresh_at);
            assert_eq!(
                (due.state.status, due.action),
                (Status::Refreshing, Action::Refresh)
            );
        }
    }

    #[test]
    fn requests_during_a_renewal_use_the_token_while_it_lasts() {
        let state = State {
            status: Status::Refreshing,
            ..live(60 * SECOND)
        };
        assert_eq!(
            after(state, Event::Wanted { min_ttl: 0 }, state.expires_at - 1).action,
            Action::Use
        );
        assert_eq!(
            after(state, Event::Wanted { min_ttl: 1 }, state.expires_at - 1).action,
            Action::Refresh
        );
        assert_eq!(after(state, Event::Forced, NOW).action, Action::Refresh);
        assert_eq!(after(state, Event::Ticked, NOW).action, Action::Nothing);
    }

    #[test]
    fn a_failed_renewal_backs_off_then_goes_stale_then_lives_again() {
        let state = State {
            status: Status::Refreshing,
            ..live(60 * SECOND)
        };
        let failed = after(
            state,
            Event::Failed { retry_after: None },
            state.expires_at - 100,
        );
        assert_eq!(failed.state.status, Status::Backoff);
        assert_eq!(failed.at, state.expires_at, "wakes for the expiry");
        assert_eq!(
            after(failed.state, Event::Wanted { min_ttl: 0 }, failed.at - 1).action,
            Action::Use
        );
        let stale = after(failed.state, Event::Ticked, failed.at);
        assert_eq!(
            (stale.state.status, stale.action),
            (Status::Stale, Action::Wait)
        );
        let asked = after(stale.state, Event::Wanted { min_ttl: 0 }, failed.at);
        assert_eq!((asked.action, asked.at), (Action::Fail, stale.at));
        assert_eq!(
            after(stale.state, Event::Ticked, stale.at).action,
            Action::Refresh
        );
        let granted = Event::Granted {
            lifetime: 60 * SECOND,
            sent_at: stale.at,
        };
        assert_eq!(
            after(stale.state, granted, stale.at).state.status,
            Status::Live
        );
    }

    #[test]
    fn the_network_coming_back_ends_a_wait_but_not_the_servers_order() {
        let offline = after(live(60 * SECOND), Event::Failed { retry_after: None }, NOW);
        assert_eq!(
            after(offline.state, Event::Woke, NOW).action,
            Action::Refresh
        );
        let ordered = after(
            live(60 * SECOND),
            Event::Failed {
                retry_after: Some(20 * SECOND),
            },
            NOW,
        );
        assert_eq!(after(ordered.state, Event::Woke, NOW).action, Action::Wait);
        assert_eq!(ordered.state.retry_at, NOW + 20 * SECOND);
    }

    #[test]
    fn a_clock_that_is_set_back_renews_instead_of_trusting_the_deadline() {
        let state = live(60 * SECOND);
        let hour = 3600 * SECOND;
        assert_eq!(
            after(state, Event::Wanted { min_ttl: 0 }, NOW - hour).action,
            Action::Refresh
        );
        assert_eq!(
            after(state, Event::Wanted { min_ttl: 2 * hour }, NOW - hour).action,
            Action::Refresh
        );
        let failed = after(state, Event::Failed { retry_after: None }, NOW + 1);
        assert_eq!(
            after(failed.state, Event::Ticked, NOW - hour).action,
            Action::Refresh
        );
    }

    #[test]
    fn a_late_failure_does_not_revive_a_session() {
        let out = after(live(60 * SECOND), Event::SignedOut, NOW).state;
        assert_eq!(
            after(out, Event::Failed { retry_after: None }, NOW),
            Step::idle(out)
        );
        assert_eq!(
            after(out, Event::Refused { missing: true }, NOW)
                .state
                .status,
            Status::SignedOut
        );
        assert_eq!(
            after(out, Event::Wanted { min_ttl: 0 }, NOW),
            Step::idle(out)
        );
    }

    #[test]
    fn numbers_that_are_no_state_are_a_session_that_nothing_is_known_of() {
        assert_eq!(State::from_numbers(&[2.0]), State::default());
        assert_eq!(
            State::from_numbers(&[99.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            State::default()
        );
    }

    /// Times around NOW, and the ends of what a number can hold.
    fn times() -> impl Strategy<Value = i64> {
        prop_oneof![8 => NOW - 1_000_000..NOW + 1_000_000, 1 => any::<i64>()]
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            any::<bool>().prop_map(|restorable| Event::Started { restorable }),
            (times(), times()).prop_map(|(lifetime, sent_at)| Event::Granted { lifetime, sent_at }),
            (0..2_000_000i64, times())
                .prop_map(|(lifetime, sent_at)| Event::Granted { lifetime, sent_at }),
            Just(Event::Ticked),
            Just(Event::Woke),
            any::<i64>().prop_map(|min_ttl| Event::Wanted { min_ttl }),
            (0..100_000i64).prop_map(|min_ttl| Event::Wanted { min_ttl }),
            Just(Event::Forced),
            proptest::option::of(any::<i64>())
                .prop_map(|retry_after| Event::Failed { retry_after }),
            Just(Event::Failed { retry_after: None }),
            any::<bool>().prop_map(|missing| Event::Refused { missing }),
            Just(Event::SignedOut),
        ]
    }

    fn states() -> impl Strategy<Value = State> {
        proptest::collection::vec((events(), times(), any::<u32>()), 0..24).prop_map(|history| {
            history
                .into_iter()
                .fold(State::default(), |state, (event, now, random)| {
                    step(state, event, now, random).state
                })
        })
    }

    proptest! {
        #[test]
        fn a_renewal_is_planned_within_the_life_and_before_its_end(
            lifetime in 1000..100_000_000i64, random: u32
        ) {
            let planned = step(State::default(), Event::Granted { lifetime, sent_at: NOW }, NOW, random);
            let state = planned.state;
            prop_assert_eq!(planned.at, state.refresh_at);
            prop_assert!(state.refresh_at < state.expires_at);
            prop_assert!(state.refresh_at >= state.sent_at + lifetime / 4);
        }

        #[test]
        fn jitter_stays_within_its_bounds(lifetime in 1000..100_000_000i64, random: u32) {
            let state = step(State::default(), Event::Granted { lifetime, sent_at: NOW }, NOW, random).state;
            let latest = state.expires_at - margin(lifetime);
            prop_assert!(state.refresh_at <= latest);
            prop_assert!(latest - state.refresh_at <= (margin(lifetime) / 2).min(MAX_JITTER));
        }

        #[test]
        fn a_wait_never_outlasts_the_token(state in states(), event in events(), now in times(), random: u32) {
            let next = step(state, event, now, random);
            if next.action == Action::Wait && matches!(next.state.status, Status::Live | Status::Backoff) {
                prop_assert!(next.at <= next.state.expires_at);
            }
        }

        #[test]
        fn an_expired_token_is_never_used(state in states(), event in events(), now in times(), random: u32) {
            let next = step(state, event, now, random);
            if next.action == Action::Use {
                prop_assert!(next.state.sent_at <= now && now < next.state.expires_at);
            }
        }

        #[test]
        fn only_a_definitive_answer_or_the_user_ends_a_session(
            state in states(), event in events(), now in times(), random: u32
        ) {
            let next = step(state, event, now, random).state.status;
            let ends = |status| matches!(status, Status::Anonymous | Status::SignedOut);
            if ends(next) && !ends(state.status) {
                let definitive = matches!(event, Event::Refused { .. } | Event::SignedOut);
                let nothing_to_restore = event == Event::Started { restorable: false } && state.status == Status::Restoring;
                prop_assert!(definitive || nothing_to_restore, "{:?} ended {:?}", event, state);
            }
        }

        #[test]
        fn backoff_keeps_to_its_bounds(failures in 0..u32::MAX, random: u32) {
            let state = State { failures, ..live(60 * SECOND) };
            let delay = step(state, Event::Failed { retry_after: None }, NOW, random).state.retry_at - NOW;
            let longest = (1000.0 * 2f64.powi(failures.min(30) as i32)).min(60_000.0) as i64;
            prop_assert!(longest / 2 <= delay && delay <= longest);
        }

        #[test]
        fn an_order_to_wait_is_kept_and_bounded(seconds in 1..100_000i64, random: u32) {
            let event = Event::Failed { retry_after: Some(seconds * SECOND) };
            let delay = step(live(60 * SECOND), event, NOW, random).state.retry_at - NOW;
            prop_assert_eq!(delay, (seconds * SECOND).min(MAX_RETRY_AFTER));
        }

        #[test]
        fn nothing_is_asked_of_the_server_while_it_must_wait(state in states(), min_ttl in 0..10_000i64, random: u32) {
            let waiting = matches!(state.status, Status::Backoff | Status::Stale | Status::Restoring);
            for event in [Event::Ticked, Event::Wanted { min_ttl }, Event::Forced] {
                let now = state.retry_at.saturating_sub(1);
                prop_assert!(!waiting || step(state, event, now, random).action != Action::Refresh);
            }
        }

        #[test]
        fn a_session_that_is_kept_always_has_a_next_step(state in states(), now in times(), random: u32) {
            let next = step(state, Event::Ticked, now, random);
            let kept = !matches!(next.state.status, Status::Anonymous | Status::SignedOut | Status::Refreshing);
            prop_assert!(!kept || matches!(next.action, Action::Wait | Action::Refresh));
        }

        #[test]
        fn states_survive_the_border(state in states()) {
            // Numbers of JavaScript are exact up to 2^53.
            let exact = |time: i64| (time as f64) as i64 == time;
            prop_assume!([state.sent_at, state.expires_at, state.refresh_at, state.retry_at].into_iter().all(exact));
            prop_assert_eq!(State::from_numbers(&Step::idle(state).to_numbers()[..6]), state);
        }

        #[test]
        fn no_numbers_make_it_panic(
            numbers in proptest::collection::vec(any::<f64>(), 0..8), event: u32, value: f64, extra: f64,
            now: f64, random: u32
        ) {
            if let Some(event) = Event::from_numbers(event % 10, value, extra) {
                let _step = step(State::from_numbers(&numbers), event, now as i64, random);
            }
        }
    }
}
