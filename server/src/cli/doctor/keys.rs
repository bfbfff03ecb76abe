//! The keys, and the secret that opens them.

use std::time::Duration;

use super::report::Finding;
use crate::app::{App, StartError};
use crate::clock::node_time;
use crate::config::{KeySettings, Settings};
use crate::storage::KeyPurpose;
use crate::tokens::{KeyError, KeyState, KeyStatus};
use crate::values::UnixMillis;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A key that nothing replaces is old after so long.
const OLD: Duration = Duration::from_secs(400 * 24 * 3600);
/// A key cannot have been made later than now; clocks of nodes differ by less.
const MOST_SKEW: Duration = Duration::from_secs(60);

/// `is_usable`: the database is there, and has the schema of this release.
pub(super) async fn examine(settings: &Settings, is_usable: bool) -> Vec<Finding> {
    let file = settings.development_secret_file();
    let has_secret = settings.keys.secret.is_some() || file.exists();
    if !is_usable {
        let text = "not looked at: the database is not there, or not as this release needs it";
        return vec![Finding::ok("keys", text)];
    }
    if !has_secret {
        return vec![Finding::warning(
            "keys.secret",
            format!(
                "{} is not there: a start makes it, and cannot open keys that are in the database",
                file.display()
            ),
            "set COUNTERSIGN_KEYS__SECRET to the one that was used before, or COUNTERSIGN_KEYS__SECRET_FILE to its file",
        )];
    }
    match list(settings).await {
        Ok(all) => {
            let newest = |purpose| all.iter().rfind(|key| key.purpose == purpose);
            let mut findings = vec![Finding::ok("keys.secret", "it opens all keys")];
            findings.extend(time(&all));
            findings.push(access(&all, newest(KeyPurpose::Access), &settings.keys));
            findings.push(refresh(newest(KeyPurpose::Refresh), &settings.keys));
            findings
        }
        Err(error) => vec![unusable(&error)],
    }
}

/// The keys as they are. Where the schema is up to date this makes and changes nothing.
async fn list(settings: &Settings) -> Result<Vec<KeyStatus>, StartError> {
    let mut settings = settings.clone();
    settings.database.migrates = false;
    Ok(App::open_keys(&settings).await?.list().await?)
}

fn unusable(error: &StartError) -> Finding {
    let (check, hint) = match error {
        StartError::Keys(KeyError::WrongSecret(_)) => (
            "keys.secret",
            "the secret is where it was kept when the database was made: a file of COUNTERSIGN_KEYS__SECRET_FILE, or beside the \
             SQLite file",
        ),
        StartError::Keys(KeyError::Folder(_)) => (
            "keys.folder",
            "docs/operations.md, \"Keys in a folder\"; `countersign keys rotate` makes the first key",
        ),
        _ => (
            "keys",
            "`countersign keys list` says it again once the database is well",
        ),
    };
    Finding::fault(check, error.to_string(), hint)
}

/// Where the clock went back, what expires lives for longer, and a new key does not sign.
fn time(all: &[KeyStatus]) -> Option<Finding> {
    let latest = all.iter().map(|key| key.created_at).max()?;
    let ahead = latest.since(node_time());
    (ahead > MOST_SKEW).then(|| {
        Finding::fault(
            "clock",
            format!(
                "a key was made {} from now: this machine's clock went back, or was ahead",
                days(ahead)
            ),
            "set the clock (NTP); nothing else has to be repaired",
        )
    })
}

fn access(all: &[KeyStatus], newest: Option<&KeyStatus>, settings: &KeySettings) -> Finding {
    const CHECK: &str = "keys.access";
    let signing = all
        .iter()
        .find(|key| key.purpose == KeyPurpose::Access && key.state == KeyState::Signing);
    let (Some(signing), Some(newest)) = (signing, newest) else {
        return Finding::ok(CHECK, "there is none yet: a start makes it");
    };
    if settings.folder.is_none() && newest.algorithm != settings.algorithm {
        return Finding::warning(
            CHECK,
            format!(
                "the newest key is for {}, and COUNTERSIGN_TOKENS__ALGORITHM is {}",
                newest.algorithm, settings.algorithm
            ),
            "the next start makes a key for it; give all nodes the same",
        );
    }
    let text = format!("{} signs, with {}", signing.id, signing.algorithm);
    match &settings.folder {
        Some(_) => aged(CHECK, &text, newest, None),
        None => aged(CHECK, &text, newest, settings.rotate_every),
    }
}

fn refresh(newest: Option<&KeyStatus>, settings: &KeySettings) -> Finding {
    const CHECK: &str = "keys.refresh";
    match newest {
        None => Finding::ok(CHECK, "there is none yet: a start makes it"),
        Some(newest) => aged(
            CHECK,
            "refresh tokens have their key",
            newest,
            settings.rotate_every,
        ),
    }
}

/// Whether the newest key is older than it should get.
fn aged(
    check: &'static str,
    text: &str,
    newest: &KeyStatus,
    rotate_every: Option<Duration>,
) -> Finding {
    let age = node_time().since(newest.created_at);
    match rotate_every {
        Some(every) if age > every + DAY => Finding::warning(
            check,
            format!(
                "{text}; the newest key is {} old, and should have been replaced",
                days(age)
            ),
            "a running server does it within a second: is one running, and does its log say why not?",
        ),
        Some(every) => {
            let left = days(every.saturating_sub(age));
            Finding::ok(
                check,
                format!("{text}; {} old, the next in {left}", days(age)),
            )
        }
        None if age > OLD && newest.created_at > UnixMillis(0) => Finding::warning(
            check,
            format!(
                "{text}; the newest key is {} old, and nothing replaces it",
                days(age)
            ),
            "`countersign keys rotate` makes the next",
        ),
        None => Finding::ok(check, format!("{text}; nothing replaces it by itself")),
    }
}

fn days(time: Duration) -> String {
    match time.as_secs() / DAY.as_secs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}
