//! Access tokens as RFC 9068 profiles them: decoding, and the rules that a good one keeps.
//!
//! The checks are stricter than jwt-compact's, which verifies the signature: it accepts an unknown `crit`, repeated
//! members that it does not know and any `iss`, `aud`, `typ` and `kid`.

mod json;
mod keys;
mod rules;
mod verify;

pub use keys::Key;
pub use rules::{Algorithm, Rules};

use base64ct::{Base64UrlUnpadded, Encoding};
use json::Object;

/// A longer token is not read: 8 KiB is past any that fits a request header.
pub const MAX_BYTES: usize = 8192;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It breaks a rule: no renewal makes it good.
    Invalid,
    /// It keeps every rule and was good once.
    Expired,
}

/// A well-formed token of the profile. Nothing in it is verified.
#[derive(Debug)]
pub struct Token<'a> {
    /// `header.claims` as they stand in the token: what the signature covers (RFC 7515 §5.2).
    signed: &'a str,
    signature: Vec<u8>,
    header_json: String,
    claims_json: String,
    header: Header,
    claims: Claims,
}

#[derive(Debug)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    has_crit: bool,
}

/// The claims that rules look at. The others of the profile are present and of the right type, and stay in the JSON.
#[derive(Debug)]
struct Claims {
    iss: String,
    aud: Vec<String>,
    exp: i64,
    nbf: Option<i64>,
}

impl<'a> Token<'a> {
    /// Reads a compact JWS (RFC 7515 §7.1): three canonical, unpadded base64url segments, JSON objects with unique
    /// names in the first two, every claim of the profile present and of its type.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything else.
    pub fn decode(text: &'a str) -> Result<Self, TokenError> {
        Self::read(text).ok_or(TokenError::Invalid)
    }

    fn read(text: &'a str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        // A dot left in `claims` is no character of base64url, so a fourth segment is refused with it.
        let header_json = json_text(header)?;
        let claims_json = json_text(claims)?;
        Some(Self {
            signed,
            signature: Base64UrlUnpadded::decode_vec(signature).ok()?,
            header: Header::read(&Object::parse(&header_json)?)?,
            claims: Claims::read(&Object::parse(&claims_json)?)?,
            header_json,
            claims_json,
        })
    }

    /// Header and claims as one JSON text, `{"header":…,"claims":…}`, each as the issuer wrote it.
    pub fn to_json(&self) -> String {
        [
            "{\"header\":",
            &self.header_json,
            ",\"claims\":",
            &self.claims_json,
            "}",
        ]
        .concat()
    }
}

impl Header {
    fn read(object: &Object) -> Option<Self> {
        Some(Self {
            alg: object.text("alg")?,
            typ: object.optional("typ", Object::text)?,
            kid: object.optional("kid", Object::text)?,
            has_crit: object.has("crit"),
        })
    }
}

impl Claims {
    fn read(object: &Object) -> Option<Self> {
        for name in ["client_id", "role", "jti"] {
            object.text(name)?;
        }
        for name in ["sub", "sid"] {
            object.text(name).filter(|id| is_uuid(id))?;
        }
        for name in ["ver", "iat", "auth_time"] {
            object.whole(name)?;
        }
        Some(Self {
            iss: object.text("iss")?,
            aud: object.text_or_texts("aud")?,
            exp: object.whole("exp")?,
            nbf: object.optional("nbf", Object::whole)?,
        })
    }
}

/// The canonical lower-case text of a UUID (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn json_text(segment: &str) -> Option<String> {
    String::from_utf8(Base64UrlUnpadded::decode_vec(segment).ok()?).ok()
}
