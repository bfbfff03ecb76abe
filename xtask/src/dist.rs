//! `cargo xtask dist`: the binary as it is given to others, linked statically against musl, and what goes with it.

use std::{
    env, fs,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use serde_json::Value;

use crate::{
    changelog, demo, npm,
    paths::Renamed,
    process,
    project::Project,
    sbom,
    steps::{Step, Steps},
    tools,
};

/// More bytes are a mistake in what is linked or embedded.
const LARGEST: u64 = 25_000_000;

/// A table of addresses to be set at the start, packed: 0.8 MB of zeros less (binutils 2.38 or newer; others leave it as it is).
const PACKED: &str = "-Clink-arg=-Wl,-z,pack-relative-relocs";

/// What stands beside the binary in the archive, of what is committed.
const BESIDE: [&str; 5] = [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "CHANGELOG.md",
    "deploy",
];

/// Flags of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build the last commit in two folders instead, and compare the archives.
    #[arg(long, conflicts_with = "tag")]
    reproduce: bool,
    /// The tag that is released, `v` and the version: everything that names a version has to name this one, and `NOTES.md` is
    /// written, which says what changed.
    #[arg(long)]
    tag: Option<String>,
}

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    let release = Release::of(project)?;
    let notes = match &options.tag {
        Some(tag) => Some(release.notes(project, tag)?),
        None => None,
    };
    steps.expect(if options.reproduce { 4 } else { 7 });
    steps.step("tools", |step| {
        tools::require_musl(project, step, &release.target)
    })?;
    steps.step("npm packages", |step| npm::install(project, step))?;
    if options.reproduce {
        return reproduce(project, &mut steps, &release);
    }
    steps.step("npm package @countersign/client", |step| {
        npm::build(project, step)
    })?;
    steps.step("demo and GraphiQL pages", |step| {
        demo::build_pages(project, step)
    })?;
    let binary = steps.step("server", |step| release.build(project, step))?;
    steps.step("archive", |_| release.pack(project, &binary))?;
    steps.step("list of components and checksums", |step| {
        sbom::write(project, step)?;
        release.describe(project)
    })?;
    if let Some(notes) = notes {
        fs::write(folder(project).join("NOTES.md"), notes)?;
    }
    println!("\n{}", folder(project).display());
    Ok(())
}

/// Where everything is put, wherever cargo's target folder is: the Dockerfile looks there.
fn folder(project: &Project) -> PathBuf {
    project.root.join("target/dist")
}

/// Builds the last commit in two folders with names of different length.
fn reproduce(project: &Project, steps: &mut Steps, release: &Release) -> Result<()> {
    let commit = npm::last_commit(project)?;
    let mut build = |title, name| {
        steps.step(title, |step| {
            npm::elsewhere(project, &commit, name, |copy| {
                npm::build(copy, step)?;
                demo::build_pages(copy, step)?;
                let binary = release.build(copy, step)?;
                release.pack(copy, &binary)?;
                let archive = folder(copy).join(release.archive());
                process::output(Command::new("sha256sum").arg("--").arg(archive))
            })
        })
    };
    let digest = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
    let first = digest(build("first build", "a")?);
    let second = digest(build("second build", "another-folder-with-a-longer-name")?);
    if first != second {
        bail!("the two builds differ: {first} and {second}");
    }
    println!("both builds made the same {}: {first}", release.archive());
    Ok(())
}

/// One version for one processor.
struct Release {
    version: String,
    target: String,
    /// Seconds since 1970: the time that files and pages are said to be of (reproducible-builds.org, `SOURCE_DATE_EPOCH`).
    date: String,
    /// The files of `BESIDE`, from the root of the checkout.
    beside: Vec<String>,
}

impl Release {
    fn of(project: &Project) -> Result<Self> {
        if env::consts::OS != "linux" {
            bail!("releases are built on Linux, on the processor that they are for");
        }
        let date = match env::var("SOURCE_DATE_EPOCH") {
            Ok(date) => date,
            Err(_) => process::output(&mut project.command("git", "log -1 --format=%ct"))?,
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target: format!("{}-unknown-linux-musl", env::consts::ARCH),
            date,
            beside: committed(project, &BESIDE)?,
        })
    }

    /// What changed, if everything is of the version that `tag` names.
    fn notes(&self, project: &Project, tag: &str) -> Result<String> {
        let package = fs::read(project.root.join("wasm-client/npm/package.json"))?;
        let package: Value = serde_json::from_slice(&package)?;
        let version = &self.version;
        for (named, by) in [
            (tag, "the tag, without its v,"),
            (
                package["version"].as_str().unwrap_or_default(),
                "package.json of the npm package",
            ),
        ] {
            if named.trim_start_matches('v') != version {
                bail!("{by} says {named}, and Cargo.toml {version}");
            }
        }
        changelog::notes(
            &fs::read_to_string(project.root.join("CHANGELOG.md"))?,
            version,
        )
    }

    fn name(&self) -> String {
        format!("countersign-{}-{}", self.version, self.target)
    }

    fn archive(&self) -> String {
        format!("{}.tar.gz", self.name())
    }

    /// Compiles the server and checks what came out.
    fn build(&self, project: &Project, step: &Step) -> Result<PathBuf> {
        let renamed = Renamed::of(project)?;
        let arguments = "build --package server --bin countersign --profile dist --locked --features embedded-pages";
        let mut compile = project.command("cargo", arguments);
        compile
            .args(["--target", &self.target])
            .env("CARGO_TARGET_DIR", &project.target)
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                format!("{}\x1f{PACKED}", renamed.rust_flags()),
            )
            .env("SOURCE_DATE_EPOCH", &self.date);
        for (variable, value) in [("CC", "musl-gcc"), ("CFLAGS", &renamed.c_flags())] {
            let target = self.target.replace('-', "_");
            compile.env(format!("{variable}_{target}"), value);
        }
        step.run(compile)?;
        let binary = project.target.join(&self.target).join("dist/countersign");
        check(step, &binary)?;
        Ok(binary)
    }

    /// Puts the binary and its archive into the folder.
    fn pack(&self, project: &Project, binary: &Path) -> Result<()> {
        let folder = folder(project);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        // What the image has at /data.
        fs::create_dir_all(folder.join("data"))?;
        fs::copy(binary, folder.join("countersign"))?;

        let staging = tempfile::tempdir()?;
        let root = staging.path().join(self.name());
        fs::create_dir(&root)?;
        fs::copy(binary, root.join("countersign"))?;
        copy_files(&self.beside, &project.root, &root)?;
        share(binary, &root.join("share"))?;
        self.archive_of(project, staging.path())
    }

    /// Nothing in it tells of the machine, its users or the hour of the build.
    fn archive_of(&self, project: &Project, staging: &Path) -> Result<()> {
        let tar = staging.join("archive.tar");
        let arguments = "--create --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
             --mode=u=rwX,go=rX";
        let mut pack = project.command("tar", arguments);
        pack.arg(format!("--mtime=@{}", self.date))
            .arg("--directory")
            .arg(staging)
            .arg("--file")
            .arg(&tar)
            .arg(self.name());
        process::output(&mut pack)?;
        let archive = File::create(folder(project).join(self.archive()))?;
        let mut gzip = GzEncoder::new(archive, Compression::best());
        gzip.write_all(&fs::read(tar)?)?;
        gzip.finish()?;
        Ok(())
    }

    /// Adds what the release is made of, and the checksums of all that is published.
    fn describe(&self, project: &Project) -> Result<()> {
        let folder = folder(project);
        let mut published = vec![self.archive()];
        for sbom in fs::read_dir(sbom::folder(project))? {
            let sbom = sbom?;
            let name = format!(
                "countersign-{}-{}",
                self.version,
                sbom.file_name().to_string_lossy()
            );
            fs::copy(sbom.path(), folder.join(&name))?;
            published.push(name);
        }
        published.sort();
        let mut sums = Command::new("sha256sum");
        let sums = process::output(sums.args(&published).current_dir(&folder))?;
        fs::write(folder.join("SHA256SUMS"), sums + "\n").context("cannot write SHA256SUMS")
    }
}

/// The files at or below `names` in the last commit. Others stay where they are: an operator keeps secrets in `deploy/secrets`.
fn committed(project: &Project, names: &[&str]) -> Result<Vec<String>> {
    let mut list = project.command("git", "ls-tree -r -z --name-only HEAD --");
    let listed = process::output(list.args(names))?;
    let files: Vec<_> = listed.split_terminator('\0').map(str::to_owned).collect();
    for name in names {
        if !files.iter().any(|file| Path::new(file).starts_with(name)) {
            bail!("{name} is not in the last commit");
        }
    }
    Ok(files)
}

/// Copies `files`, with their folders, from one folder to another.
fn copy_files(files: &[String], from: &Path, to: &Path) -> Result<()> {
    for file in files {
        let copied = to.join(file);
        fs::create_dir_all(copied.parent().context("a file without a folder")?)?;
        fs::copy(from.join(file), copied).with_context(|| format!("cannot pack {file}"))?;
    }
    Ok(())
}

/// Completions and manual pages, where shells and `man` look for them below `/usr` and `/usr/local`.
fn share(binary: &Path, share: &Path) -> Result<()> {
    for (shell, file) in [
        ("bash", "bash-completion/completions/countersign"),
        ("fish", "fish/vendor_completions.d/countersign.fish"),
        ("zsh", "zsh/site-functions/_countersign"),
    ] {
        let file = share.join(file);
        fs::create_dir_all(file.parent().context("a file without a folder")?)?;
        let script = process::output(Command::new(binary).args(["completions", shell]))?;
        fs::write(file, script + "\n")?;
    }
    let manual = share.join("man/man1");
    process::output(Command::new(binary).arg("man").arg(manual))?;
    Ok(())
}

/// That the binary is small, needs nothing of the machine that it runs on, and runs.
fn check(step: &Step, binary: &Path) -> Result<()> {
    let size = fs::metadata(binary)?.len();
    if size > LARGEST {
        bail!("the binary has {size} bytes; {LARGEST} are allowed");
    }
    let mut read = Command::new("readelf");
    let segments = process::output(read.args(["--program-headers", "--wide"]).arg(binary))?;
    if segments.contains("INTERP") {
        bail!("the binary is not linked statically: it names a dynamic linker");
    }
    let version = process::output(Command::new(binary).arg("--version").env_clear())?;
    step.note(&format!("{version}: {size} bytes, linked statically"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_is_not_packed() {
        let checkout = tempfile::tempdir().unwrap();
        let project = Project {
            root: checkout.path().to_owned(),
            target: checkout.path().join("target"),
        };
        let git = |arguments: &str| process::output(&mut project.command("git", arguments));
        fs::create_dir_all(project.root.join("deploy/secrets")).unwrap();
        fs::write(project.root.join("README.md"), "read").unwrap();
        fs::write(project.root.join("deploy/compose.yaml"), "services").unwrap();
        git("init --quiet").unwrap();
        git("add .").unwrap();
        git("-c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit --quiet -m all").unwrap();
        fs::write(project.root.join("deploy/secrets/keys-secret"), "secret").unwrap();

        let packed = tempfile::tempdir().unwrap();
        let files = committed(&project, &["README.md", "deploy"]).unwrap();
        copy_files(&files, &project.root, packed.path()).unwrap();
        assert_eq!(files, ["README.md", "deploy/compose.yaml"]);
        assert!(packed.path().join("deploy/compose.yaml").exists());
        assert!(!packed.path().join("deploy/secrets").exists());
        assert!(committed(&project, &["LICENSE"]).is_err(), "a slip");
    }
}
