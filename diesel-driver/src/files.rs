//! The files of an application: directories, open files, and what is asked of them. What the system
//! has in memory is answered at once; the rest goes to threads, so that the event loop never waits
//! for a disk.
//!
//! ```text
//!   a request ──▶ openat2 (RESOLVE_CACHED), preadv2 (RWF_NOWAIT) ──▶ an answer at once
//!                      │ would wait
//!                      ▼
//!                 a thread (`work`) ──▶ an answer later
//!
//!   a region  ──▶ is it in the page cache? ──▶ sendfile
//!                      │ no
//!                      ▼
//!                 a thread reads it, the stream waits meanwhile
//! ```
//!
//! Rules of this file:
//!
//! - A path is resolved beneath the descriptor of its directory, by the system: names are never
//!   compared.
//! - At once is answered only on file systems of this machine: to open a file of a network may wait
//!   whatever is cached.
//! - SIGPIPE, which `sendfile` may raise, must not end the process: where it would, regions are read
//!   and sent as bytes.
//!
//! It must never know a protocol, nor which connection a file is for.

mod open;
mod region;
mod work;

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use diesel_proto::machine::{FileAnswer, FileRequest};
use diesel_proto::{ConnId, DirectoryId, FileErrorKind, FileId};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

pub(crate) use self::region::{Unread, survives_sigpipe};
pub(crate) use self::work::{FileWork, load};

use self::open::Attempt;

/// A directory that was added.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) descriptor: Arc<OwnedFd>,
    /// It is on a file system of this machine, on which what is cached does not wait.
    is_local: bool,
}

/// A file that is open. Threads may read it when it is closed already.
#[derive(Clone)]
pub(crate) struct OpenFile {
    pub(crate) descriptor: Arc<OwnedFd>,
    /// Its length when it was opened.
    pub(crate) len: u64,
    /// The part of it that was in the page cache a moment ago.
    cached: Range<u64>,
}

impl OpenFile {
    fn new(file: OwnedFd, len: u64) -> Self {
        OpenFile { descriptor: Arc::new(file), len, cached: 0..0 }
    }
}

/// What the result of a request is: the answer, and the file that it opened.
pub(crate) type FileResult = Result<(FileAnswer, Option<OpenFile>), FileErrorKind>;

#[derive(Default)]
pub(crate) struct Files {
    directories: Vec<Directory>,
    /// By the index of the file.
    open: Vec<Option<(FileId, OpenFile)>>,
    /// Regions of files that had to be read, by their connections.
    regions: HashMap<ConnId, region::ReadRegion>,
    /// Whether `sendfile` may be used.
    pub(crate) may_sendfile: bool,
}

/// What becomes of a request.
pub(crate) enum Asked {
    Now(Result<FileAnswer, FileErrorKind>),
    /// A thread has to do this.
    Later(FileWork),
}

/// Opens a directory.
pub(crate) fn open_directory(path: &Path) -> io::Result<Directory> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptor = fs::open(path, flags, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if let Err(error) = fs::openat2(&descriptor, ".", flags, Mode::empty(), resolve) {
        let error = io::Error::from(error);
        return Err(io::Error::new(
            error.kind(),
            format!("cannot open files beneath a directory (openat2, since Linux 5.6): {error}"),
        ));
    }
    let is_local = open::is_local(&descriptor);
    Ok(Directory { descriptor: Arc::new(descriptor), is_local })
}

impl Files {
    /// Adds the directory with the next id.
    pub(crate) fn add_directory(&mut self, directory: Directory) {
        self.directories.push(directory);
    }

    fn directory(&self, id: DirectoryId) -> Result<&Directory, FileErrorKind> {
        self.directories.get(id.index()).ok_or(FileErrorKind::NotFound)
    }

    /// The file with this number, while it is open.
    fn by_number(&self, number: u64) -> Option<&OpenFile> {
        let (id, file) = self.open.get((number & u64::from(u32::MAX)) as usize)?.as_ref()?;
        Some(file).filter(|_| id.number() == number)
    }

    /// Adds a file that was opened for a request that is still awaited.
    pub(crate) fn add(&mut self, id: FileId, file: OpenFile) {
        if self.open.len() <= id.index() {
            self.open.resize_with(id.index() + 1, || None);
        }
        self.open[id.index()] = Some((id, file));
    }

    pub(crate) fn close(&mut self, id: FileId) {
        if let Some(place) = self.open.get_mut(id.index()) {
            place.take_if(|(open, _)| *open == id);
        }
    }

    /// Answers a request, if that needs no wait. `scratch` is for what is read.
    pub(crate) fn ask(&mut self, request: FileRequest, scratch: &mut [u8]) -> Asked {
        match self.try_ask(request, scratch) {
            Ok(asked) => asked,
            Err(error) => Asked::Now(Err(error)),
        }
    }

    fn try_ask(
        &mut self,
        request: FileRequest,
        scratch: &mut [u8],
    ) -> Result<Asked, FileErrorKind> {
        match request {
            FileRequest::Open { file: id, directory, path, follow_links, inline } => {
                let Directory { descriptor, is_local } = self.directory(directory)?;
                let attempt = match is_local {
                    true => open::open_cached(descriptor, &path, follow_links, inline, scratch)?,
                    false => Attempt::WouldWait,
                };
                if let Attempt::Done(answer, file) = attempt {
                    file.into_iter().for_each(|file| self.add(id, file));
                    return Ok(Asked::Now(Ok(answer)));
                }
                let directory = Arc::clone(descriptor);
                Ok(Asked::Later(FileWork::Open { id, directory, path, follow_links, inline }))
            }
            FileRequest::Read { file, offset, len } => {
                let open = self.by_number(file.number()).ok_or(FileErrorKind::NotFound)?;
                let mut bytes = vec![0; len as usize];
                if let Some(n) = read_cached(&open.descriptor, offset, open.len, &mut bytes) {
                    bytes.truncate(n);
                    return Ok(Asked::Now(Ok(FileAnswer::Read(bytes.into()))));
                }
                let file = Arc::clone(&open.descriptor);
                Ok(Asked::Later(FileWork::Read { file, offset, len }))
            }
            FileRequest::List { directory, path, follow_links, limit } => {
                let directory = Arc::clone(&self.directory(directory)?.descriptor);
                Ok(Asked::Later(FileWork::List { directory, path, follow_links, limit }))
            }
            _ => Err(FileErrorKind::Unsupported),
        }
    }
}

/// Fills `into` from what is in memory of a file, from `offset` on. Returns how many bytes there are:
/// fewer than `into` has only at the end of the file, which had `len` bytes. `None` if that is not
/// known without waiting.
fn read_cached(file: &OwnedFd, offset: u64, len: u64, into: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while filled < into.len() {
        let at = offset.saturating_add(filled as u64);
        let rest = &mut [IoSliceMut::new(&mut into[filled..])];
        match preadv2(file, rest, at, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Some(filled),
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if offset.saturating_add(filled as u64) == len {
            // Without another call, which would find nothing.
            return Some(filled);
        }
    }
    Some(filled)
}
