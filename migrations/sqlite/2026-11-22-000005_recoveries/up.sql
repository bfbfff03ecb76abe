-- Links by which a user without a password sets a new one: at most one each.
CREATE TABLE recoveries (
    user_id    text PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- The SHA-256 of the token in the link, in base64url. The token is 32 random bytes: there is nothing to guess.
    token_hash text NOT NULL UNIQUE,
    expires_at bigint NOT NULL
);
