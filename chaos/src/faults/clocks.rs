//! What happens to the nodes' clocks.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::Suite;
use crate::cluster::Plan;
use crate::load::Load;
use crate::report::Row;

/// Seconds that one clock is off, one after the other: within the leeway of tokens, minutes, hours.
const STEPS: [i64; 6] = [25, -25, 300, -300, 7200, -7200];

/// One node's clock is set forward and back while the others are right.
pub async fn stepped(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let plan = Plan {
        clocks: true,
        ..Plan::default()
    };
    let mut cluster = suite.cluster(&plan).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for round in 0..suite.size.rounds {
        for step in STEPS {
            sleep(Duration::from_millis(500)).await;
            let node = &cluster.nodes[round % cluster.nodes.len()];
            node.set_clock(step)?;
            recovery = recovery.max(load.recovered(&mut cluster).await?);
        }
    }
    load.finish(fault, &cluster, recovery).await
}
