//! What is asked of the contestants: the same of each, in its own words.

use std::iter::StepBy;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::contest::{Contestant, JWT_SECRET, Kind, PASSWORD, USERS, World, email, user_id};
use crate::load::Caller;

/// Their numbers, which begin again after the last user.
type Users = StepBy<Range<usize>>;

const ME: &str = r#"{"query":"{ me { id email role } }"}"#;

/// A user who is signed in.
#[derive(Clone, Default)]
pub struct SignedIn {
    user: usize,
    access: String,
    refresh: String,
}

impl SignedIn {
    fn read(user: usize, body: &str) -> Result<Self> {
        Ok(Self {
            user,
            access: text(body, "accessToken")?,
            refresh: text(body, "refreshToken")?,
        })
    }
}

/// The text of a name in JSON: tokens need no escapes, and a parser for all of it would cost more.
fn text(body: &str, name: &str) -> Result<String> {
    let (_, rest) = body
        .split_once(&format!(r#""{name}":""#))
        .with_context(|| format!("no {name}"))?;
    let (text, _) = rest.split_once('"').context("cut off")?;
    Ok(text.to_owned())
}

/// The bytes of a request with a body in JSON.
pub fn post(path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: auth.example.com\r\n{authorization}content-type: application/json\r\naccept: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

/// Who asks for `me`, always with the same token.
pub struct Me {
    request: Vec<u8>,
    /// What stands in the right answer.
    email: String,
}

impl Me {
    /// For a user who is signed in.
    pub fn new(kind: Kind, who: &SignedIn) -> Self {
        Self::of(kind, who.user, &who.access)
    }

    /// For a server that always answers with user 0.
    pub fn constant(kind: Kind, who: &SignedIn) -> Self {
        Self::of(kind, 0, &who.access)
    }

    fn of(kind: Kind, user: usize, token: &str) -> Self {
        let request = match kind.is_rest() {
            true => format!("GET /me HTTP/1.1\r\nhost: auth.example.com\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n\r\n").into(),
            false => post("/graphql", Some(token), ME),
        };
        let email = format!(r#""email":"{}""#, email(user));
        Self { request, email }
    }
}

impl Caller for Me {
    fn request(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        ensure!(body.contains(&self.email), "somebody else");
        Ok(())
    }
}

/// Who asks for `me` with a token that was never seen, for one user after the other.
pub struct Cold {
    kind: Kind,
    users: Users,
    signer: Signer,
    me: Me,
}

impl Cold {
    /// One for each connection.
    ///
    /// # Errors
    /// When the contestant's tokens are none.
    pub fn all(contestant: &Contestant, world: &World) -> Result<Vec<Self>> {
        let kind = contestant.kind;
        let number = contestant.signed_in.len();
        let signed_in = contestant.signed_in.iter().enumerate();
        signed_in
            .map(|(index, who)| {
                Ok(Self {
                    kind,
                    users: (index..usize::MAX).step_by(number),
                    signer: Signer::new(world, &who.access)?,
                    me: Me::new(kind, who),
                })
            })
            .collect()
    }
}

impl Caller for Cold {
    fn request(&mut self) -> Option<&[u8]> {
        let number = self.users.next()?;
        let user = number % USERS;
        self.me = Me::of(self.kind, user, &self.signer.sign(user, number));
        self.me.request()
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        self.me.answer(body)
    }
}

/// Signs tokens as a contestant does.
struct Signer {
    /// As it stands in a token of the contestant.
    header: String,
    claims: Map<String, Value>,
    key: SigningKey,
}

enum SigningKey {
    Ed25519(Arc<Ed25519KeyPair>),
    Hs256(hmac::Key),
}

impl Signer {
    /// After a token of the contestant.
    fn new(world: &World, sample: &str) -> Result<Self> {
        let mut parts = sample.split('.');
        let (Some(header), Some(claims)) = (parts.next(), parts.next()) else {
            anyhow::bail!("no token");
        };
        let fields: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        Ok(Self {
            header: header.to_owned(),
            claims: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?,
            key: match fields["alg"] == "HS256" {
                true => SigningKey::Hs256(hmac::Key::new(hmac::HMAC_SHA256, JWT_SECRET.as_bytes())),
                false => SigningKey::Ed25519(Arc::clone(&world.ed25519)),
            },
        })
    }

    /// The token of this number, which has a `jti` of its own and, where there are sessions, a session of its own.
    fn sign(&mut self, user: usize, number: usize) -> String {
        self.claims.insert("sub".to_owned(), user_id(user).into());
        self.claims
            .insert("jti".to_owned(), format!("{number:022}").into());
        if let Some(session) = self.claims.get_mut("sid") {
            *session = format!("01990000-0000-7000-8000-{number:012x}").into();
        }
        let claims = URL_SAFE_NO_PAD.encode(Value::from(self.claims.clone()).to_string());
        let message = format!("{}.{claims}", self.header);
        let signature = match &self.key {
            SigningKey::Ed25519(key) => URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())),
            SigningKey::Hs256(key) => URL_SAFE_NO_PAD.encode(hmac::sign(key, message.as_bytes())),
        };
        format!("{message}.{signature}")
    }
}

/// Who signs in, as one user after the other.
pub struct Login {
    kind: Kind,
    users: Users,
    user: usize,
    request: Vec<u8>,
    /// The last answer.
    pub answered: SignedIn,
}

impl Login {
    fn new(kind: Kind, users: Users) -> Self {
        Self {
            kind,
            users,
            user: 0,
            request: Vec::new(),
            answered: SignedIn::default(),
        }
    }

    /// As this user, once.
    pub fn once(kind: Kind, user: usize) -> Self {
        Self::new(kind, (user..user + 1).step_by(1))
    }

    /// As all users, together with so many others.
    pub fn all(kind: Kind, callers: usize) -> Vec<Self> {
        let one = |index| Self::new(kind, (index..usize::MAX).step_by(callers));
        (0..callers).map(one).collect()
    }
}

impl Caller for Login {
    fn request(&mut self) -> Option<&[u8]> {
        self.user = self.users.next()? % USERS;
        let input = json!({ "email": email(self.user), "password": PASSWORD });
        self.request = if self.kind.is_rest() {
            post("/login", None, &input.to_string())
        } else {
            let transport = if self.kind == Kind::Countersign {
                ", transport: BODY"
            } else {
                ""
            };
            let query = format!(
                "mutation($input: LoginInput!) {{ login(input: $input{transport}) {{ accessToken refreshToken }} }}"
            );
            let body = json!({ "query": query, "variables": { "input": input } });
            post("/graphql", None, &body.to_string())
        };
        Some(&self.request)
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        self.answered = SignedIn::read(self.user, body)?;
        Ok(())
    }
}

/// Who renews a session, each time with the token that the last answer brought.
pub struct Refresh {
    kind: Kind,
    who: SignedIn,
    /// Of the calls so far.
    count: u64,
    request: Vec<u8>,
}

impl Refresh {
    /// Of this session.
    pub fn new(kind: Kind, who: &SignedIn) -> Self {
        Self {
            kind,
            who: who.clone(),
            count: 0,
            request: Vec::new(),
        }
    }
}

impl Caller for Refresh {
    fn request(&mut self) -> Option<&[u8]> {
        self.count += 1;
        let token = &self.who.refresh;
        self.request = match self.kind {
            Kind::Countersign => {
                // With the key by which a client can repeat the call, as ours does.
                let query = "mutation($token: String!, $attempt: String!) { refresh(refreshToken: $token, attempt: $attempt) { accessToken refreshToken } }";
                let variables = json!({ "token": token, "attempt": format!("{:024}", self.count) });
                post(
                    "/graphql",
                    None,
                    &json!({ "query": query, "variables": variables }).to_string(),
                )
            }
            kind if kind.is_rest() => post(
                "/refresh",
                None,
                &json!({ "refreshToken": token }).to_string(),
            ),
            _ => {
                let query = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken } }";
                post(
                    "/graphql",
                    None,
                    &json!({ "query": query, "variables": { "token": token } }).to_string(),
                )
            }
        };
        Some(&self.request)
    }

    fn answer(&mut self, body: &str) -> Result<()> {
        let answered = SignedIn::read(self.who.user, body)?;
        ensure!(answered.refresh != self.who.refresh, "the same token again");
        self.who = answered;
        Ok(())
    }
}
