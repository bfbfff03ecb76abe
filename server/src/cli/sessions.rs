//! `countersign sessions`.

use anyhow::{Context as _, ensure};
use clap::Subcommand;

use super::{is_confirmed, say};
use crate::app::App;
use crate::config::Settings;
use crate::values::Email;

/// What can be done to sessions from the command line, beside running servers, which notice within a second.
#[derive(Subcommand)]
pub(super) enum SessionsCommand {
    /// End sessions: their users have to sign in again. After the restore of an older database, end all: sessions that were
    /// ended since the backup are alive again in it
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

pub(super) async fn run(command: SessionsCommand, settings: Settings) -> anyhow::Result<()> {
    let SessionsCommand::End { all: _, user, yes } = command;
    match user {
        Some(user) => {
            let email = Email::parse(&user).context("--user is an e-mail address")?;
            let app = App::start(settings).await?;
            let ended = app.sessions.end_for(&email).await?;
            let ended = ended.context("there is no user with this address")?;
            say(format_args!("{ended} sessions were ended."))?;
        }
        None => {
            let warning = format!("This signs out every user of {}.", settings.database.url);
            ensure!(
                yes || is_confirmed(&warning)?,
                "nothing was done: say --yes, or yes when asked"
            );
            let app = App::start(settings).await?;
            let ended = app.sessions.end_for_everyone().await?;
            say(format_args!(
                "{} sessions of {} users were ended.",
                ended.sessions, ended.users
            ))?;
        }
    }
    Ok(())
}
