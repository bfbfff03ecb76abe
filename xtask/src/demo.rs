//! `cargo xtask demo`: from a fresh clone to a page in the browser.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use ignore::{DirEntry, WalkBuilder};

use crate::{
    fresh::Stamp,
    npm,
    process::{self, Running},
    project::Project,
    steps::{Step, Steps},
};

/// Flags of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build the server optimised: slower to build, as fast as in production.
    #[arg(long)]
    release: bool,
    /// Port on 127.0.0.1 to serve at.
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// Another database than SQLite in the data folder: postgres://… or sqlite://…
    #[arg(long)]
    database_url: Option<String>,
    /// Folder of the SQLite database and its keys.
    #[arg(long, default_value = "data")]
    data: PathBuf,
}

/// E-mail address, name and role of each demo user.
const USERS: [[&str; 3]; 3] = [
    ["ada.admin@demo.example", "Ada Admin", "ADMIN"],
    ["max.manager@demo.example", "Max Manager", "MANAGER"],
    ["uma.user@demo.example", "Uma User", "USER"],
];

/// The command line's words for a user of an earlier demo. A test holds them to the server's.
const EMAIL_TAKEN: &str = "An account with this e-mail address exists already";

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    require_free_port(options.port)?;
    steps.expect(5);
    steps.step("npm packages", |step| npm::install(project, step))?;
    steps.step("npm package @countersign/client", |step| {
        npm::build(project, step)
    })?;
    steps.step("demo and GraphiQL pages", |step| build_pages(project, step))?;
    let profile = if options.release { "release" } else { "debug" };
    steps.step("server", |step| {
        build_server(project, step, options.release)
    })?;

    let data = project.root.join(&options.data);
    let database = options
        .database_url
        .clone()
        .unwrap_or_else(|| format!("sqlite://{}", data.join("countersign.db").display()));
    let server = || {
        let mut command = Command::new(project.server(profile));
        command
            .args(["--database-url", &database])
            .current_dir(&project.root);
        command
    };
    let passwords = steps.step("demo users", |_| create_users(server))?;
    serve(server(), project, options.port, || {
        print_welcome(options, &data, &passwords);
    })
}

/// Builds `web-demo/dist` when its sources or the npm package changed.
pub(crate) fn build_pages(project: &Project, step: &Step) -> Result<()> {
    let inputs = [
        npm::stamp_file(project),
        project.root.join("web-demo"),
        project.root.join("package-lock.json"),
    ];
    let stamp = Stamp::read(project, "web-demo", &inputs)?;
    let pages = project.root.join("web-demo/dist");
    if stamp.is_fresh(&[pages.join("index.html.gz")]) {
        return Ok(());
    }
    step.run(project.command("npm", "run build -w web-demo"))?;
    compress(&pages)?;
    stamp.write()
}

/// Puts each file beside itself as gzip: the server then need not compress it for each browser, and holds nothing else when it
/// has the pages inside.
fn compress(folder: &Path) -> Result<()> {
    let walk = WalkBuilder::new(folder).standard_filters(false).build();
    let entries = walk.collect::<Result<Vec<_>, _>>()?;
    let files = entries.into_iter().map(DirEntry::into_path);
    for path in files.filter(|path| path.is_file()) {
        let data = fs::read(&path)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&data)?;
        let mut name = path.into_os_string();
        name.push(".gz");
        fs::write(name, gzip.finish()?)?;
    }
    Ok(())
}

fn build_server(project: &Project, step: &Step, release: bool) -> Result<()> {
    let mut command = project.command("cargo", "build --package server --bin countersign");
    if release {
        command.arg("--release");
    }
    step.run(command)
}

/// `localhost` is both addresses to a browser, so both must be ours.
fn require_free_port(port: u16) -> Result<()> {
    let addresses: [SocketAddr; 2] = [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
    ];
    for address in addresses {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                "something already listens on {address} (another demo?): \
                 stop it, or choose another port with `cargo xtask demo --port {}`",
                port.saturating_add(1)
            ),
            Err(error) if address.is_ipv4() => {
                return Err(error).with_context(|| format!("cannot listen on {address}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The password of each user that did not exist yet.
fn create_users(server: impl Fn() -> Command) -> Result<Vec<Option<String>>> {
    USERS
        .iter()
        .map(|user| create_user(server(), user))
        .collect()
}

fn create_user(mut server: Command, [email, name, role]: &[&str; 3]) -> Result<Option<String>> {
    let password = random_password()?;
    server.args(["users", "create", "--password-stdin"]);
    server.args(["--email", email, "--name", name, "--role", role]);
    let mut child = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it reads: its own message says why.
        let _ = writeln!(stdin, "{password}");
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(Some(password)),
        false if said.contains(EMAIL_TAKEN) => Ok(None),
        false => bail!("cannot create {email}: {}", said.trim()),
    }
}

/// 100 random bits that are easy to copy: no look-alikes.
fn random_password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 20];
    getrandom::fill(&mut random)?;
    let letters = random.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let groups: Vec<String> = letters
        .chunks(5)
        .map(|group| group.iter().collect())
        .collect();
    Ok(groups.join("-"))
}

/// Serves until Ctrl-C; `ready` is called once the server answers.
fn serve(mut server: Command, project: &Project, port: u16, ready: impl FnOnce()) -> Result<()> {
    server.args(["--listen", &format!("127.0.0.1:{port}"), "serve"]);
    server.env(
        "COUNTERSIGN_HTTP__ASSETS",
        project.root.join("web-demo/dist"),
    );
    let mut running = Running::start(&mut server)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_ready(port) {
        if !running.alive()? {
            return running.wait("countersign serve");
        }
        if process::interrupted() || Instant::now() > deadline {
            bail!("the server did not become ready within a minute");
        }
        thread::sleep(Duration::from_millis(50));
    }
    ready();
    match running.wait("countersign serve") {
        Err(_) if process::interrupted() => {
            println!("\nStopped.");
            Ok(())
        }
        result => result,
    }
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(
            stream,
            "GET /readyz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn print_welcome(options: &Options, data: &Path, passwords: &[Option<String>]) {
    let address = format!("http://localhost:{}", options.port);
    println!("\nCountersign is ready.\n");
    println!("  demo      {address}");
    println!("  GraphiQL  {address}/graphiql");
    println!("  GraphQL   {address}/graphql");
    println!("  JWKS      {address}/.well-known/jwks.json\n");
    for ([email, _, role], password) in USERS.iter().zip(passwords) {
        let password = password.as_deref().unwrap_or("(printed when it was made)");
        println!("  {role:<8}  {email:<26}  {password}");
    }
    if passwords.iter().all(Option::is_some) {
        println!("\nThese passwords are shown only now. Ctrl-C stops the server.");
    } else {
        let database = match &options.database_url {
            Some(_) => "with an empty database".to_owned(),
            None => format!("by `rm -r {}`", data.display()),
        };
        println!(
            "\nPasswords are shown only once; start afresh {database}. Ctrl-C stops the server."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_random_and_long() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 23, "{one}");
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5; 4]);
    }

    #[test]
    fn the_server_speaks_of_a_taken_address_as_we_expect() {
        let errors = include_str!("../../server/src/accounts/error.rs");
        assert!(errors.contains(EMAIL_TAKEN));
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = require_free_port(port).unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
