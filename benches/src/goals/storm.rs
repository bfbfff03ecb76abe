//! `me` while everybody signs in at once.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::callers::{Login, Me};
use crate::contest::{CONNECTIONS, Contestant, Kind, World, against_best_peer};
use crate::load::{closed, paced};
use crate::report::{Goal, Wanted, number};
use crate::servers::Cores;
use crate::{Bench, Sample, median};

/// 100 a second.
const EVERY: Duration = Duration::from_millis(10);
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
    let series = bench.alternate(&mut contestants, |stormed| stormed.round(bench.round * 2))?;
    let notes = contestants.iter().map(|(name, stormed)| stormed.note(name));
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
        let address = self.contestant.server.address;
        let logins = std::mem::take(&mut self.logins);
        let (asked, signed_in) = thread::scope(|scope| {
            let storm = scope.spawn(|| closed(Cores::Both, address, logins, time));
            let asked = paced(address, &mut self.me, EVERY, time, PATIENCE);
            let signed_in = storm
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            anyhow::Ok((asked?, signed_in?))
        })?;
        let (load, logins) = signed_in;
        self.logins = logins;
        let mut took: Vec<f64> = asked.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        took.sort_by(f64::total_cmp);
        let in_time = took.partition_point(|took| *took < 1e3);
        self.served.push((
            100.0 * in_time as f64 / took.len() as f64,
            f64::from(load.answers) / load.elapsed.as_secs_f64(),
        ));
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
