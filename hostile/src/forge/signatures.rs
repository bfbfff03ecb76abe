//! What attackers change in the bytes of a signature.

use super::pieces::*;
use super::tokens::Draft;
use super::{Change, Stage};

pub(super) const CHANGES: &[Change<Draft>] = &[
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
                first.fill(0);
            } else {
                second.fill(0);
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
                first = order.to_vec();
            } else {
                second = order.to_vec();
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
];
