//! What happens to PostgreSQL.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use xtask::process;

use crate::Suite;
use crate::cluster::Plan;
use crate::load::Load;
use crate::report::Row;

/// Stopped, and started again five seconds later.
pub async fn stopped(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    down(fault, suite, &[Signal::SIGINT], Duration::from_secs(5)).await
}

/// Restarted in the orderly way, and as after a crash.
pub async fn restarted(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let ways = [Signal::SIGINT, Signal::SIGQUIT];
    down(fault, suite, &ways, Duration::ZERO).await
}

async fn down(
    fault: &'static str,
    suite: &mut Suite,
    ways: &[Signal],
    away: Duration,
) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for _ in 0..suite.size.rounds {
        for way in ways {
            sleep(Duration::from_secs(2)).await;
            suite.postgres.stop(*way)?;
            sleep(away).await;
            // A short absence may pass unnoticed: nodes ask twice a second.
            let noticed = match away.is_zero() {
                true => Ok(()),
                false => cluster.none_ready().await,
            };
            // The next faults need it, whatever came of this one.
            suite.postgres.resume()?;
            noticed?;
            recovery = recovery.max(load.recovered(&mut cluster).await?);
        }
    }
    load.finish(fault, &cluster, recovery).await
}

/// All of its processes stand still for longer than the bound, with their connections open.
pub async fn frozen(fault: &'static str, suite: &mut Suite) -> Result<Row> {
    let mut cluster = suite.cluster(&Plan::default()).await?;
    let load = Load::start(&cluster, suite.size).await?;
    let mut recovery = Duration::ZERO;
    for _ in 0..suite.size.rounds {
        sleep(Duration::from_secs(2)).await;
        let frozen = Frozen::new(suite.postgres.pid().context("PostgreSQL does not run")?)?;
        sleep(Duration::from_secs(8)).await;
        cluster.none_ready().await?;
        drop(frozen);
        recovery = recovery.max(load.recovered(&mut cluster).await?);
    }
    load.finish(fault, &cluster, recovery).await
}

/// Processes that stand still until this is dropped.
struct Frozen(Vec<Pid>);

impl Frozen {
    /// A process and its children; itself first, so that it gets no more of them.
    fn new(parent: Pid) -> Result<Self> {
        let mut frozen = Self(Vec::new());
        frozen.stop(parent)?;
        let processes = process::output(Command::new("ps").args(["-A", "-o", "pid=,ppid="]))?;
        for line in processes.lines() {
            let mut numbers = line.split_whitespace().map(str::parse);
            if let (Some(Ok(pid)), Some(Ok(of))) = (numbers.next(), numbers.next())
                && of == parent.as_raw()
            {
                frozen.stop(Pid::from_raw(pid))?;
            }
        }
        Ok(frozen)
    }

    fn stop(&mut self, pid: Pid) -> Result<()> {
        kill(pid, Signal::SIGSTOP)?;
        self.0.push(pid);
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            // An error means that it is gone.
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}
