//! Where the keys are kept, and everything that changes them: the first ones, rotation, retirement, cleaning up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::algorithm::{Algorithm, PrivateKey};
use super::folder::{KeyFiles, KeyFolder};
use super::ring::{AccessKey, Entry, KeyRing, KeyState, KeyStatus, RefreshKey, Ring};
use super::sealer::Sealer;
use super::verified::Verified;
use crate::clock::{Clock, Rng, random};
use crate::config::KeySettings;
use crate::storage::{KeyChange, KeyPurpose, KeyRow, Storage, StorageError};
use crate::values::UnixMillis;

/// How long verifiers may keep the published keys.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(300);
/// A new key is published so long before it signs: by then every verifier that keeps to the above has it.
const PUBLISHED_BEFORE: Duration = Duration::from_secs(2 * JWKS_MAX_AGE.as_secs());
/// Within this every node has read a change.
const SPREAD: Duration = Duration::from_secs(5);
/// How long a key that is of no use any more is still listed.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Why the keys cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key in the database was encrypted under another secret.
    #[error(
        "the key {0} in the database cannot be decrypted: COUNTERSIGN_KEYS__SECRET is not the secret that it was encrypted under. \
         Start with the secret that was used before"
    )]
    WrongSecret(String),
    /// A key could not be made or read.
    #[error("the key {0} is damaged")]
    Damaged(String),
    /// There is no such key.
    #[error("there is no key {0}: `countersign keys list` names them all")]
    Unknown(String),
    /// The key signs, and no other one could.
    #[error(
        "the key {0} signs and there is none to take its place: run `countersign keys rotate --now` first, with `--purpose refresh` for a refresh key"
    )]
    OnlySigningKey(String),
    /// A key file, or the folder that they are in.
    #[error("{0}")]
    Folder(String),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How long what a key makes may live: the configuration of this node. The longest that any node had counts.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// An access token.
    pub access: Duration,
    /// A session that is not used.
    pub refresh: Duration,
}

/// The keys as they are kept: encrypted in the database, or, those that sign access tokens, in a folder of PEM files.
pub struct Keys {
    storage: Storage,
    sealer: Sealer,
    settings: KeySettings,
    folder: Option<Arc<KeyFolder>>,
    lives: Lives,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
}

impl Keys {
    /// Keys in `storage`, encrypted by `sealer`, or where `settings` say.
    pub fn new(
        storage: Storage,
        sealer: Sealer,
        settings: KeySettings,
        lives: Lives,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
    ) -> Self {
        let folder = settings.folder.as_ref();
        Self {
            folder: folder.map(|path| Arc::new(KeyFolder::new(path))),
            storage,
            sealer,
            settings,
            lives,
            clock,
            rng,
        }
    }

    /// The purposes whose keys are in the database.
    fn in_database(&self) -> &'static [KeyPurpose] {
        match self.folder {
            None => &[KeyPurpose::Access, KeyPurpose::Refresh],
            Some(_) => &[KeyPurpose::Refresh],
        }
    }

    /// Makes the first keys where there are none, under a lock, so that nodes which start together agree; and reads them.
    ///
    /// # Errors
    /// As [`Keys::read`].
    pub async fn open(&self) -> Result<KeyRing, KeyError> {
        self.storage.note_refresh_ttl(self.lives.refresh).await?;
        let now = self.clock.now();
        for purpose in self.in_database() {
            self.add_if(*purpose, |ring| ring.is_empty().then_some(now))
                .await?;
        }
        self.read().await
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when the secret is another than the one that the keys were encrypted under;
    /// [`KeyError::Folder`] when a key file cannot be used.
    pub async fn read(&self) -> Result<KeyRing, KeyError> {
        let KeyFiles { keys, stamps } = match &self.folder {
            Some(folder) => folder.read().await?,
            None => {
                let rows = self.storage.keys(KeyPurpose::Access).await?.into_iter();
                KeyFiles {
                    keys: rows
                        .map(|row| Ok((row.created_at, row.signs_from, self.access_key(row)?)))
                        .collect::<Result<_, KeyError>>()?,
                    stamps: Vec::new(),
                }
            }
        };
        let mut refresh = Vec::new();
        for row in self.storage.keys(KeyPurpose::Refresh).await? {
            let key = RefreshKey::new(&row.id, &self.sealer.open(&row)?)?;
            refresh.push((row.created_at, row.signs_from, key));
        }
        Ok(KeyRing {
            access: Ring::new(keys, self.life(KeyPurpose::Access).await?),
            refresh: Ring::new(refresh, self.life(KeyPurpose::Refresh).await?),
            files: stamps,
            verified: Verified::default(),
        })
    }

    fn access_key(&self, row: KeyRow) -> Result<AccessKey, KeyError> {
        let damaged = || KeyError::Damaged(row.id.clone());
        let algorithm: Algorithm = row.algorithm.parse().map_err(|_| damaged())?;
        let prepared = algorithm
            .prepare(&self.sealer.open(&row)?)
            .ok_or_else(damaged)?;
        Ok(AccessKey::new(row.id, algorithm, prepared))
    }

    async fn life(&self, purpose: KeyPurpose) -> Result<Duration, KeyError> {
        let own = match purpose {
            KeyPurpose::Access => self.lives.access,
            KeyPurpose::Refresh => self.lives.refresh,
        };
        Ok(own.max(self.storage.longest_life(purpose).await?))
    }

    /// Every key with its state.
    ///
    /// # Errors
    /// As [`Keys::read`].
    pub async fn list(&self) -> Result<Vec<KeyStatus>, KeyError> {
        Ok(self.read().await?.list(self.clock.now()))
    }

    /// Adds a key for `purpose`; its id. It is published now and signs when every verifier has it, or with `at_once` as soon as
    /// the nodes have it. The first of all signs at once.
    ///
    /// # Errors
    /// As [`Keys::read`].
    pub async fn rotate(&self, purpose: KeyPurpose, at_once: bool) -> Result<String, KeyError> {
        let now = self.clock.now();
        let signs_from = now + if at_once { SPREAD } else { PUBLISHED_BEFORE };
        if let (KeyPurpose::Access, Some(folder)) = (purpose, &self.folder) {
            let key = generate(self.settings.algorithm, &self.rng).await?;
            let id = folder.add(key, now, signs_from).await?;
            self.storage.announce_key(&id, now).await?;
            return Ok(id);
        }
        let added = self
            .add_if(purpose, |ring| {
                Some(if ring.is_empty() { now } else { signs_from })
            })
            .await?;
        added.ok_or_else(making_failed)
    }

    /// Takes a key out at once: what it made is refused by every node that has heard of it. Of the key that signs the next one
    /// takes the place at once. Keys whose time is over go with it, so that none comes back.
    ///
    /// # Errors
    /// [`KeyError::Unknown`]; [`KeyError::OnlySigningKey`].
    pub async fn retire(&self, id: &str) -> Result<(), KeyError> {
        let now = self.clock.now();
        let found = self.list().await?.into_iter().find(|key| key.id == id);
        let purpose = found
            .ok_or_else(|| KeyError::Unknown(id.to_owned()))?
            .purpose;
        let life = self.life(purpose).await?;
        if let (KeyPurpose::Access, Some(folder)) = (purpose, &self.folder) {
            let ring = Ring::new(folder.read().await?.keys, life);
            folder
                .apply(retirement(&ring, id, now, |key| &key.kid)?, now)
                .await?;
            self.storage.announce_key(id, now).await?;
            return Ok(());
        }
        let decide = |rows: &[KeyRow]| retirement(&ring_of(rows, life), id, now, |id| id);
        self.storage.change_keys(purpose, &decide, now).await??;
        Ok(())
    }

    /// Adds a key of the configured algorithm when the newest has another one; whether it did. Key files have their own.
    ///
    /// # Errors
    /// As [`Keys::read`].
    pub async fn adopt_algorithm(&self) -> Result<bool, KeyError> {
        if self.folder.is_some() {
            return Ok(false);
        }
        let signs_from = self.clock.now() + PUBLISHED_BEFORE;
        let added = self.add_if(KeyPurpose::Access, |ring| {
            let algorithm = &ring.last()?.algorithm;
            (algorithm != self.settings.algorithm.as_str()).then_some(signs_from)
        });
        Ok(added.await?.is_some())
    }

    /// Does what is due by `ring`, the keys as they were last read: rotates, deletes what is of no use any more. Whether the
    /// keys have to be read again. Without anything to do it asks neither database nor folder, except for the folder's times.
    ///
    /// # Errors
    /// As [`Keys::read`].
    pub async fn tend(&self, ring: &KeyRing) -> Result<bool, KeyError> {
        let mut changed = match &self.folder {
            Some(folder) => folder.has_changed(&ring.files).await?,
            None => self.tend_ring(KeyPurpose::Access, &ring.access).await?,
        };
        changed |= self.tend_ring(KeyPurpose::Refresh, &ring.refresh).await?;
        Ok(changed)
    }

    async fn tend_ring<K: Sync>(
        &self,
        purpose: KeyPurpose,
        ring: &Ring<K>,
    ) -> Result<bool, KeyError> {
        let now = self.clock.now();
        let mut changed = false;
        if let (Some(every), Some(newest)) = (self.settings.rotate_every, ring.newest())
            && newest.created_at + every <= now
        {
            let added = self.add_if(purpose, |rows| {
                let newest = rows.last()?.created_at;
                (newest + every <= now).then_some(now + PUBLISHED_BEFORE)
            });
            changed |= added.await?.is_some();
        }
        if ring.iter().any(|entry| is_useless(entry, now)) {
            let life = self.life(purpose).await?;
            let decide = |rows: &[KeyRow]| {
                let ring = ring_of(rows, life);
                let useless = ring.iter().filter(|entry| is_useless(entry, now));
                Ok::<_, Infallible>(KeyChange {
                    remove: useless.map(|entry| entry.key.clone()).collect(),
                    ..KeyChange::default()
                })
            };
            let Ok(removed) = self.storage.change_keys(purpose, &decide, now).await?;
            changed |= removed;
        }
        Ok(changed)
    }

    /// Adds a key to the database that signs from when `wanted` says; its id. `wanted` is asked first, because making a key may
    /// take long, and again under the lock, because another node may have been quicker.
    async fn add_if(
        &self,
        purpose: KeyPurpose,
        wanted: impl Fn(&[KeyRow]) -> Option<UnixMillis> + Sync,
    ) -> Result<Option<String>, KeyError> {
        let rows = self.storage.keys(purpose).await?;
        if wanted(&rows).is_none() {
            return Ok(None);
        }
        // A key under another secret than the rest could be read by no node.
        for row in &rows {
            self.sealer.open(row)?;
        }
        let made = self.make(purpose).await?;
        let decide = |rows: &[KeyRow]| {
            Ok::<_, Infallible>(KeyChange {
                add: wanted(rows).map(|signs_from| KeyRow {
                    signs_from,
                    ..made.clone()
                }),
                ..KeyChange::default()
            })
        };
        let Ok(added) = self
            .storage
            .change_keys(purpose, &decide, made.created_at)
            .await?;
        Ok(added.then_some(made.id))
    }

    async fn make(&self, purpose: KeyPurpose) -> Result<KeyRow, KeyError> {
        let (id, algorithm, key) = match purpose {
            KeyPurpose::Refresh => {
                let id = format!("{:08x}", u32::from_be_bytes(random(&*self.rng)));
                let key = PrivateKey::new(random::<32>(&*self.rng).to_vec());
                (id, Algorithm::Hs256, key)
            }
            KeyPurpose::Access => {
                let algorithm = self.settings.algorithm;
                let key = generate(algorithm, &self.rng).await?;
                let prepared = algorithm.prepare(&key).ok_or_else(making_failed)?;
                let random_id = || BASE64URL.encode(random::<16>(&*self.rng));
                (
                    prepared.thumbprint().unwrap_or_else(random_id),
                    algorithm,
                    key,
                )
            }
        };
        let now = self.clock.now();
        Ok(KeyRow {
            sealed: self.sealer.seal(purpose, &id, &key, &*self.rng)?,
            id,
            purpose,
            algorithm: algorithm.as_str().to_owned(),
            created_at: now,
            signs_from: now,
        })
    }
}

pub(super) fn making_failed() -> KeyError {
    KeyError::Damaged("that was being made".to_owned())
}

/// On a thread of its own: an RSA key takes a second.
async fn generate(algorithm: Algorithm, rng: &Arc<Rng>) -> Result<PrivateKey, KeyError> {
    let rng = Arc::clone(rng);
    let made = tokio::task::spawn_blocking(move || algorithm.generate(&*rng)).await;
    made.ok().flatten().ok_or_else(making_failed)
}

fn ring_of(rows: &[KeyRow], life: Duration) -> Ring<String> {
    let keys = rows.iter();
    Ring::new(
        keys.map(|row| (row.created_at, row.signs_from, row.id.clone())),
        life,
    )
}

fn is_useless<K>(entry: &Entry<K>, now: UnixMillis) -> bool {
    entry
        .verifies_until
        .is_some_and(|until| until + KEPT <= now)
}

/// What has to be done to a ring to take out the key `id`.
fn retirement<K>(
    ring: &Ring<K>,
    id: &str,
    now: UnixMillis,
    id_of: impl Fn(&K) -> &String,
) -> Result<KeyChange, KeyError> {
    let mut change = KeyChange::default();
    for (entry, state) in ring.states(now) {
        let is_named = id_of(&entry.key) == id;
        if is_named && state == KeyState::Signing {
            let next = ring
                .next(now)
                .ok_or_else(|| KeyError::OnlySigningKey(id.to_owned()))?;
            change.promote = Some(id_of(&next.key).clone());
        }
        if is_named || state == KeyState::Expired {
            change.remove.push(id_of(&entry.key).clone());
        }
    }
    if change.remove.iter().any(|removed| removed == id) {
        Ok(change)
    } else {
        Err(KeyError::Unknown(id.to_owned()))
    }
}
