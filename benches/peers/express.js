// Express with Passport and jsonwebtoken, as tutorials write it.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { verify } from "@node-rs/argon2";
import express from "express";
import jwt from "jsonwebtoken";
import passport from "passport";
import { ExtractJwt, Strategy as JwtStrategy } from "passport-jwt";
import { Strategy as LocalStrategy } from "passport-local";
import { accessTtl, openDatabase, refreshTtl } from "./users.js";

const { PORT, JWT_SECRET } = process.env;
const db = openDatabase();

passport.use(
  new LocalStrategy({ usernameField: "email", session: false }, async (email, password, done) => {
    try {
      const user = db.prepare("SELECT * FROM users WHERE email = ?").get(email);
      if (!user || !(await verify(user.password_hash, password))) {
        return done(null, false);
      }
      return done(null, user);
    } catch (error) {
      return done(error);
    }
  }),
);

passport.use(
  new JwtStrategy(
    { jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: JWT_SECRET },
    (payload, done) => {
      const user = db.prepare("SELECT * FROM users WHERE id = ?").get(payload.sub);
      return done(null, user ?? false);
    },
  ),
);

const hash = (token) => createHash("sha256").update(token).digest("hex");
const now = () => Math.floor(Date.now() / 1000);

function signIn(user) {
  const accessToken = jwt.sign({ role: user.role }, JWT_SECRET, {
    subject: user.id,
    jwtid: randomUUID(),
    expiresIn: accessTtl,
  });
  const refreshToken = randomBytes(32).toString("hex");
  db.prepare("INSERT INTO refresh_tokens (token_hash, user_id, expires_at) VALUES (?, ?, ?)").run(
    hash(refreshToken),
    user.id,
    now() + refreshTtl,
  );
  return { accessToken, refreshToken };
}

const app = express();
app.use(express.json());
app.use(passport.initialize());

app.post("/login", passport.authenticate("local", { session: false }), (req, res) => {
  res.json(signIn(req.user));
});

app.post("/refresh", (req, res) => {
  const tokens = db.transaction(() => {
    const found = db
      .prepare("SELECT * FROM refresh_tokens WHERE token_hash = ?")
      .get(hash(req.body.refreshToken));
    if (!found || found.expires_at < now()) {
      return null;
    }
    db.prepare("DELETE FROM refresh_tokens WHERE token_hash = ?").run(found.token_hash);
    return signIn(db.prepare("SELECT * FROM users WHERE id = ?").get(found.user_id));
  })();
  if (!tokens) {
    return res.status(401).json({ error: "invalid refresh token" });
  }
  return res.json(tokens);
});

app.get("/me", passport.authenticate("jwt", { session: false }), (req, res) => {
  const { id, email, role } = req.user;
  res.json({ id, email, role });
});

app.listen(Number(PORT), "127.0.0.1");
