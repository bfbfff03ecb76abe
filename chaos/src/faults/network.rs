//! What happens between the nodes and PostgreSQL.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::Suite;
use crate::cluster::{Cluster, Plan};
use crate::faults::revocations::{Pace, revoke};
use crate::load::{Load, Person};
use crate::proxy::Proxy;
use crate::report::Row;

const PROXIES: Plan = Plan {
    proxies: true,
    pooler: false,
    clocks: false,
};

/// Notifications are left out for longer than the bound.
const UNNOTIFIED: Duration = Duration::from_secs(8);
/// A node polls every second beside them: so it knows at the latest after this time.
const POLLED: Pace = Pace {
    at_once: 1,
    pause: Duration::from_millis(20),
    within: Duration::from_secs(3),
};

fn proxies(cluster: &Cluster) -> impl Iterator<Item = &Proxy> {
    cluster.nodes.iter().filter_map(|node| node.proxy.as_ref())
}

/// One node reaches the database no more, for longer than the bound, while the others go on and revoke.
pub async fn node_cut_off(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&PROXIES).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for round in 0..suite.size.rounds {
        sleep(Duration::from_secs(1)).await;
        let proxy = proxies(&cluster).nth(round % cluster.nodes.len());
        let proxy = proxy.context("no proxy")?;
        proxy.freeze(true);
        sleep(Duration::from_secs(9)).await;
        proxy.freeze(false);
        recovery = recovery.max(load.recovered(&mut cluster).await?);
    }
    load.finish(fault, &cluster, recovery).await
}

/// Every connection is reset, again and again.
pub async fn connections_reset(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&PROXIES).await?;
    let load = Load::start(&cluster, suite.size).await?;
    for _ in 0..6 * suite.size.rounds {
        sleep(Duration::from_millis(fastrand::u64(300..700))).await;
        proxies(&cluster).for_each(Proxy::reset);
    }
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

/// The connections that listen are reset, and after that notifications get lost: the database lives all the while.
pub async fn notifications_cut(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&PROXIES).await?;
    let load = Load::start(&cluster, suite.size).await?;
    for _ in 0..6 * suite.size.rounds {
        sleep(Duration::from_millis(fastrand::u64(300..700))).await;
        proxies(&cluster).for_each(Proxy::reset_listeners);
    }
    proxies(&cluster).for_each(|proxy| proxy.swallow_notifications(true));
    let apis = cluster.apis();
    let mut person = Person::register(&cluster.api, &load.ledger).await?;
    let start = Instant::now();
    while start.elapsed() < UNNOTIFIED {
        revoke(&apis, 0, &load.ledger, &mut person, POLLED).await?;
    }
    proxies(&cluster).for_each(|proxy| proxy.swallow_notifications(false));
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

/// All connections go through pgbouncer in transaction mode, which is away for two seconds; then PostgreSQL is restarted behind
/// it.
pub async fn pooler_restarted(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let plan = Plan {
        pooler: true,
        ..Plan::default()
    };
    let mut cluster = suite.cluster(&plan).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for _ in 0..suite.size.rounds {
        sleep(Duration::from_secs(3)).await;
        let pooler = cluster.pooler.as_mut().context("no pooler")?;
        pooler.kill()?;
        sleep(Duration::from_secs(2)).await;
        pooler.resume()?;
        recovery = recovery.max(load.recovered(&mut cluster).await?);
    }
    suite.postgres.stop(Signal::SIGINT)?;
    suite.postgres.resume()?;
    recovery = recovery.max(load.recovered(&mut cluster).await?);
    load.finish(fault, &cluster, recovery).await
}
