//! `countersign sessions`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{misspelt, not_found, refused};
use super::is_confirmed;
use super::output::Output;
use crate::app::App;
use crate::config::Settings;
use crate::values::Email;

/// Manage sessions
///
/// Beside running servers, which notice within a second. Users end their own sessions in the app, and administrators those of
/// others with `endSessions`; this is for the operator.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign sessions end --user ada@example.com
  countersign sessions end --all               after the restore of an older database

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
pub(super) struct SessionsArguments {
    #[command(subcommand)]
    command: SessionsCommand,
}

#[derive(Subcommand)]
enum SessionsCommand {
    /// End sessions: their users have to sign in again
    ///
    /// After the restore of an older database, end all: sessions that were ended since the backup are alive again in it. Users
    /// are dealt with a batch at a time; when it was interrupted, run it again.
    #[command(after_long_help = "\
Examples:
  countersign sessions end --user ada@example.com
  countersign sessions end --all --yes --json | jq .sessions

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    End {
        /// The sessions of every user
        #[arg(long, required_unless_present = "user", conflicts_with = "user")]
        all: bool,
        /// The sessions of the user with this address
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Do not ask whether --all is meant
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(
    arguments: SessionsArguments,
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let SessionsCommand::End { all: _, user, yes } = arguments.command;
    match user {
        Some(user) => {
            let email =
                Email::parse(&user).ok_or_else(|| misspelt("--user is an e-mail address"))?;
            let app = App::start(settings).await?;
            let ended = app.sessions.end_for(&email).await?;
            let ended = ended.ok_or_else(|| not_found("there is no user with this address"))?;
            output.say(
                format_args!("{ended} sessions were ended."),
                &json!({ "sessions": ended, "users": 1 }),
            )
        }
        None => {
            let warning = format!("This signs out every user of {}.", settings.database.url);
            if !yes && !is_confirmed(&warning)? {
                return Err(refused("nothing was done: say --yes, or yes when asked").into());
            }
            let app = App::start(settings).await?;
            let ended = app.sessions.end_for_everyone().await?;
            output.say(
                format_args!(
                    "{} sessions of {} users were ended.",
                    ended.sessions, ended.users
                ),
                &json!({ "sessions": ended.sessions, "users": ended.users }),
            )
        }
    }
}
