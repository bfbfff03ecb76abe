//! Pages of long lists (Relay Cursor Connections Specification).

use async_graphql::Result;
use async_graphql::connection::PageInfo;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::error::{Denial, deny};

/// Which page of a list, ordered by ids, is wanted.
pub struct Page<Id> {
    size: usize,
    /// The id that stands before the page.
    pub after: Option<Id>,
}

/// A page's size; what is no size at all counts as none.
pub fn page_size(first: Option<i32>) -> usize {
    usize::try_from(first.unwrap_or(20)).unwrap_or_default()
}

/// The cursor of what has this id.
pub fn cursor(id: &impl ToString) -> String {
    BASE64URL.encode(id.to_string())
}

impl<Id: TryFrom<String>> Page<Id> {
    /// Reads a list's arguments `first` and `after`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` with `FIRST_INVALID` or `CURSOR_INVALID`.
    pub fn read(first: Option<i32>, after: Option<&str>) -> Result<Self> {
        let size = page_size(first);
        if !(1..=100).contains(&size) {
            return Err(deny(Denial::FirstInvalid));
        }
        let id = |cursor: &str| {
            let text = String::from_utf8(BASE64URL.decode(cursor).ok()?).ok()?;
            Id::try_from(text).ok()
        };
        let after = after.map(|cursor| id(cursor).ok_or_else(|| deny(Denial::CursorInvalid)));
        Ok(Self {
            size,
            after: after.transpose()?,
        })
    }

    /// How many items to read: one more than the page has tells whether there is another page.
    pub fn limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// The page's edges, and where it begins and ends, of what was read by [`Self::limit`].
    pub fn edges<Item, Edge>(
        &self,
        found: Vec<Item>,
        edge: impl Fn(Item) -> Edge,
        cursor: impl Fn(&Edge) -> &str,
    ) -> (Vec<Edge>, PageInfo) {
        let has_next_page = found.len() > self.size;
        let edges: Vec<Edge> = found.into_iter().take(self.size).map(edge).collect();
        let cursor = |edge: Option<&Edge>| edge.map(|edge| cursor(edge).to_owned());
        let page_info = PageInfo {
            has_previous_page: self.after.is_some(),
            has_next_page,
            start_cursor: cursor(edges.first()),
            end_cursor: cursor(edges.last()),
        };
        (edges, page_info)
    }
}
