//! `countersign users`.

use std::io::Read as _;

use anyhow::{Context as _, ensure};
use clap::Subcommand;

use crate::accounts::NewAccount;
use crate::app::App;
use crate::config::Settings;
use crate::values::{Role, Secret};

/// What can be done to accounts from the command line.
#[derive(Subcommand)]
pub(super) enum UsersCommand {
    /// Make an account: the way to the first administrator, and to accounts where registration is closed
    Create {
        /// The address to sign in with
        #[arg(long)]
        email: String,
        /// What to call the user
        #[arg(long)]
        name: String,
        /// USER, MANAGER or ADMIN
        #[arg(long, default_value = "USER")]
        role: Role,
        /// Read the password from standard input, up to its first line's end. It is never an argument: others could see it
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

pub(super) async fn run(command: UsersCommand, settings: Settings) -> anyhow::Result<()> {
    let UsersCommand::Create {
        email,
        name,
        role,
        password_stdin: _,
    } = command;
    let password = read_password()?;
    let app = App::start(settings).await?;
    let user = app
        .accounts
        .create(NewAccount {
            email,
            name,
            password,
            role,
        })
        .await?;
    println!("{} {} {}", user.id, user.role.as_str(), user.email.as_str());
    Ok(())
}

fn read_password() -> anyhow::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .context("the password cannot be read from standard input")?;
    let line = text.lines().next().unwrap_or_default();
    ensure!(!line.is_empty(), "standard input holds no password");
    Ok(Secret::new(line))
}
