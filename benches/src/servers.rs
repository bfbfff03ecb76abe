//! Servers in processes of their own: ours, and those that it is compared with. For Linux, which tells of processes and pins them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where a thread or a process may run.
#[derive(Clone, Copy)]
pub enum Cores {
    /// On the first core that this process was given: servers.
    First,
    /// On the second: what loads them.
    Second,
    /// On both.
    Both,
}

impl Cores {
    /// Keeps this thread, and what it starts from now on, to these cores. A process sees so many and sizes its threads by it.
    ///
    /// # Errors
    /// When there are not two.
    pub fn pin(self) -> Result<()> {
        Ok(sched_setaffinity(None, &self.set()?)?)
    }

    /// Keeps a process of one thread, and what it starts from now on, to these cores.
    ///
    /// # Errors
    /// When there are not two, or no such process.
    pub fn hold(self, process: Pid) -> Result<()> {
        Ok(sched_setaffinity(Some(process), &self.set()?)?)
    }

    fn set(self) -> Result<CpuSet> {
        let mut given = CpuSet::new();
        // Those of the main thread, which nobody pins: this one may be pinned already.
        let allowed = sched_getaffinity(Some(rustix::process::getpid()))?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let (Some(first), Some(second)) = (cores.next(), cores.next()) else {
            bail!("two cores are needed: one for the server, one for what loads it");
        };
        if !matches!(self, Self::Second) {
            given.set(first);
        }
        if !matches!(self, Self::First) {
            given.set(second);
        }
        Ok(given)
    }

    /// Runs `work` on a thread that is pinned to these cores.
    ///
    /// # Errors
    /// Those of [`Cores::pin`] and of the work.
    pub fn run<T: Send>(self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pinned = || {
            self.pin()?;
            work()
        };
        let done = std::thread::scope(|scope| scope.spawn(pinned).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A server in a process of its own, killed when it is dropped.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it printed.
    log: PathBuf,
}

impl Server {
    /// Starts what `command` makes of an address on a free port, on these cores, and waits until `ready` (a path, such as
    /// `/readyz`) is answered, and not with a status of the 500s. It writes to a file in `folder`, as under systemd.
    ///
    /// # Errors
    /// When it cannot be started or does not get ready; with what it printed.
    pub fn start(
        cores: Cores,
        folder: &Path,
        ready: &str,
        command: impl FnOnce(SocketAddr) -> Command + Send,
    ) -> Result<Self> {
        let mut server = Self::spawn(cores, folder, command)?;
        let begin = Instant::now();
        while !server.answers(ready) {
            if server.process.try_wait()?.is_some() || begin.elapsed() > START_LIMIT {
                bail!("it does not get ready: {}", server.printed());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(
        cores: Cores,
        folder: &Path,
        command: impl FnOnce(SocketAddr) -> Command + Send,
    ) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = folder.join("server.log");
        let output = File::create(&log)?;
        let process = cores.run(|| {
            let mut command = command(address);
            command.stdin(Stdio::null()).stdout(output.try_clone()?);
            let name = format!("cannot start {}", command.get_program().display());
            command.stderr(output).spawn().context(name)
        })?;
        Ok(Self {
            process,
            address,
            log,
        })
    }

    fn answers(&self, path: &str) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return false;
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let asked = stream.write_all(request.as_bytes());
        asked.is_ok()
            && stream.read_to_end(&mut answer).is_ok()
            && answer
                .get(9)
                .is_some_and(|status| (b'1'..b'5').contains(status))
    }

    /// What it printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The processor time that it has used so far, the kernel's for it included.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.id()).with_context(|| self.printed())
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that this was so far, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// In bytes (proc_pid_status(5)).
    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line
            .context(name.to_owned())?
            .trim()
            .trim_end_matches(" kB");
        Ok(kib.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The processor time of a process (proc_pid_stat(5), utime and stime).
///
/// # Errors
/// When there is no such process.
pub fn cpu(process: u32) -> Result<Duration> {
    times(process, 2)
}

/// As [`cpu`], with that of its children that have ended (cutime and cstime).
///
/// # Errors
/// When there is no such process.
pub fn cpu_with_ended(process: u32) -> Result<Duration> {
    times(process, 4)
}

fn times(process: u32, fields_from_utime: usize) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before it may hold blanks.
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat is cut off")?;
    let times = fields.split_whitespace().skip(11).take(fields_from_utime);
    let ticks: u64 = times.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_micros(
        ticks * 1_000_000 / clock_ticks_per_second(),
    ))
}

/// Runs a command to its end.
///
/// # Errors
/// When it fails; with what it printed to standard error.
pub fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let name = command.get_program().display();
    ensure!(output.status.success(), "{name} failed: {said}");
    Ok(())
}
