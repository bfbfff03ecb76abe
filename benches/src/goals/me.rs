//! `me`: verify the token, read the user, answer id, e-mail and role.

use anyhow::Result;

use crate::Bench;
use crate::callers::{Cold, Me};
use crate::contest::{Contestant, Kind, World, against, against_best_peer, line_up, race};
use crate::report::{Goal, Wanted};

const REMEMBERED: &str = "Countersign answers for an account from memory for up to a minute, as long as its feed of revocations is fresh and has nothing of it; the peers read the database each time.";

/// Every caller with the same token again and again; beside the peers, and beside a server that does nothing but GraphQL.
pub(super) fn warm(bench: &Bench) -> Result<Vec<Goal>> {
    let world = World::new(bench)?;
    let callers = |contestant: &Contestant| Ok(contestant.callers(Me::new));
    let mut racers = line_up(bench, &world, &Kind::SERVERS, callers)?;
    let signed_in = racers[0].1.contestant.signed_in.clone();
    let constant = |contestant: &Contestant| {
        let ask = |who| Me::constant(contestant.kind, who);
        Ok(signed_in.iter().map(ask).collect())
    };
    racers.extend(line_up(
        bench,
        &world,
        &[Kind::Constant, Kind::Bare],
        constant,
    )?);
    let series = race(bench, &mut racers)?;
    let goal = |goal, title, wanted, series| Goal {
        goal,
        title,
        unit: "requests/s",
        wanted: Wanted::RatioAtLeast(wanted),
        series,
        notes: vec![REMEMBERED.to_owned()],
    };
    Ok(vec![
        goal(
            "me-warm",
            "`me`, each of 64 callers with the same token again and again",
            7.0,
            against_best_peer(&series, |one, other| one > other),
        ),
        goal(
            "me-constant",
            "`me` as above, beside a server that does nothing but GraphQL",
            0.7,
            against(&series, Kind::Constant),
        ),
    ])
}

/// Every token is seen for the first time.
pub(super) fn cold(bench: &Bench) -> Result<Vec<Goal>> {
    let world = World::new(bench)?;
    let callers = |contestant: &Contestant| Cold::all(contestant, &world);
    let mut racers = line_up(bench, &world, &Kind::SERVERS, callers)?;
    let series = race(bench, &mut racers)?;
    Ok(vec![Goal {
        goal: "me-cold",
        title: "`me`, every request with a token that was never seen before, of 10,000 users",
        unit: "requests/s",
        wanted: Wanted::RatioAtLeast(2.5),
        series: against_best_peer(&series, |one, other| one > other),
        notes: vec![REMEMBERED.to_owned()],
    }])
}
