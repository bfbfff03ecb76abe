//! `cargo xtask deny`: licences, bans and sources of the dependencies. `cargo xtask advisories`: what is known against them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    process,
    project::Project,
    steps::{Step, Steps},
    tools,
};

pub(crate) fn run(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(1);
    steps.step("licences and sources", |step| check(project, step))
}

/// Advisories come from databases on the network and change without a change of ours, so this is no part of the tests.
pub(crate) fn advisories(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(2);
    let rust = steps.step("advisories for Rust crates", |step| rust(project, step));
    let npm = steps.step("advisories for npm packages", |_| npm(project));
    match (rust, npm) {
        (Err(rust), Err(npm)) => bail!("{rust:#}\n\n{npm:#}"),
        (rust, npm) => rust.and(npm),
    }
}

/// The licences, bans and sources of all Rust crates.
pub(crate) fn check(project: &Project, step: &Step) -> Result<()> {
    require_cargo_deny(project, step)?;
    step.run(project.command("cargo", "deny check licenses bans sources"))
}

/// Installs cargo-deny (two to three minutes on two cores) where it is missing.
fn require_cargo_deny(project: &Project, step: &Step) -> Result<()> {
    if process::output(&mut project.command("cargo", "deny --version")).is_ok() {
        return Ok(());
    }
    step.note("cargo-deny is missing: installing it takes some minutes");
    step.run(project.command("cargo", "install cargo-deny --version ^0.20 --locked"))
}

fn rust(project: &Project, step: &Step) -> Result<()> {
    require_cargo_deny(project, step)?;
    process::output(&mut project.command("cargo", "deny fetch db"))
        .context("not reachable: the RustSec advisory database. Nothing was checked")?;
    step.run(project.command("cargo", "deny check --disable-fetch advisories"))
}

fn npm(project: &Project) -> Result<()> {
    tools::require_node()?;
    // Its exit code does not tell a vulnerability from a registry that was not reached.
    let mut audit = project.command("npm", "audit --json --package-lock-only");
    let answer = audit.output().context("npm cannot be started")?;
    judge(&serde_json::from_slice(&answer.stdout).unwrap_or_default())
}

fn judge(report: &Value) -> Result<()> {
    let Some(vulnerable) = report["vulnerabilities"].as_object() else {
        let why = report["message"].as_str().unwrap_or("it gave no report");
        bail!("not reachable: the npm registry's advisories ({why}). Nothing was checked");
    };
    if vulnerable.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = vulnerable.keys().map(String::as_str).collect();
    bail!(
        "{} npm packages have advisories, `npm audit` has the details: {}",
        names.len(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_report_is_no_clean_report() {
        assert!(judge(&json!({ "vulnerabilities": {} })).is_ok());
        let told = |report: Value| judge(&report).unwrap_err().to_string();
        assert!(told(json!({ "message": "405" })).starts_with("not reachable"));
        assert!(told(Value::Null).starts_with("not reachable"));
        let bad = told(json!({ "vulnerabilities": { "left-pad": {} } }));
        assert!(bad.contains("left-pad"), "{bad}");
    }
}
