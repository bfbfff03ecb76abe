-- What the user that nodes run as may do, and no more. Run it as the owner of the tables, after each `countersign migrate`:
--   psql "$OWNER_URL" -v node=countersign -f deploy/grants.sql
\set ON_ERROR_STOP on

GRANT USAGE ON SCHEMA public TO :"node";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :"node";
GRANT INSERT, UPDATE, DELETE ON users, sessions, auth_events, keys, revocations, throttle, recoveries TO :"node";
-- UPDATE is what `SELECT … FOR UPDATE` needs.
GRANT UPDATE ON locks, longest_access_ttl, longest_refresh_ttl TO :"node";
