//! `countersign keys`.

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::app::App;
use crate::config::Settings;
use crate::storage::KeyPurpose;
use crate::tokens::KeyStatus;
use crate::values::UnixMillis;

/// What can be done to keys from the command line, beside running servers, which notice within a second.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys, and what each is doing
    List,
    /// Make a new key. It is published now and signs in ten minutes, when every service has fetched it
    Rotate {
        /// Sign with it in five seconds, as soon as every node has it. Until they fetch the published keys again, for up to five
        /// minutes, services that keep them refuse its tokens: those that ask again for a key they do not know notice nothing
        #[arg(long)]
        now: bool,
        /// What the key is for. Services see nothing of refresh keys
        #[arg(long, value_enum, default_value_t = Purpose::Access)]
        purpose: Purpose,
    },
    /// Take a key out at once, because somebody else may have it: every node refuses what it made within a second, and the next
    /// key signs in its place. Services that keep the published keys accept its tokens for up to five minutes more. Clients
    /// renew by themselves; after a refresh key, the users whose sessions it made have to sign in again
    Retire {
        /// The key's id, as `keys list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

/// What a key is for.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Purpose {
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

pub(super) async fn run(command: KeysCommand, settings: Settings) -> anyhow::Result<()> {
    let keys = App::open_keys(&settings).await?;
    match command {
        KeysCommand::List => print_table(&keys.list().await?),
        KeysCommand::Rotate { now, purpose } => {
            let id = keys.rotate(purpose.into(), now).await?;
            let mut all = keys.list().await?;
            all.retain(|key| key.id == id);
            print_table(&all);
        }
        KeysCommand::Retire { kid } => {
            keys.retire(&kid).await?;
            println!("{kid} is out.");
        }
    }
    Ok(())
}

fn print_table(keys: &[KeyStatus]) {
    let titles = [
        "KID",
        "PURPOSE",
        "ALGORITHM",
        "STATE",
        "CREATED",
        "SIGNS FROM",
        "VERIFIES UNTIL",
    ];
    print_line(&titles.map(str::to_owned));
    for key in keys {
        print_line(&[
            key.id.clone(),
            key.purpose.as_str().to_lowercase(),
            key.algorithm.to_string(),
            key.state.to_string(),
            time(key.created_at),
            time(key.signs_from),
            key.verifies_until.map_or("-".to_owned(), time),
        ]);
    }
}

fn print_line([id, purpose, algorithm, state, created, signs, verifies]: &[String; 7]) {
    println!(
        "{id:<43}  {purpose:<7}  {algorithm:<9}  {state:<9}  {created:<20}  {signs:<20}  {verifies}"
    );
}

/// RFC 3339 in whole seconds; a hyphen for the time of a key file without one.
fn time(at: UnixMillis) -> String {
    match Timestamp::from_second(at.as_secs()) {
        Ok(time) if at.0 > 0 => time.to_string(),
        _ => "-".to_owned(),
    }
}
