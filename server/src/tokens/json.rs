//! A strict reader for the two small JSON objects of a token: it takes what the browser's core takes and nothing else, so that
//! no token is good at one of them only.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Deeper nesting is refused, as the browser's core does.
const MAX_DEPTH: u32 = 32;
/// The largest integer that JavaScript holds exactly.
const MAX_WHOLE: i64 = (1 << 53) - 1;

/// Reads one part of a token: canonical base64url of one JSON object whose names are unique at every depth (RFC 7515 §4,
/// RFC 7519 §4), because a second reader might keep the other member.
pub(super) fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    let json = BASE64URL.decode(part).ok()?;
    let raw: &RawValue = serde_json::from_slice(&json).ok()?;
    // serde would read a list as the members in their order.
    if !raw.get().starts_with('{') || !is_strict(raw, 0) {
        return None;
    }
    serde_json::from_str(raw.get()).ok()
}

/// serde_json has seen that it is well-formed, but for halves of surrogate pairs in texts. Values that nothing reads stay text:
/// a number may be larger than any type of ours.
fn is_strict(value: &RawValue, depth: u32) -> bool {
    let text = value.get();
    let all = |values: Vec<&RawValue>| values.into_iter().all(|value| is_strict(value, depth + 1));
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth > MAX_DEPTH => false,
        Some(b'{') => serde_json::from_str::<Members<'_>>(text).is_ok_and(|members| all(members.0)),
        Some(b'[') => serde_json::from_str(text).is_ok_and(all),
        Some(b'"') => serde_json::from_str::<String>(text).is_ok(),
        _ => true,
    }
}

/// The values of an object without a repeated name.
struct Members<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose names are unique")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut names, mut values) = (HashSet::new(), Vec::new());
                while let Some((name, value)) = map.next_entry::<String, _>()? {
                    if !names.insert(name) {
                        return Err(Error::custom("a repeated name"));
                    }
                    values.push(value);
                }
                Ok(Members(values))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

/// An integer from 0 to 2^53 − 1, written without fraction or exponent.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = i64::try_from(u64::deserialize(deserializer)?).ok();
    let exact = number.filter(|number| *number <= MAX_WHOLE);
    exact.ok_or_else(|| Error::custom("a number that JavaScript does not hold"))
}

/// The same of a member that need not be there; `null` is none.
pub(super) fn optional_whole<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    whole(deserializer).map(Some)
}

/// Whether a member is there, whatever it is.
pub(super) fn presence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
