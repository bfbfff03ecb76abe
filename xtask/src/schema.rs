//! `cargo xtask schema`: `schema.graphql` is what the code says.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{process, project::Project};

/// Flags of `cargo xtask schema`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only compare; exit with an error when the file is not what the code says.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let mut export = project.command("cargo", "run --quiet --package server -- schema");
    let schema = process::output(&mut export)? + "\n";
    let file = project.root.join("schema.graphql");
    if fs::read_to_string(&file).is_ok_and(|current| current == schema) {
        println!("schema.graphql is up to date");
    } else if options.check {
        bail!("schema.graphql is not what the code says: run `cargo xtask schema` and commit it");
    } else {
        fs::write(&file, schema).context("cannot write schema.graphql")?;
        println!("wrote schema.graphql");
    }
    Ok(())
}
