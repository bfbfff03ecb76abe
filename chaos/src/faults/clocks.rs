//! What happens to the nodes' clocks.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::Suite;
use crate::api::{Api, Failure};
use crate::cluster::{Node, Plan};
use crate::ledger::Ledger;
use crate::load::{Load, Person};
use crate::report::Row;

/// Seconds that one clock is off, one after the other: hours, minutes, within the leeway of tokens.
const STEPS: [i64; 6] = [7200, -300, 25, -7200, 300, -25];
/// For so long a node is asked after a step: it compares its clock with the database's every second.
const WATCHED: Duration = Duration::from_millis(3000);
/// Seconds that the times in a token may be off.
const TOLERANCE: i64 = 2;
/// Seconds within which a node's newest line was logged, each answer being one.
const LOGGED: i64 = 10;

/// One node's clock is set forward and back while the others are right.
pub async fn stepped(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let plan = Plan {
        clocks: true,
        ..Plan::default()
    };
    let mut cluster = suite.cluster(&plan).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut person = Person::register(&cluster.api, &load.ledger).await?;
    let mut recovery = Duration::ZERO;
    let steps = STEPS.into_iter().cycle().take(3 * suite.size.rounds);
    for (number, step) in steps.enumerate() {
        let count = cluster.nodes.len();
        let stepped = number / 3 % count;
        let node = &cluster.nodes[stepped];
        // It may be the one that was off in an earlier turn.
        let other = &cluster.nodes[(stepped + 1) % count];
        other.set_clock(0)?;
        node.set_clock(step)?;
        let set = Instant::now();
        while set.elapsed() < WATCHED {
            if !node.api.is_ready().await {
                recovery = recovery.max(set.elapsed());
            }
            compare(&node.api, &other.api, step, &load.ledger, &mut person).await?;
            sleep(Duration::from_millis(20)).await;
        }
        must_have_stepped(node, step)?;
    }
    load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

/// The tokens of the node whose clock is off and of one whose clock is right have to be the same, for both of them.
async fn compare(
    node: &Api,
    other: &Api,
    step: i64,
    ledger: &Ledger,
    person: &mut Person,
) -> Result<()> {
    let right = renewed(other, person).await?;
    let before = Timestamp::now().as_second();
    let shifted = renewed(node, person).await?;
    let after = Timestamp::now().as_second();
    let times = Times::of(&shifted)?;
    let is_now = (before - TOLERANCE..=after + TOLERANCE).contains(&times.iat);
    let life = Times::of(&right)?.life();
    if !is_now || (times.life() - life).abs() > TOLERANCE {
        ledger.wrong(format!(
            "{step:+} s: {times:?} between {before} and {after}"
        ));
    }
    for (token, asked) in [(&right, node), (&shifted, other)] {
        let was_ready = asked.is_ready().await;
        if let Err(Failure::Refused(refusal)) = asked.me(token).await
            && was_ready
            && asked.is_ready().await
        {
            ledger.wrong(format!("{step:+} s: a good token was refused: {refusal:?}"));
        }
    }
    Ok(())
}

/// A new access token of one node.
async fn renewed(node: &Api, person: &mut Person) -> Result<String> {
    person.api = node.clone();
    person.refresh().await?;
    Ok(person.session.access_token.clone())
}

/// The times in an access token, in seconds since 1970 (RFC 7519 §4.1).
#[derive(Debug, Deserialize)]
struct Times {
    iat: i64,
    exp: i64,
}

impl Times {
    fn of(token: &str) -> Result<Self> {
        let payload = token.split('.').nth(1).context("a token has no payload")?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
    }

    fn life(&self) -> i64 {
        self.exp - self.iat
    }
}

/// An error when the newest line of the node's log is not of the time that its clock was set to.
fn must_have_stepped(node: &Node, step: i64) -> Result<()> {
    let log = node.log()?;
    // The very last may be half written.
    let newest = log.lines().rev().find_map(logged_at);
    let newest = newest.context("a node logged nothing")?;
    let off = newest.as_second() - Timestamp::now().as_second();
    ensure!(
        (off - step).abs() < LOGGED,
        "a node's clock is {off:+} s off instead of {step:+} s: libfaketime does not set it"
    );
    Ok(())
}

fn logged_at(line: &str) -> Option<Timestamp> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["timestamp"].as_str()?.parse().ok()
}
