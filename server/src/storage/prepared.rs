//! Statements that are prepared once for each connection.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement whose text is one of few, so that a connection keeps it. Of updates, upserts and `IN` Diesel cannot know that, and
/// prepares them anew each time, which takes longer than to run them.
pub(super) struct Prepared<T>(pub(super) T);

impl<T> QueryId for Prepared<T> {
    type QueryId = ();
    /// It is found by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: Query> Query for Prepared<T> {
    type SqlType = T::SqlType;
}

impl<DB: Backend, T: QueryFragment<DB>> QueryFragment<DB> for Prepared<T> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}
