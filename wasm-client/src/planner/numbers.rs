//! The planner's values as the numbers that cross the border to JavaScript.

use super::{Event, State, Status, Step};

impl State {
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
