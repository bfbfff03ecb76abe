//! Tokens: a good one, and what attackers change in it.

use std::rc::Rc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD as BASE64URL};
use fastrand::Rng;

use super::pieces::*;
use super::{Change, Members, Stage, object, text};
use crate::keys::SigningKey;
use crate::verdict::{AUDIENCE, ISSUER, LEEWAY_SECONDS, NOW};

const HEADER: usize = 0;
const CLAIMS: usize = 1;

pub(super) struct Draft {
    key: Rc<SigningKey>,
    keys: Vec<Rc<SigningKey>>,
    attacker: Rc<SigningKey>,
    signer: Signer,
    /// Header and claims.
    members: [Members; 2],
    texts: [Vec<u8>; 2],
    pub(super) parts: [String; 2],
    signature: Vec<u8>,
    pub(super) token: String,
}

enum Signer {
    Key(Rc<SigningKey>),
    /// HMAC-SHA256 under these bytes: a public key, taken for a secret.
    Secret(Vec<u8>),
    Pss,
    Sha512,
    Nobody,
}

impl Draft {
    pub(super) fn good(
        key: &Rc<SigningKey>,
        keys: &[Rc<SigningKey>],
        attacker: &Rc<SigningKey>,
    ) -> Self {
        let header = [
            ("typ", text("at+jwt")),
            ("alg", text(key.alg)),
            ("kid", text(key.kid)),
        ];
        let claims = [
            ("iss", text(ISSUER)),
            ("aud", text(AUDIENCE)),
            ("sub", text("01996f00-0000-7000-8000-000000000001")),
            ("client_id", text("countersign")),
            ("sid", text("01996f00-0000-7000-8000-000000000002")),
            ("ver", "1".to_owned()),
            ("role", text("USER")),
            ("iat", (NOW - 60).to_string()),
            ("exp", (NOW + 840).to_string()),
            ("jti", text("AAAAAAAAAAAAAAAAAAAAAA")),
            ("auth_time", (NOW - 60).to_string()),
        ];
        let owned = |members: &[(&str, String)]| {
            let members = members.iter();
            members
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect()
        };
        Self {
            key: Rc::clone(key),
            keys: keys.to_vec(),
            attacker: Rc::clone(attacker),
            signer: Signer::Key(Rc::clone(key)),
            members: [owned(&header), owned(&claims)],
            texts: Default::default(),
            parts: Default::default(),
            signature: Vec::new(),
            token: String::new(),
        }
    }

    /// Carries the draft through every stage and makes the changes of each at its end.
    pub(super) fn run(&mut self, changes: &[&Change<Draft>], rng: &mut Rng) {
        for stage in [
            Stage::Members,
            Stage::Text,
            Stage::Parts,
            Stage::Signature,
            Stage::Token,
        ] {
            self.reach(stage);
            for change in changes.iter().filter(|change| change.stage == stage) {
                (change.apply)(self, rng);
            }
        }
    }

    fn reach(&mut self, stage: Stage) {
        match stage {
            Stage::Members => {}
            Stage::Text => {
                self.texts = self
                    .members
                    .each_ref()
                    .map(|members| object(members).into_bytes());
            }
            Stage::Parts => self.parts = self.texts.each_ref().map(|text| BASE64URL.encode(text)),
            Stage::Signature => self.signature = self.sign(),
            Stage::Token => {
                let signature = BASE64URL.encode(&self.signature);
                self.token = format!("{}.{}.{signature}", self.parts[0], self.parts[1]);
            }
        }
    }

    fn sign(&self) -> Vec<u8> {
        let message = self.parts.join(".").into_bytes();
        let by = |scheme| self.key.sign_rsa_by(scheme, &message).unwrap_or_default();
        match &self.signer {
            Signer::Key(key) => key.sign(&message),
            Signer::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, &message).as_ref().to_vec()
            }
            Signer::Pss => by(&RSA_PSS_SHA256),
            Signer::Sha512 => by(&RSA_PKCS1_SHA512),
            Signer::Nobody => Vec::new(),
        }
    }

    fn set(&mut self, part: usize, name: &str, value: &str) {
        let members = &mut self.members[part];
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => members.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// One of two parts, the claims more often.
fn part(rng: &mut Rng) -> usize {
    if rng.u8(..3) == 0 { HEADER } else { CLAIMS }
}

/// What attackers change in a token.
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
        name: "escapes",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let members = draft.members[part]
                .iter()
                .map(|(name, value)| format!("\"{}\":{value}", escaped(name, rng)));
            let json = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            draft.texts[part] = json.into_bytes();
        },
    },
    Change {
        name: "an escaped twin of a member",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let value = value(rng);
            if let Some((name, _)) = rng.choice(&draft.members[part]) {
                let twin = format!(",\"{}\":{value}}}", escaped(name, rng));
                draft.texts[part].pop();
                draft.texts[part].extend(twin.bytes());
            }
        },
    },
    Change {
        name: "white space",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let space = pick(
                rng,
                &[
                    " ", "\n", "\t", "\r", "\u{b}", "\u{c}", "\u{a0}", "\u{feff}", "\u{2028}",
                    "/**/", "//\n", "\u{0}", "#",
                ],
            );
            let json = &mut draft.texts[part];
            let place = match rng.u8(..4) {
                0 => 0,
                1 => json.len(),
                _ => 1,
            };
            json.splice(place..place, space.bytes());
        },
    },
    Change {
        name: "something behind the JSON",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let more = pick(rng, &["{}", ",", "}", "null", "\u{0}", "]"]);
            draft.texts[part].extend(more.bytes());
        },
    },
    Change {
        name: "cut JSON",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let size = rng.usize(..draft.texts[part].len().max(1));
            draft.texts[part].truncate(size);
        },
    },
    Change {
        name: "a byte of the JSON",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            if let Some(byte) = rng.choice(&mut draft.texts[part]) {
                *byte = rng.u8(..);
            }
        },
    },
    Change {
        name: "no object",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let json = match rng.u8(..3) {
                0 => value(rng),
                1 => format!(
                    "[{}]",
                    draft.members[part]
                        .iter()
                        .map(|(_, value)| value.as_str())
                        .collect::<Vec<_>>()
                        .join(",")
                ),
                _ => format!("[{}]", object(&draft.members[part])),
            };
            draft.texts[part] = json.into_bytes();
        },
    },
    Change {
        name: "a token in a token",
        stage: Stage::Text,
        apply: |draft, rng| {
            let inner = Draft::good(&draft.key, &draft.keys, &draft.attacker);
            let token = format!(
                "{}.{}.",
                BASE64URL.encode(object(&inner.members[0])),
                BASE64URL.encode(object(&inner.members[1]))
            );
            draft.texts[CLAIMS] = if rng.bool() {
                token.into_bytes()
            } else {
                text(&token).into_bytes()
            };
        },
    },
    Change {
        name: "other encoding of the JSON",
        stage: Stage::Text,
        apply: |draft, rng| {
            let part = part(rng);
            let json = String::from_utf8_lossy(&draft.texts[part]).into_owned();
            draft.texts[part] = if rng.bool() {
                json.encode_utf16().flat_map(u16::to_le_bytes).collect()
            } else {
                [&b"\xef\xbb\xbf"[..], json.as_bytes()].concat()
            };
        },
    },
    Change {
        name: "padding",
        stage: Stage::Parts,
        apply: |draft, rng| {
            let part = part(rng);
            draft.parts[part] = if rng.bool() {
                URL_SAFE.encode(&draft.texts[part])
            } else {
                STANDARD.encode(&draft.texts[part])
            };
        },
    },
    Change {
        name: "loose bits in a part",
        stage: Stage::Parts,
        apply: |draft, rng| {
            loosen(&mut draft.parts[part(rng)]);
        },
    },
    Change {
        name: "a character of a part",
        stage: Stage::Parts,
        apply: |draft, rng| {
            respell(&mut draft.parts[part(rng)], rng);
        },
    },
    Change {
        name: "an empty part",
        stage: Stage::Parts,
        apply: |draft, rng| {
            draft.parts[part(rng)].clear();
        },
    },
    Change {
        name: "one part twice",
        stage: Stage::Parts,
        apply: |draft, rng| {
            let part = part(rng);
            draft.parts[part] = draft.parts[1 - part].clone();
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
    Change {
        name: "short signature",
        stage: Stage::Signature,
        apply: |draft, rng| {
            let size = rng.usize(..draft.signature.len().max(1));
            draft.signature.truncate(size);
        },
    },
    Change {
        name: "long signature",
        stage: Stage::Signature,
        apply: |draft, rng| {
            let more = rng.usize(1..70);
            draft.signature.extend((0..more).map(|_| 0));
        },
    },
    Change {
        name: "leading zero in the signature",
        stage: Stage::Signature,
        apply: |draft, _| {
            draft.signature.insert(0, 0);
        },
    },
    Change {
        name: "zero signature",
        stage: Stage::Signature,
        apply: |draft, _| {
            draft.signature.fill(0);
        },
    },
    Change {
        name: "half of the signature is zero",
        stage: Stage::Signature,
        apply: |draft, rng| {
            let middle = draft.signature.len() / 2;
            let (first, second) = draft.signature.split_at_mut(middle);
            if rng.bool() {
                first.fill(0)
            } else {
                second.fill(0)
            }
        },
    },
    Change {
        name: "half of the signature is the order",
        stage: Stage::Signature,
        apply: |draft, rng| {
            let (mut first, mut second) = halves(&draft.signature);
            let order = if rng.bool() {
                P256_ORDER
            } else {
                ED25519_ORDER
            };
            if rng.bool() {
                first = order.to_vec()
            } else {
                second = order.to_vec()
            }
            draft.signature = [first, second].concat();
        },
    },
    Change {
        name: "S plus the order",
        stage: Stage::Signature,
        apply: |draft, _| {
            let (first, second) = halves(&draft.signature);
            draft.signature = [first, add(&second, &ED25519_ORDER)].concat();
        },
    },
    Change {
        name: "the other s",
        stage: Stage::Signature,
        apply: |draft, _| {
            let (first, second) = halves(&draft.signature);
            draft.signature = [first, subtract(&P256_ORDER, &second)].concat();
        },
    },
    Change {
        name: "r and s in the other order",
        stage: Stage::Signature,
        apply: |draft, _| {
            let (first, second) = halves(&draft.signature);
            draft.signature = [second, first].concat();
        },
    },
    Change {
        name: "DER",
        stage: Stage::Signature,
        apply: |draft, _| {
            let (first, second) = halves(&draft.signature);
            let body = [der_integer(&first), der_integer(&second)].concat();
            draft.signature = [vec![0x30, body.len() as u8], body].concat();
        },
    },
    Change {
        name: "a byte of the signature",
        stage: Stage::Signature,
        apply: |draft, rng| {
            if let Some(byte) = rng.choice(&mut draft.signature) {
                *byte ^= 1 << rng.u8(..8);
            }
        },
    },
    Change {
        name: "signature as hexadecimal",
        stage: Stage::Signature,
        apply: |draft, _| {
            let hex: String = draft
                .signature
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            draft.signature = hex.into_bytes();
        },
    },
    Change {
        name: "loose bits in the signature",
        stage: Stage::Token,
        apply: |draft, _| {
            loosen(&mut draft.token);
        },
    },
    Change {
        name: "a character of the token",
        stage: Stage::Token,
        apply: |draft, rng| {
            respell(&mut draft.token, rng);
        },
    },
    Change {
        name: "a part missing",
        stage: Stage::Token,
        apply: |draft, rng| {
            let at = draft.token.rfind('.').unwrap_or_default();
            draft.token.truncate(at + usize::from(rng.bool()));
        },
    },
    Change {
        name: "a part more",
        stage: Stage::Token,
        apply: |draft, rng| {
            let more = pick(rng, &[".", ".AAAA", "..", ".e30"]);
            if rng.bool() {
                draft.token.push_str(more)
            } else {
                draft.token.insert_str(0, more)
            }
        },
    },
    Change {
        name: "something around the token",
        stage: Stage::Token,
        apply: |draft, rng| {
            let around = pick(
                rng,
                &[
                    " ", "\n", "\t", "\u{0}", "Bearer ", "\"", "=", "\u{feff}", ",", "\u{200b}",
                ],
            );
            if rng.bool() {
                draft.token.push_str(around)
            } else {
                draft.token.insert_str(0, around)
            }
        },
    },
    Change {
        name: "other dots",
        stage: Stage::Token,
        apply: |draft, rng| {
            let dot = pick(rng, &["\u{ff0e}", "%2e", ",", "\u{0}", "..", " . "]);
            draft.token = draft.token.replacen('.', dot, 1 + rng.usize(..2));
        },
    },
    Change {
        name: "another case",
        stage: Stage::Token,
        apply: |draft, rng| {
            draft.token = if rng.bool() {
                draft.token.to_uppercase()
            } else {
                draft.token.to_lowercase()
            };
        },
    },
    Change {
        name: "JSON serialization",
        stage: Stage::Token,
        apply: |draft, _| {
            let mut parts = draft.token.splitn(3, '.').map(text);
            let mut next = || parts.next().unwrap_or_default();
            draft.token = format!(
                r#"{{"protected":{},"payload":{},"signature":{}}}"#,
                next(),
                next(),
                next()
            );
        },
    },
    Change {
        name: "cut token",
        stage: Stage::Token,
        apply: |draft, rng| {
            let size = rng.usize(..draft.token.len().max(1));
            if draft.token.is_char_boundary(size) {
                draft.token.truncate(size);
            }
        },
    },
    Change {
        name: "payload of another token",
        stage: Stage::Token,
        apply: |draft, _| {
            let other = Draft::good(&draft.key, &draft.keys, &draft.attacker);
            let claims = BASE64URL.encode(object(&other.members[CLAIMS]).replace("USER", "ADMIN"));
            draft.token = draft.token.replacen(&draft.parts[CLAIMS], &claims, 1);
        },
    },
];
