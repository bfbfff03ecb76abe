//! What happens to nodes.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::Suite;
use crate::cluster::Plan;
use crate::load::Load;
use crate::report::Row;

/// `kill -9` of one node after another, which are missing for a second each.
pub async fn killed(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for number in 0..cluster.nodes.len() * suite.size.rounds {
        sleep(Duration::from_secs(1)).await;
        let (build, count) = (cluster.build.clone(), cluster.nodes.len());
        let node = &mut cluster.nodes[number % count];
        node.kill()?;
        sleep(Duration::from_secs(1)).await;
        node.start(&build)?;
        recovery = recovery.max(cluster.recovered().await?);
    }
    load.finish(fault, &cluster, recovery).await
}
