//! Databases full of users who are signed in, made by SQL and quicker than they could register.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use countersign::accounts::NewAccount;
use countersign::app::App;
use countersign::clock::node_time;
use countersign::config::{Flags, Settings, Variables};
use countersign::storage::{Storage, UserRow};
use countersign::values::{Email, Peer, Role, Secret, SessionId, Transport};
use diesel::sql_types::Text;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// Everybody's.
pub const PASSWORD: &str = "plum tractor ninety seven";
const ADMINISTRATOR: &str = "ada@example.com";
/// So old are the oldest rows, in milliseconds.
const AGE: i64 = 86_400_000;

/// One of the users.
pub struct Person {
    /// Where the user signs in.
    pub email: String,
    /// An access token that was signed just now.
    pub access: String,
    /// The refresh token of the same session that is good now.
    pub refresh: String,
}

/// A database with many users, each with three sessions.
pub struct People {
    settings: Variables,
    /// How many there are, the administrator aside.
    pub count: u64,
    /// When they were made, in milliseconds since 1970.
    now: i64,
}

impl People {
    /// Fills the empty database at `url`. Settings are the defaults of production, but for these `COUNTERSIGN_…`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn make(url: &str, count: u64, settings: &[(&str, &str)]) -> Result<Self> {
        let mut people = Self {
            settings: Variables::new(),
            count,
            now: node_time().0,
        };
        for (name, value) in [
            ("PROFILE", "production"),
            ("HTTP__PUBLIC_URL", "https://auth.example.com"),
            ("TOKENS__ISSUER", "https://auth.example.com"),
            ("KEYS__SECRET", "a secret of a benchmark, nothing else"),
            ("HTTP__TRUSTED_PROXIES", "127.0.0.1"),
            ("DATABASE__URL", url),
        ]
        .iter()
        .chain(settings)
        {
            people
                .settings
                .insert(format!("COUNTERSIGN_{name}").into(), value.into());
        }
        let hash = people.with_app(async |app| {
            let administrator = NewAccount {
                email: ADMINISTRATOR.to_owned(),
                name: "Ada".to_owned(),
                password: Secret::new(PASSWORD),
                role: Role::Admin,
            };
            app.accounts.create(administrator).await?;
            Ok(administrator_of(&app.storage).await?.password_hash)
        })?;
        let fill = |rows: &str| {
            rows.replace("@users@", &count.to_string())
                .replace("@now@", &people.now.to_string())
                .replace("@hash@", &hash)
        };
        match url.strip_prefix("sqlite://") {
            Some(path) => fill_sqlite(path, &fill(include_str!("../rows/sqlite.sql")))?,
            None => {
                let rows = fill(include_str!("../rows/postgres.sql"));
                Runtime::new()?.block_on(fill_postgres(url, &rows))?;
            }
        }
        Ok(people)
    }

    /// The server's program for this database.
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.env_clear().envs(&self.settings);
        command
    }

    /// Serves this database at an address.
    pub fn serve(&self, binary: &Path, address: SocketAddr) -> Command {
        let mut command = self.command(binary);
        command.env("COUNTERSIGN_HTTP__LISTEN", address.to_string());
        command
    }

    /// Some of them, of whom none has been heard of lately: those of `sessions`, which count from 1.
    ///
    /// # Errors
    /// When there are fewer, or the database cannot be read.
    pub fn some(&self, sessions: impl Iterator<Item = u64>) -> Result<Vec<Person>> {
        self.with_app(async |app| {
            let mut some = Vec::new();
            for number in sessions {
                let id = SessionId::parse(&self.id(number)).context("an id is none")?;
                let found = app.storage.find_session(&id).await?;
                let (session, user) = found.context("a session is missing")?;
                let email = user.email.as_str().to_owned();
                let now = node_time();
                let grant = app.sessions.grant(user, &session, now, now)?;
                some.push(Person {
                    email,
                    access: grant.access.token.expose().to_owned(),
                    refresh: grant.refresh_token.expose().to_owned(),
                });
            }
            Ok(some)
        })
    }

    /// An access token of the administrator.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn administrator(&self) -> Result<String> {
        self.with_app(async |app| {
            let user = administrator_of(&app.storage).await?;
            let session = app
                .sessions
                .draft(user.id, Transport::Body, &Peer::default());
            let now = node_time();
            let grant = app.sessions.grant(user, &session, now, now)?;
            Ok(grant.access.token.expose().to_owned())
        })
    }

    /// The id that the row of this number has in each of the tables.
    pub fn id(&self, number: u64) -> String {
        let at = self.now.unsigned_abs() - AGE.unsigned_abs() + number;
        format!(
            "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
            at >> 16,
            at & 0xffff,
            number % 4096,
            number / 4096,
            number * 2_654_435_761 % (1 << 48),
        )
    }

    /// Runs what needs the server's insides; nothing of them is left afterwards.
    fn with_app<T>(&self, work: impl AsyncFnOnce(&App) -> Result<T>) -> Result<T> {
        let settings = Settings::load_from(&Flags::default(), &self.settings)?;
        Runtime::new()?.block_on(async {
            let app = App::start(settings).await?;
            work(&app).await
        })
    }
}

async fn administrator_of(storage: &Storage) -> Result<UserRow> {
    let email = Email::parse(ADMINISTRATOR).context("no address")?;
    let found = storage.find_user_by_email(&email).await?;
    found.context("there is no administrator")
}

/// An index that is made again when the rows are there, which is quicker than row by row.
#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

fn fill_sqlite(path: &str, rows: &str) -> Result<()> {
    use diesel::connection::SimpleConnection as _;
    let mut conn = SqliteConnection::establish(path)?;
    conn.batch_execute(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -262144;",
    )?;
    let indexes: Vec<Index> = diesel::sql_query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL \
         AND tbl_name IN ('users', 'sessions', 'auth_events')",
    )
    .load(&mut conn)?;
    for index in &indexes {
        conn.batch_execute(&format!("DROP INDEX {}", index.name))?;
    }
    conn.batch_execute(&format!("BEGIN; {rows} COMMIT;"))?;
    for index in &indexes {
        conn.batch_execute(&index.sql)?;
    }
    Ok(())
}

async fn fill_postgres(url: &str, rows: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    // Foreign keys are not looked at row by row.
    client
        .batch_execute(
            "SET synchronous_commit = off; SET session_replication_role = replica; SET maintenance_work_mem = '256MB';",
        )
        .await?;
    let indexes = client
        .query(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('users', 'sessions', 'auth_events') \
             AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            &[],
        )
        .await?;
    for index in &indexes {
        let name: &str = index.get(0);
        client.batch_execute(&format!("DROP INDEX {name}")).await?;
    }
    client.batch_execute(rows).await?;
    for index in &indexes {
        client.batch_execute(index.get(1)).await?;
    }
    for table in ["users", "sessions", "auth_events"] {
        client
            .batch_execute(&format!("VACUUM ANALYZE {table}"))
            .await?;
    }
    Ok(client.batch_execute("CHECKPOINT").await?)
}
