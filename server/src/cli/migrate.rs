//! `countersign migrate`.

use clap::Args;
use serde_json::json;

use super::output::Output;
use crate::config::Settings;
use crate::storage;

/// Bring the database's schema up to date and end
///
/// A start does it by itself; this is for installations where only one user may change the schema, before nodes start with
/// `serve --no-migrate`. All of it is done or nothing, once, however many run it together. A missing SQLite database is made.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign migrate
  countersign migrate --json | jq -r '.applied[]'

Settings: COUNTERSIGN_DATABASE__URL, and COUNTERSIGN_DATABASE__MIGRATIONS_URL where another user owns the tables.")]
pub(super) struct MigrateArguments {}

pub(super) async fn run(settings: &Settings, output: Output) -> anyhow::Result<()> {
    let applied = storage::migrate(&settings.database).await?;
    let database = settings.database.url.to_string();
    let text = match applied.len() {
        0 => format!("The schema of {database} is up to date."),
        count => format!("The schema of {database} is up to date: {count} changes were made."),
    };
    output.say(text, &json!({ "database": database, "applied": applied }))
}
