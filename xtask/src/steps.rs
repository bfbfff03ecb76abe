//! The step lines: `[3/9] npm packages … 12 s`.

use std::{
    io::{self, BufRead, BufReader, IsTerminal},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::process::{self, Running};

/// A run of numbered steps, of which the first that fails ends the run.
pub(crate) struct Steps {
    total: usize,
    /// One moving line per step instead of the tools' own output.
    quiet: bool,
    done: Vec<(String, Duration, bool)>,
}

impl Steps {
    pub(crate) fn new(verbose: bool) -> Self {
        let quiet = !verbose && io::stdout().is_terminal() && io::stderr().is_terminal();
        Self {
            total: 0,
            quiet,
            done: Vec::new(),
        }
    }

    /// Says how many steps are to come.
    pub(crate) fn expect(&mut self, steps: usize) {
        self.total += steps;
    }

    /// Runs one step, shows it while it runs, and keeps its time.
    pub(crate) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce(&Step) -> Result<T>,
    ) -> Result<T> {
        let label = format!("[{}/{}] {title}", self.done.len() + 1, self.total);
        let step = Step {
            bar: self.quiet.then(|| spinner(&label)),
        };
        if !self.quiet {
            println!("{label} …");
        }
        let start = Instant::now();
        let result = work(&step);
        let time = start.elapsed();
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
        }
        let outcome = if result.is_ok() { "" } else { " FAILED" };
        println!("{label} … {:.1} s{outcome}", time.as_secs_f64());
        self.done.push((title.to_owned(), time, result.is_ok()));
        result.with_context(|| format!("step \"{title}\""))
    }

    /// Prints the table of steps and, alone on the last line, how many passed and failed.
    pub(crate) fn summary(&self) {
        println!();
        for (title, time, passed) in &self.done {
            let outcome = if *passed { "ok" } else { "FAILED" };
            println!("{outcome:>8}  {:>7.1} s  {title}", time.as_secs_f64());
        }
        let total: f64 = self
            .done
            .iter()
            .map(|(_, time, _)| time.as_secs_f64())
            .sum();
        println!("{:>8}  {total:>7.1} s  in all\n", "");
        let passed = self.done.iter().filter(|(_, _, passed)| *passed).count();
        println!("{passed} passed, {} failed", self.done.len() - passed);
    }
}

/// The step that runs now.
pub(crate) struct Step {
    bar: Option<ProgressBar>,
}

impl Step {
    /// Runs a command to its end. On a terminal its last line stands in the step's line, and all
    /// of its output is shown when it fails.
    pub(crate) fn run(&self, mut command: Command) -> Result<()> {
        let name = process::describe(&command);
        let Some(bar) = &self.bar else {
            println!("+ {name}");
            return Running::start(&mut command)?.wait(&name);
        };
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let running = Running::start(&mut command)?;
        // Closes our ends of the pipe: reading then ends with the child.
        drop(command);
        let mut log = Vec::new();
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            bar.set_message(line.trim().to_owned());
            log.push(line);
        }
        let result = running.wait(&name);
        if result.is_err() && !process::interrupted() {
            bar.suspend(|| println!("{}", log.join("\n")));
        }
        result
    }

    /// Prints a line that stays.
    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("      {text}")),
            None => println!("      {text}"),
        }
    }
}

fn spinner(label: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(label.to_owned());
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {prefix} … {elapsed} {wide_msg:.dim}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
