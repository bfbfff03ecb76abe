-- What was taken back lately. Every node keeps these rows in memory and reads on from the last that it saw.
CREATE TABLE revocations (
    -- SQLite lets one writer in at a time, so the order of the numbers is the order of the commits.
    seq        integer PRIMARY KEY AUTOINCREMENT,
    kind       text NOT NULL CHECK (kind IN ('SESSION', 'USER', 'KEYS')),
    -- The session, the user or the key.
    subject    text NOT NULL,
    -- USER: the lowest token version that is still good; every lower one is stale.
    min_version bigint,
    -- USER: whether the user's sessions ended too, and which one did not.
    ends_sessions integer NOT NULL DEFAULT 0,
    spared_session text,
    -- What the clients of the sessions are told.
    reason     text NOT NULL,
    at         bigint NOT NULL,
    -- Past this no token is good that was signed before `at`.
    expires_at bigint NOT NULL
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

-- The longest life of an access token that any node was ever configured with, in milliseconds.
CREATE TABLE longest_access_ttl (
    id     integer PRIMARY KEY CHECK (id = 1),
    millis bigint NOT NULL
);
INSERT INTO longest_access_ttl (id, millis) VALUES (1, 0);

CREATE INDEX auth_events_by_kind ON auth_events (kind, id);
