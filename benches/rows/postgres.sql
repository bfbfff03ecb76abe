-- What sqlite.sql does, in the words of PostgreSQL.
CREATE FUNCTION pg_temp.id(at bigint, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('%s-%s-7%s-8%s-%s', lpad(to_hex(at >> 16), 8, '0'), lpad(to_hex(at & 65535), 4, '0'),
                  lpad(to_hex(n % 4096), 3, '0'), lpad(to_hex(n / 4096), 3, '0'),
                  lpad(to_hex(n * 2654435761 % 281474976710656), 12, '0'))
$$;
CREATE TEMP VIEW numbered AS
    SELECT n, o, day + n AS at, pg_temp.id(day + n, n) AS id, pg_temp.id(day + o, o) AS owner
    FROM (SELECT n, n * 7919 % @users@ + 1 AS o, @now@ - 86400000 AS day
          FROM generate_series(1::bigint, 3 * @users@) AS n) AS owned;

INSERT INTO users (id, email, name, name_key, role, password_hash, created_at)
SELECT id, format('team%s.%s@example.com', lpad((o / 50)::text, 5, '0'), lpad(n::text, 7, '0')),
       'Firstname Lastname ' || n, 'firstname lastname ' || n,
       CASE WHEN n % 1000 = 0 THEN 'MANAGER' ELSE 'USER' END, '@hash@', at
FROM numbered LIMIT @users@;

INSERT INTO sessions (id, user_id, transport, nonce, generation, rotated_at, rotated_before_at, created_at,
                      refresh_expires_at, expires_at, ip_address, user_agent)
SELECT id, owner, 'BODY', left(md5(random()::text) || md5(random()::text), 42) || 'A', 1, at, at, at,
       at + 604800000, at + 2592000000, '203.0.113.' || n % 256,
       'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'
FROM numbered;

INSERT INTO auth_events (id, kind, at, user_id, session_id, ip_address, user_agent)
SELECT id, 'LOGIN_SUCCEEDED', created_at, user_id, id, ip_address, user_agent FROM sessions ORDER BY id;
