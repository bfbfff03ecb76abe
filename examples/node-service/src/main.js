// Reads the settings from the environment and serves.
import { createServer } from "node:http";
import { createApp } from "./app.js";

const {
  ISSUER,
  AUDIENCE = ISSUER,
  SERVER = ISSUER,
  ALGORITHM = "EdDSA",
  PORT = "5001",
} = process.env;
if (!ISSUER || !AUDIENCE || !SERVER) {
  throw new Error("ISSUER is not set, for example http://localhost:4000");
}
const app = createApp({
  issuer: ISSUER,
  audience: AUDIENCE,
  server: SERVER,
  algorithm: ALGORITHM,
});
createServer(app).listen(Number(PORT), "127.0.0.1");
