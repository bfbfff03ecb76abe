//! How much memory a server takes, and how soon after its start it answers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::callers::{Login, Me, SignedIn};
use crate::contest::{CONNECTIONS, Kind, Site, World, against_best_peer};
use crate::load::{Caller as _, body, closed};
use crate::report::{Goal, Series, Wanted};
use crate::servers::{Cores, Server};
use crate::{Bench, Sample, hashing_threads, median};

const MIB: f64 = 1_048_576.0;
/// A start is over in this or never.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Argon2id with the default parameters, in MiB.
const HASH: f64 = 19.0;

/// Memory of servers that have nothing to do.
pub(super) fn idle(bench: &Bench) -> Result<Vec<Goal>> {
    let mut sites = sites(bench)?;
    let series = bench.alternate(&mut sites, |site| {
        let server = site.start(Cores::Both)?;
        let at_first = server.memory()?;
        sleep(bench.round * 2);
        Ok(sample(at_first.max(server.memory()?) as f64 / MIB))
    })?;
    Ok(vec![Goal {
        goal: "idle",
        title: "Resident memory with 10,000 users in the database and nothing to do",
        unit: "MiB",
        wanted: Wanted::OursAtMost(30.0),
        series: against_best_peer(&series, |one, other| one < other),
        notes: vec![],
    }])
}

/// From the start of the process to the first `me` that is answered.
pub(super) fn start(bench: &Bench) -> Result<Vec<Goal>> {
    let mut starters = Vec::new();
    for (name, site) in sites(bench)? {
        let server = site.start(Cores::Both)?;
        let login = vec![Login::once(site.kind, 0)];
        let (_, mut logins) = closed(Cores::Both, server.address, login, Duration::MAX)?;
        let login = logins.pop().context("nobody has signed in")?;
        starters.push((name, (site, login.answered)));
    }
    let series = bench.alternate(&mut starters, |(site, who)| {
        let times: Result<Vec<f64>> = (0..3).map(|_| first_answer(site, who)).collect();
        Ok(sample(median(&times?)))
    })?;
    Ok(vec![Goal {
        goal: "start",
        title: "From the start of the process to the first `me` that is answered, the database being there",
        unit: "ms",
        wanted: Wanted::OursAtMost(60.0),
        series: against_best_peer(&series, |one, other| one < other),
        notes: vec!["Each value is the median of three starts.".to_owned()],
    }])
}

/// In milliseconds.
fn first_answer(site: &Site, who: &SignedIn) -> Result<f64> {
    let mut me = Me::new(site.kind, who);
    let begin = Instant::now();
    let server = Server::spawn(Cores::Both, &site.folder, |address| site.command(address))?;
    let mut stream = loop {
        match TcpStream::connect(server.address) {
            Ok(stream) => break stream,
            Err(_) if begin.elapsed() < START_LIMIT => sleep(Duration::from_micros(500)),
            Err(error) => bail!("{error}: {}", server.printed()),
        }
    };
    stream.write_all(me.request().context("nothing to ask")?)?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            0 => bail!("closed: {}", server.printed()),
            length => answer.extend(&part[..length]),
        }
        if let Some(body) = body(&answer)? {
            me.answer(body)?;
            return Ok(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// Memory while everybody signs in at once.
pub(super) fn storm(bench: &Bench) -> Result<Vec<Goal>> {
    let mut idle = Series::new("idle");
    let mut sites = sites(bench)?;
    let series = bench.alternate(&mut sites, |site| {
        let server = site.start(Cores::Both)?;
        if site.kind == Kind::Countersign {
            idle.push(sample(server.memory()? as f64 / MIB));
        }
        let logins = Login::all(site.kind, CONNECTIONS);
        closed(Cores::Both, server.address, logins, bench.round * 2)?;
        Ok(sample(server.peak_memory()? as f64 / MIB))
    })?;
    let threads = hashing_threads()? as f64;
    let wanted = (idle.median() + threads * HASH + 15.0).round();
    Ok(vec![Goal {
        goal: "storm-memory",
        title: "The most memory while 64 callers sign in again and again",
        unit: "MiB",
        wanted: Wanted::OursAtMost(wanted),
        series: against_best_peer(&series, |one, other| one < other),
        notes: vec![format!(
            "Wanted is what it takes when idle ({:.1} MiB), what {threads} hashes take ({HASH} MiB each), and 15 MiB.",
            idle.median()
        )],
    }])
}

/// Those of ours and of the peers, by the names of the report.
fn sites(bench: &Bench) -> Result<Vec<(&'static str, Site)>> {
    let world = World::new(bench)?;
    let site = |kind: Kind| Ok((kind.name(), world.site(bench, kind)?));
    Kind::SERVERS.into_iter().map(site).collect()
}

fn sample(value: f64) -> Sample {
    Sample {
        value,
        cpu_micros: None,
    }
}
