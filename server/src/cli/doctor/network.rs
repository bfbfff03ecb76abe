//! The addresses to listen at: free, or a server of ours answers there.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::report::Finding;
use crate::config::Settings;

/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(3);
/// Answers about health are shorter.
const LONGEST_ANSWER: u64 = 16 * 1024;

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let public = Place {
        check: "listen.public",
        variable: "COUNTERSIGN_HTTP__LISTEN",
        address: settings.http.listen,
        // Health is asked where it is served, and without TLS.
        is_asked: settings.ops_listen.is_none() && settings.http.tls.is_none(),
    };
    let operations = settings.ops_listen.map(|address| Place {
        check: "listen.operations",
        variable: "COUNTERSIGN_OPS__LISTEN",
        address,
        is_asked: true,
    });
    let places = std::iter::once(public).chain(operations);
    places.map(|place| place.examine()).collect()
}

struct Place {
    check: &'static str,
    variable: &'static str,
    address: SocketAddr,
    is_asked: bool,
}

impl Place {
    fn examine(&self) -> Finding {
        let Self {
            check,
            variable,
            address,
            ..
        } = self;
        // Nothing is accepted, and it is given back at once.
        let hint = match TcpListener::bind(address).map_err(|error| error.kind()) {
            Ok(_) => return Finding::ok(check, format!("{address} is free: no server runs there")),
            Err(ErrorKind::AddrInUse) => return self.in_use(),
            Err(ErrorKind::PermissionDenied) => {
                "ports below 1024 are root's: take another, or give the binary CAP_NET_BIND_SERVICE"
            }
            Err(_) => "it has to be an address of this machine, or 0.0.0.0 for all of them",
        };
        Finding::fault(
            check,
            format!("{address} cannot be listened at ({variable})"),
            hint,
        )
    }

    fn in_use(&self) -> Finding {
        let (check, address) = (self.check, self.address);
        if !self.is_asked {
            return Finding::ok(check, format!("something listens at {address}"));
        }
        let other = || {
            Finding::fault(
                check,
                format!("another program listens at {address}"),
                format!("end it, or choose another address with {}", self.variable),
            )
        };
        let Ok(answer) = ask(address) else {
            return other();
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        match head.split(' ').nth(1) {
            Some("200") if body == "ready" => {
                Finding::ok(check, format!("a server at {address} is ready"))
            }
            Some("503") => Finding::warning(
                check,
                format!("the server at {address} is not ready: {body}"),
                "what keeps it is said above, or in its log",
            ),
            _ => other(),
        }
    }
}

/// What a server says of itself at `/readyz`, head and body.
fn ask(address: SocketAddr) -> io::Result<String> {
    let here = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let mut stream = TcpStream::connect_timeout(&(here, address.port()).into(), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
