//! `refresh` on SQLite: one token for the next, and a new access token, each on the disk before it is answered.

use anyhow::Result;

use crate::Bench;
use crate::callers::Refresh;
use crate::contest::{Contestant, Kind, World, against_best_peer, line_up, race};
use crate::report::{Goal, Wanted};

pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let world = World::new(bench)?;
    let callers = |contestant: &Contestant| Ok(contestant.callers(Refresh::new));
    let mut racers = line_up(bench, &world, &Kind::SERVERS, callers)?;
    let series = race(bench, &mut racers)?;
    Ok(vec![Goal {
        goal: "refresh-sqlite",
        title: "`refresh` of 64 sessions, SQLite with `synchronous = FULL`",
        unit: "requests/s",
        wanted: Wanted::RatioAtLeast(5.0),
        series: against_best_peer(&series, |one, other| one > other),
        notes: Vec::new(),
    }])
}
