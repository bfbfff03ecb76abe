// What all peers share: their database.
import Database from "better-sqlite3";

/** Seconds. */
export const accessTtl = 15 * 60;
export const refreshTtl = 7 * 24 * 60 * 60;

/**
 * Opens the database that DATABASE names, which fill.js has filled.
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
  return db;
}
