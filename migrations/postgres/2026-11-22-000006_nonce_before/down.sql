ALTER TABLE sessions DROP COLUMN nonce_before;
