//! The built pages as a file system in the binary, so that they are served by the same code as those in a folder.
//!
//! The binary has them as gzip alone, which is what browsers ask for. For others a file is unpacked once and kept: all together
//! have 7 MB.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io::{Cursor, ErrorKind, Read as _, Result, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{LazyLock, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;
use rust_embed::RustEmbed;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File, Metadata};

/// The files of `web-demo/dist`, each as gzip.
#[derive(RustEmbed)]
#[folder = "../web-demo/dist"]
#[include = "*.gz"]
struct Packed;

/// A file of the binary.
struct Page {
    /// As gzip: what is at its name with `.gz`.
    packed: Cow<'static, [u8]>,
    /// As it was: what is at its name.
    whole: OnceLock<Vec<u8>>,
    /// When the release was made, from `SOURCE_DATE_EPOCH`; else when the file was. Since 1970.
    modified: Option<Duration>,
}

/// By their names, without the `.gz`.
static PAGES: LazyLock<HashMap<String, Page>> = LazyLock::new(|| {
    let pages = Packed::iter().filter_map(|name| {
        let file = Packed::get(&name)?;
        let page = Page {
            modified: file.metadata.last_modified().map(Duration::from_secs),
            packed: file.data,
            whole: OnceLock::new(),
        };
        Some((name.strip_suffix(".gz")?.to_owned(), page))
    });
    pages.collect()
});

/// The pages as the service sees them.
#[derive(Clone)]
pub(super) struct Pages;

impl Backend for Pages {
    type File = OpenPage;
    type Metadata = PageMetadata;
    type OpenFuture = Ready<Result<OpenPage>>;
    type MetadataFuture = Ready<Result<PageMetadata>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(find(&path).map(|(page, form)| OpenPage {
            metadata: page.metadata(form),
            data: Cursor::new(page.data(form)),
        }))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        // The only folder with a page of its own.
        if path == Path::new("./") {
            return ready(Ok(PageMetadata::FOLDER));
        }
        ready(find(&path).map(|(page, form)| page.metadata(form)))
    }
}

/// `path` begins with `./` and has been freed of all that leads out of it.
fn find(path: &Path) -> Result<(&'static Page, Form)> {
    let name = path.strip_prefix(".").ok().and_then(Path::to_str);
    let name = name.ok_or(ErrorKind::NotFound)?;
    let whole = PAGES.get(name).map(|page| (page, Form::Whole));
    let packed = || Some((PAGES.get(name.strip_suffix(".gz")?)?, Form::Packed));
    whole
        .or_else(packed)
        .ok_or_else(|| ErrorKind::NotFound.into())
}

#[derive(Clone, Copy)]
enum Form {
    Whole,
    Packed,
}

impl Page {
    fn data(&'static self, form: Form) -> &'static [u8] {
        match form {
            Form::Whole => self.whole.get_or_init(|| unpacked(&self.packed)),
            Form::Packed => &self.packed,
        }
    }

    fn metadata(&self, form: Form) -> PageMetadata {
        let length = match form {
            // A gzip ends with the length of what is in it (RFC 1952 §2.3.1): nothing is unpacked only to be asked about.
            Form::Whole => self
                .packed
                .last_chunk()
                .copied()
                .map_or(0, u32::from_le_bytes)
                .into(),
            Form::Packed => self.packed.len() as u64,
        };
        PageMetadata {
            is_folder: false,
            length,
            modified: self.modified,
        }
    }
}

/// # Panics
/// When what the build packed is no gzip: then no page can be served.
fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    GzDecoder::new(gzip)
        .read_to_end(&mut whole)
        .unwrap_or_else(|error| panic!("a page in the binary is no gzip: {error}"));
    whole
}

/// What the service wants to know before it reads.
#[derive(Clone, Copy)]
pub(super) struct PageMetadata {
    is_folder: bool,
    length: u64,
    modified: Option<Duration>,
}

impl PageMetadata {
    const FOLDER: Self = Self {
        is_folder: true,
        length: 0,
        modified: None,
    };
}

impl Metadata for PageMetadata {
    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn modified(&self) -> Result<SystemTime> {
        let since_epoch = self.modified.ok_or(ErrorKind::Unsupported)?;
        Ok(SystemTime::UNIX_EPOCH + since_epoch)
    }

    fn len(&self) -> u64 {
        self.length
    }
}

/// A file that is being sent.
pub(super) struct OpenPage {
    metadata: PageMetadata,
    data: Cursor<&'static [u8]>,
}

impl File for OpenPage {
    type Metadata = PageMetadata;
    type MetadataFuture<'a> = Ready<Result<PageMetadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.metadata))
    }
}

impl AsyncRead for OpenPage {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.data).poll_read(context, buffer)
    }
}

impl AsyncSeek for OpenPage {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        Pin::new(&mut self.data).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<u64>> {
        Pin::new(&mut self.data).poll_complete(context)
    }
}
