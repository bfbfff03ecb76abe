//! The table `marks`: what keeps servers from a database, and every process from writing to one that is being moved.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;

use super::postgres::Server;
use super::schema::marks;
use super::sqlite::{self, Access, Sqlite};
use super::{DatabaseUrl, StorageError};
use crate::config::DatabaseSettings;
use crate::values::UnixMillis;

/// In the source of a copy.
const MOVING: &str = "MOVING";
/// In the target, until all of it is there.
const UNFINISHED: &str = "COPY_UNFINISHED";
/// In the target, for good.
const FINISHED: &str = "COPY_FINISHED";

/// What SQLite answers to every write once the database is marked.
pub(super) const MOVING_TEXT: &str = "this database is being moved to another one";

/// What was done to a database, when, and which other one has to do with it.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = marks)]
pub struct Mark {
    name: String,
    /// The same in both databases of a copy.
    pub(super) copy_id: String,
    /// The other database, without its password.
    pub other: String,
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    at: UnixMillis,
}

impl Mark {
    /// A mark for the source of a copy to `other`.
    pub(super) fn moving(copy_id: String, other: &DatabaseUrl, at: UnixMillis) -> Self {
        Self {
            name: MOVING.to_owned(),
            copy_id,
            other: other.to_string(),
            at,
        }
    }

    /// A mark for the target of a copy from `other`.
    pub(super) fn unfinished(copy_id: &str, other: &DatabaseUrl, at: UnixMillis) -> Self {
        Self {
            name: UNFINISHED.to_owned(),
            ..Self::moving(copy_id.to_owned(), other, at)
        }
    }

    /// When it was made: RFC 3339, in whole seconds.
    pub fn time(&self) -> String {
        Timestamp::from_second(self.at.as_secs())
            .map_or_else(|_| "-".to_owned(), |at| at.to_string())
    }

    /// Why no server may use the database at `url`, where this mark says so.
    fn refusal(&self, url: &DatabaseUrl) -> Option<StorageError> {
        let (other, time) = (&self.other, self.time());
        match self.name.as_str() {
            MOVING => Some(StorageError::Marked(format!(
                "{url} was moved to {other} at {time} and takes no writes since: use that one. To use this one again, \
                 without what was written to the other since: `countersign copy --from {url} --cancel`"
            ))),
            UNFINISHED => Some(StorageError::Marked(format!(
                "the copy from {other} to {url} that was begun at {time} is not finished: run the same \
                 `countersign copy` again, which goes on where it was"
            ))),
            _ => None,
        }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The statements that find out whether there is a table of marks; an older schema has none.
const SQLITE_HAS_MARKS: &str = "SELECT count(*) AS count FROM sqlite_schema WHERE name = 'marks'";
const POSTGRES_HAS_MARKS: &str =
    "SELECT count(*) AS count FROM pg_class WHERE oid = to_regclass('marks')";

/// The marks of a database, however old its schema.
macro_rules! marks {
    ($conn:expr, $has_marks:expr) => {{
        let tables: Count = diesel::sql_query($has_marks).get_result($conn).await?;
        match tables.count {
            0 => Vec::new(),
            _ => {
                let all = marks::table.select(Mark::as_select());
                all.load::<Mark>($conn).await?
            }
        }
    }};
}

/// Refuses a database that was moved away, or that a copy into is not finished.
///
/// Before anything is written to it: also the migrations of a newer release.
///
/// # Errors
/// [`StorageError::Marked`], whose text says what to do.
pub(super) async fn refuse(settings: &DatabaseSettings) -> Result<(), StorageError> {
    let found = match &settings.url {
        // SQLite would make it, for everybody to read.
        DatabaseUrl::Sqlite(path) if !path.exists() => Vec::new(),
        DatabaseUrl::Sqlite(path) => {
            let mut conn: Sqlite =
                sqlite::connect(&path.display().to_string(), Access::Read).await?;
            marks!(&mut conn, SQLITE_HAS_MARKS)
        }
        DatabaseUrl::Postgres(url) => {
            let server = Server::new(url, settings)?;
            let mut conn = server.connect().await?;
            server.begin_single(&mut conn).await?;
            let found = marks!(&mut conn, POSTGRES_HAS_MARKS);
            server.end_single(&mut conn).await?;
            found
        }
    };
    let refusal = found.iter().find_map(|mark| mark.refusal(&settings.url));
    refusal.map_or(Ok(()), Err)
}

/// The mark of a database that was moved away.
pub(super) async fn moved(conn: &mut Sqlite) -> QueryResult<Option<Mark>> {
    let found = marks!(conn, SQLITE_HAS_MARKS);
    Ok(found.into_iter().find(|mark| mark.name == MOVING))
}

/// Marks the source of a copy and refuses every write from now on, by whichever process; the mark that it has then.
///
/// Triggers do it, so that it costs nothing before and needs no look at the mark after.
pub(super) async fn freeze(conn: &mut Sqlite, mark: Mark) -> Result<Mark, StorageError> {
    conn.immediate_transaction(async |conn| {
        if let Some(earlier) = moved(conn).await? {
            return Ok(earlier);
        }
        diesel::insert_into(marks::table)
            .values(mark.clone())
            .execute(conn)
            .await?;
        for table in tables(conn).await? {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let trigger = format!(
                    "CREATE TRIGGER moving_{table}_{event} BEFORE {event} ON {table} \
                     BEGIN SELECT RAISE(ABORT, '{MOVING_TEXT}'); END"
                );
                diesel::sql_query(trigger).execute(conn).await?;
            }
        }
        Ok(mark)
    })
    .await
}

/// Lets writes in again; the mark that was removed.
pub(super) async fn unfreeze(conn: &mut Sqlite) -> Result<Option<Mark>, StorageError> {
    conn.immediate_transaction(async |conn| {
        let Some(mark) = moved(conn).await? else {
            return Ok(None);
        };
        for trigger in names(
            conn,
            "type = 'trigger' AND name LIKE 'moving\\_%' ESCAPE '\\'",
        )
        .await?
        {
            diesel::sql_query(format!("DROP TRIGGER {trigger}"))
                .execute(conn)
                .await?;
        }
        diesel::delete(marks::table.find(MOVING))
            .execute(conn)
            .await?;
        Ok(Some(mark))
    })
    .await
}

/// Every table whose rows are ours or Diesel's, but for the marks themselves.
pub(super) async fn tables(conn: &mut Sqlite) -> QueryResult<Vec<String>> {
    names(
        conn,
        "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'marks'",
    )
    .await
}

#[derive(QueryableByName)]
struct SchemaName {
    #[diesel(sql_type = Text)]
    name: String,
}

async fn names(conn: &mut Sqlite, which: &str) -> QueryResult<Vec<String>> {
    let query = format!("SELECT name FROM sqlite_schema WHERE {which} ORDER BY name");
    let found: Vec<SchemaName> = diesel::sql_query(query).load(conn).await?;
    Ok(found.into_iter().map(|row| row.name).collect())
}

/// What the marks say of a target.
pub(super) enum TargetState {
    /// It has none.
    Unmarked,
    /// The copy with this id is not finished.
    Unfinished(String),
    /// The copy with this id is complete.
    Finished(String),
}

/// What the marks say of the target of a copy.
pub(super) async fn target_state(conn: &mut AsyncPgConnection) -> QueryResult<TargetState> {
    let names = marks::table.filter(marks::name.eq_any([UNFINISHED, FINISHED]));
    let mark: Option<Mark> = names
        .select(Mark::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(match mark {
        None => TargetState::Unmarked,
        Some(mark) if mark.name == FINISHED => TargetState::Finished(mark.copy_id),
        Some(mark) => TargetState::Unfinished(mark.copy_id),
    })
}

/// Keeps servers from the target until the copy is complete.
pub(super) async fn begin(conn: &mut AsyncPgConnection, mark: Mark) -> QueryResult<()> {
    diesel::delete(marks::table).execute(conn).await?;
    let inserted = diesel::insert_into(marks::table).values(mark);
    inserted.execute(conn).await.map(|_| ())
}

/// Lets servers use the target if the source was never released since copy `id` froze it; whether it was not.
///
/// Whoever would release the source waits meanwhile, as SQLite has one writer.
pub(super) async fn finish(
    source: &mut Sqlite,
    target: &mut AsyncPgConnection,
    id: &str,
) -> QueryResult<bool> {
    source
        .immediate_transaction(async |source| {
            // No id ever freezes a database twice.
            let is_frozen = moved(source).await?.is_some_and(|mark| mark.copy_id == id);
            if is_frozen {
                diesel::update(marks::table.find(UNFINISHED))
                    .set(marks::name.eq(FINISHED))
                    .execute(target)
                    .await?;
            }
            Ok(is_frozen)
        })
        .await
}

/// Has the next copy begin anew instead of going on from what is in the target.
pub(super) async fn distrust(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let changed = diesel::update(marks::table.find(UNFINISHED)).set(marks::copy_id.eq(""));
    changed.execute(conn).await.map(|_| ())
}
