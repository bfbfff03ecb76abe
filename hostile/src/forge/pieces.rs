//! Texts that readers trip over, and the arithmetic of signatures.

use std::fmt::Write as _;

use fastrand::Rng;

use super::text;

/// The order of Ed25519's base point, least significant byte first (RFC 8032 §5.1).
pub(super) const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// That of P-256, most significant byte first (FIPS 186-5, SP 800-186 §3.2.1.3).
pub(super) const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// JSON texts of which one stands where another type, another number or another text should.
pub(super) const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "1e3",
    "1.8e9",
    "1800000840.0",
    "1.80000084e9",
    "18000008400e-1",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e309",
    "-1e400",
    "1E+2",
    "01",
    "+1",
    ".5",
    "5.",
    "0x10",
    "NaN",
    "Infinity",
    "\"\"",
    "\"1800000840\"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x41\"",
    "\"a\tb\"",
    "[]",
    "[[]]",
    "{}",
    "[null]",
    "[\"x\"]",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "[{\"x\":{\"y\":1,\"y\":1}}]",
    "{\"USER\":null}",
    "[\"https://api.example.com\"]",
    "[\"https://api.example.com\",1]",
    "[\"https://api.example.com\",[]]",
    "[\"x\",\"https://api.example.com\"]",
    "undefined",
    "'x'",
    "",
];

/// Names of members that readers trip over.
pub(super) const NAMES: &[&str] = &[
    "",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "x",
    "Exp",
    "exp ",
    "iss\u{0}",
    "nbf",
    "zip",
    "cty",
    "enc",
    "b64",
    "p2c",
    "x5t",
    "url",
    "nonce",
    "svt",
    "\u{feff}alg",
    "\u{130}",
];

pub(super) const ALGORITHMS: &[&str] = &[
    "none",
    "None",
    "nOnE",
    "NONE",
    "",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "eddsa",
    "Ed25519",
    "ed25519",
    "Ed448",
    "EdDSA ",
    "ML-DSA-44",
    "dir",
    "RSA-OAEP",
    "A128KW",
    "ESP256",
    "RS256\u{0}",
];

pub(super) const TYPES: &[&str] = &[
    "JWT",
    "jwt",
    "at+JWT",
    "AT+JWT",
    "application/at+jwt",
    "Application/AT+jwt",
    "application/application/at+jwt",
    "at+jwt ",
    " at+jwt",
    "at+jwt;v=1",
    "application/jwt",
    "dpop+jwt",
    "logout+jwt",
    "/at+jwt",
    "",
    "at\u{212a}jwt",
    "at+jwt\u{0}",
    "id+jwt",
    "x/at+jwt",
];

pub(super) const KIDS: &[&str] = &[
    "",
    "nobody",
    "attacker",
    "Current",
    "current ",
    "current\u{0}",
    "../../../../dev/null",
    "' OR '1'='1",
    "0",
    "__proto__",
    "constructor",
    "https://evil.example.com/key",
    "*",
    "elliptic",
    "previous",
    "rsa",
    "current",
];

pub(super) const ISSUERS: &[&str] = &[
    "https://auth.example.com/",
    "https://AUTH.example.com",
    "https://auth.example.com:443",
    "https://auth.example.com ",
    "https://evil.example.com",
    "http://auth.example.com",
    "https://auth.example.com\u{0}",
    "https://\u{430}uth.example.com",
    "https://auth.example.com.evil.example",
    "",
    "https://auth.example.com",
];

/// An ECDSA and EdDSA signature is two numbers; of an RSA one the halves are just bytes.
pub(super) fn halves(signature: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (first, second) = signature.split_at(signature.len() / 2);
    (first.to_vec(), second.to_vec())
}

/// `left + right`, least significant byte first; what does not fit is lost.
pub(super) fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let sums = left.iter().zip(right).map(|(left, right)| {
        let sum = u16::from(*left) + u16::from(*right) + carry;
        carry = sum >> 8;
        sum as u8
    });
    sums.collect()
}

/// `left - right`, most significant byte first.
pub(super) fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let differences = left.iter().zip(right).rev().map(|(left, right)| {
        let difference = i16::from(*left) - i16::from(*right) - borrow;
        borrow = i16::from(difference < 0);
        difference as u8
    });
    let mut bytes: Vec<u8> = differences.collect();
    bytes.reverse();
    bytes
}

/// A number as ASN.1 writes it (X.690 §8.3).
pub(super) fn der_integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(0);
    let number = number.get(start..).unwrap_or_default();
    let pad = number.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = (number.len() + usize::from(pad)) as u8;
    [&[2, length], &[0][..usize::from(pad)], number].concat()
}

pub(super) fn pick<'t>(rng: &mut Rng, from: &[&'t str]) -> &'t str {
    from[rng.usize(..from.len())]
}

pub(super) fn nested(rng: &mut Rng) -> String {
    let depth = [1, 16, 30, 31, 32, 33, 34, 64, 127, 128, 129, 1000][rng.usize(..12)];
    let (open, close) = [("[", "]"), (r#"{"a":"#, "}")][rng.usize(..2)];
    let inner = if open == "[" { "" } else { "1" };
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

pub(super) fn value(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0 => nested(rng),
        1 => rng.u64(..).to_string(),
        2 => format!("{}", f64::from_bits(rng.u64(..))),
        3 => text(
            &(0..rng.usize(..8))
                .map(|_| rng.char(..))
                .collect::<String>(),
        ),
        _ => pick(rng, VALUES).to_owned(),
    }
}

/// The name in a spelling with escapes (RFC 8259 §7), ready to stand between quotes.
pub(super) fn escaped(name: &str, rng: &mut Rng) -> String {
    name.chars().fold(String::new(), |mut escaped, letter| {
        let wanted = rng.bool() || matches!(letter, '"' | '\\') || letter.is_control();
        let _ = match wanted {
            true if rng.bool() => write!(escaped, "\\u{:04x}", letter as u32),
            true => write!(escaped, "\\u{:04X}", letter as u32),
            false => write!(escaped, "{letter}"),
        };
        escaped
    })
}

/// Replaces one character of a text that is base64url.
pub(super) fn respell(part: &mut String, rng: &mut Rng) {
    if part.is_empty() {
        return;
    }
    let at = rng.usize(..part.len());
    let other = [
        "A", "B", "-", "_", "+", "/", "=", " ", "\n", "\t", "\u{0}", "é", "%41", "", "AA",
        "\u{ff21}", "\r\n",
    ];
    if part.is_char_boundary(at) && part.is_char_boundary(at + 1) {
        part.replace_range(at..=at, pick(rng, &other));
    }
}

/// The same bytes in another spelling, where the last character has bits that belong to no byte (RFC 4648 §3.5).
pub(super) fn loosen(part: &mut String) {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if let Some(place) = part.pop().and_then(|last| ALPHABET.find(last)) {
        part.push(char::from(ALPHABET.as_bytes()[place ^ 1]));
    }
}
