-- The nonce that the last proof of the password replaced, until the next renewal: whoever lost that answer repeats the call by its
-- `attempt` key with a token of this nonce.
ALTER TABLE sessions ADD COLUMN nonce_before text;
