//! `cargo xtask fuzz`: hostile input, for as long as one likes (docs/fuzzing.md).

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    npm,
    process::{self, Running},
    project::Project,
    steps::{Step, Steps},
    tools,
};

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this; without it, all of them one after the other.
    #[arg(value_enum)]
    target: Option<Target>,
    /// For how long, each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Target {
    /// Access tokens: server and browser agree.
    AccessToken,
    /// The browser's choice among published keys.
    Jwks,
    /// `Cookie` headers.
    Cookie,
    /// Refresh tokens.
    RefreshToken,
    /// The configuration's file and variables.
    Configuration,
    /// Forged tokens and key sets for server, browser and jose. The others need a nightly toolchain; this does not.
    Differential,
}

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    let targets = match &options.target {
        Some(target) => std::slice::from_ref(target),
        None => Target::value_variants(),
    };
    steps.expect(1);
    let commands = steps.step("tools and builds", |step| {
        let prepare = |target: &Target| prepare(project, step, *target, options.seconds);
        targets.iter().map(prepare).collect::<Result<Vec<_>>>()
    })?;
    for mut command in commands {
        let name = process::describe(&command);
        Running::start(&mut command)?.wait(&name)?;
    }
    Ok(())
}

fn prepare(project: &Project, step: &Step, target: Target, seconds: u64) -> Result<Command> {
    if target == Target::Differential {
        npm::install(project, step)?;
        npm::build(project, step)?;
        step.run(project.command("cargo", "build --package hostile"))?;
        let mut tests = project.command("npm", "test -w wasm-client/npm -- differential");
        tests.env("COUNTERSIGN_FORGER", forger(project));
        tests.env("COUNTERSIGN_FUZZ_SECONDS", seconds.to_string());
        return Ok(tests);
    }
    let name = target
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let cargo_fuzz = tools::require_cargo_fuzz(project, step)?;
    let build = project.target.join("fuzz");
    let fuzz = |act: &str| {
        let mut command = project.command("rustup", "run nightly");
        command
            .arg(&cargo_fuzz)
            .args(["fuzz", act, "--fuzz-dir", "fuzz", "--target-dir"]);
        command.arg(&build).arg(&name);
        // The stable cargo that runs this.
        command.env_remove("CARGO");
        command
    };
    step.run(fuzz("build"))?;
    // What is found new goes to the first folder; the one in the repository holds what is worth keeping.
    let found = project.target.join("fuzz-corpus").join(&name);
    fs::create_dir_all(&found)?;
    let mut run = fuzz("run");
    run.arg(found)
        .arg(project.root.join("fuzz/corpus").join(&name))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-max_len=16384", "-print_final_stats=1"]);
    Ok(run)
}

/// The program that writes forged tokens.
pub(crate) fn forger(project: &Project) -> PathBuf {
    project.target.join("debug/hostile")
}
