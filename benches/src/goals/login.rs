//! `login`, beside a loop that does nothing but hash.

use std::time::{Duration, Instant};

use anyhow::Result;
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::callers::Login;
use crate::contest::{CONNECTIONS, Contestant, Kind, PASSWORD, Racer, World, line_up};
use crate::report::{Goal, Wanted};
use crate::servers::Cores;
use crate::{Bench, Sample};

enum Contender {
    Server(Racer<Login>),
    Loop,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Goal>> {
    let world = World::new(bench)?;
    let callers = |contestant: &Contestant| Ok(Login::all(contestant.kind, CONNECTIONS));
    let mut contenders = vec![("Argon2id loop", Contender::Loop)];
    for (name, racer) in line_up(bench, &world, &Kind::SERVERS, callers)? {
        contenders.push((name, Contender::Server(racer)));
    }
    // Ours first, then what it is compared with.
    contenders.swap(0, 1);
    for (_, contender) in &mut contenders {
        if let Contender::Server(racer) = contender {
            racer.run(bench.round / 2)?;
        }
    }
    let series = bench.alternate(&mut contenders, |contender| match contender {
        Contender::Server(racer) => racer.run(bench.round),
        Contender::Loop => Cores::First.run(|| hash(bench.round)),
    })?;
    Ok(vec![Goal {
        goal: "login",
        title: "`login` of 64 callers at once; all servers hash with Argon2id, 19,456 KiB, two passes, on one core",
        unit: "requests/s",
        wanted: Wanted::RatioAtLeast(0.97),
        series,
        notes: Vec::new(),
    }])
}

/// Hashes for so long, in memory that is kept.
pub(super) fn hash(time: Duration) -> Result<Sample> {
    let failed = |error| anyhow::anyhow!("{error}");
    let params = Params::new(19_456, 2, 1, None).map_err(failed)?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let begin = Instant::now();
    let mut hashes = 0;
    while begin.elapsed() < time {
        let mut hash = [0; 32];
        argon2
            .hash_password_into_with_memory(PASSWORD.as_bytes(), &[3; 16], &mut hash, &mut memory)
            .map_err(failed)?;
        hashes += 1;
    }
    Ok(Sample {
        value: f64::from(hashes) / begin.elapsed().as_secs_f64(),
        cpu_micros: None,
    })
}
