import { createRemoteJWKSet, jwtVerify } from "jose";

const rules = {
  issuer: "https://auth.example.com",
  audience: "https://api.example.com",
  typ: "at+jwt",
};
const keys = createRemoteJWKSet(new URL("https://auth.example.com/.well-known/jwks.json"));

globalThis.app = {
  verify: async (token) => (await jwtVerify(token, keys, rules)).payload,
};
