//! Where this checkout and its build output are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process;

/// The checkout that `cargo xtask` was called in.
pub(crate) struct Project {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the developer has put it.
    pub(crate) target: PathBuf,
}

impl Project {
    pub(crate) fn discover() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let root = Path::new(&manifest)
            .parent()
            .context("xtask has no parent folder")?;
        let mut metadata = Command::new("cargo");
        metadata
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(root);
        let metadata: serde_json::Value = serde_json::from_str(&process::output(&mut metadata)?)?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo names no target folder")?;
        Ok(Self {
            root: root.to_owned(),
            target: target.into(),
        })
    }

    /// A command that runs in the root of the checkout.
    pub(crate) fn command(&self, program: &str, arguments: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .current_dir(&self.root);
        command
    }

    /// The server's binary of a cargo profile's folder (`debug`, `release`).
    pub(crate) fn server(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join("countersign")
    }
}
