//! Where results go: to standard output, as text for people or as JSON for programs.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::values::UnixMillis;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// For people.
    Text,
    /// One JSON object a line, as docs/command-line.md has it.
    Json,
}

impl Output {
    /// Writes a line after what it tells of was done, so it is a failure when nobody can read it.
    pub(super) fn say(self, text: impl Display, json: &Value) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let written = match self {
            Self::Text => writeln!(out, "{text}"),
            Self::Json => writeln!(out, "{json}"),
        };
        written
            .and_then(|()| out.flush())
            .context("it was done, but could not be written to standard output")
    }

    /// Writes what people are told beside the result: to standard error, and to people only.
    pub(super) fn remark(self, text: impl Display) {
        if self == Self::Text {
            eprintln!("{text}");
        }
    }
}

/// Writes what somebody wanted to read and nothing was done for.
pub(super) fn print(text: impl Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    enough(write!(out, "{text}").and_then(|()| out.flush()))
}

/// Who reads, `head` for one, may have enough before the end.
pub(super) fn enough(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written"),
    }
}

/// A time for people: RFC 3339 in whole seconds.
pub(super) fn seconds(at: UnixMillis) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MAX);
    format!("{at:.0}")
}

/// A time as the API writes it: RFC 3339 in UTC.
pub(super) fn time(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}
