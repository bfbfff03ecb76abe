//! Connections, and what browsers call this server.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderName;
use ipnet::IpNet;
use url::{Host, Url};

use super::source::Source;
use crate::clock::node_time;
use crate::http::{Chain, EXPIRES_SOON, PrivateKey, ServerTls};

/// The network side.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// `COUNTERSIGN_HTTP__LISTEN`: the public address.
    pub listen: SocketAddr,
    /// `COUNTERSIGN_HTTP__PUBLIC_URL`: what browsers call this server.
    pub public_url: Url,
    /// `COUNTERSIGN_HTTP__TLS_CERT`, `COUNTERSIGN_HTTP__TLS_KEY`: the certificate of HTTPS; `None`: plain HTTP.
    pub tls: Option<ServerTls>,
    /// `COUNTERSIGN_HTTP__ALLOWED_ORIGINS`: pages of other origins that may use this server, cookies included.
    pub allowed_origins: Vec<String>,
    /// `COUNTERSIGN_HTTP__ALLOWED_HEADERS`: what these pages may send besides our own headers, such as `traceparent`.
    pub allowed_headers: Vec<HeaderName>,
    /// `COUNTERSIGN_HTTP__ALLOWED_HOSTS`: the `Host` names that are answered, without ports.
    pub allowed_hosts: Vec<String>,
    /// `COUNTERSIGN_HTTP__TRUSTED_PROXIES`: the addresses or networks of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `COUNTERSIGN_HTTP__ASSETS`: where the demo and GraphiQL are.
    pub assets: Assets,
    /// `COUNTERSIGN_HTTP__DRAIN`: how long a node that was told to stop still takes requests, and says that it is not ready.
    pub drain: Duration,
    /// `COUNTERSIGN_HTTP__DEV_COOKIE`: a plain cookie without `Secure`, for browsers that refuse the safe one on localhost.
    pub dev_cookie: bool,
    /// Connections.
    pub connections: ConnectionSettings,
}

/// Where the demo and GraphiQL are.
#[derive(Clone, Debug)]
pub enum Assets {
    /// In the binary, if it was built with the feature `embedded-pages`; else in `web-demo/dist`.
    BuiltIn,
    /// In a folder.
    Folder(PathBuf),
    /// Nowhere.
    Off,
}

/// Connections. A WebSocket is one until it is open, and counts among [`EventSettings`] then.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// `COUNTERSIGN_HTTP__MAX_CONNECTIONS`: how many may be open at each address that is listened at.
    pub max: usize,
    /// `COUNTERSIGN_HTTP__MAX_CONNECTIONS_PER_ADDRESS`: how many from one address, or one /64 of IPv6, trusted proxies aside.
    pub max_per_address: usize,
    /// `COUNTERSIGN_HTTP__STALL_TIMEOUT`: how long a client may take to send a request's head, and its body, and for how long it
    /// may take nothing of an answer.
    pub stall_timeout: Duration,
    /// `COUNTERSIGN_HTTP__ANSWER_TIMEOUT`: how long a client may take for the whole of an answer.
    pub answer_timeout: Duration,
    /// `COUNTERSIGN_HTTP__IDLE_TIMEOUT`: how long a connection may wait for its next request.
    pub idle_timeout: Duration,
}

impl HttpSettings {
    pub(super) fn read(source: &mut Source, listen: SocketAddr, development: bool) -> Self {
        let local = format!("http://localhost:{}", listen.port());
        // Somebody may have put a password into it.
        let public_url = source.optional_private("http.public_url", parse_public_url);
        match &public_url {
            None if !development && !source.is_given("http.public_url") => source.fault(
                "http.public_url",
                "is required in production: the URL that browsers use, https://…",
            ),
            Some(url) if !development && url.scheme() != "https" => {
                source.fault("http.public_url", "must be https in production");
            }
            _ => {}
        }
        let public_url = public_url
            .or_else(|| Url::parse(&local).ok())
            .unwrap_or_else(|| unreachable!("a URL made from a port"));
        let own_host = public_url.host_str().unwrap_or_default().to_owned();
        let mut default_hosts = vec![own_host];
        if development {
            default_hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        let dev_cookie = source.switch("http.dev_cookie", false);
        if dev_cookie && !development {
            source.fault(
                "http.dev_cookie",
                "is for development only: in production the cookie is always Secure",
            );
        }
        let trusted_proxies = Self::read_trusted_proxies(source, development);
        let tls = read_tls(source, &public_url);
        if !development && tls.is_none() && trusted_proxies.is_empty() {
            source.warn(
                "http.trusted_proxies",
                "names no proxy, and there is no http.tls_cert: whoever ends TLS in front of this server counts as the one client of \
                 all requests, for limits and in the audit trail",
            );
        }
        let assets = source
            .optional("http.assets", |text| match text {
                "off" => Ok(Assets::Off),
                folder => Ok(Assets::Folder(folder.into())),
            })
            .unwrap_or(Assets::BuiltIn);
        if let Assets::Folder(folder) = &assets
            && !folder.is_dir()
        {
            source.warn(
                "http.assets",
                "is no folder: neither the demo nor GraphiQL is served",
            );
        }
        Self {
            listen,
            public_url,
            tls,
            allowed_origins: source.list("http.allowed_origins", Vec::new(), |text| match Url::parse(text) {
                _ if text == "*" => Err("would let every page use the session cookie: name the origins, such as https://app.example.com"),
                _ if text == "null" => Err("is the origin of pages from nowhere, which anybody can make: name https origins"),
                Ok(url) if url.scheme() != "https" && !development => Err("must be https in production"),
                Ok(url) if url.origin().is_tuple() && url.origin().ascii_serialization() == text => Ok(text.to_owned()),
                _ => Err("is no origin like https://app.example.com, without a path or a slash at the end"),
            }),
            allowed_headers: source.list("http.allowed_headers", Vec::new(), |text| match text.parse() {
                Ok(name) if text != "*" => Ok(name),
                _ => Err("is no name of a header like traceparent"),
            }),
            allowed_hosts: source.list("http.allowed_hosts", default_hosts, |text| match Host::parse(text) {
                Ok(host) if !text.contains('*') => Ok(host.to_string()),
                _ => Err("is no host name like auth.example.com, without port and wildcard"),
            }),
            trusted_proxies,
            assets,
            drain: source.duration("http.drain", if development { "0s" } else { "5s" }, "0s", "5m"),
            dev_cookie,
            connections: ConnectionSettings {
                max: source.number("http.max_connections", 10_000, 1..=1_000_000),
                max_per_address: source.number("http.max_connections_per_address", 256, 1..=1_000_000),
                stall_timeout: source.duration("http.stall_timeout", "15s", "100ms", "5m"),
                answer_timeout: source.duration("http.answer_timeout", "5m", "100ms", "1h"),
                idle_timeout: source.duration("http.idle_timeout", "75s", "100ms", "1h"),
            },
        }
    }

    fn read_trusted_proxies(source: &mut Source, development: bool) -> Vec<IpNet> {
        source.list("http.trusted_proxies", Vec::new(), |text| {
            // A lone address is a network of one.
            match text
                .parse()
                .or_else(|_| text.parse().map(|ip: IpAddr| IpNet::from(ip)))
            {
                Ok(network) if is_too_wide(&network) && !development => {
                    Err("is everybody, or nearly: whoever sent X-Forwarded-For would be believed")
                }
                Ok(network) => Ok(network),
                Err(_) => Err("is neither an IP address nor a network like 10.0.0.0/8"),
            }
        })
    }
}

/// Whether it has so many addresses that some are strangers'. The largest private networks are 10.0.0.0/8 and fc00::/7.
fn is_too_wide(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => network.prefix_len() < 7,
    }
}

fn read_tls(source: &mut Source, public_url: &Url) -> Option<ServerTls> {
    const CERT: &str = "http.tls_cert";
    const KEY: &str = "http.tls_key";
    let now = node_time();
    let chain = source.optional_private(CERT, |path| Chain::open(Path::new(path), now));
    let key = source.optional_private(KEY, |path| PrivateKey::open(Path::new(path)));
    for (key, other) in [(CERT, KEY), (KEY, CERT)] {
        if !source.is_given(key) && source.is_given(other) {
            source.fault(key, &format!("is needed with {other}: a PEM file"));
        }
    }
    let tls = ServerTls::new(chain?, key?)
        .map_err(|error| source.fault(KEY, &error.to_string()))
        .ok()?;
    let left = tls.expires_at().since(now);
    if left < EXPIRES_SOON {
        let hours = left.as_secs() / 3600;
        source.warn(CERT, format!("expires in {hours} hours: renew it"));
    }
    let host = public_url.host_str().unwrap_or_default();
    if !tls.is_for(host.trim_matches(['[', ']'])) {
        source.warn(
            CERT,
            format!(
                "is no certificate for {host}, the host of http.public_url: browsers refuse it"
            ),
        );
    }
    Some(tls)
}

/// A URL of the whole host: the cookie and all paths are of its root.
fn parse_public_url(text: &str) -> Result<Url, &'static str> {
    use url::Position;
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .ok_or("is no URL like https://auth.example.com")?;
    if !url[Position::BeforeUsername..Position::BeforeHost].is_empty() {
        return Err("must not name a user");
    }
    if url[Position::BeforePath..] != *"/" {
        return Err("must have neither path nor query: https://auth.example.com");
    }
    Ok(url)
}
