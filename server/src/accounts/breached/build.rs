//! Building a filter: everything is first sorted into files beside it, so that a list of any length needs little memory.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use xorf::{BinaryFuse16, DmaSerializable as _};

use super::lists::{List, ListFormat};
use super::{CHECKSUM, Descriptor, ENTRY, HEADER, MAGIC, MOST_BITS, VERSION, sha256, shard_of};

/// How many passwords a shard has, about: 36 KB of filter.
const SHARD: u64 = 16_384;
/// Files that keys are sorted into by their first byte. Of the largest lists each has some 4 million keys, 32 MB.
const DRAWERS: usize = 256;

/// Why a filter was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A list cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A folder without a file.
    #[error("{0} holds no file")]
    Empty(PathBuf),
    /// A file in a folder that is not named as the lists in a folder are.
    #[error(
        "{0} is not named by five digits of a hash, as the files in a folder have to be: name lists of another kind themselves"
    )]
    Stray(PathBuf),
    /// The filter would take the place of a list.
    #[error("{0} is one of the lists: name another file for the filter")]
    List(PathBuf),
    /// A line is not like the ones before.
    #[error("{0}:{1}: this line is {2}")]
    Line(PathBuf, u64, &'static str),
    /// The lists are empty.
    #[error("there is no password in these lists")]
    Nothing,
    /// The filter, or what is kept beside it meanwhile, cannot be written.
    #[error("{0} cannot be written: {1}")]
    Unwritable(PathBuf, std::io::Error),
    /// The crate that makes filters gave up.
    #[error("a part of the filter cannot be made: {0}")]
    Filter(&'static str),
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildPhase {
    /// Reading the lists; in bytes.
    Reading,
    /// Making the filter; in passwords.
    Making,
}

/// Whoever is told how far the work is.
pub trait BuildProgress {
    /// A phase begins that has so much to do.
    fn phase(&mut self, phase: BuildPhase, total: u64);
    /// So much of it has been done.
    fn advance(&mut self, done: u64);
}

/// What a filter was made of.
#[derive(Debug)]
pub struct Built {
    /// How many different passwords.
    pub passwords: u64,
    /// What each of the lists was taken for; `None` where it holds nothing.
    pub formats: Vec<Option<ListFormat>>,
}

/// Builds the filter `to` from lists of passwords. `to` is there when it is whole, and not before. Beside it 8 bytes for each
/// password are needed meanwhile.
///
/// Each of `from` is a file of `SHA1:count` lines in any order, a folder of files named by the first five digits with
/// `rest of the SHA1:count` lines (both from Have I Been Pwned), or a file with a password in each line.
///
/// # Errors
/// [`BuildError`], whose text names the file.
pub fn build_filter(
    from: &[PathBuf],
    to: &Path,
    progress: &mut dyn BuildProgress,
) -> Result<Built, BuildError> {
    let unwritable = |error| BuildError::Unwritable(to.to_owned(), error);
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let is_list = |from: &PathBuf| from.canonicalize().ok() == to.canonicalize().ok();
    if to.exists() && from.iter().any(is_list) {
        return Err(BuildError::List(to.to_owned()));
    }
    let mut drawers = Drawers::new(folder).map_err(unwritable)?;
    let lists: Vec<Vec<List>> = from
        .iter()
        .map(|from| List::find(from))
        .collect::<Result<_, _>>()?;
    progress.phase(
        BuildPhase::Reading,
        lists.iter().flatten().map(|list| list.bytes).sum(),
    );
    let mut formats = vec![None; lists.len()];
    for (format, files) in formats.iter_mut().zip(&lists) {
        for file in files {
            let read = file.read(|key, bytes| {
                progress.advance(bytes);
                drawers.put(key).map_err(unwritable)
            });
            *format = read?.or(*format);
        }
    }
    if drawers.count == 0 {
        return Err(BuildError::Nothing);
    }
    let file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    progress.phase(BuildPhase::Making, drawers.count);
    let mut writer = Writer::new(file.as_file(), bits_for(drawers.count)).map_err(unwritable)?;
    for drawer in 0..DRAWERS {
        let keys = drawers.take(drawer).map_err(unwritable)?;
        let taken = keys.len() as u64;
        for key in sorted(keys) {
            writer.push(key).map_err(|error| error.at(to))?;
        }
        progress.advance(taken);
    }
    let passwords = writer.finish().map_err(|error| error.at(to))?;
    file.as_file().sync_all().map_err(unwritable)?;
    set_readable(&file).map_err(unwritable)?;
    file.persist(to).map_err(|error| unwritable(error.error))?;
    Ok(Built { passwords, formats })
}

/// Temporary files are for their owner only; the list is no secret, and the server may be another user.
fn set_readable(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
}

fn bits_for(count: u64) -> u32 {
    count
        .div_ceil(SHARD)
        .next_power_of_two()
        .ilog2()
        .min(MOST_BITS)
}

fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Keys in files by their first byte, which vanish with the program.
struct Drawers {
    files: Vec<BufWriter<File>>,
    count: u64,
}

impl Drawers {
    fn new(folder: &Path) -> std::io::Result<Self> {
        let files = (0..DRAWERS).map(|_| tempfile::tempfile_in(folder).map(BufWriter::new));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            count: 0,
        })
    }

    fn put(&mut self, key: u64) -> std::io::Result<()> {
        self.count += 1;
        self.files[shard_of(key, DRAWERS.ilog2())].write_all(&key.to_be_bytes())
    }

    fn take(&mut self, drawer: usize) -> std::io::Result<Vec<u64>> {
        let file = &mut self.files[drawer];
        file.flush()?;
        let file = file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        file.set_len(0)?;
        let keys = bytes.chunks_exact(8);
        Ok(keys
            .map(|key| u64::from_be_bytes(super::array(key)))
            .collect())
    }
}

enum WriteError {
    File(std::io::Error),
    Filter(&'static str),
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl WriteError {
    fn at(self, path: &Path) -> BuildError {
        match self {
            Self::File(error) => BuildError::Unwritable(path.to_owned(), error),
            Self::Filter(why) => BuildError::Filter(why),
        }
    }
}

/// Takes sorted keys and writes shard after shard, and then the header and the index in front of them.
struct Writer<'a> {
    file: BufWriter<&'a File>,
    bits: u32,
    keys: Vec<u64>,
    index: Vec<u8>,
    end: u64,
    count: u64,
}

impl<'a> Writer<'a> {
    fn new(file: &'a File, bits: u32) -> std::io::Result<Self> {
        let end = (HEADER + (ENTRY << bits) + CHECKSUM) as u64;
        let mut file = BufWriter::new(file);
        file.seek(SeekFrom::Start(end))?;
        Ok(Self {
            file,
            bits,
            keys: Vec::new(),
            index: Vec::new(),
            end,
            count: 0,
        })
    }

    fn push(&mut self, key: u64) -> Result<(), WriteError> {
        while shard_of(key, self.bits) * ENTRY > self.index.len() {
            self.end_shard()?;
        }
        self.keys.push(key);
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), WriteError> {
        let mut shard = Vec::new();
        if !self.keys.is_empty() {
            let filter = BinaryFuse16::try_from(&self.keys).map_err(WriteError::Filter)?;
            shard.resize(Descriptor::DMA_LEN, 0);
            filter.dma_copy_descriptor_to(&mut shard);
            shard.extend(
                filter
                    .fingerprints
                    .iter()
                    .flat_map(|print| print.to_le_bytes()),
            );
        }
        self.count += self.keys.len() as u64;
        self.keys.clear();
        self.file.write_all(&shard)?;
        self.end += shard.len() as u64;
        self.index.extend(self.end.to_le_bytes());
        self.index.extend(&sha256(&[&shard])[..8]);
        Ok(())
    }

    /// Writes what is left; how many keys there were.
    fn finish(mut self) -> Result<u64, WriteError> {
        while self.index.len() < ENTRY << self.bits {
            self.end_shard()?;
        }
        let mut front = Vec::from(MAGIC);
        front.extend(VERSION.to_le_bytes());
        front.extend(self.bits.to_le_bytes());
        front.extend(self.count.to_le_bytes());
        front.extend(&self.index);
        let checksum = sha256(&[&front]);
        front.extend(checksum);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&front)?;
        self.file.flush()?;
        Ok(self.count)
    }
}
