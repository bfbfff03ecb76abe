//! What attackers change in how a token is written: its JSON, its base64url, the whole.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD as BASE64URL};

use super::pieces::*;
use super::tokens::{CLAIMS, Draft, part};
use super::{Change, Stage, object, text};

pub(super) const CHANGES: &[Change<Draft>] = &[
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
                draft.token.push_str(more);
            } else {
                draft.token.insert_str(0, more);
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
                draft.token.push_str(around);
            } else {
                draft.token.insert_str(0, around);
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
