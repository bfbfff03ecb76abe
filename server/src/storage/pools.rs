//! How busy the connections to the database are.

use deadpool::Status;

use super::{Backend, Storage};

impl Storage {
    /// The pools of connections by name, and how busy each is.
    pub fn pools(&self) -> Vec<(&'static str, Status)> {
        match &self.backend {
            Backend::Sqlite(embedded) => vec![
                ("writer", embedded.writer.status()),
                ("readers", embedded.readers.status()),
                ("lookups", embedded.lookups.status()),
            ],
            Backend::Postgres(served) => vec![("postgres", served.pool.status())],
        }
    }
}
