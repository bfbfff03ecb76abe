//! Documents that were parsed and weighed before: applications send the same few again and again.

use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    known: Cache<String, Arc<Document>, Bytes>,
    settings: GraphqlSettings,
}

/// A document that is within the limits, and whether it is known to fit the schema.
pub struct Document {
    parsed: ExecutableDocument,
    has_variables: bool,
    is_valid: AtomicBool,
}

impl Document {
    fn new(parsed: ExecutableDocument) -> Self {
        let mut operations = parsed.operations.iter();
        let has_variables =
            operations.any(|(_, operation)| !operation.node.variable_definitions.is_empty());
        Self {
            parsed,
            has_variables,
            is_valid: AtomicBool::new(false),
        }
    }

    /// Whether it was found valid, whatever is sent with it.
    pub(super) fn is_valid(&self) -> bool {
        self.is_valid.load(Ordering::Relaxed)
    }

    /// An operation of it gave data, so the whole of it was found valid. Variables may fit in one request and not in the next.
    pub(super) fn has_run(&self) {
        if !self.has_variables {
            self.is_valid.store(true, Ordering::Relaxed);
        }
    }
}

/// Weighs a document as if it were nothing but fields of one letter each.
#[derive(Clone)]
struct Bytes;

impl Weighter<String, Arc<Document>> for Bytes {
    fn weight(&self, text: &String, _: &Arc<Document>) -> u64 {
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
    pub fn admit(&self, request: &mut Request) -> Result<Arc<Document>, ServerError> {
        let document = match self.known.get(&request.query) {
            Some(known) => known,
            None => self.read(&request.query)?,
        };
        request.set_parsed_query(document.parsed.clone());
        Ok(document)
    }

    fn read(&self, text: &str) -> Result<Arc<Document>, ServerError> {
        let document = Arc::new(Document::new(read_document(text, &self.settings)?));
        // What has a text in it is seldom asked again, and the text may be a password.
        if text.len() <= MAX_TEXT_BYTES && !text.contains('"') {
            self.known.insert(text.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }
}
