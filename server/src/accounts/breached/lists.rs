//! Lists of breached passwords: the files of Have I Been Pwned, and plain words.

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
    /// The files that `from` names: itself, or all in a folder.
    pub(super) fn find(from: &Path) -> Result<Vec<Self>, BuildError> {
        let unreadable = |error| BuildError::Unreadable(from.to_owned(), error);
        if !from.is_dir() {
            return Ok(vec![Self::open(from.to_owned())?]);
        }
        let mut lists = Vec::new();
        for entry in from.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_file() {
                lists.push(Self::open(path)?);
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

    /// Hands out the key of every password, and the bytes of the line that it stood in.
    pub(super) fn read(
        &self,
        mut found: impl FnMut(u64, u64) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let unreadable = |error| BuildError::Unreadable(self.path.clone(), error);
        let mut file =
            BufReader::with_capacity(1 << 20, File::open(&self.path).map_err(unreadable)?);
        let (mut line, mut number, mut format) = (Vec::new(), 0, None);
        while file.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            number += 1;
            let text = trim(&line);
            let format = *format.get_or_insert_with(|| Format::of(text, self.prefix.is_some()));
            let key = match format {
                Format::Words => Ok(Some(key_of_word(text))),
                Format::Hashes => key_of_hash("", text),
                Format::Suffixes => key_of_hash(self.prefix.as_deref().unwrap_or_default(), text),
                Format::Ntlm => Err("an NTLM hash: download the list of SHA-1 hashes"),
            };
            let key = key.map_err(|why| BuildError::Line(self.path.clone(), number, why))?;
            if let Some(key) = key.filter(|_| !text.is_empty()) {
                found(key, line.len() as u64)?;
            }
            line.clear();
        }
        Ok(())
    }
}

/// What the lines of a file are.
#[derive(Clone, Copy)]
enum Format {
    /// `SHA1` or `SHA1:count`.
    Hashes,
    /// `rest of the SHA1:count`.
    Suffixes,
    /// `NTLM:count`, which is of no use.
    Ntlm,
    /// A password each.
    Words,
}

impl Format {
    fn of(line: &[u8], is_range: bool) -> Self {
        let text = str::from_utf8(line).unwrap_or_default();
        let (hash, count) = text.split_once(':').unwrap_or((text, ""));
        match hash.len() {
            40 if is_hex(hash) => Self::Hashes,
            35 if is_hex(hash) && is_range => Self::Suffixes,
            32 if is_hex(hash) && !count.is_empty() => Self::Ntlm,
            _ => Self::Words,
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The key of a line `hash:count`; `None` for the padding that answers of the API have, which counts 0.
fn key_of_hash(prefix: &str, line: &[u8]) -> Result<Option<u64>, &'static str> {
    let text = str::from_utf8(line).unwrap_or("?");
    let (hash, count) = text.split_once(':').unwrap_or((text, "1"));
    if text.is_empty() || count == "0" {
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

/// The key of a word, in the form in which we check passwords.
fn key_of_word(word: &[u8]) -> u64 {
    match str::from_utf8(word) {
        Ok(text) => key_of(&sha1(text.nfc().collect::<String>().as_bytes())),
        Err(_) => key_of(&sha1(word)),
    }
}
