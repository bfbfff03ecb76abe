//! Documents that were parsed and weighed before: applications send the same few again and again.

use std::mem::size_of;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql::{Positioned, Request, ServerError};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::limits::read_document;
use crate::config::GraphqlSettings;

/// What all remembered documents take at most, as they are weighed here.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// How many there are then, of the usual length.
const USUAL_NUMBER: usize = 256;
/// Longer ones are not remembered: applications have few of them, and a stranger could push out what is used.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// The documents that came by and are within the limits, by their text.
pub struct Documents {
    known: Cache<String, Arc<ExecutableDocument>, Bytes>,
    settings: GraphqlSettings,
}

/// Weighs a document as if it were nothing but fields of one letter each.
#[derive(Clone)]
struct Bytes;

impl Weighter<String, Arc<ExecutableDocument>> for Bytes {
    fn weight(&self, text: &String, _: &Arc<ExecutableDocument>) -> u64 {
        (text.len() * size_of::<Positioned<Selection>>() / 2) as u64
    }
}

impl Documents {
    /// Knows none yet; what is new has to be within the limits and `settings`.
    pub fn new(settings: &GraphqlSettings) -> Self {
        Self {
            known: Cache::with_weighter(USUAL_NUMBER, MAX_BYTES, Bytes),
            settings: settings.clone(),
        }
    }

    /// Gives the request its document, parsed and within the limits.
    ///
    /// # Errors
    /// As [`read_document`].
    pub fn admit(&self, request: &mut Request) -> Result<(), ServerError> {
        if let Some(known) = self.known.get(&request.query) {
            request.set_parsed_query(ExecutableDocument::clone(&known));
            return Ok(());
        }
        let document = read_document(&request.query, &self.settings)?;
        if request.query.len() <= MAX_TEXT_BYTES {
            let known = Arc::new(document.clone());
            self.known.insert(request.query.clone(), known);
        }
        request.set_parsed_query(document);
        Ok(())
    }
}
