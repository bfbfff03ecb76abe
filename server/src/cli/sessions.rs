//! `countersign sessions`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Failure, misspelt, not_found, refused};
use super::is_confirmed;
use super::output::{self, Output, print};
use crate::app::App;
use crate::config::Settings;
use crate::sessions::Session;
use crate::values::Email;

/// Manage sessions
///
/// Beside running servers, which notice within a second. Users end their own sessions in the app, and administrators those of
/// others with `endSessions`; this is for the operator.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign sessions end --user ada@example.com
  countersign sessions end --all      after the restore of an older database

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
pub(super) struct SessionsArguments {
    #[command(subcommand)]
    command: SessionsCommand,
}

#[derive(Subcommand)]
enum SessionsCommand {
    /// List the sessions of a user: the devices that they are signed in on
    ///
    /// Those that are alive, newest first, and at most the newest 1000. Device names come from what the browser says of itself.
    #[command(after_long_help = "\
Examples:
  countersign sessions list --user ada@example.com
  countersign sessions list --user ada@example.com --json | jq -r .deviceName

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    List {
        /// The address of the user
        #[arg(long, value_name = "EMAIL")]
        user: String,
    },
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
    let (user, yes) = match arguments.command {
        SessionsCommand::List { user } => return list(&user, settings, output).await,
        SessionsCommand::End { all: _, user, yes } => (user, yes),
    };
    match user {
        Some(user) => {
            let email = address(&user)?;
            let app = App::start(settings).await?;
            let ended = app.sessions.end_for(&email).await?;
            let ended = ended.ok_or_else(nobody)?;
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

fn address(user: &str) -> Result<Email, Failure> {
    Email::parse(user).ok_or_else(|| misspelt("--user is an e-mail address"))
}

fn nobody() -> Failure {
    not_found("there is no user with this address")
}

async fn list(user: &str, settings: Settings, output: Output) -> anyhow::Result<()> {
    let email = address(user)?;
    let app = App::start(settings).await?;
    let sessions = app.sessions.list_for(&email).await?.ok_or_else(nobody)?;
    let lines = sessions.iter().map(|session| match output {
        Output::Text => line(
            &session.id.to_string(),
            &output::seconds(session.created_at),
            &output::seconds(session.last_used_at),
            &output::seconds(session.expires_at),
            &format!(
                "{}, {}",
                session.device_name,
                session.ip_address.as_deref().unwrap_or("-")
            ),
        ),
        Output::Json => format!("{}\n", as_json(session)),
    });
    let titles = match output {
        Output::Text => line("ID", "SIGNED IN", "LAST USED", "EXPIRES", "DEVICE, ADDRESS"),
        Output::Json => String::new(),
    };
    print(titles + &lines.collect::<String>())
}

fn line(id: &str, created: &str, used: &str, expires: &str, device: &str) -> String {
    format!("{id:<36}  {created:<20}  {used:<20}  {expires:<20}  {device}\n")
}

/// The names of the API's `Session`.
fn as_json(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "createdAt": output::time(session.created_at),
        "lastUsedAt": output::time(session.last_used_at),
        "expiresAt": output::time(session.expires_at),
        "ipAddress": session.ip_address,
        "userAgent": session.user_agent,
        "deviceName": session.device_name,
    })
}
