//! The devices that somebody signed in on before (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! A device's token opens nothing. It shows only that the password was typed there, and so gives the device a budget of its own
//! for wrong ones. A new password makes it worthless: who knew the old one is a stranger to the new.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::clock::{Rng, random};
use crate::tokens::Mac;
use crate::values::{Secret, UserId};

/// Makes and recognises tokens of devices: `v1.<user id>.<random id>.<mac>`, the last two in unpadded base64url.
pub struct DeviceTokens(Mac);

impl DeviceTokens {
    /// `mac` proves that a token is one of ours.
    pub fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// A random id for a device that has none.
    pub fn new_id(rng: &Rng) -> String {
        BASE64URL.encode(random::<16>(rng))
    }

    /// The token of the device `id`, on which `user` has just signed in with the password of this hash.
    pub fn issue(&self, id: &str, user: &UserId, password_hash: &str) -> Secret {
        let body = format!("v1.{user}.{id}");
        let mac = BASE64URL.encode(self.0.tag(&message(&body, password_hash)));
        Secret::new(format!("{body}.{mac}"))
    }

    /// The id in a token that was issued to `user` when the password was the one of this hash; `None` for every other text.
    pub fn recognise<'a>(
        &self,
        token: &'a str,
        user: &UserId,
        password_hash: &str,
    ) -> Option<&'a str> {
        let (body, mac) = token.rsplit_once('.')?;
        let id = body
            .strip_prefix("v1.")?
            .strip_prefix(&user.to_string())?
            .strip_prefix('.')?;
        let mac = BASE64URL.decode(mac).ok()?;
        let message = message(body, password_hash);
        self.0.verifies(&message, &mac).then_some(id)
    }
}

/// No hash has a line break, so no two tokens have the same message.
fn message(body: &str, password_hash: &str) -> Vec<u8> {
    format!("{body}\n{password_hash}").into_bytes()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;
    use crate::values::UnixMillis;

    #[test]
    fn a_device_is_recognised_as_its_users_only() {
        let secret = Secret::new("a secret of the tests, long enough");
        let tokens = DeviceTokens::new(Mac::new(&secret, "one"));
        let others = DeviceTokens::new(Mac::new(&secret, "two"));
        let (ana, bob) = (
            UserId::new(UnixMillis(1), [1; 10]),
            UserId::new(UnixMillis(1), [2; 10]),
        );
        let token = tokens.issue(&DeviceTokens::new_id(&SystemRandom::new()), &ana, "hash");
        let token = token.expose();
        assert!(tokens.recognise(token, &ana, "hash").is_some());
        assert_eq!(
            tokens.recognise(token, &ana, "hash of a new password"),
            None
        );
        assert_eq!(tokens.recognise(token, &bob, "hash"), None);
        assert_eq!(others.recognise(token, &ana, "hash"), None);
        let of_bob = token.replace(&ana.to_string(), &bob.to_string());
        assert_eq!(tokens.recognise(&of_bob, &bob, "hash"), None);
        for cut in 0..token.len() {
            assert_eq!(tokens.recognise(&token[..cut], &ana, "hash"), None, "{cut}");
        }
    }
}
