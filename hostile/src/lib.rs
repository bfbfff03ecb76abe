//! Hostile input: what holds for whatever comes in, and forged tokens to try it with.
//!
//! Each function of [`properties`] takes any bytes and panics where its property does not hold. `cargo fuzz` calls them with
//! bytes that it breeds (fuzz/), the tests here with bytes that proptest makes up and with every file of fuzz/corpus.
#![expect(clippy::unwrap_used, reason = "a property fails by panicking")]

pub mod forge;
pub mod keys;
pub mod properties;
pub mod verdict;
