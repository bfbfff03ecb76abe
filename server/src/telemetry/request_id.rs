//! The id of the request that is being answered: what is logged meanwhile carries it.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    static CURRENT: Option<RequestId>;
}

/// The most characters that an id has.
const MAX_LENGTH: usize = 128;

/// The id of one request. It stands in the log and in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

/// Gives requests ids of our own.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    given: AtomicU64,
    hasher: RandomState,
}

impl RequestIds {
    /// Those of one process, which has a random number.
    pub fn new(process: u64) -> Self {
        Self {
            process,
            given: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// The next id: 32 hexadecimal digits. It is no secret, so it need not be random each time; a plain count would tell strangers
    /// how many requests there are.
    pub fn next(&self) -> RequestId {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let hash = self.hasher.hash_one(given);
        RequestId(format!("{:016x}{hash:016x}", self.process).into())
    }
}

impl RequestId {
    /// The id that a sender gave, where it is 1 to 128 of `A-Z a-z 0-9 . _ -`: nothing that could be mistaken for more than an
    /// id where it is read.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_id = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_plain);
        is_id.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does `work` in the name of a request, where there is one.
pub fn within<F: Future>(id: Option<RequestId>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, work)
}

/// `work` for a task of its own, in the name of the request that starts it.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    within(current(), work)
}

/// The request that is being answered, if this is done for one.
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        for good in ["a", "A-z_0.9", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\"b", "é", "a\n", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_task_carries_the_id_of_what_started_it() {
        assert_eq!(current(), None);
        let id = RequestId::parse("one").unwrap();
        let inner = async { tokio::spawn(carried(async { current() })).await.unwrap() };
        assert_eq!(within(Some(id.clone()), inner).await, Some(id));
    }
}
