//! What it means that a superseded refresh token is used: an accident, or a theft.

use std::time::Duration;

use crate::storage::SessionRow;
use crate::values::{Peer, UnixMillis};

/// What a superseded refresh token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same call again: its answer was lost.
    SameCall,
    /// Another tab, or a client without attempt keys; `foreign` is the new count when it came from somewhere else.
    SecondUse { foreign: Option<i64> },
    /// Somebody has a copy.
    Theft,
}

/// So many generations in a row that were also used from somewhere else are no accident.
const FOREIGN_REPEATS_OF_A_THIEF: i64 = 3;
/// What it means that a token of generation `presented` was used, while `session` is at a later one.
///
/// A client that lost the answer repeats the call, and one whose tabs share a cookie may use a token twice; whoever uses it
/// after both can be ruled out has stolen it, or was stolen from.
pub fn judge(
    session: &SessionRow,
    presented: i64,
    attempt_hash: Option<&str>,
    peer: &Peer,
    now: UnixMillis,
    grace: Duration,
) -> Verdict {
    let behind = session.generation - presented;
    if is_same_call(session, presented, attempt_hash) {
        return Verdict::SameCall;
    }
    let superseded_at = match behind {
        1 => session.rotated_at,
        2 => session.rotated_before_at,
        _ => return Verdict::Theft,
    };
    if now.since(superseded_at) > grace {
        return Verdict::Theft;
    }
    if !comes_from_elsewhere(session, peer) {
        return Verdict::SecondUse { foreign: None };
    }
    let count = match session.generation - session.foreign_repeat_generation {
        0 => session.foreign_repeats,
        1 => session.foreign_repeats + 1,
        _ => 1,
    };
    if count >= FOREIGN_REPEATS_OF_A_THIEF {
        Verdict::Theft
    } else {
        Verdict::SecondUse {
            foreign: Some(count),
        }
    }
}

/// Whether a call with this key made the session's generation out of the one that was `presented`.
pub fn is_same_call(session: &SessionRow, presented: i64, attempt_hash: Option<&str>) -> bool {
    session.generation - presented == 1
        && attempt_hash.is_some()
        && attempt_hash == session.attempt_hash.as_deref()
}

/// Whether a call comes from another network or another browser than the last one that renewed the session.
pub fn comes_from_elsewhere(session: &SessionRow, peer: &Peer) -> bool {
    let before = session.ip_address.as_deref().map(Peer::network);
    let now = peer.ip.map(|ip| Peer::network(&ip.to_string()));
    before != now || session.user_agent != peer.user_agent
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

    use super::super::hash_attempt;
    use super::*;
    use crate::sessions::SessionError;
    use crate::values::{SessionId, Transport, UserId};

    const GRACE: Duration = Duration::from_secs(30);

    /// At generation 10 since second 100, at 9 since second 90.
    fn session() -> SessionRow {
        SessionRow {
            id: SessionId::new(UnixMillis(0), [1; 10]),
            user_id: UserId::new(UnixMillis(0), [2; 10]),
            transport: Transport::Cookie,
            nonce: BASE64URL.encode([3; 32]),
            generation: 10,
            attempt_hash: Some(hash_attempt("0123456789abcdef").unwrap()),
            rotated_at: UnixMillis(100_000),
            rotated_before_at: UnixMillis(90_000),
            foreign_repeats: 0,
            foreign_repeat_generation: 0,
            created_at: UnixMillis(0),
            refresh_expires_at: UnixMillis(1_000_000),
            expires_at: UnixMillis(1_000_000),
            ended_at: None,
            ip_address: Some("203.0.113.7".to_owned()),
            user_agent: None,
            nonce_before: None,
        }
    }

    fn home() -> Peer {
        Peer {
            ip: Some("203.0.113.99".parse().unwrap()),
            user_agent: None,
        }
    }

    fn away() -> Peer {
        Peer {
            ip: Some("198.51.100.1".parse().unwrap()),
            user_agent: None,
        }
    }

    fn verdict(
        session: &SessionRow,
        presented: i64,
        attempt: Option<&str>,
        peer: &Peer,
        at_secs: i64,
    ) -> Verdict {
        let hash = attempt.map(|attempt| hash_attempt(attempt).unwrap());
        judge(
            session,
            presented,
            hash.as_deref(),
            peer,
            UnixMillis(at_secs * 1000),
            GRACE,
        )
    }

    #[test]
    fn the_same_call_is_answered_however_late() {
        let late = 900;
        assert_eq!(
            verdict(&session(), 9, Some("0123456789abcdef"), &away(), late),
            Verdict::SameCall
        );
        assert_eq!(
            verdict(&session(), 9, Some("another attempt key"), &home(), late),
            Verdict::Theft
        );
        assert_eq!(
            verdict(&session(), 8, Some("0123456789abcdef"), &home(), late),
            Verdict::Theft
        );
        assert_eq!(verdict(&session(), 9, None, &home(), late), Verdict::Theft);
    }

    #[test]
    fn the_last_two_are_answered_within_the_grace() {
        let second_use = Verdict::SecondUse { foreign: None };
        assert_eq!(verdict(&session(), 9, None, &home(), 130), second_use);
        assert_eq!(verdict(&session(), 9, None, &home(), 131), Verdict::Theft);
        assert_eq!(verdict(&session(), 8, None, &home(), 120), second_use);
        assert_eq!(verdict(&session(), 8, None, &home(), 121), Verdict::Theft);
        assert_eq!(verdict(&session(), 7, None, &home(), 100), Verdict::Theft);
    }

    #[test]
    fn three_generations_in_a_row_used_from_elsewhere_are_theft() {
        let mut session = session();
        assert_eq!(
            verdict(&session, 9, None, &away(), 101),
            Verdict::SecondUse { foreign: Some(1) }
        );
        (session.foreign_repeats, session.foreign_repeat_generation) = (2, 10);
        assert_eq!(
            verdict(&session, 9, None, &away(), 101),
            Verdict::SecondUse { foreign: Some(2) }
        );
        (session.foreign_repeats, session.foreign_repeat_generation) = (2, 9);
        assert_eq!(verdict(&session, 9, None, &away(), 101), Verdict::Theft);
        assert_eq!(
            verdict(&session, 9, None, &home(), 101),
            Verdict::SecondUse { foreign: None }
        );
        (session.foreign_repeats, session.foreign_repeat_generation) = (2, 8);
        assert_eq!(
            verdict(&session, 9, None, &away(), 101),
            Verdict::SecondUse { foreign: Some(1) }
        );
    }

    #[test]
    fn an_attempt_key_is_random_text() {
        assert!(matches!(
            hash_attempt("short"),
            Err(SessionError::AttemptInvalid)
        ));
        assert!(matches!(
            hash_attempt(&"x".repeat(257)),
            Err(SessionError::AttemptInvalid)
        ));
    }
}
