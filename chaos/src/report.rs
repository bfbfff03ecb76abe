//! The table, for people and as JSON.

use serde::Serialize;

/// What came of one fault.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub fault: &'static str,
    /// Operations that the server acknowledged.
    pub operations: u64,
    /// Acknowledged writes that were not true afterwards.
    pub lost: usize,
    /// Revoked tokens that were accepted later than the bound.
    pub accepted_late: usize,
    /// Users whose session ended though nobody ended it.
    pub signed_out: usize,
    /// Milliseconds from the end of the fault until every node was ready and every way in answered.
    pub recovery_ms: u128,
    /// How fast revocations were, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// What proved wrong, for people: the first of each kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Milliseconds from the acknowledgement of a revocation until every other node refuses.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// How many revocations.
    pub revocations: usize,
    /// Half of them were faster.
    pub median_ms: f64,
    /// The slowest.
    pub worst_ms: f64,
}

impl Row {
    /// The row of a fault that came to no end.
    pub fn failed(fault: &'static str, error: &anyhow::Error) -> Self {
        Self {
            fault,
            operations: 0,
            lost: 0,
            accepted_late: 0,
            signed_out: 0,
            recovery_ms: 0,
            latency: None,
            problems: vec![format!("{error:#}")],
        }
    }

    /// Whether nothing proved wrong.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Prints the rows under one another.
pub fn print(rows: &[Row]) {
    println!(
        "\n{:<24} {:>10} {:>5} {:>13} {:>10} {:>11}",
        "fault", "operations", "lost", "accepted late", "signed out", "recovery ms"
    );
    for row in rows {
        println!(
            "{:<24} {:>10} {:>5} {:>13} {:>10} {:>11}{}",
            row.fault,
            row.operations,
            row.lost,
            row.accepted_late,
            row.signed_out,
            row.recovery_ms,
            if row.passed() { "" } else { "  FAILED" }
        );
    }
    for row in rows {
        if let Some(latency) = &row.latency {
            println!(
                "\n{}: {} revocations reached every other node in {:.1} ms (median), {:.1} ms (worst)",
                row.fault, latency.revocations, latency.median_ms, latency.worst_ms
            );
        }
    }
    for row in rows {
        for problem in &row.problems {
            println!("\n{}: {problem}", row.fault);
        }
    }
}
