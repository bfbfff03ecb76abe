//! The properties, with bytes that proptest makes up and with every file of the corpora.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

use hostile::forge::Forger;
use hostile::properties::{ALL, access_token, configuration, cookie, jwks, refresh_token};
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let files = fs::read_dir(folder.join(target)).expect("every target has a corpus");
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn every_file_of_the_corpora_holds_its_property() {
    for (target, property) in ALL {
        let files = corpus(target);
        assert!(files.len() >= 10, "{target} has {} files", files.len());
        files.iter().for_each(|file| property(file));
    }
}

#[test]
fn forged_tokens_are_judged_alike_by_server_and_core() {
    let mut forger = Forger::new(2);
    for _ in 0..2_000 {
        let token = forger.token().token;
        access_token(&[b"t", token.as_bytes()].concat());
        // Behind a good signature, too.
        if let Some((header, claims)) = token.split_once('.') {
            access_token(format!("s{}\n{}", opened(header), opened(claims)).as_bytes());
        }
    }
}

/// The JSON in a part of a token; of what is none, its own text.
fn opened(part: &str) -> String {
    use base64::Engine as _;
    let part = part.split('.').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    String::from_utf8_lossy(&bytes.unwrap_or(part.into())).into_owned()
}

#[test]
fn forged_key_sets_are_read_without_surprise() {
    let mut forger = Forger::new(3);
    for _ in 0..1_000 {
        let set = forger.set().jwks.unwrap();
        for kid in ["current", "previous", "elliptic", "rsa", ""] {
            jwks(format!("{kid}\n{set}").as_bytes());
        }
    }
}

/// A file of the corpus with some bytes replaced, taken out or put in.
fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let piece = prop::collection::vec(any::<u8>(), 0..4);
    let change = (any::<Index>(), 0..4usize, piece);
    let changes = prop::collection::vec(change, 0..4);
    (select(corpus(target)), changes).prop_map(|(mut bytes, changes)| {
        for (at, length, piece) in changes {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn access_tokens_are_judged_alike(bytes in changed("access_token")) {
        access_token(&bytes);
    }

    #[test]
    fn a_key_that_is_found_is_found_again(bytes in changed("jwks")) {
        jwks(&bytes);
    }

    #[test]
    fn a_cookie_is_read_as_it_stands(bytes in changed("cookie")) {
        cookie(&bytes);
    }

    #[test]
    fn a_refresh_token_has_one_spelling(bytes in changed("refresh_token")) {
        refresh_token(&bytes);
    }

    #[test]
    fn a_configuration_is_safe_or_refused(bytes in changed("configuration")) {
        configuration(&bytes);
    }

    #[test]
    fn any_bytes_hold_every_property(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, property) in ALL {
            property(&bytes);
        }
    }
}
