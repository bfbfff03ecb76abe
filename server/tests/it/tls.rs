//! TLS to PostgreSQL: required of other machines, and always checked.

use std::sync::Arc;

use countersign::config::{Flags, Settings};
use countersign::storage::{Storage, StorageError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::Database;

/// Opens a database as `serve` does.
async fn open(url: &str) -> Result<Storage, StorageError> {
    let mut flags = Flags::default();
    flags.set("database.url", url, "the test");
    Storage::open(&Settings::load(&flags).unwrap().database).await
}

/// The address of the test run's PostgreSQL behind TLS, with a certificate for `localhost`, and the file that holds the root.
struct Encrypted {
    url: String,
    folder: tempfile::TempDir,
}

impl Encrypted {
    async fn start() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &Issuer::new(authority, authority_key))
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let Database::Postgres(plain) = Database::postgres().await else {
            unreachable!("it was asked for PostgreSQL")
        };
        let mut url = url::Url::parse(&plain).unwrap();
        let postgres = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("localhost")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(client, acceptor.clone(), postgres.clone()));
            }
        });
        Self {
            url: url.into(),
            folder,
        }
    }

    fn root(&self) -> String {
        self.folder.path().join("root.pem").display().to_string()
    }
}

/// Answers PostgreSQL's SSLRequest ("Message Formats") and hands on what comes through the tunnel.
async fn serve(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    postgres: String,
) -> std::io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(postgres).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn refusal(opened: Result<Storage, StorageError>) -> String {
    opened.err().expect("it must not be opened").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_reached_by_a_certificate_of_the_given_root() {
    let database = Encrypted::start().await;
    let url = format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        database.url,
        database.root()
    );
    let storage = open(&url).await.unwrap();
    storage.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_somebody_else_is_refused() {
    let (database, other) = (Encrypted::start().await, Encrypted::start().await);
    for url in [
        format!("{}?sslmode=require", database.url),
        format!("{}?sslrootcert={}", database.url, other.root()),
        // Good for localhost only.
        format!("{}?sslrootcert={}", database.url, database.root())
            .replace("localhost", "127.0.0.1"),
    ] {
        let refusal = refusal(open(&url).await);
        assert!(refusal.contains("certificate"), "{url}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_with_the_way_out() {
    let Database::Postgres(url) = Database::postgres().await else {
        unreachable!("it was asked for PostgreSQL")
    };
    let refusal = refusal(open(&format!("{url}?sslmode=require")).await);
    assert!(refusal.contains("sslmode=disable"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_that_cannot_be_read_are_named() {
    let database = Encrypted::start().await;
    std::fs::write(database.root(), "nothing").unwrap();
    for (root, says) in [
        ("/nonexistent.pem", "/nonexistent.pem"),
        (&database.root(), "no root certificates"),
    ] {
        let refusal = refusal(open(&format!("{}?sslrootcert={root}", database.url)).await);
        assert!(refusal.contains(says), "{refusal}");
    }
}
