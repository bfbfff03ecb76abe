//! `countersign users`.

mod import;
mod list;
mod password;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{is_confirmed, say};
use crate::accounts::{AccountError, NewAccount, User};
use crate::app::App;
use crate::config::Settings;
use crate::storage::{Denied, StorageError};
use crate::values::{Email, Peer, Role, Secret, UserId};

/// What can be done to accounts from the command line, beside running servers, which notice within a second.
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
        #[command(flatten)]
        password: password::PasswordArguments,
    },
    /// List accounts, newest first
    List(list::ListArguments),
    /// Give somebody another role, from their next request on
    SetRole {
        #[command(flatten)]
        who: Who,
        /// USER, MANAGER or ADMIN
        role: Role,
    },
    /// Switch an account off, which ends all of its sessions
    Disable(Who),
    /// Switch an account on again
    Enable(Who),
    /// Set somebody's password, which ends all of their sessions
    SetPassword {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: password::PasswordArguments,
    },
    /// Print a link by which somebody who has lost their password sets a new one. It is good once, for half an hour, and an
    /// older link is worthless from now on
    Recover(Who),
    /// Delete an account with everything but the audit trail
    Delete {
        #[command(flatten)]
        who: Who,
        /// Do not ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
    /// Bring accounts from elsewhere, with the password hashes that they have there (docs/users.md). When it was interrupted,
    /// run it again
    Import(import::ImportArguments),
}

/// Names one account.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Who {
    /// The address of the account
    #[arg(long)]
    email: Option<String>,
    /// The id of the account
    #[arg(long)]
    id: Option<String>,
}

impl Who {
    async fn find(self, app: &App) -> anyhow::Result<User> {
        let found = match (self.email, self.id) {
            (Some(email), _) => {
                let email = Email::parse(&email).context("--email is not an e-mail address")?;
                app.accounts.find_by_email(&email).await?
            }
            (None, id) => match UserId::parse(&id.unwrap_or_default()) {
                Some(id) => app.accounts.find(&id).await?,
                None => None,
            },
        };
        found.context("there is no such account")
    }
}

pub(super) async fn run(command: UsersCommand, settings: Settings) -> anyhow::Result<()> {
    let app = App::start(settings).await?;
    let nowhere = Peer::default();
    match command {
        UsersCommand::Create {
            email,
            name,
            role,
            password,
        } => {
            let (password, shown) = password.read()?;
            let account = NewAccount {
                email,
                name,
                password,
                role,
            };
            let user = app.accounts.create(account).await?;
            say(format_args!(
                "{} {} {}",
                user.id,
                user.role.as_str(),
                user.email.as_str()
            ))?;
            say_password(shown.as_ref())?;
        }
        UsersCommand::List(arguments) => list::run(&arguments, &app).await?,
        UsersCommand::SetRole { who, role } => {
            let id = who.find(&app).await?.id;
            let changed = app.accounts.set_role(None, &id, role, &nowhere).await;
            let user = changed.map_err(explained)?;
            say(format_args!(
                "{} is {} now.",
                user.email.as_str(),
                user.role.as_str()
            ))?;
        }
        UsersCommand::Disable(who) => set_disabled(&app, who, true).await?,
        UsersCommand::Enable(who) => set_disabled(&app, who, false).await?,
        UsersCommand::SetPassword { who, password } => {
            let user = who.find(&app).await?;
            let (password, shown) = password.read()?;
            app.accounts.set_password(&user.id, &password).await?;
            say(format_args!(
                "{} has a new password and is signed out everywhere.",
                user.email.as_str()
            ))?;
            say_password(shown.as_ref())?;
        }
        UsersCommand::Recover(who) => recover(&app, who).await?,
        UsersCommand::Delete { who, yes } => {
            let user = who.find(&app).await?;
            let question = format!(
                "This deletes the account of {} <{}>.",
                user.name.as_str(),
                user.email.as_str()
            );
            ensure!(
                yes || is_confirmed(&question)?,
                "nothing was done: say --yes, or yes when asked"
            );
            let deleted = app.accounts.delete(None, &user.id, &nowhere).await;
            deleted.map_err(explained)?;
            say(format_args!("{} is deleted.", user.email.as_str()))?;
        }
        UsersCommand::Import(arguments) => import::run(arguments, &app).await?,
    }
    Ok(())
}

async fn set_disabled(app: &App, who: Who, disabled: bool) -> anyhow::Result<()> {
    let id = who.find(app).await?.id;
    let changed = app
        .accounts
        .set_disabled(None, &id, disabled, &Peer::default())
        .await;
    let user = changed.map_err(explained)?;
    let state = if disabled {
        "disabled and signed out everywhere"
    } else {
        "enabled"
    };
    say(format_args!("{} is {state}.", user.email.as_str()))
}

/// The link alone goes to standard output, and what there is to say about it to standard error.
async fn recover(app: &App, who: Who) -> anyhow::Result<()> {
    let user = who.find(app).await?;
    let link = app.accounts.make_recovery_link(&user.id).await?;
    // Behind a '#' it reaches no server, no log and no Referer.
    let page = app.settings.http.public_url.join("/recover")?;
    say(format_args!("{page}#token={}", link.token.expose()))?;
    eprintln!(
        "Whoever opens this link sets the password of {} <{}>. Give it to nobody else, over a way that nobody else reads. It is \
         good once, until {} UTC.",
        user.name.as_str(),
        user.email.as_str(),
        Timestamp::from_millisecond(link.expires_at.0)?.strftime("%H:%M")
    );
    if user.disabled {
        eprintln!(
            "The account is disabled, and stays so: `countersign users enable` switches it on."
        );
    }
    Ok(())
}

fn say_password(generated: Option<&Secret>) -> anyhow::Result<()> {
    generated.map_or(Ok(()), |password| {
        say(format_args!(
            "The password, shown this once: {}",
            password.expose()
        ))
    })
}

/// What an operator can do about it.
fn explained(error: AccountError) -> anyhow::Error {
    let is_last = matches!(
        error,
        AccountError::Storage(StorageError::Denied(Denied::LastAdministrator))
    );
    let error = anyhow::Error::from(error);
    match is_last {
        true => error.context("nothing was done: make another administrator first"),
        false => error,
    }
}
