//! Whether an access token is good: its form, its signature and its claims (RFC 8725, RFC 9068 §4).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, crypto};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Refusal, RemoteKeys, Settings};

/// The clock of the server may differ by this much, in seconds.
const LEEWAY_SECS: u64 = 30;
/// No token of Countersign's comes near this.
const MAX_BYTES: usize = 8192;

/// The claims (docs/services.md). Times are whole seconds since 1970.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the claims")]
pub struct Claims {
    pub iss: String,
    pub aud: Audience,
    pub sub: String,
    pub client_id: String,
    pub sid: String,
    pub ver: i64,
    pub role: Role,
    pub iat: u64,
    pub nbf: Option<u64>,
    pub exp: u64,
    pub jti: String,
    pub auth_time: u64,
}

/// `aud` is one text or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// The usual form.
    One(String),
    /// Several audiences.
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// What a user may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", from = "String")]
#[expect(missing_docs, reason = "the names are those of the server's contract")]
pub enum Role {
    /// A role of a later version: it may do nothing here.
    Unknown,
    User,
    Manager,
    Admin,
}

impl From<String> for Role {
    fn from(name: String) -> Self {
        match name.as_str() {
            "USER" => Self::User,
            "MANAGER" => Self::Manager,
            "ADMIN" => Self::Admin,
            _ => Self::Unknown,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Checks tokens by settings and keys.
pub struct Verifier {
    issuer: String,
    audience: String,
    algorithm: Algorithm,
    keys: RemoteKeys,
}

impl Verifier {
    /// Trusts what `settings` say and the signatures of `keys`.
    pub fn new(settings: &Settings, keys: RemoteKeys) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            algorithm: settings.algorithm,
            keys,
        }
    }

    /// The claims of `token`, if it is good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// [`Refusal::Invalid`], or [`Refusal::Unavailable`] when its key cannot be fetched.
    pub async fn verify(&self, token: &str, now: u64) -> Result<Claims, Refusal> {
        use Refusal::Invalid;
        let (message, signature) = token.rsplit_once('.').ok_or(Invalid("not a JWT"))?;
        let (header, payload) = message.split_once('.').ok_or(Invalid("not a JWT"))?;
        if token.len() > MAX_BYTES {
            return Err(Invalid("too long"));
        }
        let header = self.check_header(header)?;
        let key = self.keys.get(&header.kid).await?;
        let verified = crypto::verify(signature, message.as_bytes(), &key, self.algorithm);
        if !verified.unwrap_or(false) {
            return Err(Invalid("wrong signature"));
        }
        let claims = typed(decode(payload)?)?;
        self.check_claims(&claims, now)?;
        Ok(claims)
    }

    fn check_header(&self, part: &str) -> Result<Header, Refusal> {
        use Refusal::Invalid;
        let members = decode(part)?;
        // It names extensions that must be understood (RFC 7515 §4.1.11), and we understand none.
        if members.contains_key("crit") {
            return Err(Invalid("crit"));
        }
        let header: Header = typed(members)?;
        // An ID token is no access token (RFC 9068 §4). Media types have no case; `application/` may be left out.
        let typ = header.typ.to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err(Invalid("wrong typ"));
        }
        // RFC 9864 gives EdDSA with Ed25519 a name of its own.
        let name = if header.alg == "Ed25519" {
            "EdDSA"
        } else {
            &header.alg
        };
        if name.parse() != Ok(self.algorithm) {
            return Err(Invalid("wrong alg"));
        }
        Ok(header)
    }

    fn check_claims(&self, claims: &Claims, now: u64) -> Result<(), Refusal> {
        use Refusal::Invalid;
        if claims.iss != self.issuer {
            return Err(Invalid("wrong iss"));
        }
        if !claims.aud.contains(&self.audience) {
            return Err(Invalid("wrong aud"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY_SECS) {
            return Err(Invalid("not valid yet"));
        }
        if claims.exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(Invalid("expired"));
        }
        Ok(())
    }
}

/// A JSON object. A name that stands in it twice is an error: two readers would see two tokens (RFC 7515 §4).
#[derive(Deserialize)]
struct Members(
    #[serde(with = "serde_with::rust::maps_duplicate_key_is_error")] BTreeMap<String, Value>,
);

fn decode(part: &str) -> Result<BTreeMap<String, Value>, Refusal> {
    let malformed = Refusal::Invalid("malformed");
    let json = BASE64URL.decode(part).map_err(|_| malformed)?;
    let members: Members = serde_json::from_slice(&json).map_err(|_| malformed)?;
    Ok(members.0)
}

fn typed<T: DeserializeOwned>(members: BTreeMap<String, Value>) -> Result<T, Refusal> {
    let object = Value::Object(members.into_iter().collect());
    serde_json::from_value(object).map_err(|_| Refusal::Invalid("wrong members"))
}
