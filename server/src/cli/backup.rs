//! `countersign backup`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::say;
use crate::config::Settings;
use crate::storage::{self, DatabaseUrl};

/// Where the backup goes.
#[derive(Args)]
pub(super) struct BackupArguments {
    /// A file that does not exist yet. It holds password hashes, and is made with mode 0600
    file: PathBuf,
}

pub(super) async fn run(arguments: BackupArguments, settings: &Settings) -> anyhow::Result<()> {
    let BackupArguments { file } = arguments;
    let DatabaseUrl::Sqlite(path) = &settings.database.url else {
        bail!(
            "this command is for SQLite. PostgreSQL has its own: pg_dump, or better a continuous archive (docs/operations.md)"
        );
    };
    let bytes = storage::backup(path, &file).await?;
    say(format_args!(
        "{} holds {}, {bytes} bytes.",
        file.display(),
        settings.database.url
    ))?;
    Ok(())
}
