//! How revocations get around.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::Suite;
use crate::api::{Api, Failure};
use crate::cluster::{Cluster, Plan};
use crate::ledger::{BOUND, Ledger};
use crate::load::{Load, Person, Size, again};
use crate::report::{Latency, Row};

/// Transactions that end sessions stay open for seconds while later ones commit: the feed must not skip their rows.
pub async fn slow_transaction(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    for _ in 0..suite.size.rounds {
        let slow = (0..5).map(|_| end_slowly(&cluster, &load.ledger));
        for ended in join_all(slow).await {
            ended?;
        }
    }
    let recovery = load.recovered(&mut cluster).await?;
    load.finish(fault, &cluster, recovery).await
}

/// What a node does that ends a session, with a pause before the commit.
async fn end_slowly(cluster: &Cluster, ledger: &Arc<Ledger>) -> Result<()> {
    let person = Person::register(&cluster.api, ledger).await?;
    let id = &person.session.session_id;
    let mut sql = cluster.sql().await?;
    let transaction = sql.transaction().await?;
    let now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let end = format!("UPDATE sessions SET ended_at = {now} WHERE id = $1");
    transaction.execute(&end, &[id]).await?;
    let row = format!(
        "INSERT INTO revocations (kind, subject, reason, at, expires_at) \
         VALUES ('SESSION', $1, 'LOGGED_OUT', {now}, {now} + 3600000)"
    );
    transaction.execute(&row, &[id]).await?;
    sleep(Duration::from_millis(fastrand::u64(1_000..4_000))).await;
    transaction.commit().await?;
    ledger.revoked(&person.session.access_token, Some(id), "a slow transaction");
    ledger.acknowledged();
    Ok(())
}

/// How long a revocation takes to reach the other nodes, by NOTIFY.
pub async fn notified(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let pace = Pace {
        at_once: 4,
        pause: Duration::from_millis(1),
        within: BOUND,
    };
    measure(fault, suite, &Plan::default(), pace).await
}

/// The same where nodes only poll: behind pgbouncer in transaction mode.
pub async fn polled(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let plan = Plan {
        pooler: true,
        ..Plan::default()
    };
    let pace = Pace {
        at_once: 16,
        pause: Duration::from_millis(10),
        within: BOUND,
    };
    measure(fault, suite, &plan, pace).await
}

/// How eagerly it is measured: asking must not be what takes the time.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Revocations that are under way at the same time.
    pub at_once: usize,
    /// Between two questions whether a token is refused.
    pub pause: Duration,
    /// A node that takes longer accepted the token too late.
    pub within: Duration,
}

async fn measure(fault: &'static str, suite: &mut Suite, plan: &Plan, pace: Pace) -> Result<Row> {
    let mut cluster = suite.cluster(plan).await?;
    let size = Size {
        people: suite.size.people / 2,
        ..suite.size
    };
    let load = Load::start(&cluster, size).await?;
    let apis = cluster.apis();
    let workers = (0..pace.at_once).map(async |_| {
        let mut person = Person::register(&cluster.api, &load.ledger).await?;
        let mut times = Vec::new();
        for _ in 0..suite.size.revocations.div_ceil(pace.at_once) {
            let here = fastrand::usize(..apis.len());
            times.push(revoke(&apis, here, &load.ledger, &mut person, pace).await?);
        }
        Ok::<_, anyhow::Error>(times)
    });
    let times = join_all(workers)
        .await
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let latency = latency(times.concat()).context("nothing was measured")?;
    let recovery = load.recovered(&mut cluster).await?;
    let mut row = load.finish(fault, &cluster, recovery).await?;
    row.latency = Some(latency);
    Ok(row)
}

/// Ends a session on the node `here`; how long until the last of the others refuses its token.
pub async fn revoke(
    apis: &[Api],
    here: usize,
    ledger: &Ledger,
    person: &mut Person,
    pace: Pace,
) -> Result<Duration> {
    let session = person.session.clone();
    for node in apis {
        // They have seen the token, so it is the revocation that counts.
        if let Err(refusal) = again("me", ledger, || node.me(&session.access_token)).await? {
            ledger.signed_out(&person.email, "me", &refusal);
        }
    }
    let logout = again("logout", ledger, || {
        apis[here].logout(&session.refresh_token)
    });
    if let Err(refusal) = logout.await? {
        bail!("logout was refused: {refusal:?}");
    }
    let acknowledged = Instant::now();
    ledger.revoked(&session.access_token, Some(&session.session_id), "logout");
    ledger.acknowledged();
    let others = (0..apis.len()).filter(|node| *node != here);
    let refusals =
        others.map(|node| refused(&apis[node], &session.access_token, acknowledged, pace));
    let slowest = join_all(refusals).await.into_iter().max();
    let slowest = slowest.context("there are no other nodes")?;
    if slowest >= pace.within {
        let text = format!("a node took a token {slowest:?} after logout");
        ledger.accepted_late(&session.access_token, text);
    }
    person.login().await?;
    Ok(slowest)
}

/// Asks until the node refuses, or should have.
async fn refused(node: &Api, token: &str, since: Instant, pace: Pace) -> Duration {
    while since.elapsed() < pace.within {
        if let Err(Failure::Refused(refusal)) = node.me(token).await
            && refusal.is_revocation()
        {
            break;
        }
        sleep(pace.pause).await;
    }
    since.elapsed()
}

fn latency(mut times: Vec<Duration>) -> Option<Latency> {
    times.sort_unstable();
    let millis = |time: &Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    Some(Latency {
        revocations: times.len(),
        median_ms: millis(times.get(times.len() / 2)?),
        worst_ms: millis(times.last()?),
    })
}
