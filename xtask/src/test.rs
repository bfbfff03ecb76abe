//! `cargo xtask test`: every check and test, on a developer's machine as in CI.

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    chaos, demo, deny, fuzz, logs, npm,
    postgres::Postgres,
    project::Project,
    steps::{Step, Steps},
    tidy,
    tools::{self, TestTools},
};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these; without any, all in this order.
    #[arg(value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// rustfmt, Biome, and the absences that `cargo xtask tidy` holds.
    Format,
    /// The npm package: WASM core, JavaScript, types.
    Package,
    /// Clippy.
    Clippy,
    /// Licences, bans and sources of the Rust dependencies.
    Licences,
    /// Rust tests, on SQLite and on a throwaway PostgreSQL; then a look for secrets in all that their servers logged.
    Rust,
    /// The short form of the fault suite: three nodes, a load balancer, PostgreSQL, and what breaks.
    Chaos,
    /// The types of all TypeScript.
    Types,
    /// The tests in Node, of the npm package and of the examples for Node, against the real server.
    Client,
    /// The npm package as it is published: its files and types, bundlers, runtimes, and an app outside of the checkout.
    Packed,
    /// The browser tests, in Chromium against the real server.
    Browser,
    /// The pages inside of the binary, as a release has them.
    Pages,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Format => "format and absences",
            Self::Package => "npm package @countersign/client",
            Self::Clippy => "clippy",
            Self::Licences => "licences and sources",
            Self::Rust => "Rust tests",
            Self::Chaos => "fault suite, short form",
            Self::Types => "TypeScript types",
            Self::Client => "Node tests",
            Self::Packed => "packed npm package",
            Self::Browser => "browser tests",
            Self::Pages => "pages inside of the binary",
        }
    }

    fn run(self, project: &Project, step: &Step, tools: &TestTools) -> Result<()> {
        let run = |program, arguments| step.run(project.command(program, arguments));
        match self {
            Self::Format => {
                run("cargo", "fmt --all --check")?;
                tidy::run(project)?;
                run("npx", "--no-install biome ci")
            }
            Self::Package => npm::build(project, step),
            Self::Clippy => run("cargo", "clippy --workspace --all-targets -- -D warnings"),
            Self::Licences => deny::check(project, step),
            Self::Rust => {
                let postgres = Postgres::start(&tools.postgres)?;
                let mut tests = project.command("cargo", "test --workspace");
                tests.env("COUNTERSIGN_TEST_POSTGRES_URL", postgres.url());
                let log = logs::Log::prepare(project)?;
                tests.env(logs::VARIABLE, log.path());
                step.run(tests)?;
                log.check(step)
            }
            Self::Chaos if !chaos::RUNS_HERE => {
                step.note("left out: the fault suite is for Linux");
                Ok(())
            }
            Self::Chaos => {
                build_server(project, step)?;
                step.run(chaos::short(project))
            }
            Self::Types => {
                npm::build(project, step)?;
                run("npm", "run check --workspaces --if-present")
            }
            Self::Client => {
                npm::build(project, step)?;
                build_server(project, step)?;
                for workspace in [
                    "wasm-client/npm",
                    "examples/node-service",
                    "examples/node-script",
                ] {
                    let mut tests = project.command("npm", &format!("test -w {workspace}"));
                    tests.env("COUNTERSIGN_BIN", project.server("debug"));
                    tests.env("COUNTERSIGN_FORGER", fuzz::forger(project));
                    step.run(tests)?;
                }
                Ok(())
            }
            Self::Packed => {
                npm::build(project, step)?;
                build_server(project, step)?;
                let mut tests = project.command("npm", "run test:packed -w wasm-client/npm");
                tests.env("COUNTERSIGN_BIN", project.server("debug"));
                tests.env("CHROMIUM_PATH", &tools.chromium);
                step.run(tests)
            }
            Self::Browser => {
                npm::build(project, step)?;
                demo::build_pages(project, step)?;
                run("npm", "run build -w examples/web")?;
                build_server(project, step)?;
                let mut tests = project.command("npm", "--silent test -w web-demo");
                tests.env("COUNTERSIGN_BIN", project.server("debug"));
                tests.env("CHROMIUM_PATH", &tools.chromium);
                step.run(tests)
            }
            Self::Pages => {
                npm::build(project, step)?;
                demo::build_pages(project, step)?;
                // Of the whole workspace, whose dependencies are built already with these features.
                let tests =
                    "test --workspace --features server/embedded-pages --test it -- pages::";
                run("cargo", tests)
            }
        }
    }
}

/// The binary as the Rust tests build it: with their features, so that nothing is compiled twice.
fn build_server(project: &Project, step: &Step) -> Result<()> {
    step.run(project.command("cargo", "test --workspace --no-run"))
}

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    let chosen = |part: &Part| options.only.is_empty() || options.only.contains(part);
    let parts: Vec<Part> = Part::value_variants()
        .iter()
        .copied()
        .filter(chosen)
        .collect();
    steps.expect(2 + parts.len());
    let result = run_parts(project, &mut steps, &parts);
    steps.summary();
    result
}

fn run_parts(project: &Project, steps: &mut Steps, parts: &[Part]) -> Result<()> {
    let tools = steps.step("tools", |step| {
        tools::require_lint_tools(project, step)?;
        TestTools::require(project, step)
    })?;
    steps.step("npm packages", |step| npm::install(project, step))?;
    for part in parts {
        steps.step(part.title(), |step| part.run(project, step, &tools))?;
    }
    Ok(())
}
