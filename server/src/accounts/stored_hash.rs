//! Password hashes as they are stored: ours, and those that other systems made, so that their users can move here.
//!
//! Each kind is one text with its parameters in it. Whoever writes such a text decides how much work a sign-in is, so what
//! asks for too much is refused when it is parsed and never computed.

use std::num::NonZeroU32;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::hashing::Memory;

/// The most memory for one hash: 256 MiB.
const MOST_MEMORY_KIB: u64 = 256 * 1024;
/// The most memory times passes of an Argon2 hash, in KiB: 1 GiB is about a second of work.
pub const MOST_ARGON2_KIB: u64 = 1024 * 1024;
/// The same of scrypt, which is slower.
const MOST_SCRYPT_KIB: u64 = 512 * 1024;
const MOST_LANES: u32 = 16;
/// Rounds times blocks: each block of the hash is computed for itself (RFC 8018 §5.2).
const MOST_PBKDF2_ROUNDS: u64 = 4_000_000;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// Fewer bytes would be found by guessing the hash instead of the password; more are never made.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// The longest text of a hash: twice what any of the formats needs.
const MOST_TEXT: usize = 512;

/// What is wrong with the text of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// None of the formats that are understood.
    #[error("this is no hash of Argon2, bcrypt ($2a$, $2b$, $2y$), scrypt or PBKDF2")]
    Unknown,
    /// The beginning of one of them, and then something else.
    #[error("this is not a whole {0} hash")]
    Malformed(&'static str),
    /// A salt that is kept as it is can be anything; PostgreSQL has no text with a NUL.
    #[error("a hash has at most 512 characters, letters, digits and signs of ASCII without spaces")]
    Text,
    /// Computing it would take more time or memory than a sign-in may.
    #[error("this {0} hash asks for more work than a sign-in may take: at most {1}")]
    TooCostly(&'static str, &'static str),
}

/// Whether `text` is a hash that users can sign in by: Argon2, bcrypt, scrypt or PBKDF2 within bounds.
///
/// - Argon2id, Argon2i and Argon2d in PHC form, at most 256 MiB, and 1 GiB times passes;
/// - bcrypt `$2a$`, `$2b$`, `$2y$` with a cost from 4 to 15;
/// - scrypt in PHC form (`$scrypt$ln=17,r=8,p=1$…`), at most 256 MiB;
/// - PBKDF2 with SHA-1, SHA-256 or SHA-512 in PHC form (`$pbkdf2-sha256$i=600000$…`), as passlib spells it
///   (`$pbkdf2-sha256$29000$…`) or as Django does (`pbkdf2_sha256$600000$…`), at most 4,000,000 rounds for all blocks of the
///   hash together.
///
/// # Errors
/// [`HashFault`], whose text is for the operator.
pub fn check_hash(text: &str) -> Result<(), HashFault> {
    StoredHash::parse(text).map(drop)
}

/// A hash that may be computed.
pub(super) enum StoredHash {
    Argon2(Box<PasswordHash>),
    Bcrypt(String),
    Scrypt(scrypt::Params, Salted),
    Pbkdf2(pbkdf2::Algorithm, NonZeroU32, Salted),
}

/// The bytes of a salt and of what was made with it.
pub(super) struct Salted {
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl StoredHash {
    pub(super) fn parse(text: &str) -> Result<Self, HashFault> {
        let name = text.trim_start_matches('$').split('$').next();
        let stored = match name.unwrap_or_default() {
            "argon2id" | "argon2i" | "argon2d" => parse_argon2(text),
            "2a" | "2b" | "2y" => parse_bcrypt(text),
            "scrypt" => parse_scrypt(text).ok_or(HashFault::Malformed("scrypt"))?,
            "pbkdf2" | "pbkdf2_sha1" => parse_pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA1, 20),
            "pbkdf2-sha256" | "pbkdf2_sha256" => parse_pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "pbkdf2-sha512" | "pbkdf2_sha512" => parse_pbkdf2(text, pbkdf2::PBKDF2_HMAC_SHA512, 64),
            _ => Err(HashFault::Unknown),
        }?;
        let is_plain = text.len() <= MOST_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then_some(stored).ok_or(HashFault::Text)
    }

    /// Whether these are the bytes that were hashed.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Memory) -> bool {
        match self {
            Self::Argon2(hash) => verify_argon2(hash, password, memory).unwrap_or(false),
            // The first 72 bytes count and no more: so it is in every bcrypt, and whoever chose a longer password elsewhere
            // has to be let in here. A NUL is a byte like others; systems that ended the password there made a hash that the
            // part before it opens.
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Scrypt(params, Salted { salt, hash }) => {
                let mut made = vec![0; hash.len()];
                scrypt::scrypt(password, salt, params, &mut made).is_ok()
                    && constant_time::verify_slices_are_equal(&made, hash).is_ok()
            }
            Self::Pbkdf2(algorithm, rounds, Salted { salt, hash }) => {
                pbkdf2::verify(*algorithm, *rounds, salt, password, hash).is_ok()
            }
        }
    }

    /// Whether it is as hard to compute as what `argon2` makes, in memory and in passes.
    pub(super) fn is_as_strong_as(&self, argon2: &Argon2<'_>) -> bool {
        let Self::Argon2(hash) = self else {
            return false;
        };
        let today = argon2.params();
        hash.algorithm.as_str() == "argon2id"
            && hash.version == Some(0x13)
            && Params::try_from(&**hash).is_ok_and(|params| {
                params.m_cost() >= today.m_cost() && params.t_cost() >= today.t_cost()
            })
    }
}

/// `None` when a part of the hash is missing or out of bounds.
fn verify_argon2(hash: &PasswordHash, password: &[u8], memory: &mut Memory) -> Option<bool> {
    let algorithm = Algorithm::new(hash.algorithm).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let params = Params::try_from(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let mut made = [0; Output::MAX_LENGTH];
    let made = made.get_mut(..expected.len())?;
    let argon2 = Argon2::new(algorithm, version, params);
    memory.hash(&argon2, password, salt, made).ok()?;
    Some(constant_time::verify_slices_are_equal(made, expected.as_bytes()).is_ok())
}

fn parse_argon2(text: &str) -> Result<StoredHash, HashFault> {
    let malformed = HashFault::Malformed("Argon2");
    let mut hash = PasswordHash::new(text).map_err(|_| malformed)?;
    let params = Params::try_from(&hash).map_err(|_| malformed)?;
    // Version 1.0 is older than the field: the reference implementation reads a text without it so.
    let version = *hash.version.get_or_insert(0x10);
    let is_long_enough = |output: &Output| HASH_BYTES.contains(&output.len());
    let is_whole = hash.salt.is_some() && hash.hash.as_ref().is_some_and(is_long_enough);
    if !is_whole || ![0x10, 0x13].contains(&version) {
        return Err(malformed);
    }
    let memory = u64::from(params.m_cost());
    let work = memory * u64::from(params.t_cost());
    if memory > MOST_MEMORY_KIB || work > MOST_ARGON2_KIB || params.p_cost() > MOST_LANES {
        let most = "256 MiB (m=262144), m×t=1048576 and 16 lanes";
        return Err(HashFault::TooCostly("Argon2", most));
    }
    Ok(StoredHash::Argon2(Box::new(hash)))
}

fn parse_bcrypt(text: &str) -> Result<StoredHash, HashFault> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashFault::Malformed("bcrypt"))?;
    match parts.get_cost() {
        cost if BCRYPT_COSTS.contains(&cost) => Ok(StoredHash::Bcrypt(text.to_owned())),
        0..4 => Err(HashFault::Malformed("bcrypt")),
        _ => Err(HashFault::TooCostly("bcrypt", "cost 15")),
    }
}

fn parse_scrypt(text: &str) -> Option<Result<StoredHash, HashFault>> {
    let ["", "scrypt", params, salt, hash] = *text.split('$').collect::<Vec<_>>() else {
        return None;
    };
    let [log_n, r, p] = *params.split(',').collect::<Vec<_>>() else {
        return None;
    };
    let log_n: u8 = log_n.strip_prefix("ln=")?.parse().ok()?;
    let r: u32 = r.strip_prefix("r=")?.parse().ok()?;
    let p: u32 = p.strip_prefix("p=")?.parse().ok()?;
    let salted = Salted {
        salt: decode(salt)?,
        hash: decode_hash(hash)?,
    };
    let too_costly = HashFault::TooCostly("scrypt", "256 MiB (ln=18 with r=8)");
    // 128 bytes × r × N (RFC 7914 §2), once more for each p, one after the other.
    let memory_kib = match log_n {
        0 => return None,
        1..=24 => (u64::from(r) << log_n) / 8,
        _ => return Some(Err(too_costly)),
    };
    let work_kib = memory_kib.saturating_mul(p.into());
    if memory_kib > MOST_MEMORY_KIB || work_kib > MOST_SCRYPT_KIB || p > MOST_LANES {
        return Some(Err(too_costly));
    }
    let params = scrypt::Params::new(log_n, r, p).ok()?;
    Some(Ok(StoredHash::Scrypt(params, salted)))
}

/// `block` is how many bytes the hash function makes.
fn parse_pbkdf2(
    text: &str,
    algorithm: pbkdf2::Algorithm,
    block: usize,
) -> Result<StoredHash, HashFault> {
    let fields = || {
        let mut fields = text.trim_start_matches('$').split('$');
        let name = fields.next()?;
        let [params, salt, hash] = *fields.collect::<Vec<_>>() else {
            return None;
        };
        let mut params = params.split(',');
        let rounds = params.next()?;
        // `l` repeats the length of the hash.
        if params.any(|param| !param.starts_with("l=")) {
            return None;
        }
        let rounds: NonZeroU32 = rounds.strip_prefix("i=").unwrap_or(rounds).parse().ok()?;
        let salted = Salted {
            // Django's salts are the characters themselves.
            salt: match name.contains('_') {
                true => salt.as_bytes().to_vec(),
                false => decode(salt)?,
            },
            hash: decode_hash(hash)?,
        };
        Some((rounds, salted))
    };
    let (rounds, salted) = fields().ok_or(HashFault::Malformed("PBKDF2"))?;
    let blocks = salted.hash.len().div_ceil(block) as u64;
    if u64::from(rounds.get()) * blocks > MOST_PBKDF2_ROUNDS {
        let most = "4000000 rounds, counted for each block of the hash";
        return Err(HashFault::TooCostly("PBKDF2", most));
    }
    Ok(StoredHash::Pbkdf2(algorithm, rounds, salted))
}

/// Base64 with or without padding; passlib writes `.` for `+`.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('.', "+");
    STANDARD_NO_PAD.decode(text).ok()
}

fn decode_hash(text: &str) -> Option<Vec<u8>> {
    decode(text).filter(|hash| HASH_BYTES.contains(&hash.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "plum tractor ninety seven";

    fn verifies(stored: &str, password: &str) -> bool {
        StoredHash::parse(stored)
            .unwrap()
            .verify(password.as_bytes(), &mut Memory::new(0))
    }

    /// Made by bcrypt 4.0.1, passlib 1.7.4, Django 5.2 and argon2-cffi 25.1 for Python, and by Node's crypto.
    #[test]
    fn hashes_of_other_systems_are_understood() {
        for stored in [
            "$2a$04$kIJaBnm.63q/C.Y27hesNeMY4FCJ6lXX8VtWqqCR25QtIVISTxC7m",
            "$2b$04$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h6",
            "$2y$04$9AmX5rpxq.S6TUQ4MYINKuGvN8AEpIJlsN5LKw.GDYy0g9kLGqvnS",
            "$pbkdf2-sha256$1000$9h6DsBYCQAiBsPb.f.99zw$C9vKdJJXjM3FYDcZniX7eccM6H9mAKb3n4V/VPFJV.k",
            "$pbkdf2-sha512$1000$FiIkBGCsFYLwXgsBwFhrDQ$PWMvrmAPAd1sD0U32DDnxEqRakil2h7XiK/FLwnqqmTU0F2gozCEcczBX1AOqtc.RMUbgcQF380hQjA/a7WXdw",
            "$pbkdf2$1000$B2CMEYIQwlhrLaW0lrLWug$PEm399yy6g96YCCxwnhgHzYfAfg",
            "pbkdf2_sha256$1000$r4nd0mSalt$h7VjaqC4oczyYZV69sbqgl/GNINnh2NuCAcnvwR7SeM=",
            "pbkdf2_sha1$1000$r4nd0mSalt$C/sJTjIKvyeN+H7kt8R1Rdinajg=",
            "$pbkdf2-sha512$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$FBr91o11JzRv+/mpIRaA7qe03vY2ACflPuiy5vZ96jU",
            "$scrypt$ln=4,r=8,p=2$5XwPwRiDkJISYmztvbeWcg$DicZnxKSRqyN9UTBayQUNwwE/1BvKyy1bXQ5pShx8y4",
            "$scrypt$ln=5,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ehkYRpXkcgnNI5Qt5aKzZZ1j4O/bpQvwOg++L0m0C0QR+aaeTgneIr0n0liYfM5NZGSERY9um5l+zTWw9FUXGA",
            "$argon2id$v=19$m=64,t=1,p=2$c1bmyEjI/UxycEOGdS550Q$Ur3gZ2aIypFCzdh+05dID8jnz+9/8suWXm59dmTRWYU",
            "$argon2i$v=19$m=64,t=1,p=2$5O4l/g4XVdZHINyQctJBJQ$wQa8dLohSHD5C8fCPaQrIfKOh04UkY6TViX2I1xGPSk",
            "$argon2d$v=19$m=64,t=1,p=2$ownPkB/EydgxnbsJiT+Clw$yqeBmtjL0kP0ba9VpZAOXRJCZ8qClfaTKydYVtJ4Uho",
        ] {
            assert_eq!(check_hash(stored), Ok(()), "{stored}");
            assert!(verifies(stored, PASSWORD), "{stored}");
            assert!(!verifies(stored, "plum tractor ninety eight"), "{stored}");
        }
    }

    /// From the tests of Argon2's reference implementation: 1.0 by name, and by having none.
    #[test]
    fn an_argon2_hash_without_a_version_is_of_1_0() {
        let rest = "m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
        for version in ["", "v=16$"] {
            assert!(verifies(&format!("$argon2i${version}{rest}"), "password"));
        }
        assert!(!verifies(&format!("$argon2i$v=19${rest}"), "password"));
    }

    #[test]
    fn a_hash_is_text_that_every_database_keeps() {
        for salt in [
            "r4nd0m\0Salt",
            "r4nd0m Salt",
            "r4nd0mSält",
            "r4nd0m\u{7f}",
            &"x".repeat(512),
        ] {
            let text =
                format!("pbkdf2_sha256$1000${salt}$h7VjaqC4oczyYZV69sbqgl/GNINnh2NuCAcnvwR7SeM=");
            assert_eq!(check_hash(&text), Err(HashFault::Text), "{salt:?}");
        }
    }

    #[test]
    fn bcrypt_knows_the_first_72_bytes_and_takes_a_nul_for_a_byte() {
        let of_72_and_more = "$2b$04$BDJ.U5dAalWwTvCSWw4SgevA1VRYUSWsBc01sveowYze./LZOicEe";
        assert!(verifies(of_72_and_more, &format!("{}tail", "é".repeat(36))));
        assert!(verifies(of_72_and_more, &"é".repeat(36)));
        assert!(!verifies(of_72_and_more, &"é".repeat(35)));
        let with_nul = "$2b$04$czdd6fRJN64d4zaxFT29RugQHsR3Kt7E3opHD3Z4vV0.RhX7xJIpu";
        assert!(verifies(with_nul, "a\0b"));
        for other in ["a", "a\0c", ""] {
            assert!(!verifies(with_nul, other), "{other:?}");
        }
    }

    #[test]
    fn a_hash_that_asks_for_too_much_work_is_never_computed() {
        let salted = "$MDEyMzQ1Njc4OWFiY2RlZg$FBr91o11JzRv+/mpIRaA7qe03vY2ACflPuiy5vZ96jU";
        for costly in [
            "$argon2id$v=19$m=4194304,t=1,p=1",
            "$argon2id$v=19$m=65536,t=1000,p=1",
            "$argon2id$v=19$m=4096,t=1,p=200",
            "$scrypt$ln=30,r=8,p=1",
            "$scrypt$ln=63,r=8,p=1",
            "$scrypt$ln=14,r=4294967295,p=1",
            "$scrypt$ln=17,r=8,p=1024",
            "$pbkdf2-sha256$i=4294967295",
            // 32 bytes are one block of SHA-256, and two of SHA-1.
            "$pbkdf2-sha256$i=4000001",
            "$pbkdf2$i=2000001",
        ] {
            let fault = check_hash(&format!("{costly}{salted}"));
            assert!(
                matches!(fault, Err(HashFault::TooCostly(..))),
                "{costly}: {fault:?}"
            );
        }
        for most in ["$pbkdf2-sha256$i=4000000", "$pbkdf2$i=2000000"] {
            assert_eq!(check_hash(&format!("{most}{salted}")), Ok(()), "{most}");
        }
        let bcrypt = "$2b$31$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h6";
        assert!(matches!(
            check_hash(bcrypt),
            Err(HashFault::TooCostly("bcrypt", _))
        ));
    }

    #[test]
    fn what_is_no_hash_is_refused_with_a_reason() {
        let salted = "$MDEyMzQ1Njc4OWFiY2RlZg$FBr91o11JzRv+/mpIRaA7qe03vY2ACflPuiy5vZ96jU";
        for unknown in [
            "",
            "$",
            "plain text",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$salt$hash",
            "$2x$04$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h6",
        ] {
            assert_eq!(check_hash(unknown), Err(HashFault::Unknown), "{unknown}");
        }
        for malformed in [
            "$2b$",
            "$2b$04$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h",
            "$2b$04$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2hé",
            "$2b$00$E0VRIgyaaC9SrKhxyHV4x.d1ok641/CxIK9skPDpq8dCrku/KY2h6",
            "$argon2id$v=19$m=64,t=1,p=2",
            "$argon2id$v=19$m=64,t=1,p=2$c1bmyEjI/UxycEOGdS550Q$MDEyMzQ1Njc4OWFi",
            "$argon2id$v=7$m=64,t=1,p=2$c1bmyEjI/UxycEOGdS550Q$Ur3gZ2aIypFCzdh+05dID8jnz+9/8suWXm59dmTRWYU",
            "$scrypt$ln=0,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FBr91o11JzRv+/mpIRaA7qe03vY2ACflPuiy5vZ96jU",
            "$scrypt$ln=4,r=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$FBr91o11JzRv+/mpIRaA7qe03vY2ACflPuiy5vZ96jU",
            "$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$YQ",
            "$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$",
        ] {
            assert!(
                matches!(check_hash(malformed), Err(HashFault::Malformed(_))),
                "{malformed}"
            );
        }
        for rounds in ["0", "i=", "-1", "1000,x=2"] {
            let text = format!("$pbkdf2-sha256${rounds}{salted}");
            assert_eq!(check_hash(&text), Err(HashFault::Malformed("PBKDF2")));
        }
    }
}
