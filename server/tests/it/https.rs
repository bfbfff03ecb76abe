//! HTTPS: the binary speaks TLS by itself, and takes over a new certificate while it serves.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::node_time;
use futures_util::StreamExt as _;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::command_line::text;
use crate::crash::{Server, free_port};
use crate::metrics::{scrape, value};
use crate::reload::{hang_up, until};
use crate::support::Database;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 3600;
const REQUEST: &str = "GET /graphql?query=%7Bviewer%7Bid%7D%7D HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n";

/// A certificate for `localhost` that is good from and until so many days from now, and its key, in PEM.
fn certificate(from: i64, until: i64) -> (String, String) {
    let day = |days: i64| {
        let seconds = node_time().as_secs() + days * DAY;
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    };
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (certificate.not_before, certificate.not_after) = (day(from), day(until));
    let key = KeyPair::generate().unwrap();
    let signed = certificate.self_signed(&key).unwrap();
    (signed.pem(), key.serialize_pem())
}

fn write(path: &Path, content: &str, mode: u32) -> String {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The binary with a certificate; it ends with the test.
struct Https {
    server: Server,
    port: u16,
    folder: tempfile::TempDir,
    _database: Database,
}

impl Https {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let (folder, database) = (tempfile::tempdir().unwrap(), Database::sqlite());
        let (certificate, key) = certificate(-1, 90);
        let [certificate, key] = [("cert.pem", certificate), ("key.pem", key)]
            .map(|(name, content)| write(&folder.path().join(name), &content, 0o600));
        let (port, operations) = (free_port(), free_port());
        let process = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--database-url", &database.url()])
            .env("COUNTERSIGN_OPS__LISTEN", format!("127.0.0.1:{operations}"))
            .env("COUNTERSIGN_HTTP__PUBLIC_URL", "https://localhost")
            .env("COUNTERSIGN_HTTP__TLS_CERT", certificate)
            .env("COUNTERSIGN_HTTP__TLS_KEY", key)
            .env("COUNTERSIGN_PASSWORDS__MEMORY_KIB", "8")
            .envs(environment.iter().copied())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Server {
            process,
            origin: format!("http://localhost:{operations}"),
        };
        server.wait_until_ready().await;
        Self {
            server,
            port,
            folder,
            _database: database,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// A connection of one who trusts the certificate in `cert.pem` only.
    async fn connect(
        &self,
        version: &'static SupportedProtocolVersion,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(self.path("cert.pem")).unwrap();
        roots.add(trusted).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, self.tcp().await)
            .await
    }

    async fn connected(&self) -> TlsStream<TcpStream> {
        self.connect(&TLS13, "http/1.1").await.unwrap()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.server.process.kill().unwrap();
        self.server.process.wait().unwrap();
    }
}

/// All that is said until the connection is closed.
async fn hear(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    let heard = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // Resetting is closing, too.
    let _ = heard.expect("the server closes the connection");
    text(&said)
}

/// The answer to one request on a connection that stays open.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream
        .write_all(format!("{REQUEST}\r\n").as_bytes())
        .await
        .unwrap();
    let mut said = String::new();
    while !said.ends_with("}}") {
        said.push(char::from(stream.read_u8().await.unwrap()));
    }
    said
}

#[tokio::test]
async fn both_versions_of_tls_carry_http_1_1() {
    let server = Https::start(&[]).await;
    for version in [&TLS12, &TLS13] {
        let mut stream = server.connect(version, "http/1.1").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = format!("{REQUEST}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = hear(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );
        assert!(answer.ends_with("{\"data\":{\"viewer\":null}}"), "{answer}");
    }
    let refused = server.connect(&TLS13, "h2").await.err().unwrap();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_or_closed() {
    let server = Https::start(&[("COUNTERSIGN_HTTP__STALL_TIMEOUT", "1s")]).await;
    for (said, answer) in [
        (format!("{REQUEST}\r\n"), "HTTP/1.1 400 Bad Request\r\n"),
        ("\0nonsense".to_owned(), ""),
        // Nothing at all, and the beginning of a handshake that is not gone on with.
        (String::new(), ""),
        ("\u{16}\u{3}\u{1}".to_owned(), ""),
    ] {
        let mut stream = server.tcp().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let heard = hear(&mut stream).await;
        assert!(heard.starts_with(answer), "{said:?}: {heard}");
        assert_eq!(heard.is_empty(), answer.is_empty(), "{said:?}: {heard}");
    }
    let mut stream = server.tcp().await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    assert!(
        hear(&mut stream)
            .await
            .ends_with("\r\n\r\nThis port speaks HTTPS: use https://.\r\n")
    );
    // One that says nothing between two requests is not slow with either.
    let mut stream = server.connected().await;
    for _ in 0..2 {
        assert!(ask(&mut stream).await.contains("200 OK"));
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
}

#[tokio::test]
async fn sockets_and_their_end_go_over_tls() {
    let server = Https::start(&[]).await;
    let mut request = "wss://localhost/graphql/ws".into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let stream = server.connected().await;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let pid = server.server.process.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let end = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    let Message::Close(Some(frame)) = end.unwrap().unwrap() else {
        panic!("the server closes the socket");
    };
    assert_eq!(frame.code, CloseCode::Away);
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_while_connections_are_open() {
    let server = Https::start(&[]).await;
    let mut old = server.connected().await;
    assert!(ask(&mut old).await.contains("200 OK"));

    let (new, key) = certificate(-1, 90);
    write(&server.path("cert.pem"), &new, 0o600);
    write(&server.path("key.pem"), &key, 0o600);
    assert!(
        server.connect(&TLS13, "http/1.1").await.is_err(),
        "nobody has told it yet"
    );
    hang_up(&server.server.process);
    let is_new = async || server.connect(&TLS13, "http/1.1").await.is_ok();
    assert!(until(is_new).await);
    assert!(ask(&mut old).await.contains("200 OK"), "it goes on");

    // Half of the next pair is a fault, and the server goes on with the one before.
    write(&server.path("key.pem"), &certificate(-1, 90).1, 0o600);
    hang_up(&server.server.process);
    let log = || fs::read_to_string(server.path("log")).unwrap();
    assert!(until(async || log().contains("stays in force")).await);
    assert!(
        log().contains("http.tls_key (COUNTERSIGN_HTTP__TLS_KEY)"),
        "{}",
        log()
    );
    assert!(is_new().await);
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told_of() {
    let server = Https::start(&[]).await;
    let origin = &server.server.origin;
    let days = async || {
        let metrics = scrape(origin).await;
        let expires_at = value(
            &metrics,
            "countersign_tls_certificate_expiry_timestamp_seconds",
        );
        (expires_at - node_time().as_secs() as f64) / DAY as f64
    };
    assert!((89.0..=90.0).contains(&days().await));
    let log = || fs::read_to_string(server.path("log")).unwrap();
    assert!(!log().contains("renew it"), "{}", log());

    let (new, key) = certificate(-1, 3);
    write(&server.path("cert.pem"), &new, 0o600);
    write(&server.path("key.pem"), &key, 0o600);
    hang_up(&server.server.process);
    assert!(until(async || days().await < 4.0).await);
    assert!(until(async || log().contains("hours: renew it")).await);
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (good, key) = certificate(-1, 90);
    let good = write(&path("good.pem"), &good, 0o644);
    let own = write(&path("own.key"), &key, 0o640);
    let open = write(&path("open.key"), &key, 0o644);
    let other = write(&path("other.key"), &certificate(-1, 90).1, 0o600);
    let damaged = write(&path("damaged.pem"), "nothing", 0o600);
    let pair = |name: &str, from, until| {
        let (certificate, key) = certificate(from, until);
        let key = write(&path(&format!("{name}.key")), &key, 0o600);
        (
            write(&path(&format!("{name}.pem")), &certificate, 0o600),
            key,
        )
    };
    let (expired, expired_key) = pair("expired", -90, -1);
    let (early, early_key) = pair("early", 1, 90);
    let (soon, soon_key) = pair("soon", -80, 10);
    let checked = |certificate: &str, key: &str, host: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("check-config").env_clear().current_dir(&folder);
        command.env("COUNTERSIGN_HTTP__PUBLIC_URL", format!("https://{host}"));
        for (variable, value) in [("CERT", certificate), ("KEY", key)] {
            if !value.is_empty() {
                command.env(format!("COUNTERSIGN_HTTP__TLS_{variable}"), value);
            }
        }
        let output = command.output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    for (certificate, key, fault) in [
        (
            "/nonexistent.pem",
            own.as_str(),
            "http.tls_cert (COUNTERSIGN_HTTP__TLS_CERT) /nonexistent.pem: No such file",
        ),
        (
            &good,
            "/nonexistent.key",
            "http.tls_key (COUNTERSIGN_HTTP__TLS_KEY) /nonexistent.key: No such file",
        ),
        (
            &good,
            "",
            "http.tls_key (not set; COUNTERSIGN_HTTP__TLS_KEY) is needed with http.tls_cert",
        ),
        (
            "",
            &own,
            "http.tls_cert (not set; COUNTERSIGN_HTTP__TLS_CERT) is needed with http.tls_key",
        ),
        (&good, &open, "others may read it: `chmod 600` it"),
        (
            &good,
            &other,
            "it is not the key of the first certificate in ",
        ),
        (&good, &damaged, "it holds no private key in PEM"),
        (&damaged, &own, "it holds no certificate in PEM"),
        (&own, &own, "it holds no certificate in PEM"),
        (
            &expired,
            &expired_key,
            "the certificate has expired: renew it",
        ),
        (&early, &early_key, "the certificate is not good yet"),
    ] {
        let (_, faults) = checked(certificate, key, "localhost");
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
    let both = checked("/nonexistent.pem", &damaged, "localhost").1;
    assert!(
        both.contains("http.tls_cert") && both.contains("http.tls_key"),
        "{both}"
    );
    for (certificate, key, host, warning) in [
        (&good, &own, "localhost", ""),
        (
            &soon,
            &soon_key,
            "localhost",
            "http.tls_cert (COUNTERSIGN_HTTP__TLS_CERT) expires in 239 hours",
        ),
        (
            &good,
            &own,
            "auth.example.com",
            "is no certificate for auth.example.com",
        ),
    ] {
        let (said, faults) = checked(certificate, key, host);
        assert_eq!(faults, "");
        assert_eq!(said.contains("Warning"), !warning.is_empty(), "{said}");
        assert!(said.contains(warning), "{warning}: {said}");
    }
}
