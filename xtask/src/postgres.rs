//! A throwaway PostgreSQL for the tests.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
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

static GIVEN_PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Listens on a free port of 127.0.0.1 and on a socket in its temporary folder; dropping it stops
/// it and removes the folder.
pub struct Postgres {
    server: Option<Child>,
    bin: PathBuf,
    owner: Owner,
    folder: TempDir,
    port: u16,
    password: String,
    settings: &'static str,
}

impl Postgres {
    /// Starts a server with the programs in `bin`, and waits until it answers. Nothing is synced to
    /// disk: a crash may lose it all.
    ///
    /// # Errors
    /// When it does not start; its log is in the error.
    pub fn start(bin: &Path) -> Result<Self> {
        Self::start_with(bin, "fsync=off synchronous_commit=off full_page_writes=off")
    }

    /// As [`Self::start`], and as durable as in production; with as much memory as PostgreSQL's documentation advises for a small
    /// server, a quarter of 4 GiB ("Resource Consumption"), where the default is for the smallest.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_durable(bin: &Path) -> Result<Self> {
        Self::start_with(
            bin,
            "fsync=on synchronous_commit=on full_page_writes=on shared_buffers=1GB",
        )
    }

    fn start_with(bin: &Path, settings: &'static str) -> Result<Self> {
        let owner = Owner::choose()?;
        let folder = tempfile::Builder::new()
            .prefix("countersign-postgres-")
            .tempdir()?;
        let password_file = folder.path().join("password");
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
            .arg(folder.path().join("data"))
            .current_dir(folder.path());
        process::output(&mut initdb).context("cannot make a PostgreSQL cluster for the tests")?;

        let mut postgres = Self {
            server: None,
            bin: bin.to_owned(),
            owner,
            folder,
            port: free_port()?,
            password,
            settings,
        };
        postgres.resume()?;
        Ok(postgres)
    }

    /// Starts the server again after [`Self::stop`], at the same address with the same data.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn resume(&mut self) -> Result<()> {
        let mut server = self.owner.command(&self.bin.join("postgres"));
        server
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .current_dir(self.folder.path());
        server.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let settings = self.settings.split(' ').chain(["max_connections=300"]);
        server.args(settings.flat_map(|setting| ["-c", setting]));
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.server = Some(server.spawn().context("cannot start PostgreSQL")?);
        self.wait_until_ready()
    }

    /// Stops the server and waits for its end: SIGINT ends the connections first ("fast"), SIGQUIT
    /// ends it as a crash would ("immediate").
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn stop(&mut self, how: Signal) -> Result<()> {
        let pid = self.pid();
        if let (Some(mut server), Some(pid)) = (self.server.take(), pid)
            && server.try_wait()?.is_none()
        {
            kill(pid, how)?;
            server.wait()?;
        }
        Ok(())
    }

    /// The process id of the server, which is the parent of all its processes.
    pub fn pid(&self) -> Option<Pid> {
        let id = self.server.as_ref()?.id();
        Some(Pid::from_raw(i32::try_from(id).ok()?))
    }

    /// `postgres://…/postgres`, of a superuser.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/postgres",
            self.password, self.port
        )
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of the superuser `postgres`.
    pub fn password(&self) -> &str {
        &self.password
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut probe = Command::new(self.bin.join("pg_isready"));
        probe.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        while process::output(&mut probe).is_err() {
            let server = self.server.as_mut().context("it was not started")?;
            let ended = server.try_wait()?.is_some();
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
        // An error means that it has ended already.
        let _ = self.stop(Signal::SIGINT);
    }
}

/// Whom servers run as that refuse to run as root: PostgreSQL, pgbouncer.
pub enum Owner {
    /// The user of this process, who is not root.
    Us,
    /// Somebody without rights.
    Other(User),
}

impl Owner {
    /// Who it is on this machine.
    ///
    /// # Errors
    /// When this is root and there is nobody else.
    pub fn choose() -> Result<Self> {
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

    /// Makes a file or folder this user's.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take(&self, path: &Path) -> Result<()> {
        let Self::Other(user) = self else {
            return Ok(());
        };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
    }

    /// `program` as this user. Where there is setpriv (Linux), the kernel stops it when xtask dies,
    /// however that happens.
    pub fn command(&self, program: &Path) -> Command {
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

/// A port of 127.0.0.1 that was free a moment ago and was not given out before. It is below those that systems give to outgoing
/// connections, so that it is still free when a server starts there again.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<u16> {
    for _ in 0..1000 {
        let port = 15_000 + u16::try_from(getrandom::u32()? % 15_000)?;
        // Nobody may listen there yet to whom it was given.
        let mut given = GIVEN_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 is free")
}
