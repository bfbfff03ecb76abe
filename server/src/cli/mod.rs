//! The command line.

mod backup;
mod copy;
mod keys;
mod passwords;
mod reload;
mod serve;
mod sessions;
mod users;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::config::{Flags, Settings};
use crate::graphql;
use crate::storage::Storage;

/// A GraphQL authentication server: register, login, refresh, logout and me, with tokens that verify without a lookup.
#[derive(Parser)]
#[command(name = "countersign", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Global {
    /// The configuration file [default: countersign.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME [default: sqlite://data/countersign.db]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The address to serve at [default: 127.0.0.1:4000]
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder of the built demo and GraphiQL [default: web-demo/dist]
    #[arg(long, global = true, value_name = "FOLDER")]
    assets: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API, and the demo and GraphiQL where they are built. What runs without a command
    Serve {
        /// Refuse to start on an outdated schema instead of bringing it up to date
        #[arg(long)]
        no_migrate: bool,
    },
    /// Bring the database's schema up to date and end
    Migrate,
    /// Print the GraphQL schema
    Schema,
    /// Read the configuration and name everything that is wrong with it
    CheckConfig,
    /// Write all of the SQLite database into a new file while servers run
    Backup(backup::BackupArguments),
    /// Move from SQLite to PostgreSQL: accounts, passwords, sessions, keys and the audit trail (docs/moving.md). When it was
    /// interrupted, run it again
    Copy(copy::CopyArguments),
    /// Manage the keys that sign
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Prepare the check against stolen passwords
    #[command(subcommand)]
    Passwords(passwords::PasswordsCommand),
    /// Manage sessions
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// Manage accounts
    #[command(subcommand)]
    Users(users::UsersCommand),
}

impl Global {
    fn flags(self) -> Flags {
        let mut values = BTreeMap::new();
        let given = [
            ("database.url", self.database_url, "--database-url"),
            ("http.listen", self.listen, "--listen"),
            ("http.assets", self.assets, "--assets"),
        ];
        for (key, value, flag) in given {
            if let Some(value) = value {
                values.insert(key, (value, flag));
            }
        }
        Flags {
            file: self.config,
            values,
        }
    }
}

/// Runs what the command line asks for: exit code 0 when it was done, 1 when it failed, 2 when it was not understood.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Asks, where somebody can answer, whether what `warning` says is meant.
fn is_confirmed(warning: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("{warning} Go on (yes)? ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// A dump of the memory would hold every secret that is read from now on.
fn forbid_dumps() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // Linux pipes dumps to a program whatever the limit is, where `core_pattern` says so.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

fn execute(cli: Cli) -> anyhow::Result<()> {
    forbid_dumps().context("core dumps cannot be switched off")?;
    let command = cli.command.unwrap_or(Command::Serve { no_migrate: false });
    let mut flags = cli.global.flags();
    match command {
        Command::Serve { no_migrate: true } => {
            flags.set("database.migrate", "false", "--no-migrate");
        }
        Command::Migrate => flags.set("database.migrate", "true", "migrate"),
        _ => {}
    }
    let settings = || Settings::load(&flags);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Serve { .. } => runtime.block_on(serve::serve(flags))?,
        Command::Migrate => {
            let database = settings()?.database;
            runtime.block_on(Storage::open(&database))?;
            println!("The schema of {} is up to date.", database.url);
        }
        Command::Schema => print!("{}", graphql::sdl()),
        Command::CheckConfig => {
            let Settings {
                profile,
                database,
                warnings,
                ..
            } = settings()?;
            println!(
                "The configuration is good: profile {profile}, database {}.",
                database.url
            );
            for warning in warnings {
                println!("Warning: {warning}");
            }
        }
        Command::Backup(arguments) => runtime.block_on(backup::run(arguments, &settings()?))?,
        Command::Copy(arguments) => runtime.block_on(copy::run(arguments, settings()?))?,
        Command::Sessions(command) => runtime.block_on(sessions::run(command, settings()?))?,
        Command::Keys(command) => runtime.block_on(keys::run(command, settings()?))?,
        Command::Passwords(command) => passwords::run(command)?,
        Command::Users(command) => runtime.block_on(users::run(command, settings()?))?,
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn no_memory_is_dumped_to_a_program_either() {
        super::forbid_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}

/// Writes a line to standard output, after what it tells of was done.
fn say(line: impl Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("it was done, but could not be written to standard output")
}
