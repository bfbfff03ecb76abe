import { loadTokens, remoteKeySet } from "@countersign/client/token";

const rules = { issuer: "https://auth.example.com", audience: "https://api.example.com" };
const keys = remoteKeySet("https://auth.example.com/.well-known/jwks.json");

globalThis.app = {
  verify: async (token) => (await loadTokens()).verify(token, keys, rules),
};
