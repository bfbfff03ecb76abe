-- One user's lines of one kind: whoever guesses at a password can make the lines of another kind as many as they like.
CREATE INDEX auth_events_by_user_and_kind ON auth_events (user_id, kind, id);
-- What somebody did to others; few lines have an actor.
CREATE INDEX auth_events_by_actor ON auth_events (actor_id) WHERE actor_id IS NOT NULL;
