//! Leaves out a build whose inputs have not changed.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ignore::WalkBuilder;

use crate::project::Project;

/// Remembers, in the target folder, the inputs that an output was built from.
pub(crate) struct Stamp {
    file: PathBuf,
    inputs: String,
}

impl Stamp {
    /// Reads `inputs`: files, or folders with all that git does not ignore.
    pub(crate) fn read(project: &Project, name: &str, inputs: &[PathBuf]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            hash(input, &mut hasher)?;
        }
        let file = project.target.join("xtask").join(name);
        Ok(Self {
            file,
            inputs: format!("{:016x}", hasher.finish()),
        })
    }

    /// Whether all `outputs` exist and were built from these inputs.
    pub(crate) fn is_fresh(&self, outputs: &[PathBuf]) -> bool {
        outputs.iter().all(|output| output.exists())
            && fs::read_to_string(&self.file).is_ok_and(|built| built == self.inputs)
    }

    /// Called after the build.
    pub(crate) fn write(&self) -> Result<()> {
        fs::create_dir_all(self.file.parent().context("stamp without folder")?)?;
        fs::write(&self.file, &self.inputs).context("cannot write the stamp of a build")
    }
}

fn hash(input: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let walk = WalkBuilder::new(input)
        .require_git(false)
        .hidden(false)
        .sort_by_file_path(Path::cmp)
        .build();
    for entry in walk {
        let entry = entry?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            entry.path().hash(hasher);
            fs::read(entry.path())?.hash(hasher);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_left_out_only_while_its_inputs_and_outputs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let project = Project {
            root: at(""),
            target: at("target"),
        };
        fs::create_dir(at("src")).unwrap();
        fs::write(at("src/a"), "1").unwrap();
        let read = || Stamp::read(&project, "demo", &[at("src")]).unwrap();

        assert!(!read().is_fresh(&[]), "never built");
        read().write().unwrap();
        assert!(read().is_fresh(&[]));
        assert!(!read().is_fresh(&[at("out")]), "its output is gone");
        fs::write(at("src/a"), "2").unwrap();
        assert!(!read().is_fresh(&[]), "an input changed");
        read().write().unwrap();
        fs::write(at("src/b"), "").unwrap();
        assert!(!read().is_fresh(&[]), "an input is new");
    }
}
