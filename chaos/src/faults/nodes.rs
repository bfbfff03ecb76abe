//! What happens to nodes.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use crate::Suite;
use crate::cluster::{Cluster, Plan};
use crate::load::Load;
use crate::report::Row;

/// `kill -9` of one node after another, which are missing for a second each.
pub async fn killed(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for number in 0..cluster.nodes.len() * suite.size.rounds {
        sleep(Duration::from_secs(1)).await;
        let count = cluster.nodes.len();
        let node = &mut cluster.nodes[number % count];
        node.kill()?;
        sleep(Duration::from_secs(1)).await;
        node.start()?;
        recovery = recovery.max(load.recovered(&mut cluster).await?);
    }
    load.finish(fault, &cluster, recovery).await
}

/// SIGTERM and a new start, one node after the other. No call may fail but renewals, which may be repeated.
pub async fn restarted_in_turn(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for _ in 0..suite.size.rounds {
        recovery = recovery.max(restart_all(&load, &mut cluster).await?);
    }
    for (operation, why) in load.ledger.calls_unanswered() {
        if operation != "refresh" {
            load.ledger.lost(format!("{operation} failed: {why}"));
        }
    }
    load.finish(fault, &cluster, recovery).await
}

/// From the previous build to this one, node by node, while people go on. The first new node changes the schema under the
/// old ones.
pub async fn upgraded_in_turn(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let previous = suite.previous.clone().context("--previous is missing")?;
    let mut cluster = suite.cluster_of(&previous, &Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    for node in &mut cluster.nodes {
        node.build = suite.build.clone();
    }
    let recovery = restart_all(&load, &mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

async fn restart_all(load: &Load, cluster: &mut Cluster) -> Result<Duration> {
    let mut recovery = Duration::ZERO;
    for number in 0..cluster.nodes.len() {
        // Long enough for the load balancer to have seen the node before.
        sleep(Duration::from_secs(1)).await;
        let node = &mut cluster.nodes[number];
        node.stop().await?;
        node.start()?;
        recovery = recovery.max(load.recovered(cluster).await?);
    }
    Ok(recovery)
}
