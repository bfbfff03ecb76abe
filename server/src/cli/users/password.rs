//! Where a password comes from: never from an argument, which others on the machine could see.

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use clap::Args;

use crate::cli::failure::refused;
use crate::clock::random;
use crate::values::Secret;

/// Where the password comes from. Without either, it is asked for at a terminal, and read from standard input elsewhere.
#[derive(Args)]
#[group(multiple = false)]
pub(in crate::cli) struct PasswordArguments {
    /// Read the password from standard input, up to its first line's end, also at a terminal
    #[arg(long)]
    password_stdin: bool,
    /// Make a password and print it, once
    #[arg(long)]
    generate: bool,
}

impl PasswordArguments {
    /// The password, and once more where it has to be shown.
    pub(super) fn read(&self) -> anyhow::Result<(Secret, Option<Secret>)> {
        if self.generate {
            let password = generate();
            return Ok((password.clone(), Some(password)));
        }
        let password = if self.password_stdin || !std::io::stdin().is_terminal() {
            read_line()?
        } else {
            ask()?
        };
        Ok((password, None))
    }
}

fn read_line() -> anyhow::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .context("the password cannot be read from standard input")?;
    let line = text.lines().next().unwrap_or_default();
    match line {
        "" => Err(refused("standard input holds no password").into()),
        line => Ok(Secret::new(line)),
    }
}

fn ask() -> anyhow::Result<Secret> {
    let ask = |question| rpassword::prompt_password(question).map(Secret::new);
    let password = ask("Password: ")?;
    if password != ask("The same again: ")? {
        return Err(refused("nothing was done: the two are not the same").into());
    }
    Ok(password)
}

/// 125 random bits, in groups that can be read out and typed.
fn generate() -> Secret {
    /// Without i, l, o and u (Crockford's Base32).
    const LETTERS: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";
    let bits = u128::from_be_bytes(random(&SystemRandom::new()));
    let letter = |place: u32| char::from(LETTERS[(bits >> (5 * place)) as usize % LETTERS.len()]);
    let groups: Vec<String> = (0..5)
        .map(|group| (0..5).map(|place| letter(5 * group + place)).collect())
        .collect();
    Secret::new(groups.join("-"))
}
