//! Three nodes behind a load balancer, on a database of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};
use xtask::postgres::{Owner, Postgres, free_port};
use xtask::process::{self, Running};
use xtask::tools;

use crate::api::{Api, PUBLIC_HOST, Session};
use crate::proxy::Proxy;

/// How many nodes there are.
pub const NODES: usize = 3;
/// A cluster that takes longer to be ready is not going to be.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands between the nodes and PostgreSQL, and what they run on.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// A [`Proxy`] for each node.
    pub proxies: bool,
    /// pgbouncer in transaction mode.
    pub pooler: bool,
    /// Clocks that can be set.
    pub clocks: bool,
}

/// A server's binary and which settings it knows.
#[derive(Clone, Debug)]
pub struct Build {
    binary: PathBuf,
    drains: bool,
}

impl Build {
    /// Asks the binary.
    pub fn new(binary: &Path) -> Result<Self> {
        ensure!(binary.exists(), "{} is missing", binary.display());
        // An older one refuses settings that it does not know.
        let mut check = Command::new(binary);
        check
            .arg("check-config")
            .env("COUNTERSIGN_HTTP__DRAIN", DRAIN);
        Ok(Self {
            binary: binary.to_owned(),
            drains: process::output(&mut check).is_ok(),
        })
    }
}

/// How long a node that shall stop still serves: longer than the load balancer needs to notice.
const DRAIN: &str = "2s";

/// One node.
pub struct Node {
    /// What it runs; another build takes effect when it is started again.
    pub build: Build,
    /// Straight to it.
    pub api: Api,
    /// Between it and PostgreSQL, where the plan has one.
    pub proxy: Option<Proxy>,
    /// What its clock is off by, where the plan has that: a file.
    clock: Option<PathBuf>,
    port: u16,
    settings: Vec<(String, String)>,
    log: PathBuf,
    running: Option<Running>,
}

impl Node {
    /// Starts its process; that it is ready is another matter.
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.command();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        command.arg("serve").stdout(log.try_clone()?).stderr(log);
        self.running = Some(Running::start(&mut command)?);
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Owner::Us.command(&self.build.binary);
        // The developer's own settings are none of ours.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command.envs(self.settings.iter().cloned());
        if self.build.drains {
            command.env("COUNTERSIGN_HTTP__DRAIN", DRAIN);
        }
        if let Some(clock) = &self.clock {
            command.env("FAKETIME_TIMESTAMP_FILE", clock);
        }
        command
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGKILL)?;
        }
        Ok(())
    }

    /// SIGTERM, and waits until it has finished.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        running.signal(Signal::SIGTERM)?;
        let deadline = Instant::now() + PATIENCE;
        while running.alive()? {
            ensure!(Instant::now() < deadline, "a node does not stop");
            sleep(Duration::from_millis(20)).await;
        }
        running.wait("countersign serve")
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.api.is_ready().await {
            let running = self.running.as_mut().context("a node was not started")?;
            let gone = !running.alive()? || process::interrupted();
            if gone || Instant::now() > deadline {
                let log = self.log()?;
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(20)..];
                bail!("a node does not become ready:\n{}", last.join("\n"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Sets its clock so many seconds beside the machine's.
    pub fn set_clock(&self, seconds: i64) -> Result<()> {
        let clock = self
            .clock
            .as_ref()
            .context("this node has no clock of its own")?;
        // A rename, so that no half-written file is read.
        let new = clock.with_extension("new");
        fs::write(&new, format!("{seconds:+}"))?;
        Ok(fs::rename(new, clock)?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.kill();
    }
}

/// All of it; dropping it ends it.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Through the load balancer.
    pub api: Api,
    /// pgbouncer, where the plan has it.
    pub pooler: Option<Pooler>,
    database: String,
    _balancer: Running,
    _folder: TempDir,
}

impl Cluster {
    /// Makes a database and starts everything on it; logs go to the folder `logs`.
    pub async fn start(
        postgres: &Postgres,
        build: &Build,
        plan: &Plan,
        logs: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let folder = tempfile::Builder::new()
            .prefix("countersign-chaos-")
            .tempdir()?;
        let name = format!("chaos_{:08x}", fastrand::u32(..));
        let sql = connect(&postgres.url()).await?;
        sql.batch_execute(&format!("CREATE DATABASE {name}"))
            .await?;
        let database = at(postgres, postgres.port(), &name);

        let pooler = match plan.pooler {
            true => Some(Pooler::start(postgres, logs).await?),
            false => None,
        };
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let port = pooler
                .as_ref()
                .map_or(postgres.port(), |pooler| pooler.port);
            let proxy = match plan.proxies {
                true => Some(Proxy::start(port).await?),
                false => None,
            };
            let port = proxy.as_ref().map_or(port, |proxy| proxy.port);
            let mut node = node(build, number, &at(postgres, port, &name), logs)?;
            node.proxy = proxy;
            if plan.pooler {
                node.settings.extend(behind_pooler(&database));
            }
            if plan.clocks {
                node.clock = Some(folder.path().join(format!("clock-{number}")));
                node.set_clock(0)?;
                node.settings.extend(fake_time()?);
            }
            nodes.push(node);
        }
        let port = free_port()?;
        let balancer = balance(port, &nodes, folder.path(), logs)?;
        let mut cluster = Self {
            nodes,
            api: Api::new(port)?,
            pooler,
            database,
            _balancer: balancer,
            _folder: folder,
        };
        for node in &mut cluster.nodes {
            node.start()?;
        }
        cluster.recovered().await?;
        Ok(cluster)
    }

    /// A connection to the nodes' database, past everything that stands between.
    pub async fn sql(&self) -> Result<Client> {
        connect(&self.database).await
    }

    /// The ways to each node.
    pub fn apis(&self) -> Vec<Api> {
        self.nodes.iter().map(|node| node.api.clone()).collect()
    }

    /// Waits until every node is ready and the load balancer passes requests on; how long that took.
    pub async fn recovered(&mut self) -> Result<Duration> {
        let start = Instant::now();
        for node in &mut self.nodes {
            node.ready().await?;
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.api.is_ready().await {
            ensure!(
                Instant::now() < deadline && !process::interrupted(),
                "the load balancer passes nothing on"
            );
            sleep(Duration::from_millis(20)).await;
        }
        Ok(start.elapsed())
    }

    /// An error when one of the nodes says that it can serve.
    pub async fn none_ready(&self) -> Result<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            ensure!(
                !node.api.is_ready().await,
                "node {number} says that it is ready"
            );
        }
        Ok(())
    }

    /// Makes an administrator by the command line, and signs them in.
    pub async fn administrator(&self, email: &str, password: &str) -> Result<Session> {
        let node = self.nodes.first().context("there are no nodes")?;
        let mut command = node.command();
        command.args(["users", "create", "--password-stdin", "--role", "ADMIN"]);
        command.args(["--name", "Admin", "--email", email]);
        let (reader, mut writer) = std::io::pipe()?;
        std::io::Write::write_all(&mut writer, password.as_bytes())?;
        drop(writer);
        let output = command
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no administrator: {said}");
        match self.api.login(email, password).await {
            Ok(session) => Ok(session),
            Err(failure) => bail!("the administrator cannot sign in: {failure:?}"),
        }
    }
}

fn at(postgres: &Postgres, port: u16, database: &str) -> String {
    let password = postgres.password();
    format!("postgres://postgres:{password}@127.0.0.1:{port}/{database}")
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client, or with the server: the next statement says so.
    tokio::spawn(connection);
    Ok(client)
}

/// A node as an operator would run it in production.
fn node(build: &Build, number: usize, database: &str, logs: &Path) -> Result<Node> {
    let port = free_port()?;
    let public = format!("https://{PUBLIC_HOST}");
    let listen = format!("127.0.0.1:{port}");
    let settings = [
        ("PROFILE", "production"),
        ("HTTP__LISTEN", &listen),
        ("HTTP__PUBLIC_URL", &public),
        ("HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("TOKENS__ISSUER", &public),
        ("KEYS__SECRET", "a secret of the fault suite, long enough"),
        ("DATABASE__URL", database),
        // Passwords are not what is tried here.
        ("PASSWORDS__MEMORY_KIB", "7168"),
        ("PASSWORDS__ITERATIONS", "1"),
        // All people come from one address.
        ("LIMITS__FAILURES_PER_MINUTE", "off"),
        ("LIMITS__FAILURES_PER_HOUR", "off"),
        ("LIMITS__REGISTRATIONS_PER_HOUR", "off"),
    ];
    let named = settings.map(|(name, value)| (format!("COUNTERSIGN_{name}"), value.to_owned()));
    Ok(Node {
        build: build.clone(),
        api: Api::new(port)?,
        proxy: None,
        clock: None,
        port,
        settings: named.into(),
        log: logs.join(format!("node-{number}.log")),
        running: None,
    })
}

fn behind_pooler(database: &str) -> [(String, String); 2] {
    [
        (
            "COUNTERSIGN_DATABASE__POOLER".to_owned(),
            "transaction".to_owned(),
        ),
        (
            "COUNTERSIGN_DATABASE__MIGRATIONS_URL".to_owned(),
            database.to_owned(),
        ),
    ]
}

/// libfaketime, for the wall clock alone; its tool knows where its library is.
fn fake_time() -> Result<[(String, String); 3]> {
    let library =
        process::output(Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]))?;
    let pairs = [
        (
            "LD_PRELOAD",
            library.replace("libfaketime.so", "libfaketimeMT.so"),
        ),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)))
}

/// haproxy, which asks each node's `/readyz` and sends nothing to those that are not.
fn balance(port: u16, nodes: &[Node], folder: &Path, logs: &Path) -> Result<Running> {
    let mut config = format!(
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout check 2s\n  \
         option forwardfor\n  option redispatch\n  retries 2\n\
         frontend public\n  bind 127.0.0.1:{port}\n  default_backend nodes\n\
         backend nodes\n  balance roundrobin\n  option httpchk GET /readyz\n  \
         default-server check inter 200ms fall 2 rise 1\n"
    );
    for (number, node) in nodes.iter().enumerate() {
        config.push_str(&format!("  server node{number} 127.0.0.1:{}\n", node.port));
    }
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config)?;
    let program = tools::find("haproxy").context("haproxy is missing")?;
    let log = fs::File::create(logs.join("haproxy.log"))?;
    let mut command = Owner::Us.command(&program);
    command.arg("-db").arg("-f").arg(file);
    Running::start(command.stdout(log.try_clone()?).stderr(log))
}

/// pgbouncer in transaction mode.
pub struct Pooler {
    port: u16,
    owner: Owner,
    folder: TempDir,
    log: PathBuf,
    running: Option<Running>,
}

impl Pooler {
    async fn start(postgres: &Postgres, logs: &Path) -> Result<Self> {
        let owner = Owner::choose()?;
        let folder = tempfile::Builder::new()
            .prefix("countersign-pgbouncer-")
            .tempdir()?;
        let (port, password) = (free_port()?, postgres.password());
        let users = folder.path().join("users");
        fs::write(&users, format!("\"postgres\" \"{password}\"\n"))?;
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 20\nmax_client_conn = 200\n\
             server_login_retry = 1\n",
            postgres.port(),
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, config)?;
        for path in [folder.path(), &users, &file] {
            owner.take(path)?;
        }
        let log = logs.join("pgbouncer.log");
        let mut pooler = Self {
            port,
            owner,
            folder,
            log,
            running: None,
        };
        pooler.resume()?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(Instant::now() < deadline, "pgbouncer does not start");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(pooler)
    }

    /// Starts it again after [`Self::kill`].
    pub fn resume(&mut self) -> Result<()> {
        let program = tools::find("pgbouncer").context("pgbouncer is missing")?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = self.owner.command(&program);
        command
            .arg(self.folder.path().join("pgbouncer.ini"))
            .current_dir(self.folder.path());
        self.running = Some(Running::start(
            command.stdout(log.try_clone()?).stderr(log),
        )?);
        Ok(())
    }

    /// SIGKILL: asked by SIGTERM, pgbouncer 1.23 and later wait until the last client has gone.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGKILL)?;
        }
        Ok(())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.kill();
    }
}
