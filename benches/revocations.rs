//! What 10,000 revocations cost: memory, and time for each check of a token. The limit is two look-ups in plain maps.

use std::{alloc::System, collections::HashMap, hint::black_box, sync::Arc, time::Duration};

use countersign::{
    clock::{Clock, node_time},
    storage::{Ends, Revocation, Revoked},
    tokens::{MAX_ENTRIES, Revocations, Standing},
    values::{Identity, Reason, Role, SessionId, UnixMillis, UserId},
};
use criterion::{Criterion, criterion_group, criterion_main};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ENTRIES: u32 = 10_000;
/// What that many may cost, in bytes.
const MOST: usize = 2_000_000;

struct NodeClock;

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        node_time()
    }
}

/// Ten bytes that look random, as those of real ids are, and are the same in every run.
fn random(number: u32) -> [u8; 10] {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let bytes = mixed.to_be_bytes();
    std::array::from_fn(|index| bytes[index])
}

fn session(number: u32) -> SessionId {
    SessionId::new(node_time(), random(number))
}

fn user(number: u32) -> UserId {
    UserId::new(node_time(), random(number))
}

fn revocations(revoked: impl Iterator<Item = Revoked>) -> Revocations {
    let revocations = Revocations::new(Arc::new(NodeClock), MAX_ENTRIES);
    // Read for all time to come: nobody reads a feed here.
    revocations.has_read(Duration::from_secs(u64::from(u32::MAX)));
    for (seq, revoked) in (1..).zip(revoked) {
        let life = Duration::from_secs(15 * 60 + 120);
        let (reason, at) = (Reason::LoggedOut, node_time());
        assert!(revocations.apply(&Revocation {
            seq,
            revoked,
            reason,
            at,
            life
        }));
    }
    revocations
}

fn raised(id: UserId) -> Revoked {
    Revoked::User {
        id,
        min_version: 2,
        ends: Ends::Nothing,
    }
}

/// Builds something and prints how many bytes it keeps.
fn measured<T>(name: &str, make: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;
    println!("memory/{name}: {bytes} bytes");
    assert!(bytes < MOST, "{name} keeps {bytes} bytes, {MOST} at most");
    made
}

fn checks(c: &mut Criterion) {
    let callers: Vec<Identity> = (0..1024)
        .map(|number| Identity {
            user: user(ENTRIES + number),
            session: session(ENTRIES + number),
            version: 1,
            role: Role::User,
            auth_time: node_time(),
        })
        .collect();
    let plain = measured("two plain maps", || {
        let sessions: HashMap<SessionId, u32> = (0..ENTRIES).map(|n| (session(n), n)).collect();
        let users: HashMap<UserId, u32> = (0..ENTRIES).map(|n| (user(n), n)).collect();
        (sessions, users)
    });
    let ended: Vec<SessionId> = (0..ENTRIES).map(session).collect();
    let ended = measured("10,000 ended sessions", || {
        revocations(ended.iter().copied().map(Revoked::Session))
    });
    let stale = measured("10,000 raised versions", || {
        revocations((0..ENTRIES).map(|number| raised(user(number))))
    });
    let both = measured("10,000 of each", || {
        revocations(
            (0..ENTRIES)
                .flat_map(|number| [Revoked::Session(session(number)), raised(user(number))]),
        )
    });

    let mut group = c.benchmark_group("revocation check");
    let mut next = callers.iter().cycle();
    group.bench_function("two plain look-ups", |b| {
        b.iter(|| {
            let caller = next.next().map(|caller| (caller.session, caller.user));
            black_box(caller.map(|(session, user)| {
                (plain.0.contains_key(&session), plain.1.contains_key(&user))
            }))
        });
    });
    for (name, revocations) in [
        ("10,000 ended sessions", ended),
        ("10,000 raised versions", stale),
        ("10,000 of each", both),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| next.next().map(|caller| revocations.check(caller)));
        });
        assert!(
            callers
                .iter()
                .all(|caller| revocations.check(caller) == Standing::Good)
        );
    }
    group.finish();
}

criterion_group!(benches, checks);
criterion_main!(benches);
