//! `countersign users import`.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, BufReader, IsTerminal as _, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::accounts::{ImportLine, Imported};
use crate::app::App;
use crate::cli::failure::refused;
use crate::cli::output::Output;
use crate::storage::UserRow;

/// How many accounts one transaction writes.
const BATCH: usize = 1000;
/// How long other writers have between two batches: SQLite lets one write at a time.
const PAUSE: Duration = Duration::from_millis(20);
/// The most bytes that a line may have. No account needs so many.
const LONGEST_LINE: u64 = 64 * 1024;
/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// So many bad lines are named; the rest is counted.
const MOST_NAMED: usize = 100;

/// Bring accounts from elsewhere, with the password hashes that they have there
///
/// One JSON object a line: docs/users.md has the fields. Every line is checked first, and nothing is written unless all are good.
/// Nothing of an account that is there is overwritten. When it was interrupted, run it again.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign users import users.jsonl --dry-run
  countersign users import users.jsonl
  gunzip -c users.jsonl.gz | countersign users import - --skip-bad

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
pub(in crate::cli) struct ImportArguments {
    /// One JSON object a line; - for standard input
    file: PathBuf,
    /// Check every line, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the good lines, although others are bad
    #[arg(long)]
    skip_bad: bool,
}

pub(super) async fn run(
    arguments: ImportArguments,
    app: &App,
    output: Output,
) -> anyhow::Result<()> {
    let ImportArguments {
        file,
        dry_run,
        skip_bad,
    } = arguments;
    let mut file = open(&file)?;
    if dry_run || !skip_bad {
        let checked = Pass::run(&mut file, app, false).await?;
        checked.report_faults(output);
        if dry_run {
            checked.report("would be written", output)?;
        }
        match checked.bad {
            0 if dry_run => return Ok(()),
            0 => {}
            bad if dry_run => return Err(refused(format!("{bad} lines are bad")).into()),
            bad => {
                let why = format!(
                    "nothing was written, as {bad} lines are bad: correct them, or leave them out with --skip-bad"
                );
                return Err(refused(why).into());
            }
        }
    }
    let written = Pass::run(&mut file, app, true).await?;
    written.report_faults(output);
    written.report("were written", output)?;
    match written.bad {
        bad if bad > 0 && !skip_bad => {
            Err(refused(format!("{bad} lines could not be written")).into())
        }
        _ => Ok(()),
    }
}

/// The file. What cannot be read twice, such as standard input, goes into one without a name that only this process reads.
fn open(path: &Path) -> anyhow::Result<File> {
    if path.as_os_str() == "-" {
        return keep(std::io::stdin().lock()).context("standard input cannot be kept");
    }
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => keep(file),
    });
    opened.with_context(|| format!("{} cannot be read", path.display()))
}

fn keep(mut source: impl Read) -> std::io::Result<File> {
    let mut spool = tempfile::tempfile()?;
    std::io::copy(&mut source, &mut spool)?;
    Ok(spool)
}

/// One reading of all lines.
struct Pass<'a> {
    app: &'a App,
    writes: bool,
    /// Hashes of the addresses and ids of the lines before, and what they are made with: eight bytes for each.
    seen: (HashSet<u64>, RandomState),
    /// The good lines that wait for their batch, with their numbers.
    batch: Vec<(u64, UserRow)>,
    new: u64,
    present: u64,
    readdressed: u64,
    deleted: u64,
    bad: u64,
    tells_verified: bool,
    faults: Vec<(u64, String)>,
}

impl<'a> Pass<'a> {
    async fn run(file: &mut File, app: &'a App, writes: bool) -> anyhow::Result<Self> {
        let mut pass = Self {
            app,
            writes,
            seen: Default::default(),
            batch: Vec::with_capacity(BATCH),
            new: 0,
            present: 0,
            readdressed: 0,
            deleted: 0,
            bad: 0,
            tells_verified: false,
            faults: Vec::new(),
        };
        file.rewind()?;
        let bar = bar(file.metadata()?.len(), writes);
        let (mut reader, mut line) = (BufReader::new(&*file), Vec::new());
        let mut number = 0;
        while let Some(is_whole) = next_line(&mut reader, &mut line)? {
            number += 1;
            bar.inc(line.len() as u64);
            if is_whole {
                // Which some editors write at the start of a file (RFC 8259 §8.1 lets a reader skip it).
                let mark = if number == 1 { BYTE_ORDER_MARK } else { b"" };
                pass.take(
                    number,
                    line.strip_prefix(mark).unwrap_or(&line).trim_ascii(),
                );
            } else {
                pass.refuse(number, format!("it is longer than {LONGEST_LINE} bytes"));
            }
            if pass.batch.len() == BATCH {
                pass.flush().await?;
            }
        }
        pass.flush().await?;
        bar.finish_and_clear();
        Ok(pass)
    }

    fn take(&mut self, number: u64, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match self.app.accounts.read_import(line) {
            Ok(ImportLine {
                user,
                tells_verified,
            }) => {
                self.tells_verified |= tells_verified;
                if self.is_repeated(user.email.as_str()) {
                    self.refuse(number, "an earlier line has this address".to_owned());
                } else if self.is_repeated(&user.id.to_string()) {
                    self.refuse(number, "an earlier line has this id".to_owned());
                } else {
                    self.batch.push((number, user));
                }
            }
            Err(fault) => self.refuse(number, fault.to_string()),
        }
    }

    fn is_repeated(&mut self, text: &str) -> bool {
        let (seen, hasher) = &mut self.seen;
        !seen.insert(hasher.hash_one(text))
    }

    fn refuse(&mut self, number: u64, fault: String) {
        self.bad += 1;
        if self.faults.len() < MOST_NAMED {
            self.faults.push((number, fault));
        }
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        // In one order always, so that two imports at once do not wait for each other in a circle.
        self.batch.sort_by_key(|(_, user)| user.id);
        let (numbers, people): (Vec<u64>, Vec<UserRow>) = self.batch.drain(..).unzip();
        let accounts = &self.app.accounts;
        let verdicts = match self.writes {
            true => {
                tokio::time::sleep(PAUSE).await;
                accounts.import(&people).await?
            }
            false => accounts.check_import(&people).await?,
        };
        for (number, verdict) in numbers.into_iter().zip(verdicts) {
            match verdict {
                Ok(Imported::New) => self.new += 1,
                Ok(Imported::Present) => self.present += 1,
                Ok(Imported::Readdressed) => self.readdressed += 1,
                Ok(Imported::Deleted) => self.deleted += 1,
                Err(fault) => self.refuse(number, fault.to_string()),
            }
        }
        Ok(())
    }

    /// The lines that are bad, to standard error, in their order.
    fn report_faults(&self, output: Output) {
        let mut faults: Vec<_> = self.faults.iter().collect();
        faults.sort();
        for (number, fault) in faults {
            match output {
                Output::Text => eprintln!("line {number}: {fault}"),
                Output::Json => eprintln!("{}", json!({ "line": number, "error": fault })),
            }
        }
        let unnamed = self.bad - self.faults.len() as u64;
        if unnamed > 0 {
            output.remark(format_args!("and {unnamed} more bad lines"));
        }
    }

    fn report(&self, what_was_done: &str, output: Output) -> anyhow::Result<()> {
        let mut text = format!(
            "{} accounts {what_was_done}, {} were there already, {} lines are bad.",
            self.new, self.present, self.bad
        );
        if self.readdressed + self.deleted > 0 {
            text += &format!(
                "\nLeft out, as an earlier run wrote them: {} have another address now, {} were deleted since.",
                self.readdressed, self.deleted
            );
        }
        if self.tells_verified {
            text += "\nemailVerified is not kept: this version does not verify addresses.";
        }
        let json = json!({
            "isWritten": self.writes, "new": self.new, "present": self.present, "bad": self.bad,
            "readdressed": self.readdressed, "deleted": self.deleted,
        });
        output.say(text, &json)
    }
}

/// Reads the next line into `line`, and skips the rest of one that is too long; whether it is whole, or `None` at the end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    line.clear();
    let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    let is_whole = line.ends_with(b"\n") || (read as u64) < LONGEST_LINE;
    if !is_whole {
        reader.skip_until(b'\n')?;
    }
    Ok(Some(is_whole))
}

/// How far it has come, where somebody looks on.
fn bar(bytes: u64, writes: bool) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:30} {percent:>3}% {eta}") {
        bar.set_style(style);
    }
    bar.set_message(if writes { "importing" } else { "checking" });
    bar
}
