//! What checking and signing an access token costs by algorithm, beside the signature alone (the limit) and beside another
//! reader's HS256.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    clock::{Clock, node_time},
    config::{Flags, KeySettings, Settings, TokenSettings},
    storage::Storage,
    tokens::{Algorithm, Claims, Keys, Lives, Sealer, Subject, Tokens},
    values::{Role, Secret, SessionId, UnixMillis, UserId},
};
use criterion::{Criterion, criterion_group, criterion_main};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

const ISSUER: &str = "https://auth.example.com";

struct NodeClock;

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        node_time()
    }
}

async fn tokens(folder: &std::path::Path, algorithm: Algorithm) -> Tokens {
    let mut flags = Flags::default();
    let url = format!("sqlite://{}/{algorithm}.db", folder.display());
    flags.set("database.url", &url, "the benchmark");
    let settings = Settings::load(&flags).unwrap();
    let storage = Storage::open(&settings.database).await.unwrap();
    let sealer = Sealer::new(&Secret::new("a secret for this benchmark only"));
    let (clock, rng) = (Arc::new(NodeClock), Arc::new(SystemRandom::new()));
    let access_ttl = Duration::from_secs(3600);
    let keys = KeySettings {
        secret: None,
        algorithm,
        folder: None,
        rotate_every: None,
    };
    let lives = Lives {
        access: access_ttl,
        refresh: access_ttl,
    };
    let keys = Keys::new(storage, sealer, keys, lives, clock.clone(), rng.clone());
    let settings = TokenSettings {
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        access_ttl,
    };
    Tokens::open(keys, settings, clock, rng).await.unwrap()
}

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::Hs256,
];

fn subject() -> Subject {
    let now = node_time();
    Subject {
        user: UserId::new(now, [1; 10]),
        session: SessionId::new(now, [2; 10]),
        version: 1,
        role: Role::User,
        auth_time: now,
        not_after: UnixMillis(now.0 + 7_200_000),
    }
}

fn verify(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = |algorithm| runtime.block_on(tokens(folder.path(), algorithm));
    let tokens = open(Algorithm::EdDsa);
    let signed = tokens.sign(&subject(), node_time()).unwrap();
    let token = signed.token.expose();
    let claims = tokens.verify(token).unwrap();
    let mut group = c.benchmark_group("verify");

    let jwks = serde_json::to_value(tokens.jwks()).unwrap();
    let public = URL_SAFE_NO_PAD
        .decode(jwks["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, public);
    group.bench_function("Ed25519 signature alone", |b| {
        b.iter(|| key.verify(message.as_bytes(), &signature).unwrap());
    });

    for algorithm in ALGORITHMS {
        let tokens = open(algorithm);
        let signed = tokens.sign(&subject(), node_time()).unwrap();
        group.bench_function(format!("Countersign {algorithm}"), |b| {
            b.iter(|| tokens.verify(signed.token.expose()).unwrap());
        });
    }

    let secret = [7; 32];
    let hs256 = jsonwebtoken::encode(
        &Header::new(jsonwebtoken::Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(&secret),
    );
    let (hs256, key) = (hs256.unwrap(), DecodingKey::from_secret(&secret));
    let mut rules = Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[ISSUER]);
    group.bench_function("jsonwebtoken HS256", |b| {
        b.iter(|| jsonwebtoken::decode::<Claims>(&hs256, &key, &rules).unwrap());
    });
    group.finish();
}

fn sign(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let subject = subject();
    for algorithm in ALGORITHMS {
        let tokens = runtime.block_on(tokens(folder.path(), algorithm));
        c.bench_function(&format!("sign/Countersign {algorithm}"), |b| {
            b.iter(|| tokens.sign(&subject, node_time()).unwrap());
        });
    }
}

criterion_group!(benches, verify, sign);
criterion_main!(benches);
