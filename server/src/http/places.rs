//! How many connections, or sockets, each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many places each address has taken.
#[derive(Default)]
pub struct Places(Mutex<HashMap<IpAddr, usize>>);

/// One place of an address, until it is dropped.
pub struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    /// Takes a place, however many there are.
    pub fn take(self: &Arc<Self>, ip: IpAddr) -> Place {
        let network = network(ip);
        *self.counts().entry(network).or_default() += 1;
        Place {
            places: Arc::clone(self),
            network,
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// How many places its address has taken, this one included.
    pub fn neighbours(&self) -> usize {
        let count = self.places.counts().get(&self.network).copied();
        count.unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: a home has a whole /64 of IPv6 to choose from.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address_and_places_are_given_back() {
        let places = Arc::new(Places::default());
        let take = |ip: &str| places.take(ip.parse().unwrap());
        let first = take("2001:db8::1");
        assert_eq!(take("2001:db8::ffff:ffff:ffff:ffff").neighbours(), 2);
        assert_eq!(take("2001:db8:0:1::1").neighbours(), 1);
        assert_eq!(take("203.0.113.5").neighbours(), 1);
        assert_eq!(first.neighbours(), 1);
        drop(first);
        assert!(places.counts().is_empty());
    }
}
