//! The tables that `copy` writes, and the statements that read them.

/// How many rows go in one statement.
pub(super) const BATCH: usize = 1000;

/// A table, and the unique column in whose order it is copied and compared.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    key_is_number: bool,
    /// Whether each run writes it anew, in one transaction. The others only grow, and a run goes on behind their last row.
    pub(super) is_replaced: bool,
}

const fn replaced(name: &'static str, key: &'static str, key_is_number: bool) -> Table {
    Table {
        name,
        key,
        key_is_number,
        is_replaced: true,
    }
}

const fn grown(name: &'static str) -> Table {
    Table {
        name,
        key: "id",
        key_is_number: false,
        is_replaced: false,
    }
}

/// In the order in which they are copied: users before their sessions.
pub(super) const TABLES: [Table; 8] = [
    replaced("longest_access_ttl", "id", true),
    replaced("longest_refresh_ttl", "id", true),
    replaced("keys", "id", false),
    grown("users"),
    replaced("recoveries", "user_id", false),
    grown("sessions"),
    grown("auth_events"),
    replaced("revocations", "seq", true),
];

/// What the migrations write themselves, and what is forgotten within a day.
pub(super) const NOT_COPIED: [&str; 3] = ["__diesel_schema_migrations", "locks", "throttle"];

impl Table {
    /// Sorts before every key.
    pub(super) fn first_key(self) -> String {
        if self.key_is_number { "-1" } else { "" }.to_owned()
    }

    /// The statement that reads the rows behind a key. `make_object` is the database's function for a JSON object.
    pub(super) fn batch_query(self, columns: &[String], make_object: &str) -> String {
        let Self { name, key, .. } = self;
        let after = if self.key_is_number {
            "CAST($1 AS bigint)"
        } else {
            "$1"
        };
        let members: Vec<_> = columns
            .iter()
            .map(|column| format!("'{column}', {column}"))
            .collect();
        format!(
            "SELECT CAST({key} AS text) AS key, CAST({make_object}({}) AS text) AS line FROM {name} \
             WHERE {key} > {after} ORDER BY {name}.{key} LIMIT {BATCH}",
            members.join(", ")
        )
    }
}
