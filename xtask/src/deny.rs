//! `cargo xtask deny`: licences, bans and sources of the dependencies.

use anyhow::Result;

use crate::{
    process,
    project::Project,
    steps::{Step, Steps},
};

pub(crate) fn run(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(1);
    steps.step("licences and sources", |step| check(project, step))
}

/// Installs cargo-deny (two to three minutes on two cores) where it is missing.
pub(crate) fn check(project: &Project, step: &Step) -> Result<()> {
    if process::output(&mut project.command("cargo", "deny --version")).is_err() {
        step.note("cargo-deny is missing: installing it takes some minutes");
        step.run(project.command("cargo", "install cargo-deny --version ^0.20 --locked"))?;
    }
    // Advisories come from a database on the network, and change without a change of ours.
    step.run(project.command("cargo", "deny check licenses bans sources"))
}
