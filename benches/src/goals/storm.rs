//! `me` while everybody signs in at once, and, as a limit, of a server that does nothing else beside threads that hash.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::login::hash;
use crate::callers::{Login, Me};
use crate::contest::{CONNECTIONS, Contestant, Kind, World, against_best_peer};
use crate::load::{closed, paced};
use crate::report::{Goal, Wanted, number};
use crate::servers::Cores;
use crate::{Bench, Sample, hashing_threads, median};

/// 100 a second.
const EVERY: Duration = Duration::from_millis(10);
/// The priority of our hashing threads.
const NICE: i32 = 10;
/// So long answers are waited for afterwards.
const PATIENCE: Duration = Duration::from_secs(5);

struct Stormed {
    contestant: Contestant,
    me: Vec<Me>,
    logins: Vec<Login>,
    /// Of each round: the share of `me` that was answered in time for a person (a second), and logins a second.
    served: Vec<(f64, f64)>,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let world = World::new(bench)?;
    let mut contestants = Vec::new();
    for kind in Kind::SERVERS {
        let contestant = world
            .start(bench, kind, Cores::Both)
            .with_context(|| kind.name())?;
        let stormed = Stormed {
            me: contestant.callers(Me::new),
            logins: Login::all(kind, CONNECTIONS),
            contestant,
            served: Vec::new(),
        };
        contestants.push((kind.name(), stormed));
    }
    let constant = world.start(bench, Kind::Constant, Cores::Both)?;
    let signed_in = &contestants[0].1.contestant.signed_in;
    let ask = |who| Me::constant(Kind::Constant, who);
    let limit = Stormed {
        me: signed_in.iter().map(ask).collect(),
        logins: Vec::new(),
        contestant: constant,
        served: Vec::new(),
    };
    contestants.push(("a constant, beside threads that hash", limit));
    let series = bench.alternate(&mut contestants, |stormed| stormed.round(bench.round * 2))?;
    let signing_in = contestants.split_last().map_or(&[][..], |(_, most)| most);
    let notes = signing_in.iter().map(|(name, stormed)| stormed.note(name));
    Ok(vec![Goal {
        goal: "me-storm",
        title: "p99 of `me`, asked 100 times a second while 64 callers sign in again and again; server and load on both cores",
        unit: "ms",
        wanted: Wanted::RatioAtMost(0.1),
        notes: notes.collect(),
        series: against_best_peer(&series, |one, other| one < other),
    }])
}

impl Stormed {
    fn round(&mut self, time: Duration) -> Result<Sample> {
        let (kind, address) = (self.contestant.kind, self.contestant.server.address);
        let logins = std::mem::take(&mut self.logins);
        let (asked, signed_in) = thread::scope(|scope| {
            let storm = scope.spawn(|| match kind {
                Kind::Constant => burn(time).map(|()| (0.0, logins)),
                _ => sign_in(address, logins, time),
            });
            let asked = paced(address, &mut self.me, EVERY, time, PATIENCE);
            let signed_in = storm
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            anyhow::Ok((asked?, signed_in?))
        })?;
        let (rate, logins) = signed_in;
        self.logins = logins;
        let mut took: Vec<f64> = asked.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        took.sort_by(f64::total_cmp);
        let in_time = took.partition_point(|took| *took < 1e3);
        self.served
            .push((100.0 * in_time as f64 / took.len() as f64, rate));
        let rank = (took.len() * 99).div_ceil(100).saturating_sub(1);
        Ok(Sample {
            value: took[rank],
            cpu_micros: None,
        })
    }

    fn note(&self, name: &str) -> String {
        let (in_time, logins): (Vec<f64>, Vec<f64>) = self.served.iter().copied().unzip();
        format!(
            "{name}: {} % of `me` were answered within a second, beside {} logins a second.",
            number(median(&in_time)),
            number(median(&logins)),
        )
    }
}

/// Logins a second, and the callers again.
fn sign_in(address: SocketAddr, logins: Vec<Login>, time: Duration) -> Result<(f64, Vec<Login>)> {
    let (load, logins) = closed(Cores::Both, address, logins, time)?;
    let rate = f64::from(load.answers) / load.elapsed.as_secs_f64();
    Ok((rate, logins))
}

/// Hashes on as many threads as our server does, which give way to all others.
fn burn(time: Duration) -> Result<()> {
    let hashing = || {
        setpriority_process(Some(gettid()), NICE)?;
        hash(time).map(drop)
    };
    let threads = hashing_threads()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(hashing)).collect();
        threads.into_iter().try_for_each(|thread| {
            let done = thread.join();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}
