//! Fetching and keeping keys.

use std::time::Duration;

use axum_service::{COOL_DOWN, MAX_AGE, RETRY};
use jsonwebtoken::Algorithm;
use tokio::time;

use crate::support::{Issuer, Key, Service};

/// Moves the service's clock.
async fn after(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_old() {
    let key = Key::ed25519("a");
    let issuer = Issuer::start(&[&key]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    assert_eq!(issuer.fetches(), 0);
    for _ in 0..10 {
        assert_eq!(service.status(&issuer.good(&key)).await, 200);
    }
    assert_eq!(issuer.fetches(), 1);
    after(MAX_AGE).await;
    assert_eq!(service.status(&issuer.good(&key)).await, 200);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_new_key_is_picked_up_and_unknown_ones_cause_one_fetch_in_30_seconds() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let issuer = Issuer::start(&[&old]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    assert_eq!(service.status(&issuer.good(&old)).await, 200);
    issuer.publish(&[&old, &new]);
    for _ in 0..10 {
        assert_eq!(service.status(&issuer.good(&new)).await, 401);
    }
    assert_eq!(issuer.fetches(), 1);
    after(COOL_DOWN).await;
    assert_eq!(service.status(&issuer.good(&new)).await, 200);
    assert_eq!(service.status(&issuer.good(&old)).await, 200);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_retired_key_is_good_no_longer_than_the_keys_are_kept() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let issuer = Issuer::start(&[&old, &new]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    assert_eq!(service.status(&issuer.good(&old)).await, 200);
    issuer.publish(&[&new]);
    after(MAX_AGE).await;
    assert_eq!(service.status(&issuer.good(&old)).await, 401);
    assert_eq!(service.status(&issuer.good(&new)).await, 200);
}

#[tokio::test]
async fn the_service_starts_without_the_issuer_and_outlives_its_absence() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let issuer = Issuer::start(&[&old]).await;
    issuer.set_down(true);
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    for _ in 0..10 {
        assert_eq!(service.status(&issuer.good(&old)).await, 503);
    }
    assert_eq!(issuer.fetches(), 1, "a fetch that failed rests too");
    issuer.set_down(false);
    after(RETRY).await;
    assert_eq!(service.status(&issuer.good(&old)).await, 200);

    issuer.set_down(true);
    after(MAX_AGE).await;
    assert_eq!(
        service.status(&issuer.good(&old)).await,
        200,
        "the last keys are kept"
    );
    assert_eq!(
        service.status(&issuer.good(&new)).await,
        503,
        "whether there is such a key cannot be told now"
    );
}
