-- What a row costs on disk: fills an empty database with rows as the server writes them, and says how many bytes each takes,
-- indexes included, freshly vacuumed. docs/capacity.md has the commands.
\set ON_ERROR_STOP on
\set rows 200000
\timing off
\o /dev/null

-- As UUIDv7 is in text: ascending, 36 characters.
CREATE FUNCTION pg_temp.id(number bigint) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s-%s-7%s-8%s-%s', left(time, 8), right(time, 4), left(tail, 3), substr(tail, 4, 3), substr(tail, 7, 12))
    FROM (SELECT lpad(to_hex(1795330000000 + number), 12, '0') AS time, md5(number::text) AS tail) AS parts
$$;
-- So many random bytes in base64, as long as in base64url but for the padding.
CREATE FUNCTION pg_temp.text_of(bytes integer) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT rtrim(replace(encode(string_agg(decode(md5(random()::text), 'hex'), ''), 'base64'), E'\n', ''), '=')
    FROM generate_series(1, bytes / 16)
$$;
\set agent '''Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'''

INSERT INTO users (id, email, name, name_key, role, password_hash, created_at)
SELECT pg_temp.id(n), word || '.lastname@example.com', 'Firstname ' || word, 'firstname ' || word, 'USER',
       '$argon2id$v=19$m=19456,t=2,p=1$' || pg_temp.text_of(16) || '$' || pg_temp.text_of(32), 1795330000000 + n
FROM (SELECT n, left(md5(n::text), 10) AS word FROM generate_series(1, :rows) AS n) AS numbered;

INSERT INTO sessions (id, user_id, transport, nonce, generation, attempt_hash, rotated_at, rotated_before_at, created_at,
                      refresh_expires_at, expires_at, ip_address, user_agent)
SELECT pg_temp.id(n + 1000000), pg_temp.id(1 + (n * 7919) % :rows), 'COOKIE', pg_temp.text_of(32), 40, pg_temp.text_of(32),
       n, n, n, 1795330000000 + n, 1795330000000 + n, '203.0.113.' || n % 256, :agent
FROM generate_series(1, :rows) AS n;
-- Renewals leave dead rows until autovacuum comes, and room for the next ones afterwards: a fifth of the rows each time, as
-- autovacuum's scale factor allows.
VACUUM sessions;
UPDATE sessions SET generation = generation + 1, rotated_at = rotated_at + 1 WHERE rotated_at % 5 = 0;
VACUUM sessions;
UPDATE sessions SET generation = generation + 1, rotated_at = rotated_at + 1 WHERE rotated_at % 5 = 2;

INSERT INTO auth_events (id, kind, at, user_id, session_id, ip_address, user_agent)
SELECT pg_temp.id(n + 2000000), 'LOGGED_IN', 1795330000000 + n, pg_temp.id(1 + (n * 7919) % :rows), pg_temp.id(n + 1000000),
       '203.0.113.' || n % 256, :agent
FROM generate_series(1, :rows) AS n;

INSERT INTO revocations (kind, subject, reason, at, expires_at)
SELECT 'SESSION', pg_temp.id(n + 1000000), 'LOGGED_OUT', 1795330000000 + n, 1795331020000 + n
FROM generate_series(1, :rows) AS n;

VACUUM ANALYZE users;
VACUUM ANALYZE sessions;
VACUUM ANALYZE auth_events;
VACUUM ANALYZE revocations;
\o

SELECT relname AS "table", reltuples::bigint AS rows,
       round(pg_relation_size(oid) / reltuples) AS "bytes a row",
       round(pg_indexes_size(oid) / reltuples) AS "its indexes",
       round(pg_total_relation_size(oid) / reltuples) AS "all"
FROM pg_class
WHERE relname IN ('users', 'sessions', 'auth_events', 'revocations')
ORDER BY relname;
