//! [`File`]: a file that the embedder has open for a fiber; and the tokens that open and read one,
//! and list a directory.
//!
//! Rules of this file:
//!
//! - A fiber never waits for a disk: the embedder answers at once if it can, and otherwise later.
//! - Cancel safety: a token that is dropped has opened nothing, and changed nothing.
//! - A file is closed when its handle is dropped, and nothing of it is queued to be sent.
//!
//! It must never know where files are.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::ops::{Bound, Range, RangeBounds};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;

use super::asking::Asking;
use crate::hub::{Core, OpenFile};
use crate::machine::{DirEntry, DirectoryId, Error, FileAnswer, FileErrorKind, FileInfo, FileTime};

/// Files up to this length are read when they are opened.
const INLINE: u32 = 16 << 10;

/// The most bytes that one token reads.
const MOST: usize = 1 << 20;

/// A file that is open for reading, or the content of a small one. Made by
/// [`Ctx::open`](super::ctx::Ctx::open). Closed on drop.
///
/// ```
/// # use diesel_proto::*;
/// /// Sends the file that the peer names, and the length of it before.
/// async fn serve(mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
///     let name = conn.until_eol().await?;
///     let file = conn.ctx().open(files, name.without_eol()).await?;
///     conn.write(format_args!("{}\r\n", file.len())).await?;
///     conn.write_file(&file, ..).await
/// }
/// # let mut hub = Hub::default();
/// # let files = hub.add_directory();
/// # hub.add_service(async move |conn: Conn| serve(conn, files).await);
/// ```
///
/// The length, and when the file was modified, are those of the moment when it was opened. A file
/// that is replaced by another one of its name (which is how files should be changed) stays as it
/// was for those who have it open. One that is written to changes while it is read.
pub struct File {
    info: FileInfo,
    content: FileContent,
}

enum FileContent {
    /// It is not open.
    Inline(Bytes),
    Open(Rc<OpenFile>),
}

impl File {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.info.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.info.len == 0
    }

    /// When it was last modified.
    pub fn modified(&self) -> FileTime {
        self.info.modified
    }

    /// What is known about it: for an entity tag, for example.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// The whole content, if it was short enough to be [read](Open::inline) when the file was
    /// opened.
    pub fn content(&self) -> Option<&Bytes> {
        match &self.content {
            FileContent::Inline(bytes) => Some(bytes),
            FileContent::Open(_) => None,
        }
    }

    /// Reads up to `max` bytes from `offset` on: fewer only at the end of the file, or if `max` is
    /// more than 1 MiB, which is the most that is read at once. Behind the [length](Self::len) there
    /// are no bytes, even if the file has grown.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be read. [`Error::Limit`] at
    /// [`Config::max_file_requests`](crate::hub::Config::max_file_requests). [`Error::Shutdown`]
    /// while the hub shuts down.
    pub fn read_at(&self, offset: u64, max: usize) -> ReadAt<'_> {
        self.read(offset, max, false)
    }

    /// As [`read_at`](Self::read_at). `to_send`: the bytes are to be sent, which goes on while the
    /// hub shuts down.
    fn read(&self, offset: u64, max: usize, to_send: bool) -> ReadAt<'_> {
        let asking = match &self.content {
            FileContent::Inline(_) => None,
            FileContent::Open(file) => Some(Asking::new(Rc::clone(file.core()), to_send)),
        };
        let left = self.info.len.saturating_sub(offset);
        let max = max.min(MOST).min(usize::try_from(left).unwrap_or(usize::MAX));
        ReadAt { file: self, offset, max, asking }
    }

    pub(super) fn read_to_send(&self, offset: u64, max: usize) -> ReadAt<'_> {
        self.read(offset, max, true)
    }

    pub(super) fn open_file(&self) -> Option<&Rc<OpenFile>> {
        match &self.content {
            FileContent::Inline(_) => None,
            FileContent::Open(file) => Some(file),
        }
    }

    /// The part of a range that is in the file: `start <= end <= len()`.
    pub fn part(&self, range: impl RangeBounds<u64>) -> Range<u64> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.info.len,
        };
        let end = end.min(self.info.len);
        start.min(end)..end
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("info", &self.info).finish_non_exhaustive()
    }
}

/// At most `max` bytes of `bytes`, from `offset` on.
fn slice(bytes: &Bytes, offset: u64, max: usize) -> Bytes {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(start..start.saturating_add(max).min(bytes.len()))
}

/// Opens a file. Made by [`Ctx::open`](super::ctx::Ctx::open). Polled again after it is done, it
/// fails with [`Error::AlreadyDone`].
///
/// ```
/// # use diesel_proto::*;
/// async fn length(ctx: Ctx, files: DirectoryId) -> Result<u64, Error> {
///     let file = ctx.open(files, "releases/current.tar").follow_links(true).inline(0).await?;
///     Ok(file.len())
/// }
/// # let mut hub = Hub::default();
/// # let files = hub.add_directory();
/// # hub.add_loop(async move |ctx: Ctx| length(ctx, files).await.map(drop)).unwrap();
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Open<P> {
    asking: Asking,
    directory: DirectoryId,
    path: P,
    follow_links: bool,
    inline: u32,
    file: Option<crate::machine::FileId>,
}

impl<P> Open<P> {
    pub(super) fn new(core: Rc<Core>, directory: DirectoryId, path: P) -> Self {
        let asking = Asking::new(core, false);
        Open { asking, directory, path, follow_links: false, inline: INLINE, file: None }
    }

    /// Whether symbolic links are followed, within the directory. Off by default: a path that leads
    /// through a link is [`FileErrorKind::Escapes`].
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.follow_links = follow;
        self
    }

    /// Sets up to which length a file is read when it is opened, which costs less than keeping it
    /// open; its [`content`](File::content) is in memory then, as long as the handle lives. 16 KiB
    /// by default, and 1 MiB at most.
    pub fn inline(mut self, bytes: u32) -> Self {
        self.inline = bytes.min(MOST as u32);
        self
    }
}

// Nothing in it is ever pinned.
impl<P> Unpin for Open<P> {}

impl<P: AsRef<[u8]>> Future for Open<P> {
    type Output = Result<File, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Open { asking, directory, path, follow_links, inline, file } = &mut *self;
        let answer = ready!(asking.poll_file(cx, |core| {
            let (job, id) = core.ask_open(*directory, path.as_ref(), *follow_links, *inline)?;
            *file = Some(id);
            Ok(job)
        }))?;
        let (FileAnswer::Opened { info, content }, Some(id)) = (answer, *file) else {
            return Poll::Ready(Err(FileErrorKind::Unsupported.into()));
        };
        let content = match content {
            Some(bytes) => FileContent::Inline(bytes),
            None => FileContent::Open(Rc::new(OpenFile::new(Rc::clone(self.asking.core()), id))),
        };
        Poll::Ready(Ok(File { info, content }))
    }
}

impl<P> fmt::Debug for Open<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Reads a part of a file. Made by [`File::read_at`]. Polled again after it is done, it fails with
/// [`Error::AlreadyDone`], unless the file is in memory.
///
/// ```
/// # use diesel_proto::fiber::File;
/// # use diesel_proto::Error;
/// /// Whether a file is a PNG image.
/// async fn is_png(file: &File) -> Result<bool, Error> {
///     Ok(file.read_at(0, 8).await? == b"\x89PNG\r\n\x1a\n"[..])
/// }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ReadAt<'a> {
    file: &'a File,
    offset: u64,
    max: usize,
    /// `None`: the content is in memory.
    asking: Option<Asking>,
}

impl Future for ReadAt<'_> {
    type Output = Result<Bytes, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadAt { file, offset, max, asking } = &mut *self;
        let (open, asking) = match (&file.content, asking) {
            _ if *max == 0 => return Poll::Ready(Ok(Bytes::new())),
            (FileContent::Open(open), Some(asking)) => (open, asking),
            (FileContent::Inline(bytes), _) => return Poll::Ready(Ok(slice(bytes, *offset, *max))),
            _ => return Poll::Ready(Err(Error::AlreadyDone)),
        };
        // `max <= MOST`
        let len = *max as u32;
        let answer = ready!(asking.poll_file(cx, |core| core.ask_read(open.id(), *offset, len)))?;
        Poll::Ready(match answer {
            // Never more than asked for, whatever the embedder answers.
            FileAnswer::Read(bytes) => Ok(slice(&bytes, 0, *max)),
            _ => Err(FileErrorKind::Unsupported.into()),
        })
    }
}

impl fmt::Debug for ReadAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAt").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Lists a directory. Made by [`Ctx::list`](super::ctx::Ctx::list). Polled again after it is done, it
/// fails with [`Error::AlreadyDone`].
///
/// Example: see [`Ctx::list`](super::ctx::Ctx::list).
#[must_use = "futures do nothing unless awaited"]
pub struct List<P> {
    asking: Asking,
    directory: DirectoryId,
    path: P,
    follow_links: bool,
    limit: u32,
}

impl<P> List<P> {
    pub(super) fn new(core: Rc<Core>, directory: DirectoryId, path: P) -> Self {
        let asking = Asking::new(core, false);
        List { asking, directory, path, follow_links: false, limit: 1000 }
    }

    /// Whether symbolic links in the path are followed, within the directory. Off by default.
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.follow_links = follow;
        self
    }

    /// Sets how many entries the directory may have. 1000 by default. With more, the token fails
    /// with [`FileErrorKind::TooManyEntries`].
    pub fn limit(mut self, entries: u32) -> Self {
        self.limit = entries;
        self
    }
}

// Nothing in it is ever pinned.
impl<P> Unpin for List<P> {}

impl<P: AsRef<[u8]>> Future for List<P> {
    type Output = Result<Vec<DirEntry>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let List { asking, directory, path, follow_links, limit } = &mut *self;
        let answer = ready!(asking.poll_file(cx, |core| {
            core.ask_list(*directory, path.as_ref(), *follow_links, *limit)
        }))?;
        Poll::Ready(match answer {
            FileAnswer::Listed(entries) => Ok(entries),
            _ => Err(FileErrorKind::Unsupported.into()),
        })
    }
}

impl<P> fmt::Debug for List<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("directory", &self.directory).finish_non_exhaustive()
    }
}
