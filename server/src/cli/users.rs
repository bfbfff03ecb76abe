//! `countersign users`.

mod import;
mod list;
mod password;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::{misspelt, not_found, refused};
use super::is_confirmed;
use super::output::{self, Output, print};
use crate::accounts::{AccountError, NewAccount, User};
use crate::app::App;
use crate::config::Settings;
use crate::storage::{Denied, StorageError};
use crate::values::{Email, Peer, Role, Secret, UserId};

/// Manage accounts
///
/// Beside running servers, which notice within a second. Who can run it is an administrator: guard the machine and the secret.
/// Each change is a line of the audit trail that names no actor. docs/users.md has the whole of it.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign users create --email ada@example.com --name Ada --role ADMIN
  countersign users list --role ADMIN
  countersign users recover --email ada@example.com

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_PASSWORDS__*.")]
pub(super) struct UsersArguments {
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Subcommand)]
enum UsersCommand {
    /// Make an account
    ///
    /// The way to the first administrator, and to accounts where registration is closed. The password is asked for, or read from
    /// standard input; it is never an argument, which others on the machine could see.
    #[command(after_long_help = "\
Examples:
  countersign users create --email ada@example.com --name Ada --role ADMIN
  countersign users create --email bob@example.com --name Bob --generate
  pass bob | countersign users create --email bob@example.com --name Bob

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_PASSWORDS__*.")]
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
    List(list::ListArguments),
    /// Show one account
    ///
    /// The same as a line of `users list`. Exit code 5 when there is none.
    #[command(after_long_help = "\
Examples:
  countersign users show --email ada@example.com
  countersign users show --email ada@example.com --json | jq -r .id

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    Show(Who),
    /// Give somebody another role, from their next request on
    ///
    /// Tokens that say the older role are stale at once: clients renew by themselves and have the new one. The last administrator
    /// who is enabled stays one.
    #[command(after_long_help = "\
Examples:
  countersign users set-role --email ada@example.com MANAGER

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    SetRole {
        #[command(flatten)]
        who: Who,
        /// USER, MANAGER or ADMIN
        role: Role,
    },
    /// Switch an account off, which ends all of its sessions
    ///
    /// Nothing is lost: `users enable` switches it on again. A recovery link that was made before is worthless.
    #[command(after_long_help = "\
Examples:
  countersign users disable --email mallory@example.com

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    Disable(Who),
    /// Switch an account on again
    ///
    /// Its user can sign in with the password from before. Sessions that were ended stay so.
    #[command(after_long_help = "\
Examples:
  countersign users enable --email ada@example.com

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    Enable(Who),
    /// Set somebody's password, which ends all of their sessions
    ///
    /// The password is asked for, or read from standard input, and is held to the same rules as a user's own. `users recover`
    /// lets its owner choose one instead.
    #[command(after_long_help = "\
Examples:
  countersign users set-password --email ada@example.com
  countersign users set-password --email ada@example.com --generate

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_PASSWORDS__*.")]
    SetPassword {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: password::PasswordArguments,
    },
    /// Print a link by which somebody who has lost their password sets a new one
    ///
    /// It is good once, for half an hour, and an older link is worthless from now on. Make sure first that it is the owner who
    /// asks: this is the way around their password. The link alone goes to standard output.
    #[command(after_long_help = "\
Examples:
  countersign users recover --email ada@example.com

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET, COUNTERSIGN_HTTP__PUBLIC_URL.")]
    Recover(Who),
    /// Delete an account with everything but the audit trail
    ///
    /// It asks first. There is no way back but a backup: `users disable` keeps the account. The last administrator stays.
    #[command(after_long_help = "\
Examples:
  countersign users delete --email mallory@example.com
  countersign users delete --id 0193b0c4-7f9a-7c3e-9d51-2f1c5a7b8e60 --yes

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
    Delete {
        #[command(flatten)]
        who: Who,
        /// Do not ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
    Import(import::ImportArguments),
}

/// Names one account.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Who {
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
                let email = Email::parse(&email)
                    .ok_or_else(|| misspelt("--email is not an e-mail address"))?;
                app.accounts.find_by_email(&email).await?
            }
            (None, id) => match UserId::parse(&id.unwrap_or_default()) {
                Some(id) => app.accounts.find(&id).await?,
                None => None,
            },
        };
        Ok(found.ok_or_else(|| not_found("there is no such account"))?)
    }
}

pub(super) async fn run(
    arguments: UsersArguments,
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let app = App::start(settings).await?;
    let nowhere = Peer::default();
    match arguments.command {
        UsersCommand::Create {
            email,
            name,
            role,
            password,
        } => {
            let (password, generated) = password.read()?;
            let account = NewAccount {
                email,
                name,
                password,
                role,
            };
            let user = app.accounts.create(account).await?;
            let text = format!("{} {} {}", user.id, user.role.as_str(), user.email.as_str());
            say_password(&text, &user, generated.as_ref(), output)
        }
        UsersCommand::List(arguments) => list::run(&arguments, &app, output).await,
        UsersCommand::Show(who) => {
            let user = who.find(&app).await?;
            print(list::titles(output) + &list::line(&user, output))
        }
        UsersCommand::SetRole { who, role } => {
            let id = who.find(&app).await?.id;
            let changed = app.accounts.set_role(None, &id, role, &nowhere).await;
            let user = changed.map_err(explained)?;
            let text = format!("{} is {} now.", user.email.as_str(), user.role.as_str());
            output.say(text, &as_json(&user))
        }
        UsersCommand::Disable(who) => set_disabled(&app, who, true, output).await,
        UsersCommand::Enable(who) => set_disabled(&app, who, false, output).await,
        UsersCommand::SetPassword { who, password } => {
            let user = who.find(&app).await?;
            let (password, generated) = password.read()?;
            app.accounts.set_password(&user.id, &password).await?;
            let email = user.email.as_str();
            let text = format!("{email} has a new password and is signed out everywhere.");
            say_password(&text, &user, generated.as_ref(), output)
        }
        UsersCommand::Recover(who) => recover(&app, who, output).await,
        UsersCommand::Delete { who, yes } => {
            let user = who.find(&app).await?;
            let question = format!(
                "This deletes the account of {} <{}>.",
                user.name.as_str(),
                user.email.as_str()
            );
            if !yes && !is_confirmed(&question)? {
                return Err(refused("nothing was done: say --yes, or yes when asked").into());
            }
            let deleted = app.accounts.delete(None, &user.id, &nowhere).await;
            deleted.map_err(explained)?;
            let text = format!("{} is deleted.", user.email.as_str());
            output.say(text, &as_json(&user))
        }
        UsersCommand::Import(arguments) => import::run(arguments, &app, output).await,
    }
}

async fn set_disabled(app: &App, who: Who, disabled: bool, output: Output) -> anyhow::Result<()> {
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
    output.say(
        format_args!("{} is {state}.", user.email.as_str()),
        &as_json(&user),
    )
}

/// The link alone goes to standard output, and what there is to say about it to standard error.
async fn recover(app: &App, who: Who, output: Output) -> anyhow::Result<()> {
    let user = who.find(app).await?;
    let link = app.accounts.make_recovery_link(&user.id).await?;
    // Behind a '#' it reaches no server, no log and no Referer.
    let page = app.settings.http.public_url.join("/recover")?;
    let address = format!("{page}#token={}", link.token.expose());
    let mut json = as_json(&user);
    json["link"] = address.as_str().into();
    json["expiresAt"] = output::time(link.expires_at).into();
    output.say(&address, &json)?;
    output.remark(format_args!(
        "Whoever opens this link sets the password of {} <{}>. Give it to nobody else, over a way that nobody else reads. It is \
         good once, until {} UTC.",
        user.name.as_str(),
        user.email.as_str(),
        Timestamp::from_millisecond(link.expires_at.0)?.strftime("%H:%M")
    ));
    if user.disabled {
        output.remark(
            "The account is disabled, and stays so: `countersign users enable` switches it on.",
        );
    }
    Ok(())
}

/// An account, as every command writes it.
fn as_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email.as_str(),
        "name": user.name.as_str(),
        "role": user.role.as_str(),
        "createdAt": output::time(user.created_at),
        "disabled": user.disabled,
    })
}

/// Says what was done, and the password where nobody else knows it.
fn say_password(
    text: &str,
    user: &User,
    generated: Option<&Secret>,
    output: Output,
) -> anyhow::Result<()> {
    let mut json = as_json(user);
    let Some(password) = generated else {
        return output.say(text, &json);
    };
    let password = password.expose();
    json["password"] = password.into();
    output.say(
        format_args!("{text}\nThe password, shown this once: {password}"),
        &json,
    )
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
