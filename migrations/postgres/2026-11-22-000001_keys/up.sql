-- The longest life of an unused session that any node was ever configured with, in milliseconds: so long a refresh key is
-- needed after the next one took its place.
CREATE TABLE longest_refresh_ttl (
    id     integer PRIMARY KEY CHECK (id = 1),
    millis bigint NOT NULL
);
INSERT INTO longest_refresh_ttl (id, millis) VALUES (1, 0);
