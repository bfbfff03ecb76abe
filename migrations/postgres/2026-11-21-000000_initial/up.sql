-- Columns are text, integer and bigint only, so that one set of Rust types reads both databases.
-- Ids are UUIDv7 in lower-case text; times are milliseconds since 1970.

CREATE TABLE users (
    id            text COLLATE "C" PRIMARY KEY,
    email         text COLLATE "C" NOT NULL UNIQUE,
    name          text NOT NULL,
    -- The name in lower case, for searching.
    name_key      text COLLATE "C" NOT NULL,
    role          text NOT NULL CHECK (role IN ('USER', 'MANAGER', 'ADMIN')),
    -- A PHC string.
    password_hash text NOT NULL,
    -- `ver` in tokens.
    token_version bigint NOT NULL DEFAULT 1,
    disabled_at   bigint,
    created_at    bigint NOT NULL
);
CREATE INDEX users_by_name ON users (name_key);
CREATE INDEX users_by_role ON users (role, id);

CREATE TABLE sessions (
    id                        text COLLATE "C" PRIMARY KEY,
    user_id                   text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    transport                 text NOT NULL CHECK (transport IN ('COOKIE', 'BODY')),
    -- 32 random bytes in base64url; part of what the refresh token's mac covers.
    nonce                     text NOT NULL,
    -- The generation of the refresh token that is good now.
    generation                bigint NOT NULL,
    -- The hash of the `attempt` key of the call that made it.
    attempt_hash              text,
    -- When the last generation, and the one before it, were superseded. The first is when the session was last used.
    rotated_at                bigint NOT NULL,
    rotated_before_at         bigint NOT NULL,
    -- Generations in a row that were also asked for from somewhere else, and the last of them.
    foreign_repeats           bigint NOT NULL DEFAULT 0,
    foreign_repeat_generation bigint NOT NULL DEFAULT 0,
    created_at                bigint NOT NULL,
    -- The end of the sliding life, and the end that no use postpones.
    refresh_expires_at        bigint NOT NULL,
    expires_at                bigint NOT NULL,
    ended_at                  bigint,
    ip_address                text,
    user_agent                text
);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- No foreign key: the trail outlives the accounts that it speaks of.
CREATE TABLE auth_events (
    id         text COLLATE "C" PRIMARY KEY,
    kind       text NOT NULL,
    at         bigint NOT NULL,
    user_id    text COLLATE "C",
    actor_id   text COLLATE "C",
    session_id text COLLATE "C",
    ip_address text,
    user_agent text
);
CREATE INDEX auth_events_by_user ON auth_events (user_id, id);

CREATE TABLE keys (
    -- The `kid` of a signing key (its JWK thumbprint), or 8 hexadecimal digits of a refresh key.
    id          text COLLATE "C" PRIMARY KEY,
    purpose     text NOT NULL CHECK (purpose IN ('ACCESS', 'REFRESH')),
    algorithm   text NOT NULL,
    -- The private part, encrypted (AES-256-GCM) under COUNTERSIGN_KEYS__SECRET, bound to purpose and id; base64url.
    sealed      text NOT NULL,
    created_at  bigint NOT NULL,
    signs_from  bigint NOT NULL
);

-- Rows that a transaction locks before it decides something that spans rows.
CREATE TABLE locks (name text COLLATE "C" PRIMARY KEY);
INSERT INTO locks (name) VALUES ('keys'), ('administrators');
