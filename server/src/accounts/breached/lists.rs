//! Lists of breached passwords: the files of Have I Been Pwned, and plain words.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

use super::build::BuildError;
use super::{key_of, sha1};

/// One file of a list.
pub(super) struct List {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// The first five digits of every hash in it, which are the file's name instead of standing in its lines.
    prefix: Option<String>,
}

impl List {
    /// The files that `from` names: itself, or all in a folder. Those have to be named as the files of Have I Been Pwned are, so
    /// that a folder of something else is not taken for lists of words.
    pub(super) fn find(from: &Path) -> Result<Vec<Self>, BuildError> {
        let unreadable = |error| BuildError::Unreadable(from.to_owned(), error);
        if !from.is_dir() {
            return Ok(vec![Self::open(from.to_owned())?]);
        }
        let mut lists = Vec::new();
        for entry in from.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_file() {
                let list = Self::open(path)?;
                if list.prefix.is_none() {
                    return Err(BuildError::Stray(list.path));
                }
                lists.push(list);
            }
        }
        if lists.is_empty() {
            return Err(BuildError::Empty(from.to_owned()));
        }
        Ok(lists)
    }

    fn open(path: PathBuf) -> Result<Self, BuildError> {
        let bytes = path.metadata().map(|file| file.len());
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let prefix = stem.filter(|stem| stem.len() == 5 && is_hex(stem));
        Ok(Self {
            bytes: bytes.map_err(|error| BuildError::Unreadable(path.clone(), error))?,
            prefix: prefix.map(str::to_owned),
            path,
        })
    }

    /// Hands out the key of every password, and the bytes of the line that it stood in. What the lines were taken for; `None`
    /// where there is none.
    pub(super) fn read(
        &self,
        mut found: impl FnMut(u64, u64) -> Result<(), BuildError>,
    ) -> Result<Option<ListFormat>, BuildError> {
        let unreadable = |error| BuildError::Unreadable(self.path.clone(), error);
        let mut file =
            BufReader::with_capacity(1 << 20, File::open(&self.path).map_err(unreadable)?);
        let (mut line, mut number, mut format) = (Vec::new(), 0, None);
        while file.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            number += 1;
            let text = trim(&line, number);
            if !text.is_empty() {
                let format =
                    *format.get_or_insert_with(|| ListFormat::of(text, self.prefix.is_some()));
                let prefix = self.prefix.as_deref().unwrap_or_default();
                let key = match format {
                    ListFormat::Words => key_of_word(text).map(Some),
                    ListFormat::Hashes => key_of_hash("", text),
                    ListFormat::Suffixes => key_of_hash(prefix, text),
                };
                let key = key.map_err(|why| BuildError::Line(self.path.clone(), number, why))?;
                if let Some(key) = key {
                    found(key, line.len() as u64)?;
                }
            }
            line.clear();
        }
        Ok(format)
    }
}

/// What the lines of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// `SHA1` or `SHA1:count`.
    Hashes,
    /// `rest of the SHA1:count`.
    Suffixes,
    /// A password each.
    Words,
}

impl ListFormat {
    fn of(line: &[u8], is_range: bool) -> Self {
        let text = str::from_utf8(line).unwrap_or_default();
        let (hash, _) = text.split_once(':').unwrap_or((text, ""));
        match hash.len() {
            40 if is_hex(hash) => Self::Hashes,
            35 if is_hex(hash) && is_range => Self::Suffixes,
            _ => Self::Words,
        }
    }
}

impl fmt::Display for ListFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hashes => "SHA-1 hashes",
            Self::Suffixes => "SHA-1 hashes without their first five digits",
            Self::Words => "a password in each line",
        })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The line without its end, and without the mark of UTF-8 that some editors put in front of a file.
fn trim(line: &[u8], number: u64) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let unmarked = line.strip_prefix(b"\xEF\xBB\xBF");
    unmarked.filter(|_| number == 1).unwrap_or(line)
}

/// The key of a line `hash:count`; `None` for the padding that answers of the API have, which counts 0.
fn key_of_hash(prefix: &str, line: &[u8]) -> Result<Option<u64>, &'static str> {
    let text = str::from_utf8(line).unwrap_or("?");
    let (hash, count) = text.split_once(':').unwrap_or((text, "1"));
    if count == "0" {
        return Ok(None);
    }
    let start = format!("{prefix}{hash}");
    let is_hash = start.len() == 40 && is_hex(&start) && is_number(count);
    let key = is_hash.then(|| u64::from_str_radix(&start[..16], 16).ok());
    key.flatten()
        .map(Some)
        .ok_or("no SHA-1 hash with a count, as the lines before are")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The key of a word, in the form in which we check passwords. Hashes are none, and taken for words they would make a filter
/// that finds nothing.
fn key_of_word(word: &[u8]) -> Result<u64, &'static str> {
    let Ok(text) = str::from_utf8(word) else {
        return Ok(key_of(&sha1(word)));
    };
    let (hash, count) = text.split_once(':').unwrap_or((text, "1"));
    let hash = hash.trim();
    if is_hex(hash) && is_number(count.trim()) {
        match hash.len() {
            32 => return Err("an NTLM hash, it seems: download the list of SHA-1 hashes"),
            35 => return Err("a part of a hash: its first five digits have to be the file's name"),
            40 => return Err("a hash, but the file does not begin with a line `SHA1:count`"),
            _ => {}
        }
    }
    if text.contains('\0') {
        return Err("no text in UTF-8");
    }
    Ok(key_of(&sha1(text.nfc().collect::<String>().as_bytes())))
}
