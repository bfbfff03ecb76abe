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
fn a_due_token_is_renewed_by_the_timer_and_by_a_request_which_does_not_wait_for_it() {
    let state = live(60 * SECOND);
    for (event, before, due) in [
        (Event::Ticked, Action::Wait, Action::Refresh),
        (Event::Wanted { min_ttl: 0 }, Action::Use, Action::Renew),
    ] {
        assert_eq!(after(state, event, state.refresh_at - 1).action, before);
        let step = after(state, event, state.refresh_at);
        assert_eq!((step.state.status, step.action), (Status::Refreshing, due));
    }
    assert_eq!(
        after(state, Event::Wanted { min_ttl: 0 }, state.expires_at).action,
        Action::Refresh
    );
}

#[test]
fn a_session_that_is_over_can_be_restored_when_another_tab_has_begun_one() {
    for status in [Status::Anonymous, Status::SignedOut] {
        let step = after(State::of(status), Event::Started { restorable: true }, NOW);
        assert_eq!(
            (step.state.status, step.action),
            (Status::Restoring, Action::Refresh)
        );
        let none = after(State::of(status), Event::Started { restorable: false }, NOW);
        assert_eq!((none.state.status, none.action), (status, Action::Nothing));
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
        proptest::option::of(any::<i64>()).prop_map(|retry_after| Event::Failed { retry_after }),
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
