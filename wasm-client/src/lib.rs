//! The browser's half of Countersign: token checks and the refresh planner.
//!
//! Everything here is a pure function of its arguments: time, randomness, keys and network belong to the TypeScript
//! around it. Numbers and one JSON text cross the border, and nothing panics; this file only translates.

pub mod planner;
pub mod token;

use token::{Algorithm, Key, Rules, Token, TokenError};
use wasm_bindgen::prelude::wasm_bindgen;

/// What `verify` and `check` answer when every rule holds; a refusal is [`code`]'s number.
const GOOD: u32 = 0;

/// The token's header and claims as one JSON text, `{"header":…,"claims":…}`; empty when the token is malformed.
///
/// Nothing is verified: whoever made the token wrote what stands in it.
#[wasm_bindgen]
pub fn decode(token: &str) -> String {
    Token::decode(token).map_or_else(|_| String::new(), |token| token.to_json())
}

/// The key named `kid` in the JSON text of a JWKS, as a JWK with its `alg` (`EdDSA`, `ES256`, `RS256`); empty when there is none
/// that a token may be verified with.
#[wasm_bindgen(js_name = findKey)]
pub fn find_key(jwks: &str, kid: &str) -> String {
    Key::find(jwks, kid).map_or_else(String::new, |key| key.to_json())
}

/// Verifies a token that an Ed25519 key signed: 0 good, 1 invalid, 2 expired.
///
/// `public_key` is the raw 32 bytes of the key that the token's `kid` names; `now` and `leeway` are Unix seconds and
/// seconds.
#[wasm_bindgen]
pub fn verify(
    token: &str,
    public_key: &[u8],
    issuer: &str,
    audience: &str,
    now: f64,
    leeway: f64,
) -> u32 {
    answer(
        rules(issuer, audience, now, leeway)
            .and_then(|rules| Token::decode(token)?.verify_ed25519(public_key, &rules)),
    )
}

/// Checks the rules of a token whose signature JavaScript has verified, or cannot: 0 good, 1 invalid, 2 expired.
///
/// `algorithm` is that of the key (`ES256`, `RS256`, `HS256`), never taken from the token; `now` and `leeway` as in [`verify`].
#[wasm_bindgen]
pub fn check(
    token: &str,
    algorithm: &str,
    issuer: &str,
    audience: &str,
    now: f64,
    leeway: f64,
) -> u32 {
    answer(rules(issuer, audience, now, leeway).and_then(|rules| {
        let algorithm = Algorithm::parse(algorithm).ok_or(TokenError::Invalid)?;
        Token::decode(token)?.check(algorithm, &rules)
    }))
}

/// One step of the refresh planner: eight numbers, the new state's six, then the action and its time.
///
/// The numbers of states, events and actions are those of [`planner`]; times are milliseconds of the caller's clock.
#[wasm_bindgen]
pub fn plan(state: &[f64], event: u32, value: f64, extra: f64, now: f64, random: u32) -> Vec<f64> {
    let state = planner::State::from_numbers(state);
    let Some(event) = planner::Event::from_numbers(event, value, extra) else {
        return planner::Step::idle(state).to_numbers().to_vec();
    };
    planner::step(state, event, now as i64, random)
        .to_numbers()
        .to_vec()
}

fn rules<'a>(
    issuer: &'a str,
    audience: &'a str,
    now: f64,
    leeway: f64,
) -> Result<Rules<'a>, TokenError> {
    // `as` would make 1970 of NaN, when nothing has expired yet.
    if !now.is_finite() || !leeway.is_finite() {
        return Err(TokenError::Invalid);
    }
    Ok(Rules {
        issuer,
        audience,
        now: now as i64,
        leeway_seconds: leeway as i64,
    })
}

fn answer(result: Result<(), TokenError>) -> u32 {
    result.map_or_else(code, |()| GOOD)
}

/// The number of a refusal; TypeScript knows it as a `reason`.
fn code(error: TokenError) -> u32 {
    match error {
        TokenError::Invalid => 1,
        TokenError::Expired => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_a_number_accepts_nothing() {
        assert_eq!(verify("", &[], "", "", f64::NAN, 30.0), 1);
        assert_eq!(verify("", &[], "", "", 0.0, f64::INFINITY), 1);
    }

    #[test]
    fn a_malformed_token_decodes_to_nothing() {
        assert_eq!(decode("a.b"), "");
    }

    #[test]
    fn an_unknown_event_changes_nothing() {
        let state = [2.0, 1.0, 5.0, 4.0, 0.0, 0.0];
        assert_eq!(plan(&state, 99, 0.0, 0.0, 3.0, 0)[..6], state);
    }
}
