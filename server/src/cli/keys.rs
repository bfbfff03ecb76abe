//! `countersign keys`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::output::{self, Output, print};
use crate::app::App;
use crate::config::Settings;
use crate::storage::KeyPurpose;
use crate::tokens::KeyStatus;
use crate::values::UnixMillis;

/// Manage the keys that sign
///
/// Keys rotate by themselves, every COUNTERSIGN_KEYS__ROTATE_EVERY. These commands are for looking, and for the day when a key
/// has leaked. They work beside running servers, which notice within a second.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign keys list
  countersign keys rotate --now      when a key has leaked, and then
  countersign keys retire KID

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_KEYS__FOLDER, COUNTERSIGN_TOKENS__ALGORITHM.")]
pub(super) struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// List the keys, and what each is doing
    ///
    /// `next` is published and does not sign yet, `signing` signs, `verifying` is accepted for as long as what it signed lives,
    /// `expired` is of no use and is deleted a day later. Looking changes nothing.
    #[command(after_long_help = "\
Examples:
  countersign keys list
  countersign keys list --json | jq -r 'select(.state == \"SIGNING\").kid'

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_KEYS__FOLDER.")]
    List,
    /// Make a new key
    ///
    /// It is published now and signs in ten minutes, when every service has fetched it. Nobody is signed out. Its algorithm is
    /// COUNTERSIGN_TOKENS__ALGORITHM.
    #[command(after_long_help = "\
Examples:
  countersign keys rotate
  countersign keys rotate --now
  countersign keys rotate --purpose refresh

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_KEYS__FOLDER, COUNTERSIGN_TOKENS__ALGORITHM.")]
    Rotate {
        /// Sign with it in five seconds, as soon as every node has it. Until they fetch the published keys again, for up to five
        /// minutes, services that keep them refuse its tokens: those that ask again for a key they do not know notice nothing
        #[arg(long)]
        now: bool,
        /// What the key is for. Services see nothing of refresh keys
        #[arg(long, value_enum, default_value_t = Purpose::Access)]
        purpose: Purpose,
    },
    /// Take a key out at once, because somebody else may have it
    ///
    /// Every node refuses what it made within a second, and the next key signs in its place. Services that keep the published
    /// keys accept its tokens for up to five minutes more. Clients renew by themselves; after a refresh key, the users whose
    /// sessions it made have to sign in again. The only signing key stays: rotate first.
    #[command(after_long_help = "\
Examples:
  countersign keys rotate --now
  countersign keys retire pX1Rr0Wq8bq1U7yQm3kqkJm0C2m5fWkFJm1Cw0gqk1M

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_KEYS__FOLDER.")]
    Retire {
        /// The key's id, as `keys list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

/// What a key is for.
#[derive(Clone, Copy, ValueEnum)]
enum Purpose {
    /// Signs access tokens
    Access,
    /// Makes refresh tokens
    Refresh,
}

impl From<Purpose> for KeyPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Access => Self::Access,
            Purpose::Refresh => Self::Refresh,
        }
    }
}

pub(super) async fn run(
    arguments: KeysArguments,
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let keys = App::open_keys(&settings).await?;
    match arguments.command {
        KeysCommand::List => print(shown(&keys.list().await?, output)),
        KeysCommand::Rotate { now, purpose } => {
            let id = keys.rotate(purpose.into(), now).await?;
            let mut all = keys.list().await?;
            all.retain(|key| key.id == id);
            let json = all.first().map_or(Value::Null, as_json);
            output.say(shown(&all, Output::Text).trim_end(), &json)
        }
        KeysCommand::Retire { kid } => {
            keys.retire(&kid).await?;
            output.say(format_args!("{kid} is out."), &json!({ "kid": kid }))
        }
    }
}

/// A table, or one JSON object a line.
fn shown(keys: &[KeyStatus], output: Output) -> String {
    let lines = keys.iter().map(|key| match output {
        Output::Text => line(&[
            &key.id,
            &key.purpose.as_str().to_lowercase(),
            &key.algorithm.to_string(),
            &key.state.to_string(),
            &time(key.created_at),
            &time(key.signs_from),
            &key.verifies_until.map_or("-".to_owned(), time),
        ]),
        Output::Json => format!("{}\n", as_json(key)),
    });
    let titles = match output {
        Output::Text => line(&[
            "KID",
            "PURPOSE",
            "ALGORITHM",
            "STATE",
            "CREATED",
            "SIGNS FROM",
            "VERIFIES UNTIL",
        ]),
        Output::Json => String::new(),
    };
    titles + &lines.collect::<String>()
}

fn as_json(key: &KeyStatus) -> Value {
    json!({
        "kid": key.id,
        "purpose": key.purpose.as_str(),
        "algorithm": key.algorithm.to_string(),
        "state": key.state.to_string().to_uppercase(),
        "createdAt": known(key.created_at),
        "signsFrom": known(key.signs_from),
        "verifiesUntil": key.verifies_until.map(output::time),
    })
}

/// A key file may have no time.
fn known(at: UnixMillis) -> Option<String> {
    (at.0 > 0).then(|| output::time(at))
}

fn line([id, purpose, algorithm, state, created, signs, verifies]: &[&str; 7]) -> String {
    format!(
        "{id:<43}  {purpose:<7}  {algorithm:<9}  {state:<9}  {created:<20}  {signs:<20}  {verifies}\n"
    )
}

/// A hyphen for the time of a key file without one.
fn time(at: UnixMillis) -> String {
    match at.0 {
        ..=0 => "-".to_owned(),
        _ => output::seconds(at),
    }
}
