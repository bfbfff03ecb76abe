//! `countersign backup`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::refused;
use super::output::Output;
use crate::config::Settings;
use crate::storage::{self, DatabaseUrl};

/// Write all of the SQLite database into a new file while servers run
///
/// The file holds one moment: everything that was committed before it, and has its name only once it is whole and on the disk.
/// `cp` may tear a database that is in use. PostgreSQL has pg_dump and archives. docs/moving.md says how to restore one.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign backup /backup/countersign-$(date +%F).db
  countersign backup /backup/today.db --json | jq .bytes

Settings: COUNTERSIGN_DATABASE__URL. COUNTERSIGN_KEYS__SECRET is not in the file: keep it elsewhere, as both are needed.")]
pub(super) struct BackupArguments {
    /// A file that does not exist yet. It holds password hashes, and is made with mode 0600
    file: PathBuf,
}

pub(super) async fn run(
    arguments: BackupArguments,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<()> {
    let BackupArguments { file } = arguments;
    let database = &settings.database.url;
    let DatabaseUrl::Sqlite(path) = database else {
        let why = "this command is for SQLite. PostgreSQL has its own: pg_dump, or better a continuous archive (docs/operations.md)";
        return Err(refused(why).into());
    };
    let bytes = storage::backup(path, &file).await?;
    let file = file.display().to_string();
    output.say(
        format_args!("{file} holds {database}, {bytes} bytes."),
        &json!({ "file": file, "database": database.to_string(), "bytes": bytes }),
    )
}
