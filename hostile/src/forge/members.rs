//! What attackers change in the members of header and claims, and in who signs.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};

use super::pieces::*;
use super::tokens::{CLAIMS, Draft, HEADER, Signer, part};
use super::{Change, Stage, object, text};
use crate::verdict::{LEEWAY_SECONDS, NOW};

pub(super) const CHANGES: &[Change<Draft>] = &[
    Change {
        name: "a member is missing",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            let at = rng.usize(..draft.members[part].len().max(1));
            if at < draft.members[part].len() {
                draft.members[part].remove(at);
            }
        },
    },
    Change {
        name: "a member is of another type",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            let other = value(rng);
            if let Some(member) = rng.choice(&mut draft.members[part]) {
                member.1 = other;
            }
        },
    },
    Change {
        name: "a member is repeated",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            let other = value(rng);
            if let Some((name, old)) = rng.choice(&draft.members[part]).cloned() {
                let again = if rng.bool() { old } else { other };
                let at = rng.usize(..=draft.members[part].len());
                draft.members[part].insert(at, (name, again));
            }
        },
    },
    Change {
        name: "members are in another order",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            rng.shuffle(&mut draft.members[part]);
        },
    },
    Change {
        name: "an unknown member",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            let (name, value) = (pick(rng, NAMES), value(rng));
            draft.members[part].push((name.to_owned(), value));
        },
    },
    Change {
        name: "a time near a limit",
        stage: Stage::Members,
        apply: |draft, rng| {
            let name = pick(rng, &["exp", "nbf", "iat", "auth_time"]);
            let sign = if rng.bool() { 1 } else { -1 };
            let time = NOW + sign * LEEWAY_SECONDS + rng.i64(-2..=2);
            draft.set(CLAIMS, name, &time.to_string());
        },
    },
    Change {
        name: "another alg",
        stage: Stage::Members,
        apply: |draft, rng| {
            let alg = text(pick(rng, ALGORITHMS));
            draft.set(HEADER, "alg", &alg);
        },
    },
    Change {
        name: "unsigned",
        stage: Stage::Members,
        apply: |draft, rng| {
            let alg = text(pick(rng, &["none", "None", "NONE", ""]));
            draft.set(HEADER, "alg", &alg);
            draft.signer = Signer::Nobody;
        },
    },
    Change {
        name: "the public key as an HMAC secret",
        stage: Stage::Members,
        apply: |draft, rng| {
            let numbers = draft.key.numbers();
            let all = numbers
                .iter()
                .flat_map(|(_, bytes)| bytes.clone())
                .collect::<Vec<u8>>();
            let secret = match rng.u8(..5) {
                0 => all,
                1 => BASE64URL.encode(all).into_bytes(),
                2 => object(&draft.key.jwk()).into_bytes(),
                3 => format!(
                    "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                    STANDARD.encode(all)
                )
                .into_bytes(),
                _ => numbers[0].1.clone(),
            };
            draft.signer = Signer::Secret(secret);
            if rng.u8(..4) > 0 {
                draft.set(HEADER, "alg", r#""HS256""#);
            }
        },
    },
    Change {
        name: "signed under the empty secret",
        stage: Stage::Members,
        apply: |draft, _| {
            draft.signer = Signer::Secret(Vec::new());
            draft.set(HEADER, "alg", r#""HS256""#);
        },
    },
    Change {
        name: "another scheme of the same RSA key",
        stage: Stage::Members,
        apply: |draft, rng| {
            let (signer, alg) = if rng.bool() {
                (Signer::Pss, r#""PS256""#)
            } else {
                (Signer::Sha512, r#""RS512""#)
            };
            draft.signer = signer;
            if rng.bool() {
                draft.set(HEADER, "alg", alg);
            }
        },
    },
    Change {
        name: "signed by another of our keys",
        stage: Stage::Members,
        apply: |draft, rng| {
            draft.signer = Signer::Key(Rc::clone(&draft.keys[rng.usize(..draft.keys.len())]));
        },
    },
    Change {
        name: "names another of our keys",
        stage: Stage::Members,
        apply: |draft, rng| {
            let key = Rc::clone(&draft.keys[rng.usize(..draft.keys.len())]);
            draft.set(HEADER, "kid", &text(key.kid));
            if rng.bool() {
                draft.set(HEADER, "alg", &text(key.alg));
            }
        },
    },
    Change {
        name: "signed by the attacker",
        stage: Stage::Members,
        apply: |draft, _| {
            draft.signer = Signer::Key(Rc::clone(&draft.attacker));
            draft.set(HEADER, "alg", r#""EdDSA""#);
        },
    },
    Change {
        name: "brings its own key",
        stage: Stage::Members,
        apply: |draft, rng| {
            draft.signer = Signer::Key(Rc::clone(&draft.attacker));
            draft.set(HEADER, "alg", r#""EdDSA""#);
            let jwk = object(&draft.attacker.jwk());
            match rng.u8(..4) {
                0 => draft.set(HEADER, "jwk", &jwk),
                1 => draft.set(HEADER, "jku", r#""https://evil.example.com/jwks.json""#),
                2 => draft.set(HEADER, "x5u", r#""https://evil.example.com/cert.pem""#),
                _ => draft.set(HEADER, "x5c", r#"["MIIB"]"#),
            }
            if rng.bool() {
                draft.set(HEADER, "kid", r#""attacker""#);
            }
        },
    },
    Change {
        name: "another kid",
        stage: Stage::Members,
        apply: |draft, rng| {
            let kid = text(pick(rng, KIDS));
            draft.set(HEADER, "kid", &kid);
        },
    },
    Change {
        name: "another typ",
        stage: Stage::Members,
        apply: |draft, rng| {
            let typ = text(pick(rng, TYPES));
            draft.set(HEADER, "typ", &typ);
        },
    },
    Change {
        name: "crit",
        stage: Stage::Members,
        apply: |draft, rng| {
            let crit = pick(
                rng,
                &[
                    "[]",
                    r#"["exp"]"#,
                    r#""exp""#,
                    "null",
                    r#"["b64"]"#,
                    r#"["alg"]"#,
                    "{}",
                    r#"["b64","b64"]"#,
                    "0",
                    r#"[""]"#,
                    "false",
                ],
            );
            draft.set(HEADER, "crit", crit);
            if rng.bool() {
                draft.set(HEADER, "b64", if rng.bool() { "false" } else { "true" });
            }
        },
    },
    Change {
        name: "another issuer",
        stage: Stage::Members,
        apply: |draft, rng| {
            let issuer = text(pick(rng, ISSUERS));
            draft.set(CLAIMS, "iss", &issuer);
        },
    },
    Change {
        name: "another audience",
        stage: Stage::Members,
        apply: |draft, rng| {
            let audience = pick(
                rng,
                &[
                    "[]",
                    r#"["https://api.example.com"]"#,
                    r#"["https://other.example.com","https://api.example.com"]"#,
                    r#"["https://other.example.com"]"#,
                    r#""https://api.example.com/""#,
                    r#""https://API.example.com""#,
                    r#"{"0":"https://api.example.com"}"#,
                    r#"["https://api.example.com",null]"#,
                    r#"[["https://api.example.com"]]"#,
                    r#""https://other.example.com https://api.example.com""#,
                ],
            );
            draft.set(CLAIMS, "aud", audience);
        },
    },
    Change {
        name: "another id",
        stage: Stage::Members,
        apply: |draft, rng| {
            let name = pick(rng, &["sub", "sid"]);
            let id = pick(
                rng,
                &[
                    "",
                    "1",
                    "01996F00-0000-7000-8000-000000000001",
                    "01996f0000007000800000000000000001",
                    "{01996f00-0000-7000-8000-000000000001}",
                    "urn:uuid:01996f00-0000-7000-8000-000000000001",
                    "00000000-0000-0000-0000-000000000000",
                    "ffffffff-ffff-ffff-ffff-ffffffffffff",
                    "01996f00-0000-7000-8000-00000000000g",
                    "01996f00-0000-7000-8000-00000000000\u{e9}",
                ],
            );
            draft.set(CLAIMS, name, &text(id));
        },
    },
    Change {
        name: "another role",
        stage: Stage::Members,
        apply: |draft, rng| {
            let role = text(pick(
                rng,
                &[
                    "ADMIN",
                    "MANAGER",
                    "admin",
                    "Root",
                    "",
                    "USER ",
                    "USER\u{0}",
                ],
            ));
            draft.set(CLAIMS, "role", &role);
        },
    },
    Change {
        name: "claims in the header",
        stage: Stage::Members,
        apply: |draft, _| {
            let claims = draft.members[CLAIMS].clone();
            draft.members[HEADER].extend(claims);
        },
    },
    Change {
        name: "another case of a name",
        stage: Stage::Members,
        apply: |draft, rng| {
            let part = part(rng);
            if let Some(member) = rng.choice(&mut draft.members[part]) {
                member.0 = member.0.to_uppercase();
            }
        },
    },
    Change {
        name: "long",
        stage: Stage::Members,
        apply: |draft, rng| {
            let size =
                [5000, 5500, 5600, 5700, 5800, 6000, 100_000][rng.usize(..7)] + rng.usize(..64);
            draft.members[CLAIMS].push(("filler".to_owned(), text(&"x".repeat(size))));
        },
    },
    Change {
        name: "expired",
        stage: Stage::Members,
        apply: |draft, rng| {
            let exp = rng.i64(0..NOW - LEEWAY_SECONDS);
            draft.set(CLAIMS, "exp", &exp.to_string());
        },
    },
];
