//! `cargo xtask chaos`: the fault suite (docs/fault-suite.md).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    process::{self, Running},
    project::Project,
    steps::{Step, Steps},
    tools,
};

/// libfaketime is preloaded into the nodes and their processes die with the suite (setpriv): both are Linux's way.
pub(crate) const RUNS_HERE: bool = cfg!(target_os = "linux");

/// Arguments of `cargo xtask chaos`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the table to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these faults.
    #[arg(long, value_name = "FAULT", num_args = 1..)]
    only: Vec<String>,
    /// Fewer operations, on the unoptimised server: what `cargo xtask test` runs.
    #[arg(long)]
    short: bool,
    /// The server to upgrade from; without it, the one before the newest migration is built.
    #[arg(long, value_name = "BINARY")]
    previous: Option<PathBuf>,
}

/// The short form, of what `cargo test --workspace` built.
pub(crate) fn short(project: &Project) -> Command {
    let mut command = suite(project, "debug");
    command.arg("--short");
    command
}

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    steps.expect(1);
    let mut command = steps.step("tools and builds", |step| {
        tools::require_chaos_tools(project, step)?;
        prepare(project, step, options)
    })?;
    Running::start(&mut command)?.wait("the fault suite")
}

fn prepare(project: &Project, step: &Step, options: &Options) -> Result<Command> {
    let profile = if options.short { "debug" } else { "release" };
    let mut server = project.command("cargo", "build --package server --bin countersign");
    if !options.short {
        server.arg("--release");
    }
    step.run(server)?;
    step.run(project.command("cargo", "build --package chaos --bin chaos"))?;
    let mut command = suite(project, profile);
    if options.short {
        command.arg("--short");
    }
    if let Some(file) = &options.json {
        command.arg("--json").arg(file);
    }
    for fault in &options.only {
        command.args(["--only", fault]);
    }
    let upgrades = match options.only.is_empty() {
        true => !options.short,
        false => options.only.iter().any(|fault| fault == "rolling-upgrade"),
    };
    if let Some(binary) = &options.previous {
        command.arg("--previous").arg(binary);
    } else if upgrades {
        command.arg("--previous").arg(previous(project, step)?);
    }
    Ok(command)
}

fn suite(project: &Project, profile: &str) -> Command {
    let mut command = Command::new(project.target.join("debug/chaos"));
    command.arg("--server").arg(project.server(profile));
    command.arg("--logs").arg(project.target.join("chaos"));
    command
}

/// Builds the server as it was before the newest migration.
fn previous(project: &Project, step: &Step) -> Result<PathBuf> {
    let git = |arguments: &str| {
        let mut command = project.command("git", arguments);
        process::output(&mut command).context(
            "the server before the newest migration is built from git's history: in a shallow \
                 clone run `git fetch --unshallow` first, or name a binary with `--previous`",
        )
    };
    let newest = git("log -1 --format=%H -- migrations")?;
    let commit = git(&format!("rev-parse {newest}~"))?;
    let folder = project.target.join("chaos-previous");
    let sources = folder.join("sources");
    let binary = folder.join("debug/countersign");
    let stamp = folder.join("commit");
    if binary.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == commit) {
        return Ok(binary);
    }
    unpack(project, step, &commit, &sources)?;
    let mut build = project.command("cargo", "build --package server --bin countersign");
    build.current_dir(&sources).arg("--target-dir").arg(&folder);
    step.run(build)?;
    fs::write(stamp, commit)?;
    Ok(binary)
}

fn unpack(project: &Project, step: &Step, commit: &str, sources: &Path) -> Result<()> {
    if sources.exists() {
        fs::remove_dir_all(sources)?;
    }
    fs::create_dir_all(sources)?;
    let archive = sources.join("sources.tar");
    let mut export = project.command("git", "archive --format=tar --output");
    export.arg(&archive).arg(commit);
    step.run(export)?;
    let mut extract = project.command("tar", "-xf");
    extract.arg(&archive).arg("-C").arg(sources);
    step.run(extract)?;
    Ok(fs::remove_file(archive)?)
}
