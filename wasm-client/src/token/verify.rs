//! The signature check, by jwt-compact.

use super::{Algorithm, Rules, Token, TokenError};
use jwt_compact::alg::{Ed25519, VerifyingKey};
use jwt_compact::{Algorithm as _, AlgorithmSignature};

type PublicKey = <Ed25519 as jwt_compact::Algorithm>::VerifyingKey;
type Signature = <Ed25519 as jwt_compact::Algorithm>::Signature;

impl Token<'_> {
    /// Verifies the signature with the raw 32 bytes of an Ed25519 public key, then the rules.
    ///
    /// # Errors
    /// As [`Token::check`]; an unsigned or tampered token is [`TokenError::Invalid`], however old it says it is.
    pub fn verify_ed25519(&self, public_key: &[u8], rules: &Rules<'_>) -> Result<(), TokenError> {
        let signed = self.is_signed_by(public_key).ok_or(TokenError::Invalid)?;
        if !signed {
            return Err(TokenError::Invalid);
        }
        self.check(Algorithm::EdDsa, rules)
    }

    /// `None` when key or signature are of another length.
    fn is_signed_by(&self, public_key: &[u8]) -> Option<bool> {
        let key = <PublicKey as VerifyingKey<Ed25519>>::from_slice(public_key).ok()?;
        // jwt-compact copies the bytes without looking at their number.
        if Some(self.signature.len()) != Signature::LENGTH.map(Into::into) {
            return None;
        }
        let signature = Signature::try_from_slice(&self.signature).ok()?;
        Some(Ed25519.verify_signature(&signature, &key, self.signed.as_bytes()))
    }
}
