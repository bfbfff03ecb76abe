//! The database: whether it can be used, and whether it is as it should be.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use super::report::Finding;
use crate::clock::node_time;
use crate::config::{DatabaseSettings, Settings};
use crate::storage::{
    DatabaseUrl, Facts, Inspection, PostgresFacts, SchemaState, StorageError, damage, inspect,
};

/// The oldest PostgreSQL: 13 has `pg_current_xact_id`.
const OLDEST_POSTGRES: i64 = 130_000;
/// For the command line, backups and PostgreSQL's own reserve (docs/operations.md, "Sizing").
const SPARE_CONNECTIONS: i64 = 10;
/// Clocks that differ by more are seen as a jump.
const MOST_SKEW: Duration = Duration::from_secs(10);
/// How long the whole file may be read.
const READING_LIMIT: Duration = Duration::from_secs(10);

/// What was found, and whether a server of this release can use it as it is.
pub(super) async fn examine(settings: &Settings) -> (Vec<Finding>, bool) {
    let database = &settings.database;
    let file = match &database.url {
        DatabaseUrl::Sqlite(path) => Some(path),
        DatabaseUrl::Postgres(_) => None,
    };
    if let Some(path) = file
        && !path.exists()
    {
        return (vec![future_file(path)], false);
    }
    let mut findings: Vec<Finding> = file.map(|path| this_file(path)).into_iter().collect();
    match inspect(database).await {
        Err(error) => {
            findings.push(unusable(&error, database));
            (findings, false)
        }
        Ok(Inspection {
            schema: state,
            facts,
        }) => {
            findings.push(schema(&state, database));
            match facts {
                Facts::Sqlite(facts) => findings.push(journal(&facts.journal_mode)),
                Facts::Postgres(facts) => findings.extend(postgres(&facts, &state, database)),
            }
            if let Some(path) = file {
                findings.push(integrity(path).await);
            }
            (findings, state.pending.is_empty())
        }
    }
}

fn unusable(error: &StorageError, database: &DatabaseSettings) -> Finding {
    let hint = match error {
        // It says so itself.
        StorageError::Marked(_) => "use the database that it names, or do what it says".to_owned(),
        _ => match &database.url {
            DatabaseUrl::Sqlite(path) => format!(
                "{} has to be a database of ours that this user may read and write",
                path.display()
            ),
            DatabaseUrl::Postgres(_) => {
                "is it running, and does COUNTERSIGN_DATABASE__URL name its address, user, password and database?".to_owned()
            }
        },
    };
    Finding::fault("database", error.to_string(), hint)
}

/// A database that the first start makes: that it can is among what the configuration is looked at for.
fn future_file(path: &Path) -> Finding {
    let shown = path.display();
    Finding::ok(
        "database.file",
        format!("{shown} is not there yet: a start makes it"),
    )
}

/// The folder of a file, or the nearest one above it that is there.
pub(super) fn nearest_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1);
    let named = above.map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    named
        .into_iter()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

fn this_file(path: &Path) -> Finding {
    const CHECK: &str = "database.file";
    let shown = path.display();
    let folder = nearest_folder(path);
    // That the file itself can be written, the configuration was looked at for.
    if access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::fault(
            CHECK,
            format!(
                "this user may not write to {}, where SQLite keeps its log beside {shown}",
                folder.display()
            ),
            "run it as the server's user, and let that user own the folder",
        );
    }
    match path.metadata().map(|metadata| metadata.mode() & 0o077) {
        Ok(0) => Finding::ok(CHECK, format!("{shown} is this user's alone")),
        _ => Finding::warning(
            CHECK,
            format!("others on this machine may read {shown}, which holds password hashes"),
            format!("chmod 600 {shown}"),
        ),
    }
}

fn journal(mode: &str) -> Finding {
    const CHECK: &str = "database.journal";
    match mode {
        "wal" => Finding::ok(CHECK, "readers and the writer work side by side (WAL)"),
        _ => Finding::warning(
            CHECK,
            format!("the journal mode is {mode}, not wal"),
            "a start sets it; where it stays so, the file is on a network file system: use a local disk",
        ),
    }
}

async fn integrity(path: &Path) -> Finding {
    const CHECK: &str = "database.integrity";
    match tokio::time::timeout(READING_LIMIT, damage(path)).await {
        Ok(Ok(None)) => Finding::ok(CHECK, "the file is whole"),
        Ok(Ok(Some(fault))) => Finding::fault(
            CHECK,
            format!("the file is damaged: {fault}"),
            "stop the server, keep a copy of the file, and restore the last backup (docs/moving.md)",
        ),
        Ok(Err(error)) => Finding::fault(
            CHECK,
            error.to_string(),
            "keep a copy of the file, and restore the last backup (docs/moving.md)",
        ),
        Err(_) => Finding::ok(
            CHECK,
            format!("not read to its end within {READING_LIMIT:?}; no damage until there"),
        ),
    }
}

fn schema(state: &SchemaState, database: &DatabaseSettings) -> Finding {
    const CHECK: &str = "database.schema";
    let SchemaState { pending, unknown } = state;
    if !unknown.is_empty() {
        return Finding::warning(
            CHECK,
            format!("a newer release has changed it: {}", unknown.join(", ")),
            "use that release. The one before it may go on beside it, older ones may not (CHANGELOG.md)",
        );
    }
    match pending.len() {
        0 => Finding::ok(CHECK, "up to date"),
        count if database.migrates => Finding::warning(
            CHECK,
            format!("{count} changes are to be made"),
            "a start makes them, and so does `countersign migrate`",
        ),
        count => Finding::fault(
            CHECK,
            format!("{count} changes are to be made, and a start is not to make them"),
            "run `countersign migrate`",
        ),
    }
}

fn postgres(
    facts: &PostgresFacts,
    state: &SchemaState,
    database: &DatabaseSettings,
) -> Vec<Finding> {
    vec![
        version(facts),
        writable(facts),
        rights(facts, state, database),
        encryption(facts, &database.url),
        connections(facts, database),
        server_settings(facts),
        clock(facts),
    ]
}

fn version(facts: &PostgresFacts) -> Finding {
    const CHECK: &str = "database.version";
    let (major, minor) = (facts.version / 10_000, facts.version % 10_000);
    let text = format!("PostgreSQL {major}.{minor}");
    match facts.version {
        OLDEST_POSTGRES.. => Finding::ok(CHECK, text),
        _ => Finding::fault(CHECK, text, "13 or newer is needed"),
    }
}

fn writable(facts: &PostgresFacts) -> Finding {
    const CHECK: &str = "database.writable";
    match facts.is_read_only {
        false => Finding::ok(CHECK, "it takes writes"),
        true => Finding::fault(
            CHECK,
            "it takes no writes",
            "name the primary in COUNTERSIGN_DATABASE__URL; is default_transaction_read_only set?",
        ),
    }
}

fn rights(facts: &PostgresFacts, state: &SchemaState, database: &DatabaseSettings) -> Finding {
    const CHECK: &str = "database.rights";
    let migrates_itself = database.migrates && database.migrations_url.is_none();
    if !facts.missing_rights.is_empty() {
        return Finding::fault(
            CHECK,
            format!("our user lacks {}", facts.missing_rights),
            "run deploy/grants.sql as the owner",
        );
    }
    if !state.pending.is_empty() && migrates_itself && !facts.may_create {
        return Finding::fault(
            CHECK,
            "our user may not make tables, and some are missing",
            "run `countersign migrate` with COUNTERSIGN_DATABASE__MIGRATIONS_URL of the owner",
        );
    }
    match facts.is_superuser {
        false => Finding::ok(CHECK, "our user may do what it has to"),
        true => Finding::warning(
            CHECK,
            "our user is a superuser of PostgreSQL",
            "give nodes a user of their own (docs/operations.md, \"Users and what they may do\")",
        ),
    }
}

fn encryption(facts: &PostgresFacts, url: &DatabaseUrl) -> Finding {
    const CHECK: &str = "database.tls";
    match (facts.is_encrypted, url.is_local()) {
        (true, _) => Finding::ok(
            CHECK,
            "the connection is encrypted, its certificate checked",
        ),
        (false, true) => Finding::ok(CHECK, "no byte leaves this machine"),
        (false, false) => Finding::warning(
            CHECK,
            "passwords' hashes travel to another machine in the clear",
            "leave sslmode=disable out of COUNTERSIGN_DATABASE__URL, unless nobody else is in that network",
        ),
    }
}

fn connections(facts: &PostgresFacts, database: &DatabaseSettings) -> Finding {
    const CHECK: &str = "database.connections";
    let node = i64::try_from(database.connections).unwrap_or(i64::MAX) + 2;
    let room = facts.max_connections - facts.reserved_connections;
    let (most, clients) = (facts.max_connections, facts.clients);
    let text = format!("a node uses up to {node} of {most}; {clients} are in use");
    let hint = "raise max_connections, lower COUNTERSIGN_DATABASE__CONNECTIONS, or put a pooler in between (docs/operations.md)";
    match room {
        _ if database.is_pooled => Finding::ok(CHECK, text),
        room if room < node => Finding::fault(CHECK, text, hint),
        room if room < 2 * node + SPARE_CONNECTIONS => Finding::warning(
            CHECK,
            format!("{text}: an upgrade, with two nodes at once, would have too few"),
            hint,
        ),
        _ => Finding::ok(CHECK, text),
    }
}

fn server_settings(facts: &PostgresFacts) -> Finding {
    const CHECK: &str = "database.settings";
    let PostgresFacts {
        messages,
        encoding,
        unsafe_settings,
        ..
    } = facts;
    let is_english = |name: &str| {
        matches!(name, "" | "C" | "POSIX") || name.starts_with("en") || name.starts_with("C.")
    };
    if encoding != "UTF8" {
        return Finding::fault(
            CHECK,
            format!("the database's encoding is {encoding}"),
            "make it anew with ENCODING 'UTF8': names have all letters",
        );
    }
    if !unsafe_settings.is_empty() {
        return Finding::warning(
            CHECK,
            format!("{unsafe_settings}: a crash loses what was answered, or tables grow"),
            "set them to on, their default (docs/operations.md, \"Settings\")",
        );
    }
    match is_english(messages) {
        true => Finding::ok(CHECK, "as they should be"),
        false => Finding::warning(
            CHECK,
            format!("lc_messages is {messages}: faults that pass are known by their English text"),
            "ALTER SYSTEM SET lc_messages = 'C', and reload PostgreSQL",
        ),
    }
}

fn clock(facts: &PostgresFacts) -> Finding {
    const CHECK: &str = "clock.database";
    let apart = Duration::from_millis(node_time().0.abs_diff(facts.now().0));
    let shown = format!("{:.1} s apart from PostgreSQL's", apart.as_secs_f64());
    match apart > MOST_SKEW {
        false => Finding::ok(CHECK, shown),
        true => Finding::warning(
            CHECK,
            format!("this machine's clock is {shown}"),
            "let NTP set both. Servers keep PostgreSQL's time; logs, other services and browsers do not",
        ),
    }
}
