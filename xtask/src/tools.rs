//! What the commands need from the machine: found, installed where that is ours to do, or asked for.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::{chaos, process, project::Project, steps::Step};

const NODE: (u32, u32) = (20, 19);

/// Checks Node.js and npm.
pub(crate) fn require_node() -> Result<()> {
    let advice = format!(
        "install Node.js {}.{} or newer with npm (Debian: `apt-get install nodejs npm`, or nodejs.org)",
        NODE.0, NODE.1
    );
    let version = process::output(Command::new("node").arg("--version"))
        .with_context(|| format!("Node.js is missing: {advice}"))?;
    let found = parse_node_version(&version)
        .with_context(|| format!("`node --version` says {version:?}: {advice}"))?;
    if found < NODE {
        bail!("Node.js {version} is too old: {advice}");
    }
    process::output(Command::new("npm").arg("--version"))
        .with_context(|| format!("npm is missing: {advice}"))?;
    Ok(())
}

fn parse_node_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Adds a target to the compiler.
pub(crate) fn require_target(project: &Project, step: &Step, target: &str) -> Result<()> {
    let libdir = format!("--print target-libdir --target {target}");
    let libraries = process::output(&mut project.command("rustc", &libdir))?;
    if Path::new(&libraries).exists() {
        return Ok(());
    }
    if find("rustup").is_none() {
        bail!(
            "the compiler target {target} is missing and so is rustup: \
             install Rust by rustup (rustup.rs), or {target} from where your Rust came from"
        );
    }
    step.run(project.command("rustup", &format!("target add {target}")))
}

/// Makes sure of what a release is compiled and linked with.
pub(crate) fn require_musl(project: &Project, step: &Step, target: &str) -> Result<()> {
    require_target(project, step, target)?;
    if find("musl-gcc").is_none() || find("readelf").is_none() {
        install(project, step, "musl-tools binutils")?;
    }
    Ok(())
}

/// Adds rustfmt and clippy.
pub(crate) fn require_lint_tools(project: &Project, step: &Step) -> Result<()> {
    let missing = |tool: &str| {
        process::output(&mut project.command("cargo", &format!("{tool} --version"))).is_err()
    };
    if !missing("fmt") && !missing("clippy") {
        return Ok(());
    }
    if find("rustup").is_none() {
        bail!(
            "rustfmt or clippy is missing and so is rustup: install both from where your Rust came from"
        );
    }
    step.run(project.command("rustup", "component add rustfmt clippy"))
}

/// Makes sure of a nightly toolchain and of cargo-fuzz; the latter's program.
pub(crate) fn require_cargo_fuzz(project: &Project, step: &Step) -> Result<PathBuf> {
    process::output(&mut project.command("rustup", "run nightly cargo --version")).context(
        "fuzzing needs a nightly toolchain: `rustup toolchain install nightly --profile minimal`",
    )?;
    let root = project.target.join("tools");
    let program = root.join("bin/cargo-fuzz");
    if !program.exists() {
        let arguments = "install cargo-fuzz --version =0.13.2 --locked --root";
        let mut install = project.command("cargo", arguments);
        install.arg(root);
        step.run(install)?;
    }
    Ok(program)
}

/// Makes sure of what the fault suite starts: PostgreSQL, a load balancer, a pooler, and clocks that can be set.
pub(crate) fn require_chaos_tools(project: &Project, step: &Step) -> Result<()> {
    let mut missing = Vec::new();
    if postgres().is_none() {
        missing.push("postgresql");
    }
    let packages = [
        ("haproxy", "haproxy"),
        ("pgbouncer", "pgbouncer"),
        ("faketime", "faketime"),
        ("ps", "procps"),
    ];
    let absent = packages.iter().filter(|(tool, _)| find(tool).is_none());
    missing.extend(absent.map(|(_, package)| *package));
    if missing.is_empty() {
        return Ok(());
    }
    install(project, step, &missing.join(" "))
}

/// Chromium and PostgreSQL's server programs.
pub(crate) struct TestTools {
    pub(crate) chromium: PathBuf,
    /// The folder of `initdb` and `postgres`.
    pub(crate) postgres: PathBuf,
}

impl TestTools {
    /// Finds them, and installs from Debian's packages what is missing if this is root.
    pub(crate) fn require(project: &Project, step: &Step) -> Result<Self> {
        if chromium().is_none() {
            // Without a font a page has no text.
            install(project, step, "chromium fonts-liberation")?;
        }
        if chaos::RUNS_HERE {
            require_chaos_tools(project, step)?;
        } else if postgres().is_none() {
            install(project, step, "postgresql")?;
        }
        let lost = "is still not found after the installation";
        Ok(Self {
            chromium: chromium().with_context(|| format!("Chromium {lost}: set CHROMIUM_PATH"))?,
            postgres: postgres()
                .with_context(|| format!("PostgreSQL {lost}: put initdb on PATH"))?,
        })
    }
}

fn install(project: &Project, step: &Step, packages: &str) -> Result<()> {
    if !Uid::effective().is_root() || find("apt-get").is_none() {
        bail!(
            "packages are missing. On Debian or Ubuntu:\n\n    \
             sudo apt-get update && sudo apt-get install --no-install-recommends {packages}\n\n\
             Elsewhere the tests need Chromium (set CHROMIUM_PATH to it) and PostgreSQL 13 or newer (with \
             initdb on PATH), on Linux also haproxy, pgbouncer and libfaketime; a release needs musl-gcc and readelf."
        );
    }
    step.run(project.command("apt-get", "update"))?;
    let arguments = format!("install --yes --no-install-recommends {packages}");
    let mut command = project.command("apt-get", &arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    step.run(command)
}

fn chromium() -> Option<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM_PATH") {
        return Some(path.into()).filter(|path: &PathBuf| path.exists());
    }
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(find)
}

/// The folder of `initdb` and `postgres`. Debian keeps it off PATH, one per version: the newest wins.
pub fn postgres() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let versions = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    versions
        .map(|version| {
            (
                version,
                PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")),
            )
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max()
        .map(|(_, bin)| bin)
        .or_else(|| Some(find("initdb")?.canonicalize().ok()?.parent()?.to_owned()))
}

/// The program's path, if it is on PATH or where Debian puts what only administrators have on theirs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_as_numbers() {
        assert!(parse_node_version("v20.9.0").unwrap() < NODE);
        assert!(parse_node_version("v20.19.0").unwrap() >= NODE);
        assert!(parse_node_version("v100.0.0").unwrap() >= NODE);
        assert_eq!(parse_node_version("20"), None);
    }

    #[test]
    fn only_what_is_on_path_is_found() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-program-has-this-name"), None);
    }
}
