//! Files, as values: what a hub asks its embedder for, and what it is answered.
//!
//! A hub sees of a file an id, a length and a result. Where the bytes are, and what a directory is,
//! is up to the embedder: a test serves files from a map.
//!
//! It must never know how files are stored.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::id::{DirectoryId, FileId};

/// What a hub asks its embedder for, by an [`Action::File`](crate::hub::Action::File).
///
/// A path is relative to its directory: names with a `/` between them, none of them empty, `.` or
/// `..`, and without NUL. The hub has checked that. The embedder never leaves the directory,
/// whatever links there are in it.
///
/// ```
/// use diesel_proto::machine::FileRequest;
/// use diesel_proto::{Action, Ctx, Hub, Instant};
///
/// let mut hub = Hub::default();
/// let pages = hub.add_directory();
/// hub.add_loop(async move |ctx: Ctx| ctx.open(pages, "index.html").await.map(drop))?;
/// let mut actions = Vec::new();
/// hub.run(Instant::ORIGIN, &mut actions);
/// let [Action::File(_, FileRequest::Open { directory, path, .. })] = &actions[..] else {
///     panic!("{actions:?}")
/// };
/// assert_eq!((*directory, &path[..]), (pages, &b"index.html"[..]));
/// # Ok::<(), diesel_proto::Limit>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRequest {
    /// Open a file for reading. The answer is a [`FileAnswer::Opened`].
    Open {
        /// The id that the file has while it is open. The hub chose it; it was never used before.
        file: FileId,
        /// The directory.
        directory: DirectoryId,
        /// The path in the directory. Not empty.
        path: Box<[u8]>,
        /// Whether links are followed. They must not lead out of the directory in any case.
        follow_links: bool,
        /// If the file has at most this many bytes, its content is part of the answer, and nothing
        /// stays open.
        inline: u32,
    },
    /// Read a part of an open file. The answer is a [`FileAnswer::Read`].
    Read {
        /// The file.
        file: FileId,
        /// Where the part begins, in bytes.
        offset: u64,
        /// How many bytes to read at most.
        len: u32,
    },
    /// List a directory. The answer is a [`FileAnswer::Listed`].
    List {
        /// The directory.
        directory: DirectoryId,
        /// The path of a directory in it. Empty: the directory itself.
        path: Box<[u8]>,
        /// Whether links in the path are followed.
        follow_links: bool,
        /// With more entries than this, the answer is [`FileErrorKind::TooManyEntries`].
        limit: u32,
    },
}

/// The answer to a [`FileRequest`], if it succeeds.
///
/// Example: see [`Hub::file_answered`](crate::hub::Hub::file_answered).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAnswer {
    /// The file is open, unless its content is here.
    Opened {
        /// What is known about it.
        info: FileInfo,
        /// Its whole content, `info.len` bytes. Then it is not open.
        content: Option<Bytes>,
    },
    /// The bytes that were read: fewer than asked for only at the end of the file.
    Read(Bytes),
    /// The entries of a directory, without `.` and `..`, ordered by their names.
    Listed(Vec<DirEntry>),
}

/// What is known about a file when it is opened.
///
/// Example: see [`File`](crate::fiber::File).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileInfo {
    /// Its length in bytes.
    pub len: u64,
    /// When it was last modified.
    pub modified: FileTime,
    /// A number that tells it from other files of its directory at the same time: on Unix, the
    /// number of its inode. Zero if there is none.
    pub number: u64,
}

/// A point in time of a file system: seconds since 1970 (UTC), before that negative, and
/// nanoseconds after that.
///
/// ```
/// use diesel_proto::machine::FileTime;
///
/// let time = FileTime { seconds: 784_111_777, nanoseconds: 5 };
/// assert!(time > FileTime { seconds: 784_111_777, nanoseconds: 0 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds after that: less than 1,000,000,000.
    pub nanoseconds: u32,
}

/// One entry of a directory.
///
/// Example: see [`Ctx::list`](crate::fiber::Ctx::list).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name: bytes, since names need not be text.
    pub name: Box<[u8]>,
    /// What it is. A link is not followed.
    pub kind: EntryKind,
    /// Its length in bytes, if it is a file.
    pub len: u64,
    /// When it was last modified.
    pub modified: FileTime,
}

/// What an entry of a directory is.
///
/// Example: see [`Ctx::list`](crate::fiber::Ctx::list).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something else: a FIFO, a socket, a device.
    Other,
}

/// Why a file could not be opened or read, or a directory not be listed.
///
/// ```
/// use diesel_proto::{Error, FileErrorKind};
///
/// let error = Error::File(FileErrorKind::NotFound);
/// assert_eq!(error.to_string(), "there is no such file");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// There is no such file, or a part of the path is not a directory.
    NotFound,
    /// The system does not allow it.
    Denied,
    /// It is a directory, not a file.
    IsDirectory,
    /// It is not a directory, and was to be listed.
    NotDirectory,
    /// It is neither a file nor a directory, but a FIFO, a socket or a device.
    NotRegular,
    /// The path leads out of the directory, or through a link where none is allowed.
    Escapes,
    /// The path is not a sequence of names: it is empty or absolute, has an empty name or `.`, or
    /// contains NUL.
    InvalidPath,
    /// The path, or a name in it, is too long.
    NameTooLong,
    /// The directory has more entries than the limit of the call.
    TooManyEntries,
    /// The file is shorter than it was when it was opened.
    Shrunk,
    /// Out of descriptors, memory or threads.
    OutOfResources,
    /// The embedder has no files.
    Unsupported,
    /// Any other error, with the number that the system gave it.
    Other(i32),
}

impl fmt::Display for FileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileErrorKind::NotFound => "there is no such file",
            FileErrorKind::Denied => "access to the file is denied",
            FileErrorKind::IsDirectory => "it is a directory, not a file",
            FileErrorKind::NotDirectory => "it is not a directory",
            FileErrorKind::NotRegular => "it is not a regular file",
            FileErrorKind::Escapes => "the path leads out of the directory, or through a link",
            FileErrorKind::InvalidPath => "the path is not a sequence of names",
            FileErrorKind::NameTooLong => "the path of the file is too long",
            FileErrorKind::TooManyEntries => "the directory has too many entries",
            FileErrorKind::Shrunk => "the file became shorter while it was read",
            FileErrorKind::OutOfResources => "out of descriptors, memory or threads for files",
            FileErrorKind::Unsupported => "files are not supported here",
            FileErrorKind::Other(code) => return write!(f, "system error {code} of a file"),
        })
    }
}

impl core::error::Error for FileErrorKind {}

/// The longest path, as on Linux, where NUL counts.
const LONGEST: usize = 4095;

/// Checks that a path is a sequence of names.
pub(crate) fn check_path(path: &[u8]) -> Result<(), FileErrorKind> {
    if path.len() > LONGEST {
        return Err(FileErrorKind::NameTooLong);
    }
    if path.contains(&0) {
        return Err(FileErrorKind::InvalidPath);
    }
    // A path that leads up is refused even if it comes back: what it leads to must not depend on
    // the embedder.
    match path.split(|byte| *byte == b'/').find(|name| matches!(*name, b"" | b"." | b"..")) {
        Some(b"..") => Err(FileErrorKind::Escapes),
        Some(_) => Err(FileErrorKind::InvalidPath),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_sequence_of_names() {
        for good in [&b"a"[..], b"a/b/c.txt", b"...", b"..a/.b", b"\xff\n", &[b'a'; 4095]] {
            assert_eq!(check_path(good), Ok(()), "{good:?}");
        }
        for bad in [&b""[..], b"/", b"/etc", b"a/", b"a//b", b".", b"a/./b", b"a\0b"] {
            assert_eq!(check_path(bad), Err(FileErrorKind::InvalidPath), "{bad:?}");
        }
        for up in [&b".."[..], b"../a", b"a/..", b"a/../b"] {
            assert_eq!(check_path(up), Err(FileErrorKind::Escapes), "{up:?}");
        }
        assert_eq!(check_path(&[b'a'; 4096]), Err(FileErrorKind::NameTooLong));
    }
}
