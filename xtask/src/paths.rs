//! Keeps the folders of this machine out of what is built, so that every machine builds the same bytes.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{process, project::Project};

/// The folders that a compiler would name, and what they are to be called.
pub(crate) struct Renamed(Vec<(PathBuf, String)>);

impl Renamed {
    pub(crate) fn of(project: &Project) -> Result<Self> {
        let mut folders = vec![
            (project.root.clone(), String::new()),
            (project.target.clone(), "/target".to_owned()),
        ];
        // There is none where the crates are vendored.
        let registries = fs::read_dir(cargo_home()?.join("registry/src"));
        for registry in registries.into_iter().flatten() {
            folders.push((registry?.path(), String::new()));
        }
        // The sources of the library, where they are installed, get the name that they have where they are not.
        let rustc = |arguments| process::output(&mut project.command("rustc", arguments));
        let library = Path::new(&rustc("--print sysroot")?).join("lib/rustlib/src/rust");
        let version = rustc("-vV")?;
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "));
        let commit = commit.context("rustc names no commit")?;
        folders.push((library, format!("/rustc/{commit}")));
        Ok(Self(folders))
    }

    /// For `CARGO_ENCODED_RUSTFLAGS`.
    pub(crate) fn rust_flags(&self) -> String {
        self.flags("--remap-path-prefix").join("\x1f")
    }

    /// For `CFLAGS`: the C libraries name their files where they check themselves.
    pub(crate) fn c_flags(&self) -> String {
        self.flags("-ffile-prefix-map").join(" ")
    }

    fn flags(&self, flag: &str) -> Vec<String> {
        self.0
            .iter()
            .map(|(folder, name)| format!("{flag}={}={name}", folder.display()))
            .collect()
    }
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = env::home_dir().context("this user has no home folder")?;
    Ok(home.join(".cargo"))
}
