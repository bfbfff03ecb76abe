//! A throwaway PostgreSQL for the tests.

use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use tempfile::TempDir;

use crate::{process, tools};

/// Listens on a free port of 127.0.0.1 and on a socket in its temporary folder; dropping it stops
/// it and removes the folder. Nothing is synced to disk: a crash may lose it all.
pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
    url: String,
}

impl Postgres {
    /// Starts a server with the programs in `bin`, and waits until it answers.
    pub(crate) fn start(bin: &Path) -> Result<Self> {
        let owner = Owner::choose()?;
        let folder = tempfile::Builder::new()
            .prefix("countersign-postgres-")
            .tempdir()?;
        let (data, password_file) = (folder.path().join("data"), folder.path().join("password"));
        let password = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        fs::write(&password_file, &password)?;
        fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))?;
        owner.take(folder.path())?;
        owner.take(&password_file)?;

        // `password` compares what is sent over loopback: SCRAM costs a debug build 50 ms a connection.
        let mut initdb = owner.command(&bin.join("initdb"));
        initdb.args("-U postgres -A password -E UTF8 --locale=C --no-sync".split(' '));
        initdb
            .arg("--pwfile")
            .arg(&password_file)
            .arg("-D")
            .arg(&data)
            .current_dir(folder.path());
        process::output(&mut initdb).context("cannot make a PostgreSQL cluster for the tests")?;

        let port = free_port()?;
        let mut server = owner.command(&bin.join("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .current_dir(folder.path());
        server.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        let settings = "fsync=off synchronous_commit=off full_page_writes=off max_connections=300";
        server.args(settings.split(' ').flat_map(|setting| ["-c", setting]));
        let log = fs::File::create(folder.path().join("log"))?;
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let server = server.spawn().context("cannot start PostgreSQL")?;
        let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
        let mut postgres = Self {
            server,
            folder,
            url,
        };
        postgres.wait_until_ready(bin, port)?;
        Ok(postgres)
    }

    /// `postgres://…/postgres`, of a superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait_until_ready(&mut self, bin: &Path, port: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut probe = Command::new(bin.join("pg_isready"));
        probe.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        while process::output(&mut probe).is_err() {
            let ended = self.server.try_wait()?.is_some();
            if ended || process::interrupted() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                bail!("the tests' PostgreSQL did not start:\n{log}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.server.try_wait(), i32::try_from(self.server.id())) {
            // SIGINT is PostgreSQL's fast shutdown: it ends connections instead of waiting for them.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
            let _ = self.server.wait();
        }
    }
}

/// Whom the server runs as: PostgreSQL refuses to run as root.
enum Owner {
    Us,
    Other(User),
}

impl Owner {
    fn choose() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self::Us);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::Other(user));
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as"
        )
    }

    fn take(&self, path: &Path) -> Result<()> {
        let Self::Other(user) = self else {
            return Ok(());
        };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
    }

    /// `program` as this user. Where there is setpriv (Linux), the kernel stops it when xtask dies,
    /// however that happens.
    fn command(&self, program: &Path) -> Command {
        let setpriv = tools::find("setpriv");
        let mut command = Command::new(setpriv.as_deref().unwrap_or(program));
        if setpriv.is_some() {
            command.args(["--pdeathsig", "INT"]);
            if let Self::Other(user) = self {
                command
                    .arg(format!("--reuid={}", user.uid))
                    .arg(format!("--regid={}", user.gid));
                command.arg("--clear-groups");
            }
            command.arg("--").arg(program);
        } else if let Self::Other(user) = self {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
