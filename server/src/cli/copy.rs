//! `countersign copy`.

use std::io::IsTerminal as _;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failure::refused;
use super::output::Output;
use crate::app;
use crate::clock::{node_time, random};
use crate::config::{DatabaseSettings, Settings};
use crate::storage::{
    Compared, CopyError, CopyPhase, CopyProgress, DatabaseCopy, DatabaseUrl, cancel_copy,
};

/// Move from SQLite to PostgreSQL: accounts, passwords, sessions, keys and the audit trail
///
/// Nobody is signed out. The SQLite database takes no writes from the moment it begins, so that nothing is lost between the two,
/// and both are compared at the end. When it was interrupted, run it again: it goes on where it was. docs/moving.md has every
/// step and the way back.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign copy --from sqlite://data/countersign.db
  countersign copy --from sqlite://data/countersign.db --cancel

Settings: COUNTERSIGN_DATABASE__URL (the target), COUNTERSIGN_DATABASE__MIGRATIONS_URL, COUNTERSIGN_KEYS__SECRET.")]
pub(super) struct CopyArguments {
    /// The SQLite database: sqlite://PATH. Servers on it go on reading, and answer every write with UNAVAILABLE from now on
    #[arg(long, value_name = "URL")]
    from: DatabaseUrl,
    /// An empty PostgreSQL database [default: the configured one, whose password nobody sees on the command line]
    #[arg(long, value_name = "URL")]
    to: Option<DatabaseUrl>,
    /// Let the servers write to the SQLite database again. What was written to the other one since is not in it
    #[arg(long, conflicts_with = "to")]
    cancel: bool,
}

pub(super) async fn run(
    arguments: CopyArguments,
    mut settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let CopyArguments { from, to, cancel } = arguments;
    if cancel {
        return cancelled(&from, output).await;
    }
    let configured = &settings.database;
    let target = match to {
        None => configured.clone(),
        Some(url) if url == configured.url => configured.clone(),
        // Another database than the one that the migrations' user is for.
        Some(url) => DatabaseSettings {
            url,
            migrations_url: None,
            ..configured.clone()
        },
    };
    settings.database.url = from;
    let (from, to) = (&settings.database.url, &target.url);
    let id: [u8; 16] = random(&SystemRandom::new());
    let id = format!("{:032x}", u128::from_be_bytes(id));
    let prepared = DatabaseCopy::prepare(&settings.database, &target, id, node_time()).await?;
    let Some(mut copy) = prepared else {
        return output.say(
            format_args!("This copy is complete: {to} has all of {from}. Nothing was done."),
            &result(from, to, &[]),
        );
    };
    app::check_secret(&settings, &copy.keys().await?)?;
    let is_resumed = copy.freeze().await?;
    tell(output, format_args!("{from} takes no writes from now on."))?;
    if is_resumed {
        tell(
            output,
            "An earlier run was interrupted: this one goes on where it was.",
        )?;
    }
    let mut progress = progress(output);
    copy.copy(&mut *progress).await?;
    let compared = copy.compare(&mut *progress).await?;
    drop(progress);
    tell(output, table(&compared).trim_end())?;
    if let Some(table) = compared.iter().find(|table| table.source != table.target) {
        return Err(CopyError::Differs(table.table).into());
    }
    output.say(
        format_args!(
            "The copy is complete. Start the servers with COUNTERSIGN_DATABASE__URL for {to}, and then stop those on {from}."
        ),
        &result(from, to, &compared),
    )?;
    if settings.keys.secret.is_none() {
        let file = settings.development_secret_file();
        tell(
            output,
            format_args!(
                "They need the same secret: COUNTERSIGN_KEYS__SECRET_FILE={}",
                file.display()
            ),
        )?;
    }
    Ok(())
}

/// Tells people how it goes. In JSON the one object at the end has all of it.
fn tell(output: Output, text: impl std::fmt::Display) -> anyhow::Result<()> {
    match output {
        Output::Text => output.say(text, &Value::Null),
        Output::Json => Ok(()),
    }
}

/// Which tables there are in both, the same; none when an earlier run did it all.
fn result(from: &DatabaseUrl, to: &DatabaseUrl, compared: &[Compared]) -> Value {
    let tables = compared.iter().map(|Compared { table, source, .. }| {
        json!({ "table": table, "rows": source.rows, "sha256": source.sha256 })
    });
    json!({
        "from": from.to_string(), "to": to.to_string(), "tables": tables.collect::<Vec<_>>(),
    })
}

async fn cancelled(from: &DatabaseUrl, output: Output) -> anyhow::Result<()> {
    let mark = cancel_copy(from).await?;
    let mark = mark.ok_or_else(|| {
        refused(format!(
            "{from} was not moved: there is nothing to take back"
        ))
    })?;
    output.say(
        format_args!(
            "{from} takes writes again. What was written to {} since {} is not in it.\nSessions that were ended there are alive \
             here: `countersign sessions end --all` ends all.",
            mark.other,
            mark.time()
        ),
        &json!({ "from": from.to_string(), "to": mark.other, "copiedAt": mark.time() }),
    )
}

fn table(compared: &[Compared]) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{:<20}  {:<6}  {:>12}  SHA-256\n", "TABLE", "IN", "ROWS");
    for Compared {
        table,
        source,
        target,
    } in compared
    {
        let verdict = if source == target {
            "same"
        } else {
            "DIFFERENT"
        };
        // A text takes all that is written to it.
        let _ = writeln!(
            text,
            "{table:<20}  {:<6}  {:>12}  {}\n{:<20}  {:<6}  {:>12}  {}  {verdict}",
            "source", source.rows, source.sha256, "", "target", target.rows, target.sha256
        );
    }
    text
}

/// A bar for each table where somebody looks on, lines else.
fn progress(output: Output) -> Box<dyn CopyProgress> {
    match output {
        Output::Text if std::io::stderr().is_terminal() => Box::new(Bar(ProgressBar::hidden())),
        _ => Box::new(Lines(output)),
    }
}

const fn verb(phase: CopyPhase) -> &'static str {
    match phase {
        CopyPhase::Copying => "copying",
        CopyPhase::Comparing => "comparing",
    }
}

struct Bar(ProgressBar);

impl CopyProgress for Bar {
    fn table(&mut self, phase: CopyPhase, name: &'static str, rows: u64, done: u64) {
        self.0.finish_and_clear();
        self.0 = ProgressBar::new(rows).with_position(done);
        if let Ok(style) = ProgressStyle::with_template("{msg:32} {bar:30} {pos}/{len} {eta}") {
            self.0.set_style(style);
        }
        self.0.set_message(format!("{} {name}", verb(phase)));
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    fn advance(&mut self, rows: u64) {
        self.0.inc(rows);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Lines(Output);

impl CopyProgress for Lines {
    fn table(&mut self, phase: CopyPhase, name: &'static str, rows: u64, done: u64) {
        let earlier = if done > 0 {
            format!(", {done} of them before")
        } else {
            String::new()
        };
        let verb = verb(phase);
        match self.0 {
            Output::Text => eprintln!("{verb} {name}: {rows} rows{earlier}"),
            Output::Json => {
                let line = json!({ "phase": verb, "table": name, "rows": rows, "done": done });
                eprintln!("{line}");
            }
        }
    }

    fn advance(&mut self, _rows: u64) {}
}
