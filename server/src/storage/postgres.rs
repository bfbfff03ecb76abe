//! PostgreSQL: its URL, TLS, and what every connection is set to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::CacheSize;
use diesel::result::ConnectionError;
use diesel::{ConnectionResult, QueryResult};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _,
    TransactionManager as _,
};
use futures_util::FutureExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StorageError;
use crate::config::DatabaseSettings;
use crate::roots::system_roots;

/// How long a silent connection stays before the kernel asks whether the other side is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Whose certificates are believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those of the operating system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// Where PostgreSQL is, and how it is talked to.
pub(super) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    connect_timeout: Duration,
    statement_timeout: Duration,
    is_pooled: bool,
}

impl Server {
    /// Reads the URL and the certificates that it names.
    ///
    /// # Errors
    /// [`StorageError::Url`], whose text says what to do.
    pub(super) fn new(url: &str, settings: &DatabaseSettings) -> Result<Self, StorageError> {
        let (mut config, roots) = parse(url).map_err(StorageError::Url)?;
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        // Where the URL names several hosts, and after a failover: only the primary takes writes.
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        // All hosts that the URL names have their turn within the limit.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        config
            .connect_timeout(settings.connect_timeout / hosts)
            .keepalives_idle(KEEPALIVE)
            .tcp_user_timeout(settings.statement_timeout * 2);
        Ok(Self {
            config,
            tls: roots.as_ref().map(tls).transpose()?,
            connect_timeout: settings.connect_timeout,
            statement_timeout: settings.statement_timeout,
            is_pooled: settings.is_pooled,
        })
    }

    /// A connection whose statements end after the configured limit.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        self.connect_with(self.statement_timeout).await
    }

    /// A connection whose statements end after `limit`; those of a pooler have the limit that the pooler's user has.
    pub(super) async fn connect_with(
        &self,
        limit: Duration,
    ) -> ConnectionResult<AsyncPgConnection> {
        let connected = tokio::time::timeout(self.connect_timeout, async {
            match &self.tls {
                Some(tls) => {
                    let (client, connection) = self
                        .config
                        .connect(tls.clone())
                        .await
                        .map_err(|error| refused(&error))?;
                    self.set_up(client, connection, limit).await
                }
                None => {
                    let (client, connection) = self
                        .config
                        .connect(NoTls)
                        .await
                        .map_err(|error| refused(&error))?;
                    self.set_up(client, connection, limit).await
                }
            }
        });
        connected.await.unwrap_or_else(|_| {
            Err(ConnectionError::BadConnection(format!(
                "no connection within {:?}",
                self.connect_timeout
            )))
        })
    }

    async fn set_up<S>(
        &self,
        client: Client,
        connection: Connection<Socket, S>,
        limit: Duration,
    ) -> ConnectionResult<AsyncPgConnection>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        if self.is_pooled {
            // A pooler hands every transaction to another connection, so that what Diesel prepares at the start has to be in one.
            // This is sent before that is, and its answer needs nobody.
            let _ = client.batch_execute("BEGIN").now_or_never();
        }
        let mut conn =
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        if self.is_pooled {
            let committed = conn.batch_execute("COMMIT").await;
            committed.map_err(ConnectionError::CouldntSetupConfiguration)?;
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
            return Ok(conn);
        }
        // A node that stops in the middle of a transaction must not hold its locks. Our locks are thought out for READ
        // COMMITTED: what is read after a lock has to be what is there then.
        let settings = format!(
            "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {1}; \
             SET default_transaction_isolation = 'read committed'",
            limit.as_millis(),
            self.statement_timeout.as_millis(),
        );
        let set = conn.batch_execute(&settings).await;
        set.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }

    /// Begins what has to be one transaction behind a pooler, be it a single query: preparing and running it are two messages.
    pub(super) async fn begin_single(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        match self.is_pooled {
            true => AnsiTransactionManager::begin_transaction(conn).await,
            false => Ok(()),
        }
    }

    /// Ends it.
    pub(super) async fn end_single(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        match self.is_pooled {
            true => AnsiTransactionManager::commit_transaction(conn).await,
            false => Ok(()),
        }
    }

    /// Whether a pooler in transaction mode is in between: nothing outlives a transaction there, and no notification comes.
    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled
    }
}

fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    let mut why = with_causes(error);
    if why.contains("does not support TLS") {
        why.push_str("; in a private network `?sslmode=disable` does without");
    }
    ConnectionError::BadConnection(why)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

/// Reads `postgres://…` as libpq spells it (PostgreSQL, "Connection URIs"), and whose certificates to believe; `None` is no TLS.
///
/// `sslmode` is `disable`, `require` or `verify-full`, and TLS always checks the certificate and its name. Without it, TLS is
/// required of every server that is not on this machine.
pub(super) fn parse(url: &str) -> Result<(Config, Option<Roots>), String> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut roots, mut others) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(value)
            .decode_utf8_lossy()
            .into_owned();
        match key {
            "sslmode" => mode = Some(value),
            "sslrootcert" if value == "system" => roots = Some(Roots::System),
            "sslrootcert" => roots = Some(Roots::File(value.into())),
            _ => others.push(pair),
        }
    }
    let bare = format!("{base}?{}", others.join("&"));
    let mut config: Config = bare
        .parse()
        .map_err(|error: tokio_postgres::Error| with_causes(&error))?;
    if config.get_hosts().is_empty() {
        return Err("the URL names no host".to_owned());
    }
    let encrypted = match mode.as_deref() {
        Some("disable") if roots.is_some() => {
            return Err("sslmode=disable needs no sslrootcert".to_owned());
        }
        Some("disable") => false,
        Some("require" | "verify-full") => true,
        Some(_) => {
            return Err(
                "sslmode is disable, require or verify-full: the others protect against nobody"
                    .to_owned(),
            );
        }
        None => roots.is_some() || !is_this_machine(&config),
    };
    config.ssl_mode(if encrypted {
        SslMode::Require
    } else {
        SslMode::Disable
    });
    Ok((config, encrypted.then(|| roots.unwrap_or(Roots::System))))
}

/// Whether no byte leaves this machine. Where there is a `hostaddr`, it leads to that and not to the host.
pub(super) fn is_this_machine(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_local)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// What may be shown of it: hosts, ports and the database's name.
pub(super) fn public_name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate();
    let hosts = hosts.map(|(index, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(index)),
        #[cfg(unix)]
        Host::Unix(folder) => folder.display().to_string(),
    });
    let name = config.get_dbname().or(config.get_user());
    format!(
        "postgres://{}/{}",
        hosts.collect::<Vec<_>>().join(","),
        name.unwrap_or_default()
    )
}

fn tls(roots: &Roots) -> Result<MakeRustlsConnect, StorageError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => store = system_roots(),
        Roots::File(path) => {
            let unreadable =
                |error| StorageError::Url(format!("sslrootcert={}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path)
                .map_err(|error| unreadable(error.to_string()))?
            {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                let added = store.add(certificate);
                added.map_err(|error| unreadable(error.to_string()))?;
            }
        }
    }
    if store.is_empty() {
        return Err(StorageError::Url(
            "there are no root certificates to check PostgreSQL's with: `sslrootcert=FILE` names some, or mend this \
             system's (SSL_CERT_FILE, SSL_CERT_DIR; Debian: ca-certificates)"
                .to_owned(),
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StorageError::Url(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(url: &str) -> Result<Option<Roots>, String> {
        parse(url).map(|(_, roots)| roots)
    }

    #[test]
    fn tls_is_required_of_other_machines() {
        for host in [
            "db.example.com",
            "10.0.0.7",
            "[2001:db8::1]",
            "localhost,db2",
        ] {
            assert_eq!(
                roots(&format!("postgres://{host}/x")),
                Ok(Some(Roots::System)),
                "{host}"
            );
        }
        for host in [
            "localhost",
            "127.0.0.1:5433",
            "[::1]",
            "%2Frun%2Fpostgresql",
        ] {
            assert_eq!(roots(&format!("postgres://{host}/x")), Ok(None), "{host}");
        }
    }

    #[test]
    fn hostaddr_is_where_it_leads() {
        let elsewhere = roots("postgres://localhost/x?hostaddr=10.0.0.7");
        assert_eq!(elsewhere, Ok(Some(Roots::System)));
    }

    #[test]
    fn what_is_shown_holds_no_password() {
        for (url, shown) in [
            ("postgres://app:/Xy9s@db/name", "postgres://db:5432/name"),
            (
                "postgres://app:12/a@db:5433,db2:5434/name?sslmode=require",
                "postgres://db:5433,db2:5434/name",
            ),
            ("postgres://app@%2Frun/name", "postgres:///run/name"),
        ] {
            assert_eq!(public_name(&parse(url).unwrap().0), shown);
        }
    }

    #[test]
    fn the_url_says_how() {
        assert_eq!(roots("postgres://db/x?sslmode=disable"), Ok(None));
        assert_eq!(
            roots("postgres://localhost/x?sslmode=verify-full&application_name=a"),
            Ok(Some(Roots::System))
        );
        let file = roots("postgres://db/x?sslrootcert=%2Fetc%2Froots.pem");
        assert_eq!(file, Ok(Some(Roots::File("/etc/roots.pem".into()))));
        for wrong in [
            "postgres://db/x?sslmode=prefer",
            "postgres://db/x?sslmode=disable&sslrootcert=system",
            "postgres://db/x?nonsense=1",
            "postgres:///x",
            "postgres://db:port/x",
        ] {
            assert!(roots(wrong).is_err(), "{wrong}");
        }
    }
}
