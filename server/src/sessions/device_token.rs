//! The devices that somebody signed in on before (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! A device's token opens nothing. It shows only that the right password was once typed there, and so gives the device a budget
//! of its own for wrong ones.

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

    /// A token for a device on which `user` has just signed in.
    pub fn issue(&self, user: &UserId, rng: &Rng) -> Secret {
        let body = format!("v1.{user}.{}", BASE64URL.encode(random::<16>(rng)));
        let mac = BASE64URL.encode(self.0.tag(body.as_bytes()));
        Secret::new(format!("{body}.{mac}"))
    }

    /// The random id in a token that was issued to `user`; `None` for every other text.
    pub fn recognise<'a>(&self, token: &'a str, user: &UserId) -> Option<&'a str> {
        let (body, mac) = token.rsplit_once('.')?;
        let id = body
            .strip_prefix("v1.")?
            .strip_prefix(&user.to_string())?
            .strip_prefix('.')?;
        let mac = BASE64URL.decode(mac).ok()?;
        self.0.verifies(body.as_bytes(), &mac).then_some(id)
    }
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
        let token = tokens.issue(&ana, &SystemRandom::new());
        let token = token.expose();
        assert!(tokens.recognise(token, &ana).is_some());
        assert_eq!(tokens.recognise(token, &bob), None);
        assert_eq!(others.recognise(token, &ana), None);
        let of_bob = token.replace(&ana.to_string(), &bob.to_string());
        assert_eq!(tokens.recognise(&of_bob, &bob), None);
        for cut in 0..token.len() {
            assert_eq!(tokens.recognise(&token[..cut], &ana), None, "{cut}");
        }
    }
}
