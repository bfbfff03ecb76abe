//! What happens to the nodes' clocks.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::Suite;
use crate::cluster::Plan;
use crate::load::Load;
use crate::report::Row;

/// Seconds that one clock is off, one after the other: hours, minutes, within the leeway of tokens.
const STEPS: [i64; 6] = [7200, -300, 25, -7200, 300, -25];
/// A node measures its clock every second, and twice after a step.
const NOTICED: Duration = Duration::from_millis(3000);

/// One node's clock is set forward and back while the others are right.
pub async fn stepped(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let plan = Plan {
        clocks: true,
        ..Plan::default()
    };
    let mut cluster = suite.cluster(&plan).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    let steps = STEPS.into_iter().cycle().take(3 * suite.size.rounds);
    for (number, step) in steps.enumerate() {
        let node = &cluster.nodes[number / 3 % cluster.nodes.len()];
        node.set_clock(step)?;
        let set = Instant::now();
        while set.elapsed() < NOTICED {
            if !node.api.is_ready().await {
                recovery = recovery.max(set.elapsed());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    let noticed = cluster.nodes[0].log()?.contains("the clock jumped");
    ensure!(noticed, "libfaketime does not set the nodes' clocks");
    load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}
