//! `countersign users list`.

use std::io::Write as _;

use clap::Args;

use super::as_json;
use crate::accounts::User;
use crate::app::App;
use crate::cli::output::{self, Output, enough};
use crate::values::Role;

/// How many accounts are read at once.
const PAGE: i64 = 500;

/// List accounts, newest first
///
/// All of them, a page at a time, so it may be cut short at any line. `--search` takes the beginning of an address or a name,
/// without case.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign users list --role ADMIN
  countersign users list --search ada
  countersign users list --json | jq -r 'select(.disabled).email'

Settings: COUNTERSIGN_DATABASE__URL, COUNTERSIGN_KEYS__SECRET.")]
pub(in crate::cli) struct ListArguments {
    /// Only this role: USER, MANAGER or ADMIN
    #[arg(long)]
    role: Option<Role>,
    /// Only addresses and names that begin so
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

pub(super) async fn run(
    arguments: &ListArguments,
    app: &App,
    output: Output,
) -> anyhow::Result<()> {
    let (search, role) = (arguments.search.as_deref(), arguments.role);
    let mut out = std::io::stdout();
    let (mut text, mut last) = (titles(output), None);
    loop {
        let page = app.accounts.list(search, role, last, PAGE).await?;
        text.extend(page.iter().map(|user| line(user, output)));
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        last = page.last().map(|user| user.id);
        if last.is_none() || written.is_err() {
            return enough(written);
        }
        text.clear();
    }
}

/// What stands above a table of accounts.
pub(super) fn titles(output: Output) -> String {
    match output {
        Output::Text => format!(
            "{:<36}  {:<7}  {:<8}  {:<20}  ADDRESS, NAME\n",
            "ID", "ROLE", "STATE", "CREATED"
        ),
        Output::Json => String::new(),
    }
}

/// An account and a line's end.
pub(super) fn line(user: &User, form: Output) -> String {
    if form == Output::Json {
        return format!("{}\n", as_json(user));
    }
    let state = if user.disabled { "disabled" } else { "" };
    let created = output::seconds(user.created_at);
    format!(
        "{}  {:<7}  {state:<8}  {created:<20}  {}, {}\n",
        user.id,
        user.role.as_str(),
        user.email.as_str(),
        user.name.as_str()
    )
}
