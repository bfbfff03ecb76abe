//! Accounts that come from elsewhere, with the password hashes that they have there.
//!
//! An account is recognised when it comes again: its id is the line's, or is made of what the line says. The audit trail
//! remembers the ids of those that were deleted.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::Deserialize;

use super::{AccountError, Accounts, HashFault, check_hash};
use crate::audit::AuthEventKind;
use crate::storage::UserRow;
use crate::values::{Email, Name, Peer, Role, UnixMillis, UserId};

/// What a line may say (docs/users.md).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    email: String,
    name: String,
    password_hash: String,
    id: Option<String>,
    role: Option<Role>,
    created_at: Option<String>,
    #[serde(default)]
    disabled: bool,
    email_verified: Option<bool>,
}

/// One account of an import, good as far as can be said without the others.
#[derive(Clone, Debug)]
pub struct ImportLine {
    /// What to write.
    pub user: UserRow,
    /// Whether the line tells if the address was verified, which this version does not keep.
    pub tells_verified: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The account was written; or would be, where that was the question.
    New,
    /// An earlier run wrote it.
    Present,
    /// An earlier run wrote it, and it has another address now.
    Readdressed,
    /// An earlier run wrote it, and it was deleted since.
    Deleted,
}

/// What is wrong with a line. It never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// It is none of the JSON objects that are wanted.
    #[error("{0}")]
    Json(String),
    /// No mail can be sent to the address.
    #[error("email is not a valid e-mail address")]
    Email,
    /// The name is empty, too long, or holds what is invisible or imitates.
    #[error(
        "name has to have 1 to 100 characters, a letter or digit among them, nothing invisible and nothing that imitates other letters"
    )]
    Name,
    /// The id is no UUID in its canonical spelling.
    #[error("id is not a UUID in lower case")]
    Id,
    /// The time is none, or is not over yet.
    #[error("createdAt is not a time in the past such as 2024-05-17T09:30:00Z")]
    CreatedAt,
    /// No password can be checked against the hash.
    #[error("passwordHash: {0}")]
    PasswordHash(#[from] HashFault),
    /// An account has the address, and it is not this one.
    #[error("another account has this address")]
    EmailTaken,
}

impl Accounts {
    /// Reads a line of an import.
    ///
    /// # Errors
    /// [`ImportFault`].
    pub fn read_import(&self, line: &[u8]) -> Result<ImportLine, ImportFault> {
        if !line.starts_with(b"{") {
            // An array of the values would be good enough for the parser.
            return Err(ImportFault::Json("it is no JSON object".to_owned()));
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| json_fault(&error))?;
        let now = self.clock.now();
        let email = Email::parse(&line.email).ok_or(ImportFault::Email)?;
        let name = Name::parse(&line.name).ok_or(ImportFault::Name)?;
        check_hash(&line.password_hash)?;
        let told = match &line.created_at {
            Some(text) => Some(past(text, now).ok_or(ImportFault::CreatedAt)?),
            None => None,
        };
        let id = match &line.id {
            Some(text) => UserId::parse(text)
                .filter(|id| *id != UserId::FIRST)
                .ok_or(ImportFault::Id)?,
            // The time of this run would make another id in the next.
            None => UserId::new(
                told.unwrap_or(UnixMillis(0)),
                tail(&email, &line.password_hash),
            ),
        };
        Ok(ImportLine {
            user: UserRow {
                id,
                name_key: name.as_str().to_lowercase(),
                email,
                name,
                role: line.role.unwrap_or(Role::User),
                password_hash: line.password_hash,
                token_version: 1,
                disabled_at: line.disabled.then_some(now.0),
                created_at: told.unwrap_or(now),
            },
            tells_verified: line.email_verified.is_some(),
        })
    }

    /// What would become of these accounts; nothing is written.
    ///
    /// # Errors
    /// [`AccountError::Storage`] when the database did not do its part.
    pub async fn check_import(
        &self,
        people: &[UserRow],
    ) -> Result<Vec<Result<Imported, ImportFault>>, AccountError> {
        let emails: Vec<_> = people.iter().map(|user| user.email.as_str()).collect();
        let ids: Vec<_> = people.iter().map(|user| user.id.to_string()).collect();
        let found = self.storage.find_similar_users(&ids, &emails).await?;
        let gone: HashSet<_> = self
            .storage
            .deleted_among(&ids)
            .await?
            .into_iter()
            .collect();
        let by_id: HashMap<UserId, &Email> =
            found.iter().map(|user| (user.id, &user.email)).collect();
        let taken: HashSet<&Email> = found.iter().map(|user| &user.email).collect();
        let verdicts = people.iter().map(|user| match by_id.get(&user.id) {
            Some(email) if **email == user.email => Ok(Imported::Present),
            Some(_) => Ok(Imported::Readdressed),
            None if gone.contains(&user.id.to_string()) => Ok(Imported::Deleted),
            None if taken.contains(&user.email) => Err(ImportFault::EmailTaken),
            None => Ok(Imported::New),
        });
        Ok(verdicts.collect())
    }

    /// Writes these accounts, all in one transaction, but for those that an earlier run wrote, whatever became of them
    /// since, and those that cannot be written; what became of each.
    ///
    /// # Errors
    /// As [`Self::check_import`]; nothing was written then.
    pub async fn import(
        &self,
        people: &[UserRow],
    ) -> Result<Vec<Result<Imported, ImportFault>>, AccountError> {
        let event = |user: &UserRow| {
            let registered = AuthEventKind::Registered;
            self.audit.event(registered, &Peer::default()).user(user.id)
        };
        let written = self.storage.insert_missing_users(people, &event).await?;
        if written.len() == people.len() {
            return Ok(vec![Ok(Imported::New); people.len()]);
        }
        let mut verdicts = self.check_import(people).await?;
        for (user, verdict) in people.iter().zip(&mut verdicts) {
            if written.contains(&user.id.to_string()) {
                *verdict = Ok(Imported::New);
            } else if *verdict == Ok(Imported::New) {
                // Whose it was has just gone. Another run writes it.
                *verdict = Err(ImportFault::EmailTaken);
            }
        }
        Ok(verdicts)
    }
}

fn past(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    let time = UnixMillis(text.parse::<Timestamp>().ok()?.as_millisecond());
    (UnixMillis(0) <= time && time <= now).then_some(time)
}

/// The part of an id that is else random. Without the hash, nobody can tell whose it is.
fn tail(email: &Email, password_hash: &str) -> [u8; 10] {
    let text = format!("{}\n{password_hash}", email.as_str());
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut tail = [0; 10];
    tail.copy_from_slice(&digest.as_ref()[..10]);
    tail
}

/// What the parser says, without what it found: a value, or a key that looks like one.
fn json_fault(error: &serde_json::Error) -> ImportFault {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(what, _)| what);
    let what = match what.rsplit_once(", expected ") {
        Some((found, wanted)) if found.starts_with("invalid ") => {
            format!("a value is not what it has to be: expected {wanted}")
        }
        Some((found, wanted)) if found.starts_with("unknown field ") && !is_name_in(found) => {
            format!("unknown field, expected {wanted}")
        }
        _ => what.to_owned(),
    };
    ImportFault::Json(format!("column {}: {what}", error.column()))
}

/// Whether what stands between the two backticks is the name of a field, and not an address, a hash or the like.
fn is_name_in(found: &str) -> bool {
    let name = found.split('`').nth(1).unwrap_or_default();
    let is_plain = name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    is_plain && (1..=32).contains(&name.len()) && found == format!("unknown field `{name}`")
}
