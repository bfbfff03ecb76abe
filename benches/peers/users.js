// What all peers share: their database, filled with the same users as Countersign's.
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";

/** Seconds. */
export const accessTtl = 15 * 60;
export const refreshTtl = 7 * 24 * 60 * 60;

/**
 * Opens the database that DATABASE names, and makes it from USERS (JSON lines) when it is empty.
 * Every answered write survives a power cut, as Countersign's do.
 */
export function openDatabase() {
  const db = new Database(process.env.DATABASE);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(`
    CREATE TABLE IF NOT EXISTS users (
      id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS refresh_tokens (
      token_hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), expires_at INTEGER NOT NULL
    );
  `);
  const insert = db.prepare(
    "INSERT OR IGNORE INTO users (id, email, name, role, password_hash) VALUES (@id, @email, @name, @role, @passwordHash)",
  );
  const lines = readFileSync(process.env.USERS, "utf8").trim().split("\n");
  db.transaction(() => {
    for (const line of lines) insert.run(JSON.parse(line));
  })();
  return db;
}
