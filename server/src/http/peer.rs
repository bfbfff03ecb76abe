//! Who is at the other end, past the proxies that the configuration trusts.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use ipnet::IpNet;

use crate::values::Peer;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longer user agents tell nobody anything.
const MAX_USER_AGENT_BYTES: usize = 512;

/// The peer of a request that came from `connection`.
pub fn peer(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Peer {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let user_agent = agent.map(|agent| agent.chars().take(MAX_USER_AGENT_BYTES).collect());
    Peer {
        ip: Some(client_ip(connection.to_canonical(), headers, trusted)),
        user_agent,
    }
}

/// The last address that no trusted proxy has: everything before it in `X-Forwarded-For` is what the client claims.
pub fn client_ip(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    // A line that is no text ends the walk, as any hop does that is no address.
    let lines = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|line| line.to_str().unwrap_or_default());
    let hops: Vec<&str> = lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let mut client = connection;
    for hop in hops.into_iter().rev() {
        if !trusted.iter().any(|proxies| proxies.contains(&client)) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(ip) => client = ip.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, forwarded.parse().unwrap());
        let trusted = ["10.0.0.0/30".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_ip("10.0.0.1".parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("203.0.113.5"), "203.0.113.5");
        assert_eq!(client("1.1.1.1, 203.0.113.5, 10.0.0.2"), "203.0.113.5");
        assert_eq!(client("203.0.113.5, fd00::7"), "203.0.113.5");
        assert_eq!(client("1.1.1.1, 10.0.0.4"), "10.0.0.4");
        assert_eq!(client("nonsense"), "10.0.0.1");
        assert_eq!(client("1.1.1.1, \u{e9}, 10.0.0.2"), "10.0.0.1");
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "1.1.1.1".parse().unwrap());
        assert_eq!(
            client_ip("203.0.113.9".parse().unwrap(), &headers, &[]).to_string(),
            "203.0.113.9"
        );
    }
}
