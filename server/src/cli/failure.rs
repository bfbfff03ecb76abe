//! Why a command did not do what it was asked: an exit code, a text and what helps.

use std::error::Error;
use std::process::ExitCode;

use serde_json::json;

use super::output::Output;
use crate::accounts::AccountError;
use crate::app::StartError;
use crate::config::Faults;
use crate::sessions::SessionError;
use crate::storage::{BackupError, CopyError, Denied, StorageError};
use crate::tokens::KeyError;

/// What kind of failure it is. The number is the exit code; docs/command-line.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None of those below.
    Failed = 1,
    /// The command line was not understood.
    Usage = 2,
    /// A setting, a secret or a file that a setting names is wrong.
    Configuration = 3,
    /// The database cannot be reached or written just now: the same may succeed later.
    Unavailable = 4,
    /// There is no such account or key.
    NotFound = 5,
    /// A rule forbids it: nothing was done.
    Refused = 6,
}

impl Kind {
    /// `code` in JSON.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Usage => "USAGE",
            Self::Configuration => "CONFIGURATION",
            Self::Unavailable => "UNAVAILABLE",
            Self::NotFound => "NOT_FOUND",
            Self::Refused => "REFUSED",
        }
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(kind as u8)
    }
}

/// What the command line itself finds wrong.
#[derive(Debug, thiserror::Error)]
#[error("{1}")]
pub(super) struct Failure(pub(super) Kind, pub(super) String);

/// Names something that is not there.
pub(super) fn not_found(what: &str) -> Failure {
    Failure(Kind::NotFound, what.to_owned())
}

/// An argument is not what it has to be.
pub(super) fn misspelt(what: &str) -> Failure {
    Failure(Kind::Usage, what.to_owned())
}

/// A rule forbids it.
pub(super) fn refused(why: impl Into<String>) -> Failure {
    Failure(Kind::Refused, why.into())
}

/// What a text of an error calls for. The first that fits counts.
const HINTS: [(&[&str], &str); 8] = [
    (
        &["password authentication failed", "role \"", "database \""],
        "COUNTERSIGN_DATABASE__URL names user, password and database. docs/operations.md has the statements that make them",
    ),
    (
        &["permission denied for", "must be owner"],
        "the user in COUNTERSIGN_DATABASE__URL lacks rights: run deploy/grants.sql as the owner, and `countersign migrate` with \
         COUNTERSIGN_DATABASE__MIGRATIONS_URL",
    ),
    (
        &[
            "Connection refused",
            "no connection within",
            "failed to lookup",
            "No such file or directory (os error 2)",
            "connection closed",
            "the database system is",
        ],
        "is the database running, and is COUNTERSIGN_DATABASE__URL right? `countersign doctor` looks closer",
    ),
    (
        &[
            "disk is full",
            "No space left",
            "could not extend file",
            "File too large",
            "disk I/O error",
        ],
        "make room and run it again: nothing has to be repaired. `countersign doctor` says how much is free",
    ),
    (
        &[
            "Permission denied",
            "readonly database",
            "Read-only file system",
            "unable to open database file",
            "opened for writing",
        ],
        "run it as the user that the server runs as, who has to own the file and its folder",
    ),
    (
        &["Address already in use"],
        "another program or another Countersign serves there: `countersign doctor` asks which",
    ),
    (
        &["no such table", "no such column", "column ", "relation "],
        "the schema is not the one of this release: `countersign doctor` compares them",
    ),
    (
        &["database is locked", "busy"],
        "another process writes for long: wait for it and run it again",
    ),
];

/// Writes what went wrong to standard error; the exit code.
pub(super) fn report(error: &anyhow::Error, output: Output) -> ExitCode {
    let kind = error.chain().find_map(kind).unwrap_or(Kind::Failed);
    let text = format!("{error:#}");
    tell(kind, &text, hint(kind, &text), output);
    kind.into()
}

/// Writes one failure to standard error.
pub(super) fn tell(kind: Kind, text: &str, hint: Option<&str>, output: Output) {
    match output {
        Output::Text => {
            eprintln!("countersign: {text}");
            if let Some(hint) = hint {
                eprintln!("hint: {hint}");
            }
        }
        Output::Json => {
            eprintln!(
                "{}",
                json!({ "error": text, "hint": hint, "code": kind.code() })
            );
        }
    }
}

fn hint(kind: Kind, text: &str) -> Option<&'static str> {
    // Others say themselves what to do.
    if !matches!(kind, Kind::Failed | Kind::Unavailable) {
        return None;
    }
    let fits = |signs: &&[&str]| signs.iter().any(|sign| text.contains(sign));
    let found = HINTS.iter().find(|(signs, _)| fits(signs));
    found.map(|(_, hint)| *hint)
}

/// The kind of an error that says it. Enums that hand on another's text hide it from the chain, so they are looked into.
fn kind(error: &(dyn Error + 'static)) -> Option<Kind> {
    if let Some(Failure(kind, _)) = error.downcast_ref() {
        return Some(*kind);
    }
    if error.is::<Faults>() {
        return Some(Kind::Configuration);
    }
    None.or_else(|| error.downcast_ref().map(of_start))
        .or_else(|| error.downcast_ref().map(of_storage))
        .or_else(|| error.downcast_ref().map(of_key))
        .or_else(|| error.downcast_ref().map(of_account))
        .or_else(|| error.downcast_ref().map(of_session))
        .or_else(|| error.downcast_ref().map(of_backup))
        .or_else(|| error.downcast_ref().map(of_copy))
}

fn of_start(error: &StartError) -> Kind {
    match error {
        StartError::Storage(error) => of_storage(error),
        StartError::Keys(error) => of_key(error),
        StartError::Accounts(error) => of_account(error),
        StartError::SecretFile(..) => Kind::Configuration,
        StartError::Metrics(_) => Kind::Failed,
    }
}

fn of_storage(error: &StorageError) -> Kind {
    match error {
        StorageError::Unavailable(_) | StorageError::Lost(_) | StorageError::Contended(_) => {
            Kind::Unavailable
        }
        StorageError::Url(_) => Kind::Configuration,
        StorageError::Denied(Denied::Missing) => Kind::NotFound,
        StorageError::Denied(_) | StorageError::Moving | StorageError::Marked(_) => Kind::Refused,
        StorageError::Conflict | StorageError::Migration(_) | StorageError::Refused(_) => {
            Kind::Failed
        }
    }
}

fn of_key(error: &KeyError) -> Kind {
    match error {
        KeyError::WrongSecret(_) | KeyError::Folder(_) => Kind::Configuration,
        KeyError::Unknown(_) => Kind::NotFound,
        KeyError::OnlySigningKey(_) => Kind::Refused,
        KeyError::Damaged(_) => Kind::Failed,
        KeyError::Storage(error) => of_storage(error),
    }
}

fn of_account(error: &AccountError) -> Kind {
    match error {
        AccountError::Storage(error) => of_storage(error),
        AccountError::Session(error) => of_session(error),
        AccountError::Internal(_) => Kind::Failed,
        AccountError::Busy(_) => Kind::Unavailable,
        _ => Kind::Refused,
    }
}

fn of_session(error: &SessionError) -> Kind {
    match error {
        SessionError::Storage(error) => of_storage(error),
        _ => Kind::Failed,
    }
}

fn of_backup(error: &BackupError) -> Kind {
    match error {
        BackupError::Exists(_) => Kind::Refused,
        BackupError::Unwritable(..) => Kind::Failed,
        BackupError::Storage(error) => of_storage(error),
    }
}

fn of_copy(error: &CopyError) -> Kind {
    match error {
        CopyError::Kinds => Kind::Usage,
        CopyError::Storage(error) => of_storage(error),
        CopyError::Differs(_) | CopyError::Released(_) | CopyError::Row(..) => Kind::Failed,
        _ => Kind::Refused,
    }
}
