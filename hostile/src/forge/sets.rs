//! Key sets: what goes wrong in them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD as BASE64URL};
use fastrand::Rng;

use super::pieces::*;
use super::{Change, Members, Stage, object, set, text};

/// A set of keys on its way to a verifier.
pub(super) struct Published {
    /// The key of the token.
    pub(super) jwk: Members,
    pub(super) others: Vec<Members>,
    /// The whole set, where it is not made of these.
    pub(super) text: String,
    pub(super) token: String,
    /// What the token's signature covers.
    pub(super) message: String,
}

impl Published {
    pub(super) fn json(&self, rng: &mut Rng) -> String {
        if !self.text.is_empty() {
            return self.text.clone();
        }
        let mut jwks: Vec<_> = self.others.iter().map(|jwk| object(jwk)).collect();
        jwks.insert(rng.usize(..=jwks.len()), object(&self.jwk));
        set(&jwks)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.jwk.retain(|(known, _)| known != name);
        self.jwk.push((name.to_owned(), value.to_owned()));
    }

    fn number(&mut self, rng: &mut Rng) -> Option<(String, Vec<u8>)> {
        let numbers: Vec<_> = self
            .jwk
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "x" | "y" | "n" | "e"))
            .collect();
        let (name, value) = rng.choice(numbers)?;
        let bytes = BASE64URL.decode(value.trim_matches('"')).ok()?;
        Some((name.clone(), bytes))
    }

    /// The token, signed by whoever can: its key has the exponent 1, so the padded hash is its own signature
    /// (RFC 8017 §9.2).
    fn forge_rsa(&mut self, bytes: usize) {
        const SHA256_INFO: [u8; 19] = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x01, 0x05, 0x00, 0x04, 0x20,
        ];
        let Some((header, claims)) = self.message.split_once('.') else {
            return;
        };
        let header = String::from_utf8(BASE64URL.decode(header).unwrap()).unwrap();
        let named = ["current", "previous", "elliptic"]
            .iter()
            .fold(header, |header, kid| header.replace(kid, "rsa"));
        let header = named.replace("EdDSA", "RS256").replace("ES256", "RS256");
        let message = format!("{}.{claims}", BASE64URL.encode(header));
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message.as_bytes());
        let tail = [&[0][..], &SHA256_INFO, hash.as_ref()].concat();
        let signature = [vec![0, 1], vec![0xff; bytes - tail.len() - 2], tail].concat();
        self.token = format!("{message}.{}", BASE64URL.encode(signature));
        let modulus = BASE64URL.encode(vec![0xff; bytes]);
        self.others
            .retain(|jwk| !jwk.contains(&("kid".to_owned(), text("rsa"))));
        self.jwk = [
            ("kty", "RSA"),
            ("alg", "RS256"),
            ("use", "sig"),
            ("kid", "rsa"),
            ("n", &modulus),
            ("e", "AQ"),
        ]
        .map(|(name, value)| (name.to_owned(), text(value)))
        .to_vec();
    }
}

/// What goes wrong in a set of keys. All of it stays JSON: another text is refused before anybody looks for a key.
pub(super) const CHANGES: &[Change<Published>] = &[
    Change {
        name: "a member is missing",
        stage: Stage::Members,
        apply: |draft, rng| {
            let at = rng.usize(..draft.jwk.len().max(1));
            if at < draft.jwk.len() {
                draft.jwk.remove(at);
            }
        },
    },
    Change {
        name: "a member is of another type",
        stage: Stage::Members,
        apply: |draft, rng| {
            let other = loop {
                let other = value(rng);
                if serde_json::from_str::<serde_json::Value>(&other).is_ok() {
                    break other;
                }
            };
            if let Some(member) = rng.choice(&mut draft.jwk) {
                member.1 = other;
            }
        },
    },
    Change {
        name: "another alg",
        stage: Stage::Members,
        apply: |draft, rng| {
            let alg = text(pick(rng, ALGORITHMS));
            draft.set("alg", &alg);
        },
    },
    Change {
        name: "another kty",
        stage: Stage::Members,
        apply: |draft, rng| {
            let kty = pick(
                rng,
                &[
                    r#""OKP""#, r#""EC""#, r#""RSA""#, r#""oct""#, r#""AKP""#, r#""rsa""#, r#""""#,
                ],
            );
            draft.set("kty", kty);
        },
    },
    Change {
        name: "another curve",
        stage: Stage::Members,
        apply: |draft, rng| {
            let crv = pick(
                rng,
                &[
                    r#""Ed25519""#,
                    r#""X25519""#,
                    r#""Ed448""#,
                    r#""P-256""#,
                    r#""P-384""#,
                    r#""secp256k1""#,
                    r#""p-256""#,
                ],
            );
            draft.set("crv", crv);
        },
    },
    Change {
        name: "another use",
        stage: Stage::Members,
        apply: |draft, rng| {
            let how = pick(
                rng,
                &[
                    r#""enc""#,
                    r#""sig""#,
                    r#""SIG""#,
                    r#""""#,
                    "null",
                    r#"["sig"]"#,
                ],
            );
            draft.set("use", how);
        },
    },
    Change {
        name: "operations",
        stage: Stage::Members,
        apply: |draft, rng| {
            let operations = pick(
                rng,
                &[
                    "[]",
                    r#"["verify"]"#,
                    r#"["sign"]"#,
                    r#"["sign","verify"]"#,
                    r#"["verify","verify"]"#,
                    r#""verify""#,
                    r#"["encrypt"]"#,
                    "null",
                    r#"["verify",1]"#,
                    r#"["verify","wrapKey"]"#,
                ],
            );
            draft.set("key_ops", operations);
        },
    },
    Change {
        name: "ext",
        stage: Stage::Members,
        apply: |draft, rng| {
            let ext = pick(rng, &["true", "false", "null", r#""true""#, "0"]);
            draft.set("ext", ext);
        },
    },
    Change {
        name: "a private number",
        stage: Stage::Members,
        apply: |draft, rng| {
            let number = text(&BASE64URL.encode([7; 32]));
            let name = pick(rng, &["d", "p", "k", "x5c", "oth"]);
            draft.set(name, &number);
        },
    },
    Change {
        name: "another kid",
        stage: Stage::Members,
        apply: |draft, rng| {
            let kid = text(pick(rng, KIDS));
            draft.set("kid", &kid);
        },
    },
    Change {
        name: "another spelling of a number",
        stage: Stage::Members,
        apply: |draft, rng| {
            if let Some((name, bytes)) = draft.number(rng) {
                let mut number = BASE64URL.encode(&bytes);
                match rng.u8(..6) {
                    0 => number = URL_SAFE.encode(&bytes),
                    1 => number = STANDARD.encode(&bytes),
                    2 => loosen(&mut number),
                    3 => number.insert(0, ' '),
                    4 => number.push('\n'),
                    _ => respell(&mut number, rng),
                }
                draft.set(&name, &text(&number));
            }
        },
    },
    Change {
        name: "another number",
        stage: Stage::Members,
        apply: |draft, rng| {
            if let Some((name, mut bytes)) = draft.number(rng) {
                match rng.u8(..8) {
                    0 => bytes.insert(0, 0),
                    1 => bytes.push(0),
                    2 => {
                        bytes.pop();
                    }
                    3 => bytes.fill(0),
                    4 => bytes.fill(0xff),
                    5 => bytes.clear(),
                    6 => bytes.reverse(),
                    _ => {
                        if let Some(byte) = rng.choice(&mut bytes) {
                            *byte ^= 1 << rng.u8(..8);
                        }
                    }
                }
                draft.set(&name, &text(&BASE64URL.encode(&bytes)));
            }
        },
    },
    Change {
        name: "an RSA key that anybody signs with",
        stage: Stage::Members,
        apply: |draft, rng| {
            draft.forge_rsa([128, 256, 384][rng.usize(..3)]);
        },
    },
    Change {
        name: "an even exponent",
        stage: Stage::Members,
        apply: |draft, rng| {
            let exponent = pick(rng, &["Ag", "AA", "AQAA", "AAAB", "Aw", "AAEAAQ"]);
            draft.set("e", &text(exponent));
        },
    },
    Change {
        name: "an Ed25519 key that anybody signs with",
        stage: Stage::Members,
        apply: |draft, _| {
            let point = [&[1][..], &[0; 31]].concat();
            draft.set("kty", r#""OKP""#);
            draft.set("crv", r#""Ed25519""#);
            draft.set("alg", r#""EdDSA""#);
            draft.set("x", &text(&BASE64URL.encode(&point)));
            draft.token = format!(
                "{}.{}",
                draft.message,
                BASE64URL.encode([point, vec![0; 32]].concat())
            );
        },
    },
    Change {
        name: "two keys of one name",
        stage: Stage::Members,
        apply: |draft, rng| {
            let mut other = rng.choice(&draft.others).cloned().unwrap_or_default();
            if rng.bool() {
                other.clone_from(&draft.jwk);
            }
            let kid = draft.jwk.iter().find(|(name, _)| name == "kid").cloned();
            other.retain(|(name, _)| name != "kid");
            other.extend(kid);
            draft.others.push(other);
        },
    },
    Change {
        name: "a repeated member",
        stage: Stage::Members,
        apply: |draft, rng| {
            if let Some(member) = rng.choice(&draft.jwk).cloned() {
                draft.jwk.push(member);
            }
        },
    },
    Change {
        name: "no other keys",
        stage: Stage::Members,
        apply: |draft, _| {
            draft.others.clear();
        },
    },
    Change {
        name: "no set",
        stage: Stage::Members,
        apply: |draft, rng| {
            let jwk = object(&draft.jwk);
            draft.text = match rng.u8(..6) {
                0 => jwk,
                1 => format!("[{jwk}]"),
                2 => format!(r#"{{"keys":{jwk}}}"#),
                3 => format!(r#"{{"keys":[null,"x",[],1,{jwk}]}}"#),
                4 => format!(r#"{{"Keys":[{jwk}]}}"#),
                _ => format!(r#"{{"keys":[[{jwk}]]}}"#),
            };
        },
    },
    Change {
        name: "an unknown member",
        stage: Stage::Members,
        apply: |draft, rng| {
            let name = pick(rng, NAMES);
            draft.set(name, r#"{"any":[1]}"#);
        },
    },
];
