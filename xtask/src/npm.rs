//! The npm package `@countersign/client`: its WASM core, its JavaScript and its types.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding as _};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    fresh::Stamp,
    paths::Renamed,
    process,
    project::Project,
    steps::{Step, Steps},
    tools,
};

const PACKAGE: &str = "wasm-client/npm";

/// What rustc 1.95 uses on wasm32-unknown-unknown by default; wasm-opt refuses what it is not told of.
const WASM_OPT: &str = "-Oz --enable-bulk-memory --enable-bulk-memory-opt --enable-multivalue \
    --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types \
    --enable-sign-ext --strip-producers --strip-target-features";

/// `cargo xtask npm`
pub(crate) fn run(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(2);
    steps.step("npm packages", |step| install(project, step))?;
    steps.step("npm package @countersign/client", |step| {
        build(project, step)
    })
}

/// `cargo xtask reproduce`
pub(crate) fn reproduce(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(3);
    steps.step("npm packages", |step| install(project, step))?;
    let commit = last_commit(project)?;
    let mut build = |title, name| {
        steps.step(title, |step| {
            elsewhere(project, &commit, name, |copy| {
                build(copy, step)?;
                integrity(copy)
            })
        })
    };
    let first = build("first build", "a")?;
    let second = build("second build", "another-folder-with-a-longer-name")?;
    if first != second {
        bail!("the two builds differ: {first} and {second}");
    }
    println!("both builds packed the same bytes: {first}");
    Ok(())
}

/// What `HEAD` is now: it may move while one builds.
pub(crate) fn last_commit(project: &Project) -> Result<String> {
    process::output(&mut project.command("git", "rev-parse HEAD"))
}

/// Works on a commit in a folder of its own.
pub(crate) fn elsewhere<T>(
    project: &Project,
    commit: &str,
    name: &str,
    work: impl FnOnce(&Project) -> Result<T>,
) -> Result<T> {
    // On the disk of the checkout, for hard links.
    let target = project.root.join("target");
    fs::create_dir_all(&target)?;
    let folder = tempfile::tempdir_in(target)?;
    let root = folder.path().join(name);
    fs::create_dir(&root)?;
    let archive = folder.path().join("commit.tar");
    process::output(
        project
            .command("git", "archive --output")
            .arg(&archive)
            .arg(commit),
    )?;
    process::output(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(&root),
    )?;
    // Links to the same files, but to packages of the workspace as they stand here: bundlers name modules by their folders.
    process::output(
        Command::new("cp")
            .arg("-al")
            .arg(project.root.join("node_modules"))
            .arg(&root),
    )?;
    work(&Project {
        target: root.join("target"),
        root,
    })
}

/// The integrity of the package's tarball, as the registry shows it.
fn integrity(project: &Project) -> Result<String> {
    let pack = format!("pack --dry-run --json -w {PACKAGE}");
    let packed: Value =
        serde_json::from_str(&process::output(&mut project.command("npm", &pack))?)?;
    let integrity = packed[0]["integrity"].as_str();
    Ok(integrity.context("npm names no integrity")?.to_owned())
}

/// Installs what the project's `package-lock.json` names, unless it is there.
pub(crate) fn install(project: &Project, step: &Step) -> Result<()> {
    install_in(project, &project.root, step)
}

/// Installs what the `package-lock.json` of a folder names, unless it is there.
///
/// By `npm install` and not by `npm ci`: that refuses a lock file without the optional packages of
/// all other systems, and not every registry has them all. What `npm ci` promises is checked after.
pub(crate) fn install_in(project: &Project, folder: &Path, step: &Step) -> Result<()> {
    tools::require_node()?;
    let wanted = locked_versions(&folder.join("package-lock.json"))
        .context("cannot read package-lock.json")?;
    let is_installed = || {
        locked_versions(&folder.join("node_modules/.package-lock.json"))
            .is_ok_and(|installed| satisfies(&installed, &wanted))
    };
    if is_installed() {
        return Ok(());
    }
    let mut install = project.command("npm", "install --no-save --no-audit --no-fund");
    install.current_dir(folder);
    step.run(install)?;
    if !is_installed() {
        bail!(
            "package-lock.json does not fit package.json in {}: run `npm install` there, and commit both",
            folder.display()
        );
    }
    Ok(())
}

struct Locked {
    version: String,
    optional: bool,
}

fn locked_versions(lock: &Path) -> Result<HashMap<String, Locked>> {
    let lock: Value = serde_json::from_slice(&fs::read(lock)?)?;
    let packages = lock["packages"]
        .as_object()
        .context("no packages in the lock file")?;
    let third_party = packages
        .iter()
        .filter(|(path, _)| path.contains("node_modules/"));
    let is_set = |entry: &Value, flag: &str| entry[flag].as_bool() == Some(true);
    Ok(third_party
        .map(|(path, entry)| {
            let version = entry["version"].as_str().unwrap_or_default().to_owned();
            let optional = is_set(entry, "optional") || is_set(entry, "devOptional");
            (path.clone(), Locked { version, optional })
        })
        .collect())
}

/// Optional packages are those of other processors and systems: npm leaves them out.
fn satisfies(installed: &HashMap<String, Locked>, wanted: &HashMap<String, Locked>) -> bool {
    let mut found = installed
        .iter()
        .map(|(path, entry)| match wanted.get(path) {
            Some(want) => want.version == entry.version,
            None => entry.optional,
        });
    found.all(|fits| fits)
        && wanted
            .iter()
            .all(|(path, entry)| entry.optional || installed.contains_key(path))
}

/// Builds `pkg/` (WASM) and `dist/` (JavaScript and types) when their sources changed.
pub(crate) fn build(project: &Project, step: &Step) -> Result<()> {
    tools::require_target(project, step, "wasm32-unknown-unknown")?;
    let mut compile = project.command(
        "cargo",
        "build --package wasm-client --profile wasm --target wasm32-unknown-unknown",
    );
    compile.env("CARGO_TARGET_DIR", &project.target);
    compile.env(
        "CARGO_ENCODED_RUSTFLAGS",
        Renamed::of(project)?.rust_flags(),
    );
    step.run(compile)?;
    let wasm = project
        .target
        .join("wasm32-unknown-unknown/wasm/wasm_client.wasm");
    let package = project.root.join(PACKAGE);
    let optimised = package.join("pkg/wasm_client_bg.wasm");
    let inlined = package.join("pkg/wasm_client_inline.js");
    let stamp = stamp(project, &wasm)?;
    if !stamp.is_fresh(&[optimised.clone(), inlined.clone(), package.join("dist")]) {
        bind(&wasm, &package.join("pkg"))?;
        let mut optimise = project.command("node_modules/.bin/wasm-opt", WASM_OPT);
        step.run({
            optimise.arg(&optimised).arg("-o").arg(&optimised);
            optimise
        })?;
        inline(&optimised, &inlined)?;
        step.run(project.command("npm", &format!("run build -w {PACKAGE}")))?;
        stamp.write()?;
    }
    let (raw, gzip) = sizes(&optimised)?;
    step.note(&format!("WASM core: {raw} bytes, {gzip} with gzip"));
    Ok(())
}

/// The stamp of the package: also an input of what is built from the package.
pub(crate) fn stamp_file(project: &Project) -> PathBuf {
    project.target.join("xtask/npm-package")
}

fn stamp(project: &Project, wasm: &Path) -> Result<Stamp> {
    let inputs = [
        wasm.into(),
        project.root.join(PACKAGE),
        project.root.join("package-lock.json"),
    ];
    Stamp::read(project, "npm-package", &inputs)
}

fn bind(wasm: &Path, pkg: &Path) -> Result<()> {
    if pkg.exists() {
        fs::remove_dir_all(pkg)?;
    }
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .typescript(true)
        // After a trap the module is made anew.
        .reset_state_function(true)
        .generate(pkg)
        .context(
            "wasm-bindgen failed: is wasm-bindgen-cli-support of xtask the version in Cargo.lock?",
        )
}

/// Writes the core as a module, for where no file can be fetched: compressed, because base64 of the raw bytes is twice as long.
fn inline(wasm: &Path, module: &Path) -> Result<()> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut File::open(wasm)?, &mut gzip)?;
    let text = Base64::encode_string(&gzip.finish()?);
    fs::write(module, format!("export default \"{text}\";\n"))?;
    let types = "/** The WASM core: base64 of gzip. */\ndeclare const text: string;\nexport default text;\n";
    fs::write(module.with_extension("d.ts"), types).context("cannot write the inlined core")
}

/// The file's size as it is, and as a web server with gzip sends it.
fn sizes(file: &Path) -> Result<(u64, u64)> {
    let mut gzip = GzEncoder::new(Counter(0), Compression::best());
    let raw = io::copy(&mut File::open(file)?, &mut gzip)?;
    Ok((raw, gzip.finish()?.0))
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(entries: &[(&str, &str, bool)]) -> HashMap<String, Locked> {
        let entry = |&(path, version, optional): &(&str, &str, bool)| {
            (
                path.to_owned(),
                Locked {
                    version: version.to_owned(),
                    optional,
                },
            )
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn only_optional_packages_may_be_missing() {
        let wanted = lock(&[
            ("node_modules/a", "1", false),
            ("node_modules/b", "1", true),
        ]);
        assert!(satisfies(&lock(&[("node_modules/a", "1", false)]), &wanted));
        assert!(
            !satisfies(&lock(&[("node_modules/b", "1", true)]), &wanted),
            "a is missing"
        );
        assert!(
            !satisfies(&lock(&[("node_modules/a", "2", false)]), &wanted),
            "another version"
        );
        let more = lock(&[
            ("node_modules/a", "1", false),
            ("node_modules/c", "1", false),
        ]);
        assert!(!satisfies(&more, &wanted), "c is no longer wanted");
    }
}
