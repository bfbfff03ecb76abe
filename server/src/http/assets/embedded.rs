//! The built pages as a file system in the binary, so that they are served by the same code as those in a folder.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::io::{Cursor, Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use rust_embed::{EmbeddedFile, RustEmbed};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File, Metadata};

/// All files of `web-demo/dist`.
#[derive(Clone, RustEmbed)]
#[folder = "../web-demo/dist"]
pub(super) struct Pages;

impl Backend for Pages {
    type File = OpenPage;
    type Metadata = PageMetadata;
    type OpenFuture = Ready<Result<OpenPage>>;
    type MetadataFuture = Ready<Result<PageMetadata>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(find(&path).map(|page| OpenPage {
            metadata: PageMetadata::file(&page),
            data: Cursor::new(page.data),
        }))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        // The only folder with a page of its own.
        if path == Path::new("./") {
            return ready(Ok(PageMetadata::FOLDER));
        }
        ready(find(&path).map(|page| PageMetadata::file(&page)))
    }
}

/// `path` begins with `./` and has been freed of all that leads out of it.
fn find(path: &Path) -> Result<EmbeddedFile> {
    let name = path.strip_prefix(".").ok().and_then(Path::to_str);
    name.and_then(Pages::get)
        .ok_or_else(|| Error::from(ErrorKind::NotFound))
}

/// What the service wants to know before it reads.
#[derive(Clone, Copy)]
pub(super) struct PageMetadata {
    is_folder: bool,
    length: u64,
    /// When the release was made, from `SOURCE_DATE_EPOCH`; else when the file was.
    modified: Option<Duration>,
}

impl PageMetadata {
    const FOLDER: Self = Self {
        is_folder: true,
        length: 0,
        modified: None,
    };

    fn file(page: &EmbeddedFile) -> Self {
        Self {
            is_folder: false,
            length: page.data.len() as u64,
            modified: page.metadata.last_modified().map(Duration::from_secs),
        }
    }
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
    data: Cursor<Cow<'static, [u8]>>,
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
    fn start_seek(mut self: Pin<&mut Self>, position: std::io::SeekFrom) -> Result<()> {
        Pin::new(&mut self.data).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<u64>> {
        Pin::new(&mut self.data).poll_complete(context)
    }
}
