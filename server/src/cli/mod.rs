//! The command line: one file for each command, `output.rs` for what they write and `failure.rs` for how they end.

mod backup;
mod check_config;
mod completions;
mod copy;
mod doctor;
mod failure;
mod keys;
mod manual;
mod migrate;
mod output;
mod passwords;
mod reload;
mod serve;
mod sessions;
mod users;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::config::{Flags, Settings};
use crate::graphql;
use failure::Kind;
use output::Output;

/// How long a look at something that hangs may outlive the command that gave it up.
const ABANDONED: Duration = Duration::from_millis(100);

const AFTER_HELP: &str = "\
Examples:
  countersign                      serve on SQLite, at http://localhost:4000
  countersign users create --email ada@example.com --name Ada --role ADMIN
  countersign check-config         would a start like this configuration?
  countersign doctor               what is wrong, and how to mend it
  countersign help keys rotate     what a command does, with examples

Settings come from countersign.toml, then from environment variables such as COUNTERSIGN_DATABASE__URL, then from flags; \
docs/configuration.md has them all. Commands need those that the servers have.

Exit codes:
  0  done
  1  failed; of doctor: something is wrong
  2  the command line was not understood
  3  a setting, a secret or a file that a setting names is wrong
  4  the database cannot be reached or written just now; it may be later
  5  there is no such account or key
  6  a rule forbids it: nothing was done

docs/command-line.md has what --json writes.";

/// A GraphQL authentication server: register, login, refresh, logout and me, with tokens that verify without a lookup.
///
/// Without a command it serves. The other commands work beside running servers, on the same database and with the same
/// configuration.
#[derive(Parser)]
#[command(
    name = "countersign",
    version,
    propagate_version = true,
    max_term_width = 80,
    after_long_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    global: Global,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
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
    /// The folder of the built demo and GraphiQL, or off [default: those in the binary, else web-demo/dist]
    #[arg(long, global = true, value_name = "FOLDER")]
    assets: Option<String>,
    /// Write results, and what went wrong, as JSON: one object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArguments),
    Migrate(migrate::MigrateArguments),
    Schema(SchemaArguments),
    CheckConfig(check_config::CheckConfigArguments),
    Doctor(doctor::DoctorArguments),
    Keys(keys::KeysArguments),
    Users(users::UsersArguments),
    Sessions(sessions::SessionsArguments),
    Passwords(passwords::PasswordsArguments),
    Backup(backup::BackupArguments),
    Copy(copy::CopyArguments),
    Completions(completions::CompletionsArguments),
    Man(manual::ManualArguments),
}

/// Print the GraphQL schema
///
/// In the schema definition language, with descriptions: what code generators and linters want. It is the same for every
/// configuration, and needs none.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign schema > schema.graphql

Settings: none. A running server shows its schema where COUNTERSIGN_GRAPHQL__INTROSPECTION is on.")]
struct SchemaArguments {}

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

/// Runs what the command line asks for; the exit code, as docs/command-line.md has them.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let output = if cli.global.json {
        Output::Json
    } else {
        Output::Text
    };
    execute(cli, output).unwrap_or_else(|error| failure::report(&error, output))
}

/// Prints the help that was asked for, or what is wrong with the command line.
fn not_understood(error: &clap::Error) -> ExitCode {
    // What cannot be parsed as a whole can still say this.
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() || !wants_json {
        error.exit();
    }
    let text = error.render().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let said = lines.first().copied().unwrap_or_default();
    let tip = lines.iter().find_map(|line| line.strip_prefix("tip: "));
    let hint = tip
        .unwrap_or("`countersign help` shows the commands, and `--help` behind one its arguments");
    let said = said.strip_prefix("error: ").unwrap_or(said);
    failure::tell(Kind::Usage, said, Some(hint), Output::Json);
    Kind::Usage.into()
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

fn execute(cli: Cli, output: Output) -> anyhow::Result<ExitCode> {
    forbid_dumps().context("core dumps cannot be switched off")?;
    let command = cli
        .command
        .unwrap_or_else(|| Command::Serve(serve::ServeArguments::default()));
    let mut flags = cli.global.flags();
    match command {
        Command::Serve(serve::ServeArguments { no_migrate: true }) => {
            flags.set("database.migrate", "false", "--no-migrate");
        }
        Command::Migrate(_) => flags.set("database.migrate", "true", "migrate"),
        _ => {}
    }
    let settings = || Settings::load(&flags);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Serve(_) => runtime.block_on(serve::serve(flags))?,
        Command::Migrate(_) => runtime.block_on(migrate::run(&settings()?, output))?,
        Command::Schema(_) => output::print(graphql::sdl())?,
        Command::CheckConfig(_) => return check_config::run(&settings(), output),
        Command::Doctor(_) => {
            let code = runtime.block_on(doctor::run(settings(), output));
            runtime.shutdown_timeout(ABANDONED);
            return code;
        }
        Command::Backup(arguments) => {
            runtime.block_on(backup::run(arguments, &settings()?, output))?;
        }
        Command::Copy(arguments) => runtime.block_on(copy::run(arguments, settings()?, output))?,
        Command::Sessions(arguments) => {
            runtime.block_on(sessions::run(arguments, settings()?, output))?;
        }
        Command::Keys(arguments) => runtime.block_on(keys::run(arguments, settings()?, output))?,
        Command::Passwords(arguments) => passwords::run(arguments, output)?,
        Command::Users(arguments) => {
            runtime.block_on(users::run(arguments, settings()?, output))?;
        }
        Command::Completions(arguments) => completions::run(&arguments)?,
        Command::Man(arguments) => manual::run(&arguments, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::Cli;
    use super::failure::Kind;

    const DOCUMENTATION: &str = include_str!("../../../docs/command-line.md");

    /// Every command with what it is called by, from the first on.
    fn commands() -> Vec<(String, Command)> {
        fn collect(path: &str, command: &Command, all: &mut Vec<(String, Command)>) {
            for inner in command
                .get_subcommands()
                .filter(|it| it.get_name() != "help")
            {
                collect(&format!("{path} {}", inner.get_name()), inner, all);
            }
            all.push((path.to_owned(), command.clone()));
        }
        let mut root = Cli::command();
        root.build();
        let mut all = Vec::new();
        collect("countersign", &root, &mut all);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    #[test]
    fn help_is_what_it_was() {
        let pages = commands().into_iter().map(|(path, mut command)| {
            format!("$ {path} --help\n{}\n", command.render_long_help())
        });
        insta::assert_snapshot!(pages.collect::<String>());
    }

    #[test]
    fn help_fits_80_columns() {
        for (path, mut command) in commands() {
            let page = command.render_long_help().to_string();
            // An example is one line, to be copied.
            let prose = page.lines().filter(|line| !line.starts_with("  "));
            for line in prose {
                assert!(line.chars().count() <= 80, "{path}: {line}");
            }
        }
    }

    #[test]
    fn examples_are_lines_that_fit_and_that_every_terminal_shows() {
        for (path, command) in commands() {
            let after = command.get_after_long_help().map(ToString::to_string);
            for line in after.unwrap_or_default().lines() {
                let fits = !line.starts_with("  ") || line.len() <= 80;
                assert!(fits && line.is_ascii(), "{path}: {line}");
            }
        }
    }

    #[test]
    fn every_command_says_what_it_is_for_with_examples_and_settings() {
        for (path, command) in commands() {
            assert!(command.get_long_about().is_some(), "{path}");
            let after = command.get_after_long_help().map(ToString::to_string);
            let after = after.unwrap_or_default();
            for part in ["Examples:\n  ", "countersign", "Settings"] {
                assert!(after.contains(part), "{path}: {part}");
            }
        }
    }

    #[test]
    fn every_command_flag_and_exit_code_is_documented() {
        for (path, command) in commands() {
            assert!(DOCUMENTATION.contains(&format!("`{path}")), "{path}");
            let flags = command.get_arguments().filter_map(|it| it.get_long());
            for flag in flags.filter(|flag| !matches!(*flag, "help" | "version")) {
                assert!(
                    DOCUMENTATION.contains(&format!("`--{flag}")),
                    "{path}: --{flag}"
                );
            }
        }
        for kind in [
            Kind::Failed,
            Kind::Usage,
            Kind::Configuration,
            Kind::Unavailable,
            Kind::NotFound,
            Kind::Refused,
        ] {
            let row = format!("| {} | `{}` |", kind as u8, kind.code());
            assert!(DOCUMENTATION.contains(&row), "{row}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn no_memory_is_dumped_to_a_program_either() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        super::forbid_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
