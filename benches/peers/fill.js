// Puts the users of USERS (JSON lines), which are those of Countersign, into the peers' database.
import { readFileSync } from "node:fs";
import { openDatabase } from "./users.js";

const db = openDatabase();
const insert = db.prepare(
  "INSERT INTO users (id, email, name, role, password_hash) VALUES (@id, @email, @name, @role, @passwordHash)",
);
const lines = readFileSync(process.env.USERS, "utf8").trim().split("\n");
db.transaction(() => {
  for (const line of lines) insert.run(JSON.parse(line));
})();
