DROP INDEX auth_events_by_actor;
DROP INDEX auth_events_by_user_and_kind;
