//! Opens files beneath a directory, and what is known of them.
//!
//! It must never know who asks.

use std::os::fd::{AsFd, OwnedFd};

use diesel_proto::FileErrorKind;
use diesel_proto::machine::{FileAnswer, FileInfo, FileTime};
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{OpenFile, read_cached};

/// A FIFO or a device must not make the open wait, nor become the terminal of the process.
const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// An attempt that does not wait.
pub(super) enum Attempt {
    Done(FileAnswer, Option<OpenFile>),
    /// A thread has to try it.
    WouldWait,
}

/// The system may ask to try again, when something on the path was renamed meanwhile.
const TRIES: usize = 32;

pub(super) fn beneath(follow_links: bool) -> ResolveFlags {
    let flags = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if follow_links { flags } else { flags | ResolveFlags::NO_SYMLINKS }
}

/// Opens a file, if all that this needs is in memory.
pub(super) fn open_cached(
    directory: &OwnedFd,
    path: &[u8],
    follow_links: bool,
    inline: u32,
    scratch: &mut [u8],
) -> Result<Attempt, FileErrorKind> {
    // A mount below the directory may be of a network.
    let resolve = beneath(follow_links) | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
    let file = match fs::openat2(directory, path, FLAGS, Mode::empty(), resolve) {
        Ok(file) => file,
        // The system is too old for RESOLVE_CACHED, if it is INVAL.
        Err(Errno::AGAIN | Errno::XDEV | Errno::INTR | Errno::INVAL) => {
            return Ok(Attempt::WouldWait);
        }
        Err(error) => return Err(kind_of(error)),
    };
    let info = check(&file)?;
    if info.len > u64::from(inline) {
        let file = OpenFile::new(file, info.len);
        return Ok(Attempt::Done(FileAnswer::Opened { info, content: None }, Some(file)));
    }
    let len = info.len as usize;
    let Some(into) = scratch.get_mut(..len) else { return Ok(Attempt::WouldWait) };
    Ok(match read_cached(&file, 0, info.len, into) {
        Some(n) => Attempt::Done(inline_answer(info, into[..n].to_vec()), None),
        None => Attempt::WouldWait,
    })
}

/// Opens a file, however long that takes.
pub(super) fn open(
    directory: &OwnedFd,
    path: &[u8],
    flags: OFlags,
    follow_links: bool,
) -> Result<OwnedFd, FileErrorKind> {
    let mut tries = 1;
    loop {
        match fs::openat2(directory, path, FLAGS | flags, Mode::empty(), beneath(follow_links)) {
            Err(Errno::AGAIN | Errno::INTR) if tries < TRIES => tries += 1,
            // It, or something on the path to it.
            Err(Errno::NOTDIR) if flags.contains(OFlags::DIRECTORY) => {
                return Err(FileErrorKind::NotDirectory);
            }
            opened => return opened.map_err(kind_of),
        }
    }
}

/// The answer with the content, which may be shorter than it was a moment ago.
pub(super) fn inline_answer(info: FileInfo, content: Vec<u8>) -> FileAnswer {
    let info = FileInfo { len: content.len() as u64, ..info };
    FileAnswer::Opened { info, content: Some(content.into()) }
}

/// What is known of a file, if it is a regular one.
pub(super) fn check(file: &OwnedFd) -> Result<FileInfo, FileErrorKind> {
    let stat = fs::fstat(file).map_err(kind_of)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(FileInfo {
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: modified(&stat),
            number: stat.st_ino,
        }),
        FileType::Directory => Err(FileErrorKind::IsDirectory),
        _ => Err(FileErrorKind::NotRegular),
    }
}

pub(super) fn modified(stat: &Stat) -> FileTime {
    FileTime { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) }
}

/// Whether a file system is one of this machine: one that does not wait for what is cached.
pub(super) fn is_local(directory: impl AsFd) -> bool {
    const LOCAL: [u32; 9] = [
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683E, // Btrfs
        0xF2F5_2010, // F2FS
        0xCA45_1A4E, // bcachefs
        0x2FC1_2FC1, // ZFS
        0x0102_1994, // tmpfs
        0x8584_58F6, // ramfs
        0x794C_7630, // overlayfs
    ];
    fs::fstatfs(directory).is_ok_and(|of| LOCAL.contains(&(of.f_type as u32)))
}

pub(super) fn kind_of(error: Errno) -> FileErrorKind {
    match error {
        Errno::NOENT | Errno::NOTDIR => FileErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => FileErrorKind::Denied,
        Errno::ISDIR => FileErrorKind::IsDirectory,
        // A socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV => FileErrorKind::NotRegular,
        Errno::XDEV | Errno::LOOP => FileErrorKind::Escapes,
        Errno::NAMETOOLONG => FileErrorKind::NameTooLong,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => FileErrorKind::OutOfResources,
        error => FileErrorKind::Other(error.raw_os_error()),
    }
}
