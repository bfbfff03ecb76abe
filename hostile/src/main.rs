//! `hostile <seed> <tokens>`: writes forged tokens and key sets with the server's verdict, one JSON text per line. The first
//! line has the keys and the rules.

use std::io::{BufWriter, Write as _, stdout};

use hostile::forge::Forger;
use hostile::verdict::{AUDIENCE, ISSUER, LEEWAY_SECONDS, NOW, Server};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, tokens] = &arguments[..] else {
        return Err("usage: hostile <seed> <tokens>".into());
    };
    let tokens: usize = tokens.parse()?;
    let mut forger = Forger::new(seed.parse()?);
    let jwks = forger.jwks();
    let server = Server::new(&serde_json::from_str(&jwks)?);
    let mut out = BufWriter::new(stdout().lock());
    let rules = json!({ "issuer": ISSUER, "audience": AUDIENCE, "now": NOW, "leewaySeconds": LEEWAY_SECONDS });
    writeln!(out, "{}", json!({ "jwks": jwks, "rules": rules }))?;
    for _ in 0..tokens {
        let forged = forger.token();
        let (verdict, _) = server.judge(&forged.token);
        let line = json!({ "changes": forged.changes, "token": forged.token, "verdict": verdict });
        writeln!(out, "{line}")?;
    }
    // The server reads no JWKS: those are for the other two.
    for _ in 0..tokens / 4 {
        let forged = forger.set();
        let line = json!({ "changes": forged.changes, "token": forged.token, "jwks": forged.jwks });
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}
