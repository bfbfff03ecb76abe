//! Child processes that never outlive `cargo xtask`.
//!
//! Every child leads its own process group, so that one signal also reaches what it started (npm's
//! scripts, cargo's compilers, Playwright's browsers).

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Makes Ctrl-C, SIGTERM and SIGHUP end the children (the second time with SIGKILL); `main` then
/// returns by itself, and so runs the destructors that stop PostgreSQL and remove temporary folders.
///
/// # Errors
/// When the process listens already.
pub fn stop_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        let again = INTERRUPTED.swap(true, Ordering::SeqCst);
        let signal = if again {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        for group in GROUPS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // An error means that the group has just ended.
            let _ = killpg(Pid::from_raw(*group), signal);
        }
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether the developer asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// A running child; dropping it ends its group and waits.
pub struct Running {
    child: Child,
    group: i32,
}

impl Running {
    /// Starts `command`, without standard input.
    ///
    /// # Errors
    /// When it cannot be started, or the developer asked to stop.
    pub fn start(command: &mut Command) -> Result<Self> {
        // Held while starting, so that an interrupt sees either no child or a registered one.
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        if interrupted() {
            bail!("interrupted");
        }
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start `{}`: is it installed?",
                    command.get_program().display()
                )
            })?;
        let group = i32::try_from(child.id()).context("process id out of range")?;
        groups.push(group);
        Ok(Self { child, group })
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it was not a success.
    pub fn wait(mut self, name: &str) -> Result<()> {
        let status = self.child.wait()?;
        if interrupted() {
            bail!("interrupted");
        }
        if !status.success() {
            bail!("`{name}` failed ({status})");
        }
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends a signal to its group.
    ///
    /// # Errors
    /// When there is nobody left to get it.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(killpg(Pid::from_raw(self.group), signal)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = killpg(Pid::from_raw(self.group), Signal::SIGTERM);
            let _ = self.child.wait();
        }
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| *group != self.group);
    }
}

/// What a short command prints to standard output.
///
/// # Errors
/// When it fails; its standard error is part of the error.
pub fn output(command: &mut Command) -> Result<String> {
    let name = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{name}`: is it installed?"))?;
    if !output.status.success() {
        bail!(
            "`{name}` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command line, as a person would type it.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
