-- Users, three sessions for each, and a line of the audit trail for each session, as the server writes them. `@users@` stands
-- for how many users, `@now@` for the time in milliseconds since 1970, `@hash@` for the hash of everybody's password.
--
-- An id is a UUIDv7 of a time that ascends with the number and has passed.
CREATE TEMP VIEW numbered AS
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3 * @users@),
         -- The owner's number is scattered over 1 to `@users@`.
         owned AS (SELECT n, n * 7919 % @users@ + 1 AS o, @now@ - 86400000 AS day FROM numbers)
    SELECT n, o, day + n AS at,
           printf('%08x-%04x-7%03x-8%03x-%012x', (day + n) >> 16, (day + n) & 65535, n % 4096, n / 4096,
                  n * 2654435761 % 281474976710656) AS id,
           printf('%08x-%04x-7%03x-8%03x-%012x', (day + o) >> 16, (day + o) & 65535, o % 4096, o / 4096,
                  o * 2654435761 % 281474976710656) AS owner
    FROM owned;

INSERT INTO users (id, email, name, name_key, role, password_hash, created_at)
SELECT id, printf('team%05d.%07d@example.com', o / 50, n), 'Firstname Lastname ' || n, 'firstname lastname ' || n,
       iif(n % 1000 = 0, 'MANAGER', 'USER'), '@hash@', at
FROM numbered LIMIT @users@;

INSERT INTO sessions (id, user_id, transport, nonce, generation, rotated_at, rotated_before_at, created_at,
                      refresh_expires_at, expires_at, ip_address, user_agent)
SELECT id, owner, 'BODY', lower(hex(randomblob(21))) || 'A', 1, at, at, at,
       at + 604800000, at + 2592000000, '203.0.113.' || n % 256,
       'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'
FROM numbered;

INSERT INTO auth_events (id, kind, at, user_id, session_id, ip_address, user_agent)
SELECT id, 'LOGIN_SUCCEEDED', created_at, user_id, id, ip_address, user_agent FROM sessions ORDER BY id;
