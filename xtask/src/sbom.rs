//! `cargo xtask sbom`: what the server, the WASM core and all JavaScript are made of, as CycloneDX in JSON.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    process,
    project::Project,
    steps::{Step, Steps},
    tools,
};

/// The newest that cargo-cyclonedx and npm both write.
const SPECIFICATION: &str = "1.5";
/// The Rust crates that are given to others.
const CRATES: [&str; 2] = ["server", "wasm-client"];
/// cargo-cyclonedx writes beside each Cargo.toml; a name that nothing else has.
const DRAFT: &str = "countersign-sbom-draft";

pub(crate) fn run(project: &Project, mut steps: Steps) -> Result<()> {
    steps.expect(1);
    steps.step("Rust crates and npm packages", |step| write(project, step))
}

pub(crate) fn folder(project: &Project) -> PathBuf {
    project.target.join("sbom")
}

pub(crate) fn write(project: &Project, step: &Step) -> Result<()> {
    let folder = folder(project);
    fs::create_dir_all(&folder)?;
    rust(project, step, &folder)?;
    npm(project, step, &folder)
}

/// Installs cargo-cyclonedx (about three minutes on two cores) where it is missing.
fn rust(project: &Project, step: &Step, folder: &Path) -> Result<()> {
    if process::output(&mut project.command("cargo", "cyclonedx --version")).is_err() {
        step.note("cargo-cyclonedx is missing: installing it takes some minutes");
        step.run(project.command("cargo", "install cargo-cyclonedx --version =0.5.9 --locked"))?;
    }
    let arguments = format!(
        "cyclonedx --format json --spec-version {SPECIFICATION} --override-filename {DRAFT} \
         --all-features --target all"
    );
    let written = step.run(project.command("cargo", &arguments));
    let drafts = drafts(project)?;
    let kept = written.and_then(|()| {
        CRATES.iter().try_for_each(|name| {
            let text = fs::read_to_string(project.root.join(name).join(format!("{DRAFT}.json")))?;
            // Where this checkout is says nothing to others.
            let text = text.replace(&project.root.display().to_string(), ".");
            keep(step, folder, name, &text)
        })
    });
    for draft in drafts {
        fs::remove_file(draft)?;
    }
    kept
}

fn drafts(project: &Project) -> Result<Vec<PathBuf>> {
    let arguments = "metadata --no-deps --format-version=1";
    let metadata: Value =
        serde_json::from_str(&process::output(&mut project.command("cargo", arguments))?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo names no packages")?;
    let manifests = packages
        .iter()
        .filter_map(|package| package["manifest_path"].as_str());
    let drafts = manifests.map(|path| Path::new(path).with_file_name(format!("{DRAFT}.json")));
    Ok(drafts.filter(|path| path.exists()).collect())
}

fn npm(project: &Project, step: &Step, folder: &Path) -> Result<()> {
    tools::require_node()?;
    let arguments = "sbom --package-lock-only --sbom-format cyclonedx --sbom-type application";
    let text = process::output(&mut project.command("npm", arguments))?;
    keep(step, folder, "npm", &text)
}

fn keep(step: &Step, folder: &Path, name: &str, text: &str) -> Result<()> {
    let components = check(text).with_context(|| format!("the SBOM of {name}"))?;
    let path = folder.join(format!("{name}.cdx.json"));
    fs::write(&path, text)?;
    step.note(&format!("{}: {components} components", path.display()));
    Ok(())
}

/// How many components an SBOM names.
///
/// Fails unless it is CycloneDX in which each component has a name, a version and a package URL, and each dependency is one of
/// the components or the thing itself.
fn check(text: &str) -> Result<usize> {
    let sbom: Value = serde_json::from_str(text)?;
    if sbom["bomFormat"] != "CycloneDX" || sbom["specVersion"] != SPECIFICATION {
        bail!("it is no CycloneDX {SPECIFICATION}");
    }
    let list = |name: &str| {
        sbom[name]
            .as_array()
            .with_context(|| format!("it has no {name}"))
    };
    let components = list("components")?;
    let mut known = BTreeSet::from([text_of(&sbom["metadata"]["component"], "bom-ref")?]);
    for component in components {
        for name in ["name", "version"] {
            text_of(component, name)?;
        }
        if !text_of(component, "purl")?.starts_with("pkg:") {
            bail!("a component has no package URL: {component}");
        }
        known.insert(text_of(component, "bom-ref")?);
    }
    for dependency in list("dependencies")? {
        let uses = dependency["dependsOn"].as_array().into_iter().flatten();
        for used in uses.chain([&dependency["ref"]]) {
            if !used.as_str().is_some_and(|used| known.contains(used)) {
                bail!("{used} is used and not described");
            }
        }
    }
    match components.len() {
        0 => bail!("it names no component"),
        count => Ok(count),
    }
}

fn text_of<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    let text = value[name].as_str().filter(|text| !text.is_empty());
    text.with_context(|| format!("{name} is missing in {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "bomFormat": "CycloneDX", "specVersion": "1.5",
        "metadata": { "component": { "bom-ref": "us" } },
        "components": [{ "bom-ref": "a", "name": "a", "version": "1", "purl": "pkg:cargo/a@1" }],
        "dependencies": [{ "ref": "us", "dependsOn": ["a"] }]
    }"#;

    #[test]
    fn an_sbom_describes_all_that_is_used() {
        assert_eq!(check(GOOD).unwrap(), 1);
        for (from, to) in [
            ("CycloneDX", "SPDX"),
            ("\"1.5\"", "\"1.3\""),
            ("\"version\": \"1\"", "\"version\": \"\""),
            ("pkg:cargo/a@1", "a"),
            ("[\"a\"]", "[\"b\"]"),
            ("\"ref\": \"us\"", "\"ref\": \"them\""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert!(check(&GOOD.replace(from, to)).is_err(), "{from} → {to}");
        }
    }
}
