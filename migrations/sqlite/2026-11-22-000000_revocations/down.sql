DROP INDEX auth_events_by_kind;
DROP TABLE longest_access_ttl;
DROP TABLE revocations;
