//! `countersign copy`.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::app;
use crate::clock::{node_time, random};
use crate::config::{DatabaseSettings, Settings};
use crate::storage::{
    Compared, CopyError, CopyPhase, CopyProgress, DatabaseCopy, DatabaseUrl, cancel_copy,
};

/// From where to where.
#[derive(Args)]
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

pub(super) async fn run(arguments: CopyArguments, mut settings: Settings) -> anyhow::Result<()> {
    let CopyArguments { from, to, cancel } = arguments;
    if cancel {
        return cancelled(&from).await;
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
        println!("This copy is complete: {to} has all of {from}. Nothing was done.");
        return Ok(());
    };
    app::check_secret(&settings, &copy.keys().await?)?;
    let is_resumed = copy.freeze().await?;
    println!("{from} takes no writes from now on.");
    if is_resumed {
        println!("An earlier run was interrupted: this one goes on where it was.");
    }
    let mut progress = progress();
    copy.copy(&mut *progress).await?;
    let compared = copy.compare(&mut *progress).await?;
    drop(progress);
    print_table(&compared);
    if let Some(table) = compared.iter().find(|table| table.source != table.target) {
        return Err(CopyError::Differs(table.table).into());
    }
    println!(
        "The copy is complete. Start the servers with COUNTERSIGN_DATABASE__URL for {to}, and then stop those on {from}."
    );
    if settings.keys.secret.is_none() {
        let file = settings.development_secret_file();
        println!(
            "They need the same secret: COUNTERSIGN_KEYS__SECRET_FILE={}",
            file.display()
        );
    }
    Ok(())
}

async fn cancelled(from: &DatabaseUrl) -> anyhow::Result<()> {
    let mark = cancel_copy(from).await?;
    let mark =
        mark.with_context(|| format!("{from} was not moved: there is nothing to take back"))?;
    println!(
        "{from} takes writes again. What was written to {} since {} is not in it.",
        mark.other,
        mark.time()
    );
    println!(
        "Sessions that were ended there are alive here: `countersign sessions end --all` ends all."
    );
    Ok(())
}

fn print_table(compared: &[Compared]) {
    println!("{:<20}  {:<6}  {:>12}  SHA-256", "TABLE", "IN", "ROWS");
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
        println!(
            "{table:<20}  {:<6}  {:>12}  {}",
            "source", source.rows, source.sha256
        );
        println!(
            "{:<20}  {:<6}  {:>12}  {}  {verdict}",
            "", "target", target.rows, target.sha256
        );
    }
}

/// A bar for each table where somebody looks on, lines else.
fn progress() -> Box<dyn CopyProgress> {
    if std::io::stderr().is_terminal() {
        Box::new(Bar(ProgressBar::hidden()))
    } else {
        Box::new(Lines)
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

struct Lines;

impl CopyProgress for Lines {
    fn table(&mut self, phase: CopyPhase, name: &'static str, rows: u64, done: u64) {
        let earlier = if done > 0 {
            format!(", {done} of them before")
        } else {
            String::new()
        };
        eprintln!("{} {name}: {rows} rows{earlier}", verb(phase));
    }

    fn advance(&mut self, _rows: u64) {}
}
