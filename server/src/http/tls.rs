//! TLS: the certificate and its key, from PEM files.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::StatVfsMountFlags;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode as _;
use zeroize::Zeroizing;

use crate::values::UnixMillis;

/// A certificate that is good for less is worth a warning: whoever renews it has missed its turn.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Why TLS cannot be spoken with these files. The text names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct TlsError {
    path: PathBuf,
    problem: String,
}

fn problem(path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

/// A certificate and those that signed it, as they stand in a PEM file.
pub struct Chain {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
    expires_at: UnixMillis,
}

impl Chain {
    /// Reads a certificate that is good at `now`.
    ///
    /// # Errors
    /// [`TlsError`] when the file cannot be read or holds no certificate, and when the certificate has expired or is not good yet.
    pub fn open(path: &Path, now: UnixMillis) -> Result<Self, TlsError> {
        let fault = |what: &str| problem(path, what);
        let text = fs::read(path).map_err(|error| problem(path, error))?;
        let certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| fault("it is no PEM file of certificates"))?;
        let own = certificates
            .first()
            .ok_or_else(|| fault("it holds no certificate in PEM"))?;
        let validity = x509_cert::Certificate::from_der(own)
            .map_err(|_| fault("its first certificate is damaged"))?
            .tbs_certificate
            .validity;
        let [starts_at, expires_at] = [validity.not_before, validity.not_after].map(|time| {
            let millis = time.to_unix_duration().as_millis();
            UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX))
        });
        if expires_at <= now {
            return Err(fault("the certificate has expired: renew it"));
        }
        if starts_at > now {
            return Err(fault(
                "the certificate is not good yet: wait, or set this machine's clock",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            certificates,
            expires_at,
        })
    }
}

/// The private key of a certificate, as it stands in a PEM file.
pub struct PrivateKey {
    path: PathBuf,
    der: PrivateKeyDer<'static>,
}

impl PrivateKey {
    /// Reads a key that only the server's user and group may read, as PostgreSQL has it too; a folder on a read-only mount, as
    /// container engines make for secrets, may have any mode.
    ///
    /// # Errors
    /// [`TlsError`] when the file cannot be read, may be read by others, or holds no key without a passphrase.
    pub fn open(path: &Path) -> Result<Self, TlsError> {
        let metadata = fs::metadata(path).map_err(|error| problem(path, error))?;
        if metadata.mode() & 0o027 != 0 && !is_read_only(path) {
            return Err(problem(path, "others may read it: `chmod 600` it"));
        }
        let text = fs::read(path)
            .map(Zeroizing::new)
            .map_err(|error| problem(path, error))?;
        let der = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| problem(path, "it holds no private key in PEM without a passphrase"))?;
        Ok(Self {
            path: path.to_owned(),
            der,
        })
    }
}

fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// What connections are encrypted with: TLS 1.2 and 1.3 by the safe suites of rustls.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// The server's own, then those that signed it.
    certificates: Vec<CertificateDer<'static>>,
    expires_at: UnixMillis,
    files: [PathBuf; 2],
}

impl ServerTls {
    /// TLS with this certificate.
    ///
    /// # Errors
    /// [`TlsError`] when the key is another certificate's, or none that can sign.
    pub fn new(chain: Chain, key: PrivateKey) -> Result<Self, TlsError> {
        let [chain_path, key_path] = [chain.path, key.path];
        let certificates = chain.certificates.clone();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain.certificates, key.der)
            });
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let chain = chain_path.display();
                problem(&key_path, format!("it is not the key of the first certificate in {chain}: the server's own comes first, then those that signed it"))
            }
            error => problem(&key_path, format!("the key and the certificate cannot be used: {error}")),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            certificates,
            expires_at: chain.expires_at,
            files: [chain_path, key_path],
        })
    }

    /// TLS with what stands in the same files now.
    ///
    /// # Errors
    /// [`TlsError`] as [`Chain::open`], [`PrivateKey::open`] and [`Self::new`] have it.
    pub fn reopen(&self, now: UnixMillis) -> Result<Self, TlsError> {
        let [chain, key] = &self.files;
        Self::new(Chain::open(chain, now)?, PrivateKey::open(key)?)
    }

    /// When the certificate expires.
    pub fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// Whether the certificate is one for `host`: a name, or an address without brackets.
    pub fn is_for(&self, host: &str) -> bool {
        let parsed = ParsedCertificate::try_from(&self.certificates[0]);
        let name = ServerName::try_from(host);
        parsed.is_ok_and(|parsed| name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok()))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

/// Of the same certificates.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.files).finish()
    }
}
