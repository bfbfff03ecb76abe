//! All rows of a SQLite database into an empty PostgreSQL one: frozen first, compared last, and safe to run again between.
//!
//! Rows travel as JSON objects, which both databases make and PostgreSQL reads, so that a table's columns stand nowhere here.

use std::time::Duration;

use aws_lc_rs::digest;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::Text;
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _,
};

use super::backup::existing;
use super::marks::{self, Mark, TargetState};
use super::postgres::Server;
use super::schema::keys;
use super::sqlite::{self, Access, Sqlite};
use super::tables::{BATCH, NOT_COPIED, TABLES, Table};
use super::{DatabaseUrl, KeyRow, StorageError, migrate};
use crate::config::DatabaseSettings;
use crate::values::UnixMillis;

/// Keeps two copies from one target.
const ADVISORY_LOCK: i64 = 0x434f_5059;

/// Why a copy did not take place, or is not complete.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The two are not one SQLite and one PostgreSQL database.
    #[error("a copy goes from sqlite://… to postgres://…")]
    Kinds,
    /// It was moved to another database than this one.
    #[error("{0} was moved to {1}: to move it elsewhere, take that back with --cancel first")]
    MovedElsewhere(DatabaseUrl, String),
    /// There are rows in the target that no copy wrote.
    #[error("{0} holds {1} already: a copy needs an empty database")]
    NotEmpty(DatabaseUrl, &'static str),
    /// The source was frozen by another release, or the target was made by one.
    #[error(
        "the two databases have different schemas: use the release that began the copy, or take it back with --cancel and begin anew"
    )]
    Schemas,
    /// A table that this release does not know.
    #[error("the source has a table {0} that this release does not know: use the one that made it")]
    UnknownTable(String),
    /// Another copy has the target.
    #[error("another `countersign copy` into this database is running")]
    Running,
    /// The source took writes again before the target had all.
    #[error(
        "{0} was released with --cancel while it was copied, so the target stays closed to servers: run the command again, \
         which begins anew"
    )]
    Released(DatabaseUrl),
    /// The rows of the two databases are not the same.
    #[error(
        "{0} differs between the two databases, so the target stays closed to servers: run the command again, which begins anew"
    )]
    Differs(&'static str),
    /// A row is not what it should be.
    #[error("a row of {0} cannot be read: {1}")]
    Row(&'static str, serde_json::Error),
    /// A database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<DieselError> for CopyError {
    fn from(error: DieselError) -> Self {
        Self::Storage(error.into())
    }
}

impl From<diesel::ConnectionError> for CopyError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::Storage(error.into())
    }
}

/// What is being done to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPhase {
    /// Its rows are written to the target.
    Copying,
    /// Its rows are read from both and compared.
    Comparing,
}

/// Is told how far a copy has come.
pub trait CopyProgress: Send {
    /// A table's turn has come: `done` of its `rows` were dealt with by an earlier run.
    fn table(&mut self, phase: CopyPhase, name: &'static str, rows: u64, done: u64);
    /// So many more rows were dealt with.
    fn advance(&mut self, rows: u64);
}

/// How many rows a table has, and the SHA-256 over them, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How many.
    pub rows: u64,
    /// Over each row as a JSON object with a line's end behind it, in the order of the table's key.
    pub sha256: String,
}

impl Checksum {
    fn new(rows: u64, hash: digest::Context) -> Self {
        let hash = hash.finish();
        let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Self {
            rows,
            sha256: digits.collect(),
        }
    }
}

/// A table in both databases.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The table.
    pub table: &'static str,
    /// What the source has.
    pub source: Checksum,
    /// What the target has.
    pub target: Checksum,
}

/// A row on its way.
#[derive(QueryableByName)]
struct Line {
    /// Its key as text, whatever it is in the table.
    #[diesel(sql_type = Text)]
    key: String,
    /// Its columns as a JSON object.
    #[diesel(sql_type = Text)]
    line: String,
}

/// One text.
#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = Text)]
    text: String,
}

/// The texts that a query finds in its column `text`.
macro_rules! texts {
    ($conn:expr, $query:expr) => {
        diesel::sql_query($query)
            .load::<One>($conn)
            .await
            .map(|rows| rows.into_iter().map(|row| row.text).collect::<Vec<_>>())
    };
}

/// How many rows of `$table` there are.
macro_rules! count {
    ($conn:expr, $table:expr) => {{
        let query = format!("SELECT CAST(count(*) AS text) AS text FROM {}", $table);
        let count = texts!($conn, query)?;
        count.concat().parse::<u64>().unwrap_or_default()
    }};
}

/// The next rows of a table, and moves `$cursor` behind them.
macro_rules! next_batch {
    ($conn:expr, $query:expr, $cursor:expr) => {{
        let query = diesel::sql_query($query).bind::<Text, _>($cursor.clone());
        let batch: Vec<Line> = query.load($conn).await?;
        if let Some(last) = batch.last() {
            $cursor.clone_from(&last.key);
        }
        batch
    }};
}

/// Reads all rows of a table in the order of its key, a batch at a time.
macro_rules! checksum {
    ($conn:expr, $table:expr, $query:expr, $progress:expr) => {{
        let (mut rows, mut hash) = (0, digest::Context::new(&digest::SHA256));
        let mut cursor = $table.first_key();
        loop {
            let batch = next_batch!($conn, &$query, cursor);
            for line in &batch {
                hash.update(canonical($table, &line.line)?.as_bytes());
            }
            rows += batch.len() as u64;
            $progress.advance(batch.len() as u64);
            if batch.len() < BATCH {
                break Checksum::new(rows, hash);
            }
        }
    }};
}

/// A row in the one spelling that it has: the databases differ in spaces and escapes.
fn canonical(table: Table, line: &str) -> Result<String, CopyError> {
    let row: serde_json::Value =
        serde_json::from_str(line).map_err(|error| CopyError::Row(table.name, error))?;
    Ok(format!("{row}\n"))
}

/// A copy, from its first look at the two databases on.
pub struct DatabaseCopy {
    source: Sqlite,
    target: AsyncPgConnection,
    from: DatabaseUrl,
    to: DatabaseUrl,
    /// What names this copy: in the source's mark, if an earlier run has frozen it, or a new one.
    id: String,
    is_frozen: bool,
    now: UnixMillis,
}

impl DatabaseCopy {
    /// Looks at both databases and brings their schemas up to date; `None` when this copy is complete already.
    ///
    /// Servers notice nothing of it. `copy_id` has to be a new one, and names this copy unless an earlier run had begun it; `now`
    /// is the time for the marks.
    ///
    /// # Errors
    /// [`CopyError`], whose text says what to do.
    pub async fn prepare(
        from: &DatabaseSettings,
        to: &DatabaseSettings,
        copy_id: String,
        now: UnixMillis,
    ) -> Result<Option<Self>, CopyError> {
        let (DatabaseUrl::Sqlite(path), DatabaseUrl::Postgres(url)) = (&from.url, &to.url) else {
            return Err(CopyError::Kinds);
        };
        let mut source = sqlite::connect(existing(path)?, Access::Write).await?;
        let moved = marks::moved(&mut source).await?;
        if let Some(mark) = moved
            .as_ref()
            .filter(|mark| mark.other != to.url.to_string())
        {
            return Err(CopyError::MovedElsewhere(
                from.url.clone(),
                mark.other.clone(),
            ));
        }
        let mut target = connect(url, to).await?;
        if moved.is_none() {
            migrate::prepare(from).await?;
        }
        migrate::prepare(to).await?;
        let versions = "SELECT version AS text FROM __diesel_schema_migrations ORDER BY version";
        if texts!(&mut source, versions)? != texts!(&mut target, versions)? {
            return Err(CopyError::Schemas);
        }
        for table in marks::tables(&mut source).await? {
            let is_known = TABLES.iter().any(|known| known.name == table);
            if !is_known && !NOT_COPIED.contains(&table.as_str()) {
                return Err(CopyError::UnknownTable(table));
            }
        }
        match (marks::target_state(&mut target).await?, &moved) {
            (TargetState::Finished(id), Some(mark)) if mark.copy_id == id => return Ok(None),
            (TargetState::Unfinished(_), _) => {}
            _ => refuse_rows(&mut target, &to.url).await?,
        }
        Ok(Some(Self {
            source,
            target,
            from: from.url.clone(),
            to: to.url.clone(),
            is_frozen: moved.is_some(),
            id: moved.map_or(copy_id, |mark| mark.copy_id),
            now,
        }))
    }

    /// The keys in the source, as they are.
    ///
    /// # Errors
    /// [`CopyError::Storage`] when they cannot be read.
    pub async fn keys(&mut self) -> Result<Vec<KeyRow>, CopyError> {
        let all = keys::table.select(KeyRow::as_select());
        Ok(all.load(&mut self.source).await?)
    }

    /// Keeps servers from the target, and then refuses every write to the source; whether an earlier run is gone on with.
    ///
    /// # Errors
    /// [`CopyError`] when the target was used, or the source moved elsewhere, since the first look at them.
    pub async fn freeze(&mut self) -> Result<bool, CopyError> {
        // In this order a run that is killed in between has done nothing to the source.
        let is_resumed = self.claim().await?;
        // One that an earlier run froze is not frozen again under the same id: whoever released it may have written to it.
        if !self.is_frozen {
            let mark = Mark::moving(self.id.clone(), &self.to, self.now);
            let found = marks::freeze(&mut self.source, mark).await?;
            if found.copy_id != self.id {
                return Err(CopyError::MovedElsewhere(self.from.clone(), found.other));
            }
        }
        Ok(is_resumed)
    }

    /// Marks the target and empties it, unless it is this copy's already; whether it is.
    async fn claim(&mut self) -> Result<bool, CopyError> {
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let names = names.join(", ");
        let mark = Mark::unfinished(&self.id, &self.from, self.now);
        let to = &self.to;
        self.target
            .transaction(async |conn| {
                let lock = format!("LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE");
                conn.batch_execute(&lock).await?;
                match marks::target_state(conn).await? {
                    TargetState::Unfinished(id) if id == mark.copy_id => return Ok(true),
                    // What another copy left here is of no use: its source was written to since, or was another one.
                    TargetState::Unfinished(_) => {}
                    _ => refuse_rows(conn, to).await?,
                }
                conn.batch_execute(&format!("TRUNCATE {names}")).await?;
                marks::begin(conn, mark.clone()).await?;
                Ok(false)
            })
            .await
    }

    /// Writes the source's rows into the target, those behind the last that an earlier run wrote.
    ///
    /// # Errors
    /// [`CopyError::Storage`] when a database did not do its part: a next run goes on from there.
    pub async fn copy(&mut self, progress: &mut dyn CopyProgress) -> Result<(), CopyError> {
        for table in TABLES {
            if table.is_replaced {
                self.replace(table, progress).await?;
            } else {
                self.append(table, progress).await?;
            }
        }
        Ok(())
    }

    async fn replace(
        &mut self,
        table: Table,
        progress: &mut dyn CopyProgress,
    ) -> Result<(), CopyError> {
        let source = &mut self.source;
        let rows = count!(source, table.name);
        progress.table(CopyPhase::Copying, table.name, rows, 0);
        let columns = columns(source, table).await?;
        let query = table.batch_query(&columns, "json_object");
        self.target
            .transaction(async |conn| {
                diesel::sql_query(format!("DELETE FROM {}", table.name))
                    .execute(conn)
                    .await?;
                let mut cursor = table.first_key();
                loop {
                    let batch = next_batch!(source, &query, cursor);
                    insert(conn, table, &columns, &batch).await?;
                    progress.advance(batch.len() as u64);
                    if batch.len() < BATCH {
                        return Ok(());
                    }
                }
            })
            .await
    }

    async fn append(
        &mut self,
        table: Table,
        progress: &mut dyn CopyProgress,
    ) -> Result<(), CopyError> {
        let rows = count!(&mut self.source, table.name);
        let done = count!(&mut self.target, table.name);
        progress.table(CopyPhase::Copying, table.name, rows, done);
        let columns = columns(&mut self.source, table).await?;
        let query = table.batch_query(&columns, "json_object");
        let last = format!(
            "SELECT coalesce(max({}), '') AS text FROM {}",
            table.key, table.name
        );
        let mut cursor = texts!(&mut self.target, last)?.concat();
        loop {
            let batch = next_batch!(&mut self.source, &query, cursor);
            insert(&mut self.target, table, &columns, &batch).await?;
            progress.advance(batch.len() as u64);
            if batch.len() < BATCH {
                return Ok(());
            }
        }
    }

    /// Reads all rows of both databases again and compares them. Servers may use the target when all are the same; when some
    /// are not, the next run begins anew.
    ///
    /// # Errors
    /// [`CopyError::Released`] when the source was; [`CopyError::Storage`] when a database did not do its part.
    pub async fn compare(
        &mut self,
        progress: &mut dyn CopyProgress,
    ) -> Result<Vec<Compared>, CopyError> {
        let mut all = Vec::new();
        for table in TABLES {
            let columns = columns(&mut self.source, table).await?;
            let rows = count!(&mut self.source, table.name) + count!(&mut self.target, table.name);
            progress.table(CopyPhase::Comparing, table.name, rows, 0);
            let query = table.batch_query(&columns, "json_object");
            let source = checksum!(&mut self.source, table, query, progress);
            let query = table.batch_query(&columns, "json_build_object");
            let target = checksum!(&mut self.target, table, query, progress);
            all.push(Compared {
                table: table.name,
                source,
                target,
            });
        }
        if all.iter().any(|table| table.source != table.target) {
            marks::distrust(&mut self.target).await?;
        } else if !marks::finish(&mut self.source, &mut self.target, &self.id).await? {
            marks::distrust(&mut self.target).await?;
            return Err(CopyError::Released(self.from.clone()));
        }
        Ok(all)
    }
}

/// Lets writes into a SQLite database again that was marked as moved; the mark, or `None` when there was none.
///
/// # Errors
/// [`CopyError::Kinds`] when it is no SQLite database, [`CopyError::Storage`] when it cannot be written.
pub async fn cancel_copy(from: &DatabaseUrl) -> Result<Option<Mark>, CopyError> {
    let DatabaseUrl::Sqlite(path) = from else {
        return Err(CopyError::Kinds);
    };
    let mut source = sqlite::connect(existing(path)?, Access::Write).await?;
    Ok(marks::unfreeze(&mut source).await?)
}

/// A connection to the target that is this copy's alone, whatever limits the server's have.
async fn connect(url: &str, settings: &DatabaseSettings) -> Result<AsyncPgConnection, CopyError> {
    // Past a pooler, which would give a lock that outlives its transaction to somebody else.
    let direct = DatabaseSettings {
        is_pooled: false,
        ..settings.clone()
    };
    let url = settings.migrations_url.as_deref().unwrap_or(url);
    let mut target = Server::new(url, &direct)?
        .connect_with(Duration::ZERO)
        .await?;
    // An earlier run that was killed in the middle of a statement gives the lock back when that ends.
    let limits = "SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '10s'";
    target.batch_execute(limits).await?;
    let locked = target
        .batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        .await;
    match locked {
        Err(DieselError::DatabaseError(_, info)) if info.message().contains("lock timeout") => {
            Err(CopyError::Running)
        }
        other => {
            other?;
            Ok(target)
        }
    }
}

/// Refuses a target that a server has used.
async fn refuse_rows(target: &mut AsyncPgConnection, to: &DatabaseUrl) -> Result<(), CopyError> {
    // The two longest lives have a row from the beginning.
    for Table { name, .. } in TABLES
        .into_iter()
        .filter(|table| !table.name.starts_with("longest"))
    {
        let any = format!("SELECT 'a row' AS text FROM {name} LIMIT 1");
        if !texts!(target, any)?.is_empty() {
            return Err(CopyError::NotEmpty(to.clone(), name));
        }
    }
    Ok(())
}

/// The columns that are copied: all but a number that the target makes itself.
async fn columns(source: &mut Sqlite, table: Table) -> Result<Vec<String>, CopyError> {
    let query = format!(
        "SELECT name AS text FROM pragma_table_info('{}') ORDER BY cid",
        table.name
    );
    let mut columns = texts!(source, query)?;
    columns.retain(|column| column != "seq");
    Ok(columns)
}

async fn insert(
    target: &mut AsyncPgConnection,
    table: Table,
    columns: &[String],
    batch: &[Line],
) -> Result<(), CopyError> {
    if batch.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = batch.iter().map(|line| line.line.as_str()).collect();
    let (name, columns) = (table.name, columns.join(", "));
    let insert = format!(
        "INSERT INTO {name} ({columns}) \
         SELECT {columns} FROM json_populate_recordset(NULL::{name}, CAST($1 AS json))"
    );
    diesel::sql_query(insert)
        .bind::<Text, _>(format!("[{}]", lines.join(",")))
        .execute(target)
        .await?;
    Ok(())
}
