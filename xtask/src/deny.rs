//! `cargo xtask deny`: licences, bans and sources of the dependencies.

use anyhow::Result;

use crate::{
    process::{self, Running},
    project::Project,
};

pub(crate) fn run(project: &Project) -> Result<()> {
    if process::output(&mut project.command("cargo", "deny --version")).is_err() {
        println!("cargo-deny is missing: installing it, which takes some minutes");
        inherit(project, "install cargo-deny --locked")?;
    }
    // Advisories come from a database on the network: `cargo deny check advisories` where there is one.
    inherit(project, "deny check licenses bans sources")
}

fn inherit(project: &Project, arguments: &str) -> Result<()> {
    let mut command = project.command("cargo", arguments);
    let name = process::describe(&command);
    Running::start(&mut command)?.wait(&name)
}
