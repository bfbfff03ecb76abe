// Apollo Server with jose, as its documentation says, and statements prepared once.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  randomUUID,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { verify } from "@node-rs/argon2";
import { GraphQLError } from "graphql";
import { importPKCS8, importSPKI, jwtVerify, SignJWT } from "jose";
import { accessTtl, openDatabase, refreshTtl } from "./users.js";

const { PORT, KEY } = process.env;
const issuer = "https://auth.example.com";
const pem = readFileSync(KEY, "utf8");
const privateKey = await importPKCS8(pem, "EdDSA");
const publicPem = createPublicKey(createPrivateKey(pem)).export({ type: "spki", format: "pem" });
const publicKey = await importSPKI(publicPem, "EdDSA");
const rules = { issuer, audience: issuer, algorithms: ["EdDSA"] };

const db = openDatabase();
const byEmail = db.prepare("SELECT id, role, password_hash FROM users WHERE email = ?");
const byId = db.prepare("SELECT id, email, role FROM users WHERE id = ?");
const insertToken = db.prepare(
  "INSERT INTO refresh_tokens (token_hash, user_id, expires_at) VALUES (?, ?, ?)",
);
const rotateToken = db.prepare(
  `UPDATE refresh_tokens SET token_hash = ?, expires_at = ?
   WHERE token_hash = ? AND expires_at > ? RETURNING user_id`,
);

const hash = (token) => createHash("sha256").update(token).digest("base64url");
const newToken = () => randomBytes(32).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);
const unauthenticated = () =>
  new GraphQLError("sign in first", { extensions: { code: "UNAUTHENTICATED" } });

const sign = (user) =>
  new SignJWT({ role: user.role })
    .setProtectedHeader({ alg: "EdDSA" })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setSubject(user.id)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(now() + accessTtl)
    .sign(privateKey);

const typeDefs = `#graphql
  enum Role { USER MANAGER ADMIN }
  type User { id: ID! email: String! role: Role! }
  type AuthPayload { accessToken: String! refreshToken: String! }
  input LoginInput { email: String! password: String! }
  type Query { me: User! }
  type Mutation {
    login(input: LoginInput!): AuthPayload!
    refresh(refreshToken: String!): AuthPayload!
  }
`;

const resolvers = {
  Query: {
    me: (_parent, _arguments, { subject }) => {
      const user = subject && byId.get(subject);
      if (!user) throw unauthenticated();
      return user;
    },
  },
  Mutation: {
    login: async (_parent, { input }) => {
      const user = byEmail.get(input.email);
      if (!user || !(await verify(user.password_hash, input.password))) {
        throw unauthenticated();
      }
      const refreshToken = newToken();
      insertToken.run(hash(refreshToken), user.id, now() + refreshTtl);
      return { accessToken: await sign(user), refreshToken };
    },
    refresh: async (_parent, { refreshToken: presented }) => {
      const refreshToken = newToken();
      const time = now();
      const rotated = rotateToken.get(hash(refreshToken), time + refreshTtl, hash(presented), time);
      if (!rotated) throw unauthenticated();
      return { accessToken: await sign(byId.get(rotated.user_id)), refreshToken };
    },
  },
};

const server = new ApolloServer({ typeDefs, resolvers });
await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: Number(PORT) },
  context: async ({ req }) => {
    const token = req.headers.authorization?.replace(/^Bearer /, "");
    if (!token) return {};
    try {
      const { payload } = await jwtVerify(token, publicKey, rules);
      return { subject: payload.sub };
    } catch {
      throw unauthenticated();
    }
  },
});
