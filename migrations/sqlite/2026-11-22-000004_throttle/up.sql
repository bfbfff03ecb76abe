-- How much has been tried against an account, by a device or from an address.
CREATE TABLE throttle (
    -- A keyed hash: the table names no address and no account.
    key          text NOT NULL PRIMARY KEY,
    tries        bigint NOT NULL,
    free_at      bigint NOT NULL,
    forgotten_at bigint NOT NULL,
    -- 1 when the audit trail has a line about the present refusal.
    noted        integer NOT NULL CHECK (noted IN (0, 1))
);
CREATE INDEX throttle_forgotten_at ON throttle (forgotten_at);
