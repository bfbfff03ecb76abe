//! Signing keys in a folder of PEM files.
//!
//! A file's name says from when on its key signs: `20261122T093000Z.pem`, with anything after a hyphen. One file may be named
//! without a time: its key is the oldest. The newest key whose time has come signs, as in the database.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pkcs8::{LineEnding, SecretDocument};
use rustix::fs::StatVfsMountFlags;

use super::algorithm::{Algorithm, PrivateKey};
use super::keys::{KeyError, making_failed};
use super::ring::AccessKey;
use crate::storage::KeyChange;
use crate::values::UnixMillis;

/// How a file name writes a time: ISO 8601's basic format.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// The time of a key whose file name has none.
const START: UnixMillis = UnixMillis(0);
/// RFC 7468 §10.
const LABEL: &str = "PRIVATE KEY";

/// A folder of key files.
pub(super) struct KeyFolder {
    path: PathBuf,
}

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    path: PathBuf,
    changed: (i64, i64),
    inode: u64,
    size: u64,
    mode: u32,
}

/// A key file.
struct KeyFile {
    path: PathBuf,
    created_at: UnixMillis,
    signs_from: UnixMillis,
    key: AccessKey,
}

/// What a folder holds.
pub(super) struct KeyFiles {
    /// When each key was made, from when on it signs, and the key; oldest first.
    pub(super) keys: Vec<(UnixMillis, UnixMillis, AccessKey)>,
    /// The files as they were read.
    pub(super) stamps: Vec<Stamp>,
}

impl KeyFolder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Reads all files.
    pub(super) async fn read(self: &Arc<Self>) -> Result<KeyFiles, KeyError> {
        let (files, stamps) = self
            .blocking(|folder| {
                let stamps = folder.stamps()?;
                Ok((folder.files(&stamps)?, stamps))
            })
            .await?;
        if files.is_empty() {
            return Err(KeyError::Folder(format!(
                "{} holds no key (COUNTERSIGN_KEYS__FOLDER): `countersign keys rotate` makes one",
                self.path.display()
            )));
        }
        let keys = files.into_iter();
        Ok(KeyFiles {
            keys: keys
                .map(|file| (file.created_at, file.signs_from, file.key))
                .collect(),
            stamps,
        })
    }

    /// Whether a file came, went or changed since `read`.
    pub(super) async fn has_changed(self: &Arc<Self>, read: &[Stamp]) -> Result<bool, KeyError> {
        Ok(self.blocking(Self::stamps).await? != read)
    }

    /// Writes a key; its id. In an empty folder it signs from `now` on.
    pub(super) async fn add(
        self: &Arc<Self>,
        key: PrivateKey,
        now: UnixMillis,
        signs_from: UnixMillis,
    ) -> Result<String, KeyError> {
        self.blocking(move |folder| {
            let is_first = folder.stamps()?.is_empty();
            folder.write(&key, if is_first { now } else { signs_from })
        })
        .await
    }

    /// Removes files, and renames the one that is to sign from `now` on.
    pub(super) async fn apply(
        self: &Arc<Self>,
        change: KeyChange,
        now: UnixMillis,
    ) -> Result<(), KeyError> {
        self.blocking(move |folder| {
            let files = folder.files(&folder.stamps()?)?;
            for file in &files {
                let kid = &file.key.kid;
                if change.promote.as_ref() == Some(kid) {
                    let name = folder.path.join(file_name(now, kid)?);
                    fs::rename(&file.path, name).map_err(|error| problem(&file.path, error))?;
                }
            }
            for file in files {
                if change.remove.contains(&file.key.kid) {
                    fs::remove_file(&file.path).map_err(|error| problem(&file.path, error))?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let folder = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|error| Err(problem(&self.path, error)))
    }

    fn stamps(&self) -> Result<Vec<Stamp>, KeyError> {
        self.check_writers()?;
        let entries = fs::read_dir(&self.path).map_err(|error| {
            let why = format!(
                "{error}. COUNTERSIGN_KEYS__FOLDER names a folder that the server can read"
            );
            problem(&self.path, why)
        })?;
        let mut stamps = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| problem(&self.path, error))?.path();
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            // Follows links: that is how secrets are mounted into containers.
            let metadata = fs::metadata(&path).map_err(|error| problem(&path, error))?;
            stamps.push(Stamp {
                path,
                changed: (metadata.mtime(), metadata.mtime_nsec()),
                inode: metadata.ino(),
                size: metadata.size(),
                mode: metadata.mode(),
            });
        }
        stamps.sort();
        Ok(stamps)
    }

    /// Whoever can put a key here can sign tokens. Containers have secrets mounted in folders that all may write to, but nobody can.
    fn check_writers(&self) -> Result<(), KeyError> {
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Ok(());
        };
        let is_read_only = || {
            rustix::fs::statvfs(&self.path)
                .is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
        };
        match metadata.mode() & 0o022 != 0 && !is_read_only() {
            true => Err(problem(
                &self.path,
                "others may put keys into it: `chmod go-w` it",
            )),
            false => Ok(()),
        }
    }

    /// The keys of the files, oldest first.
    fn files(&self, stamps: &[Stamp]) -> Result<Vec<KeyFile>, KeyError> {
        let mut files: Vec<KeyFile> = Vec::new();
        for stamp in stamps {
            let file = self.file(stamp)?;
            for other in &files {
                let clash = match () {
                    () if other.key.kid == file.key.kid => "hold the same key",
                    () if other.signs_from == START && file.signs_from == START => {
                        "need a time in one of the names, from which that key signs, such as 20261122T093000Z.pem"
                    }
                    () => continue,
                };
                let other = other.path.display();
                return Err(problem(&stamp.path, format!("this and {other} {clash}")));
            }
            files.push(file);
        }
        files.sort_by_key(|file| file.signs_from);
        Ok(files)
    }

    fn file(&self, stamp: &Stamp) -> Result<KeyFile, KeyError> {
        let fault = |what: &str| problem(&stamp.path, what);
        if stamp.mode & 0o077 != 0 {
            return Err(fault("others may read it: `chmod 600` it"));
        }
        let text = fs::read_to_string(&stamp.path).map_err(|error| problem(&stamp.path, error))?;
        let text = zeroize::Zeroizing::new(text);
        let (label, der) =
            SecretDocument::from_pem(&text).map_err(|_| fault("it is no PEM file"))?;
        if label != LABEL {
            return Err(fault(
                "it holds no private key in PKCS#8: `openssl pkcs8 -topk8 -nocrypt` makes one of it",
            ));
        }
        let algorithm = Algorithm::of_pkcs8(der.as_bytes());
        let prepared = algorithm.and_then(|algorithm| algorithm.prepare(der.as_bytes()));
        let (Some(algorithm), Some(prepared)) = (algorithm, prepared) else {
            return Err(fault(
                "it holds none of Ed25519, P-256 and RSA of 2048 bits or more",
            ));
        };
        let kid = prepared
            .thumbprint()
            .ok_or_else(|| fault("it is damaged"))?;
        Ok(KeyFile {
            path: stamp.path.clone(),
            created_at: UnixMillis(stamp.changed.0.saturating_mul(1000)),
            signs_from: signs_from(&stamp.path)?,
            key: AccessKey::new(kid, algorithm, prepared),
        })
    }

    /// Writes a key aside and moves it into place, so that no node reads half of it.
    fn write(&self, key: &PrivateKey, signs_from: UnixMillis) -> Result<String, KeyError> {
        let kid = Algorithm::of_pkcs8(key)
            .and_then(|algorithm| algorithm.prepare(key)?.thumbprint())
            .ok_or_else(making_failed)?;
        let pem = SecretDocument::try_from(key.as_slice())
            .and_then(|der| der.to_pem(LABEL, LineEnding::LF))
            .map_err(|_| making_failed())?;
        let name = file_name(signs_from, &kid)?;
        let draft = self.path.join(format!(".{name}.new"));
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                let written = file
                    .write_all(pem.as_bytes())
                    .and_then(|()| file.sync_all())
                    .and_then(|()| fs::rename(&draft, &path));
                // No half of a private key stays behind.
                written.inspect_err(|_| drop(fs::remove_file(&draft)))
            })
            .map_err(|error| problem(&path, error))?;
        Ok(kid)
    }
}

fn problem(path: &Path, what: impl std::fmt::Display) -> KeyError {
    KeyError::Folder(format!("{}: {what}", path.display()))
}

/// The time in a file's name, in whole seconds; the beginning of time when its name begins with none.
fn signs_from(path: &Path) -> Result<UnixMillis, KeyError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if !stem.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(START);
    }
    let time = stem.split('-').next().unwrap_or_default();
    let time = DateTime::strptime(TIME, time)
        .and_then(|time| time.to_zoned(TimeZone::UTC))
        .map_err(|_| {
            problem(
                path,
                "a name that begins with a digit begins with a time such as 20261122T093000Z",
            )
        })?;
    Ok(UnixMillis(time.timestamp().as_millisecond()))
}

fn file_name(signs_from: UnixMillis, kid: &str) -> Result<String, KeyError> {
    let time = Timestamp::from_millisecond(signs_from.0).map_err(|_| making_failed())?;
    let start: String = kid.chars().take(8).collect();
    Ok(format!("{}-{start}.pem", time.strftime(TIME)))
}
