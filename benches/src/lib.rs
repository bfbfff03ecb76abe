//! Countersign's benchmarks: what the report is made with. `cargo xtask bench` runs them (README.md).

pub mod callers;
mod chart;
pub mod contest;
pub mod goals;
pub mod limits;
pub mod load;
pub mod people;
pub mod report;
pub mod servers;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::report::{Series, Setting};

/// How the measurements are made, and with what.
pub struct Bench {
    /// The server's release binary.
    pub binary: PathBuf,
    /// The root of the checkout.
    pub root: PathBuf,
    /// How often the contestants take turns.
    pub rounds: usize,
    /// How long each is measured in a round.
    pub round: Duration,
    /// Short rounds, to see whether all of it runs.
    pub is_quick: bool,
    /// On what.
    pub setting: Setting,
    /// Removed at the end; on the disk of the build, since a folder for temporary files may be in memory.
    folder: TempDir,
}

/// What one contestant did in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// In the goal's unit.
    pub value: f64,
    /// Processor time of the server for one request, in microseconds, where that tells something.
    pub cpu_micros: Option<f64>,
}

impl Bench {
    /// Five rounds of four seconds, or three of one.
    ///
    /// # Errors
    /// When the folder for databases cannot be made.
    pub fn new(binary: PathBuf, root: PathBuf, is_quick: bool) -> Result<Self> {
        let built = binary.parent().context("the server is in no folder")?;
        let (rounds, seconds) = if is_quick { (3, 1) } else { (5, 4) };
        Ok(Self {
            folder: tempfile::tempdir_in(built)?,
            setting: Setting::new(&root)?,
            binary,
            root,
            rounds,
            round: Duration::from_secs(seconds),
            is_quick,
        })
    }

    /// An empty folder on a disk, which goes with the `Bench`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new_folder(&self) -> Result<PathBuf> {
        Ok(tempfile::tempdir_in(&self.folder)?.keep())
    }

    /// Where the report is written: docs/benchmarks, and of short rounds a folder of the build.
    pub fn output(&self) -> PathBuf {
        if self.is_quick {
            self.binary.with_file_name("benchmarks")
        } else {
            self.root.join("docs/benchmarks")
        }
    }

    /// Lets named contestants take turns, so that what else the machine does meets them all.
    ///
    /// # Errors
    /// Those of the first round that fails.
    pub fn alternate<C>(
        &self,
        contestants: &mut [(&str, C)],
        mut round: impl FnMut(&mut C) -> Result<Sample>,
    ) -> Result<Vec<Series>> {
        let mut series: Vec<Series> = contestants
            .iter()
            .map(|(name, _)| Series::new(name))
            .collect();
        for _ in 0..self.rounds {
            for ((name, contestant), series) in contestants.iter_mut().zip(&mut series) {
                let sample = round(contestant).with_context(|| (*name).to_owned())?;
                eprintln!("  {name}: {:.1}", sample.value);
                series.push(sample);
            }
        }
        Ok(series)
    }
}

/// How many passwords our server hashes at once where it sees all cores: one core is left to everything else.
///
/// # Errors
/// When the system does not tell how many there are.
pub fn hashing_threads() -> Result<usize> {
    let cores = std::thread::available_parallelism()?.get();
    Ok((cores - 1).max(1))
}

/// The middle one, or the mean of the two in the middle; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
