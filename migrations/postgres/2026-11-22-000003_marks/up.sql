-- What keeps servers from this database: that it was moved to another one, or that a copy into it is not finished.
CREATE TABLE marks (
    name    text COLLATE "C" PRIMARY KEY CHECK (name IN ('MOVING', 'COPY_UNFINISHED', 'COPY_FINISHED')),
    -- The same in the two databases of one copy, and in those of no other.
    copy_id text NOT NULL,
    -- The other database, without its password.
    other   text NOT NULL,
    at      bigint NOT NULL
);
