//! A database of its own for each test, and statements past the server's back.

use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, QueryableByName};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use tempfile::TempDir;

/// A database that one test has to itself.
pub enum Database {
    /// A file in a folder that goes with the test.
    Sqlite(TempDir),
    /// A database on the PostgreSQL server of the test run.
    Postgres(String),
}

#[derive(QueryableByName)]
struct OneText {
    #[diesel(sql_type = Text)]
    text: String,
}

/// SQLite, and PostgreSQL at `COUNTERSIGN_TEST_POSTGRES_URL`.
pub async fn each_database() -> Vec<Database> {
    vec![Database::sqlite(), Database::postgres().await]
}

impl Database {
    /// A new SQLite file.
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A new database on the PostgreSQL server of the test run.
    pub async fn postgres() -> Self {
        let server = std::env::var("COUNTERSIGN_TEST_POSTGRES_URL").expect(
            "COUNTERSIGN_TEST_POSTGRES_URL names a PostgreSQL server where tests make databases; `cargo xtask test rust` starts one",
        );
        let name = format!("test_{}", uuid::Uuid::from_u128(rand_u128()).simple());
        let mut conn = AsyncPgConnection::establish(&server).await.unwrap();
        diesel::sql_query(format!("CREATE DATABASE {name}"))
            .execute(&mut conn)
            .await
            .unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self::Postgres(url.into())
    }

    /// What `--database-url` would be.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!(
                "sqlite://{}",
                folder.path().join("countersign.db").display()
            ),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// A connection to the SQLite file; `None` on PostgreSQL.
    pub fn sqlite_connection(&self) -> Option<SqliteConnection> {
        match self {
            Self::Sqlite(_) => {
                let path = self.url();
                let mut conn =
                    SqliteConnection::establish(path.trim_start_matches("sqlite://")).unwrap();
                let wait = diesel::sql_query("PRAGMA busy_timeout = 10000");
                diesel::RunQueryDsl::execute(wait, &mut conn).unwrap();
                Some(conn)
            }
            Self::Postgres(_) => None,
        }
    }

    /// Executes a statement past the server's back.
    pub async fn execute(&self, statement: &str) {
        match self {
            Self::Sqlite(_) => {
                let mut conn = self.sqlite_connection().unwrap();
                let statement = diesel::sql_query(statement.to_owned());
                // Where it may block: it may wait for the server to commit, which the test's own thread does.
                let work = move || diesel::RunQueryDsl::execute(statement, &mut conn);
                tokio::task::spawn_blocking(work).await.unwrap().unwrap();
            }
            Self::Postgres(url) => {
                let mut conn = AsyncPgConnection::establish(url).await.unwrap();
                diesel::sql_query(statement)
                    .execute(&mut conn)
                    .await
                    .unwrap();
            }
        }
    }

    /// The column `text` of a query's rows.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let rows: Vec<OneText> = match self {
            Self::Sqlite(_) => {
                let conn = &mut self.sqlite_connection().unwrap();
                diesel::RunQueryDsl::load(diesel::sql_query(query), conn).unwrap()
            }
            Self::Postgres(url) => {
                let mut conn = AsyncPgConnection::establish(url).await.unwrap();
                diesel::sql_query(query).load(&mut conn).await.unwrap()
            }
        };
        rows.into_iter().map(|row| row.text).collect()
    }

    /// Writes so many users into it, each with a session and a line of the audit trail, past the server's back.
    pub async fn fill(&self, people: u32) {
        let id = |kind: char| format!("'0190000{kind}-0000-7000-8000-' || (100000000000 + n)");
        let (user, session, event) = (id('0'), id('1'), id('2'));
        let numbers = format!(
            "WITH RECURSIVE numbers(n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {people})"
        );
        let now = countersign::clock::node_time().0;
        let end = now + 1_000_000_000;
        self.execute(&format!(
            "INSERT INTO users (id, email, name, name_key, role, password_hash, created_at) {numbers} \
             SELECT {user}, 'person' || n || '@example.com', 'Zoë \"\\\t🦀 ' || n, 'zoë', 'USER', 'none', {now} FROM numbers"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO sessions (id, user_id, transport, nonce, generation, rotated_at, rotated_before_at, created_at, \
             refresh_expires_at, expires_at) {numbers} \
             SELECT {session}, {user}, 'BODY', 'none', 1, {now}, {now}, {now}, {end}, {end} FROM numbers"
        ))
        .await;
        self.execute(&format!(
            "INSERT INTO auth_events (id, kind, at, user_id, user_agent) {numbers} \
             SELECT {event}, 'REGISTERED', {now}, {user}, 'agent ' || n FROM numbers"
        ))
        .await;
    }
}

fn rand_u128() -> u128 {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u128::from_be_bytes(bytes)
}
