//! Passwords that were stolen elsewhere, as a filter in a file.
//!
//! A list of a thousand million passwords is 2.3 GB as a filter, which answers "surely not in the list" or "in the list" and is
//! wrong about the second once in 65,536. It is cut into shards of some 16,000 passwords, by the first bits of their SHA-1;
//! a check reads one of them from the file, so the filter takes no memory of ours.
//!
//! The file, with integers in little endian:
//!
//! | bytes | |
//! |--:|---|
//! | 8 | `CSBREACH` |
//! | 4 | version of the format, 1 |
//! | 4 | bits of the SHA-1 that choose the shard, *b* |
//! | 8 | how many passwords |
//! | 16 × 2^*b* | of each shard, where it ends in the file, and the first 8 bytes of its SHA-256 |
//! | 32 | SHA-256 of all before |
//! | … | the shards: a 16-bit binary fuse filter each (descriptor and fingerprints of the crate xorf), or nothing where empty |

mod build;
mod lists;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use xorf::{BinaryFuse16, Descriptor, Filter as _};

pub use build::{BuildError, BuildPhase, BuildProgress, Built, build_filter};
pub use lists::ListFormat;

const MAGIC: &[u8; 8] = b"CSBREACH";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const ENTRY: usize = 16;
const CHECKSUM: usize = 32;
const MOST_BITS: u32 = 24;

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterFault {
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// The file is something else.
    #[error(
        "{0} is no filter that this version reads: `countersign passwords build-filter` makes one"
    )]
    Foreign(PathBuf),
    /// The file is cut off or damaged.
    #[error("{0} is damaged ({1}): build it again or copy it again")]
    Damaged(PathBuf, &'static str),
}

/// An open filter.
#[derive(Debug)]
pub struct Breached {
    path: PathBuf,
    file: File,
    /// How many bits of the key are the shard's number.
    bits: u32,
    count: u64,
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    start: u64,
    length: usize,
    checksum: [u8; 8],
}

impl Breached {
    /// Opens a filter and checks that it is whole: what it says of itself, and its length.
    ///
    /// # Errors
    /// [`FilterFault`], whose text says what to do.
    pub fn open(path: &Path) -> Result<Self, FilterFault> {
        let unreadable = |error| FilterFault::Unreadable(path.to_owned(), error);
        let damaged = |what| FilterFault::Damaged(path.to_owned(), what);
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut header = [0; HEADER];
        let foreign = || FilterFault::Foreign(path.to_owned());
        file.read_exact_at(&mut header, 0).map_err(|_| foreign())?;
        let (bits, count) = read_header(&header).ok_or_else(foreign)?;
        let mut index = vec![0; (ENTRY << bits) + CHECKSUM];
        let cut_off = |_| damaged("it is shorter than it was when it was made");
        file.read_exact_at(&mut index, HEADER as u64)
            .map_err(cut_off)?;
        let (index, checksum) = index.split_at(ENTRY << bits);
        if sha256(&[&header, index]) != *checksum {
            return Err(damaged("its index is not what it was when it was made"));
        }
        let mut start = (HEADER + index.len() + CHECKSUM) as u64;
        let mut shards = Vec::with_capacity(1 << bits);
        for entry in index.chunks_exact(ENTRY) {
            let (end, checksum) = entry.split_at(8);
            let end = u64::from_le_bytes(array(end));
            let size = end.checked_sub(start).and_then(|size| size.try_into().ok());
            shards.push(Shard {
                start,
                length: size.ok_or_else(|| damaged("its index makes no sense"))?,
                checksum: array(checksum),
            });
            start = end;
        }
        if length != start {
            return Err(damaged("its length is not what it was when it was made"));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            bits,
            count,
            shards,
        })
    }

    /// How many passwords it was built from.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether the password is in the list; wrongly true once in 65,536.
    ///
    /// # Errors
    /// [`FilterFault`] when the file cannot be read any more.
    pub fn contains(&self, password: &str) -> Result<bool, FilterFault> {
        let key = key_of(&sha1(password.as_bytes()));
        let Some(shard) = self.shards.get(shard_of(key, self.bits)) else {
            return Ok(false);
        };
        if shard.length == 0 {
            return Ok(false);
        }
        let mut bytes = vec![0; shard.length];
        let read = self.file.read_exact_at(&mut bytes, shard.start);
        read.map_err(|error| FilterFault::Unreadable(self.path.clone(), error))?;
        let damaged = || FilterFault::Damaged(self.path.clone(), "a part is not what it was");
        if sha256(&[&bytes])[..8] != shard.checksum {
            return Err(damaged());
        }
        let filter = read_shard(&bytes).ok_or_else(damaged)?;
        Ok(filter.contains(&key))
    }
}

fn read_header(header: &[u8; HEADER]) -> Option<(u32, u64)> {
    let (magic, rest) = header.split_at(8);
    let (version, rest) = rest.split_at(4);
    let (bits, count) = rest.split_at(4);
    let bits = u32::from_le_bytes(array(bits));
    let is_ours = magic == MAGIC && u32::from_le_bytes(array(version)) == VERSION;
    (is_ours && bits <= MOST_BITS).then_some((bits, u64::from_le_bytes(array(count))))
}

/// A shard's filter, from its descriptor and its fingerprints.
fn read_shard(bytes: &[u8]) -> Option<BinaryFuse16> {
    let (descriptor, fingerprints) = bytes.split_at_checked(Descriptor::DMA_LEN)?;
    let (seed, lengths) = descriptor.split_at(8);
    let number = |at: usize| u32::from_le_bytes(array(&lengths[at..at + 4]));
    let fingerprints = fingerprints.chunks_exact(2);
    Some(BinaryFuse16 {
        descriptor: Descriptor {
            seed: u64::from_le_bytes(array(seed)),
            segment_length: number(0),
            segment_length_mask: number(4),
            segment_count_length: number(8),
        },
        fingerprints: fingerprints
            .map(|pair| u16::from_le_bytes(array(pair)))
            .collect(),
    })
}

/// `bytes`, which have that length.
fn array<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    let mut array = [0; LENGTH];
    array.copy_from_slice(bytes);
    array
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    array(context.finish().as_ref())
}

/// SHA-1, as the lists have it. It is a name for the password here and protects nothing.
fn sha1(password: &[u8]) -> [u8; 20] {
    array(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password).as_ref())
}

/// What stands in the filter for a password: the first bits of its SHA-1.
fn key_of(sha1: &[u8; 20]) -> u64 {
    u64::from_be_bytes(array(&sha1[..8]))
}

/// The number of the shard that has the key.
fn shard_of(key: u64, bits: u32) -> usize {
    usize::try_from(key.checked_shr(64 - bits).unwrap_or(0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what it is told.
    #[derive(Default)]
    struct Told(Vec<(BuildPhase, u64, u64)>);

    impl BuildProgress for Told {
        fn phase(&mut self, phase: BuildPhase, total: u64) {
            self.0.push((phase, total, 0));
        }

        fn advance(&mut self, done: u64) {
            self.0.last_mut().unwrap().2 += done;
        }
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        }

        fn build(&self, from: &[PathBuf]) -> Result<Built, BuildError> {
            build_filter(from, &self.filter(), &mut Told::default())
        }

        fn filter(&self) -> PathBuf {
            self.0.path().join("breached.filter")
        }

        fn open(&self) -> Breached {
            Breached::open(&self.filter()).unwrap()
        }
    }

    fn hex(password: &str) -> String {
        let bytes = sha1(password.as_bytes());
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn every_kind_of_list_is_read() {
        let folder = Folder::new();
        let (hash, suffix) = (hex("from a hash"), hex("from a range"));
        let (prefix, rest) = suffix.split_at(5);
        let lists = [
            folder.write("pwned.txt", format!("{hash}:12\r\n{}:3\r\n", hex("again"))),
            folder.write(
                &format!("ranges/{prefix}.txt"),
                format!("{rest}:7\n{}:0\n", "0".repeat(35)),
            ),
            folder.write(
                "words.txt",
                b"cafe\xcc\x81 in words\n\n\xff\xfe\nagain".as_slice(),
            ),
        ];
        let from = [
            lists[0].clone(),
            lists[1].parent().unwrap().to_owned(),
            lists[2].clone(),
        ];
        let mut told = Told::default();
        let built = build_filter(&from, &folder.filter(), &mut told).unwrap();
        assert_eq!(
            built.passwords, 5,
            "`again` stands in two of them, padding counts 0"
        );
        let formats = [ListFormat::Hashes, ListFormat::Suffixes, ListFormat::Words];
        assert_eq!(built.formats, formats.map(Some));
        let filter = folder.open();
        assert_eq!(filter.count(), 5);
        for known in ["from a hash", "from a range", "caf\u{e9} in words", "again"] {
            assert!(filter.contains(known).unwrap(), "{known}");
        }
        assert!(!filter.contains("plum tractor ninety").unwrap());
        assert_eq!(told.0[1], (BuildPhase::Making, 6, 6));
    }

    #[test]
    fn a_long_list_is_cut_into_shards_and_seldom_wrong() {
        let folder = Folder::new();
        let words: String = (0..200_000).map(|n| format!("word {n}\n")).collect();
        let list = folder.write("words.txt", words);
        assert_eq!(folder.build(&[list]).unwrap().passwords, 200_000);
        let filter = folder.open();
        assert_eq!(filter.shards.len(), 16);
        let has = |word: String| filter.contains(&word).unwrap();
        assert!((0..200_000).step_by(97).all(|n| has(format!("word {n}"))));
        let wrong = (0..20_000).filter(|n| has(format!("other {n}"))).count();
        assert!(wrong < 5, "{wrong} of 20,000; one in 65,536 is expected");
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let folder = Folder::new();
        let list = folder.write("words.txt", "one\ntwo\nthree");
        folder.build(&[list]).unwrap();
        let whole = std::fs::read(folder.filter()).unwrap();
        for length in 0..whole.len() {
            let cut = folder.write("cut", &whole[..length]);
            assert!(Breached::open(&cut).is_err(), "cut to {length} bytes");
        }
        let longer = folder.write("longer", [&*whole, b"x"].concat());
        assert!(matches!(
            Breached::open(&longer),
            Err(FilterFault::Damaged(..))
        ));
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            let damaged = folder.write("damaged", damaged);
            let found = Breached::open(&damaged).and_then(|filter| filter.contains("one"));
            assert!(found.is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_list_that_is_not_one_is_named_with_its_line() {
        let folder = Folder::new();
        let hashes = folder.write("pwned.txt", format!("{}:1\nnot a hash\n", hex("one")));
        let fault = folder.build(&[hashes]).unwrap_err().to_string();
        assert!(
            fault.contains("pwned.txt:2: this line is no SHA-1 hash"),
            "{fault}"
        );
        let ntlm = folder.write("ntlm.txt", "32ED87BDB5FDC5E9CBA88547376818D4:5\n");
        let fault = folder.build(&[ntlm]).unwrap_err().to_string();
        assert!(fault.contains("NTLM"), "{fault}");
        let empty = folder.write("empty.txt", "\n");
        assert!(matches!(folder.build(&[empty]), Err(BuildError::Nothing)));
        let missing = folder.0.path().join("missing.txt");
        assert!(matches!(
            folder.build(&[missing]),
            Err(BuildError::Unreadable(..))
        ));
        assert!(!folder.filter().exists(), "a failed build leaves no filter");
    }

    #[test]
    fn hashes_are_found_behind_what_editors_put_in_front() {
        let folder = Folder::new();
        for front in ["\u{FEFF}", "\n\r\n", "\u{FEFF}\r\n"] {
            let list = folder.write("pwned.txt", format!("{front}{}:1\n", hex("one")));
            let built = folder.build(&[list]).unwrap();
            assert_eq!(built.formats, [Some(ListFormat::Hashes)], "{front:?}");
            assert!(folder.open().contains("one").unwrap(), "{front:?}");
        }
    }

    #[test]
    fn hashes_are_never_taken_for_words() {
        let folder = Folder::new();
        let hash = hex("one");
        for (name, text, at, why) in [
            (
                "spaced.txt",
                format!("{hash} :3\n"),
                1,
                "does not begin with",
            ),
            (
                "comment.txt",
                format!("# of today\n{hash}:3\n"),
                2,
                "does not begin with",
            ),
            (
                "bare.txt",
                format!("word\n{hash}\n"),
                2,
                "does not begin with",
            ),
            (
                "range.txt",
                format!("{}:3\n", &hash[5..]),
                1,
                "have to be the file's name",
            ),
            ("ntlm.txt", format!("{}\n", &hash[8..]), 1, "an NTLM hash"),
            ("utf16.txt", "w\0o\0r\0d\0\n".to_owned(), 1, "no text"),
        ] {
            let list = folder.write(name, text);
            let fault = folder.build(&[list]).unwrap_err().to_string();
            assert!(fault.contains(&format!("{name}:{at}: ")), "{fault}");
            assert!(fault.contains(why), "{fault}");
        }
    }

    #[test]
    fn what_is_no_list_is_not_read() {
        let folder = Folder::new();
        let list = folder.write("settings/words.txt", "one\n");
        let fault = folder.build(&[list.parent().unwrap().to_owned()]);
        assert!(matches!(fault, Err(BuildError::Stray(path)) if path == list));
        let itself = build_filter(std::slice::from_ref(&list), &list, &mut Told::default());
        assert!(matches!(itself, Err(BuildError::List(_))));
        assert_eq!(std::fs::read(&list).unwrap(), b"one\n");
    }

    /// Made of the words one, two and three by this version. Another version of xorf that lays filters out differently would
    /// silently find nothing in it.
    const OF_TODAY: &str = "4353425245414348010000000000000003000000000000008c00000000000000a8db56078e15ffa60fc686ea7a43a80a30b5c025463384f5ef0b08861fd68747b9a29e8665b2044ac15c0289ec2d0a9108000000070000000800000000000000000000000000000000000000b1d10000000000000000000000000000000000000000136400000000cafb0000";

    #[test]
    fn a_filter_of_today_is_read_for_ever() {
        let folder = Folder::new();
        let byte = |at: usize| u8::from_str_radix(&OF_TODAY[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..OF_TODAY.len()).step_by(2).map(byte).collect();
        folder.write("breached.filter", bytes);
        let filter = folder.open();
        for word in ["one", "two", "three"] {
            assert!(filter.contains(word).unwrap(), "{word}");
        }
        assert!(!filter.contains("four").unwrap());
    }
}
