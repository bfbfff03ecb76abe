//! `countersign users list`.

use std::io::{ErrorKind, Write};

use clap::Args;
use jiff::Timestamp;

use crate::accounts::User;
use crate::app::App;
use crate::values::Role;

/// How many accounts are read at once.
const PAGE: i64 = 500;

/// Which accounts, and how they are shown.
#[derive(Args)]
pub(in crate::cli) struct ListArguments {
    /// Only this role: USER, MANAGER or ADMIN
    #[arg(long)]
    role: Option<Role>,
    /// Only addresses and names that begin so
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &ListArguments, app: &App) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    match write(arguments, app, &mut out).await {
        // Who reads, `head` for one, has enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        written => written,
    }
}

async fn write(arguments: &ListArguments, app: &App, out: &mut impl Write) -> anyhow::Result<()> {
    if !arguments.json {
        writeln!(
            out,
            "{:<36}  {:<7}  {:<8}  {:<20}  ADDRESS, NAME",
            "ID", "ROLE", "STATE", "CREATED"
        )?;
    }
    let (search, role) = (arguments.search.as_deref(), arguments.role);
    let mut last = None;
    loop {
        let page = app.accounts.list(search, role, last, PAGE).await?;
        for user in &page {
            write_user(arguments.json, user, out)?;
        }
        out.flush()?;
        match page.last() {
            Some(user) => last = Some(user.id),
            None => return Ok(()),
        }
    }
}

fn write_user(json: bool, user: &User, out: &mut impl Write) -> anyhow::Result<()> {
    let created = Timestamp::from_millisecond(user.created_at.0)?;
    let (email, name) = (user.email.as_str(), user.name.as_str());
    if json {
        let line = serde_json::json!({
            "id": user.id.to_string(), "email": email, "name": name, "role": user.role.as_str(),
            "createdAt": created.to_string(), "disabled": user.disabled,
        });
        writeln!(out, "{line}")?;
    } else {
        let state = if user.disabled { "disabled" } else { "" };
        writeln!(
            out,
            "{}  {:<7}  {state:<8}  {created:<20.0}  {email}, {name}",
            user.id,
            user.role.as_str()
        )?;
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
