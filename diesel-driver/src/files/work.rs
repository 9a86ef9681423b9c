//! What threads do for files: everything that may wait for a disk.
//!
//! It must never know who asks, nor when.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use diesel_proto::machine::{DirEntry, EntryKind, FileAnswer};
use diesel_proto::{FileErrorKind, FileId};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::{Errno, pread};

use super::open::{check, inline_answer, kind_of, modified, open};
use super::{FileResult, OpenFile};

/// What a thread does.
pub(crate) enum FileWork {
    Open { id: FileId, directory: Arc<OwnedFd>, path: Box<[u8]>, follow_links: bool, inline: u32 },
    Read { file: Arc<OwnedFd>, offset: u64, len: u32 },
    List { directory: Arc<OwnedFd>, path: Box<[u8]>, follow_links: bool, limit: u32 },
}

impl FileWork {
    /// The file that it opens.
    pub(crate) fn opens(&self) -> Option<FileId> {
        match self {
            FileWork::Open { id, .. } => Some(*id),
            FileWork::Read { .. } | FileWork::List { .. } => None,
        }
    }

    pub(crate) fn run(self) -> FileResult {
        match self {
            FileWork::Open { directory, path, follow_links, inline, .. } => {
                let file = open(&directory, &path, OFlags::empty(), follow_links)?;
                let info = check(&file)?;
                if info.len <= u64::from(inline) {
                    let content = read(&file, 0, info.len as usize)?;
                    return Ok((inline_answer(info, content), None));
                }
                let file = OpenFile::new(file, info.len);
                Ok((FileAnswer::Opened { info, content: None }, Some(file)))
            }
            FileWork::Read { file, offset, len } => {
                let bytes = read(&file, offset, len as usize)?;
                Ok((FileAnswer::Read(bytes.into()), None))
            }
            FileWork::List { directory, path, follow_links, limit } => {
                let path = if path.is_empty() { &b"."[..] } else { &path };
                let directory = open(&directory, path, OFlags::DIRECTORY, follow_links)?;
                Ok((FileAnswer::Listed(list(directory, limit)?), None))
            }
        }
    }
}

/// Reads up to `len` bytes, fewer only at the end of the file.
fn read(file: &OwnedFd, offset: u64, len: usize) -> Result<Vec<u8>, FileErrorKind> {
    let (mut bytes, mut filled) = (vec![0; len], 0);
    while filled < len {
        match pread(file, &mut bytes[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(kind_of(error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a part of a file, so that it is in the page cache.
pub(crate) fn load(file: &OwnedFd, offset: u64, len: u64) -> Result<(), FileErrorKind> {
    let mut scratch = vec![0; (64 << 10).min(usize::try_from(len).unwrap_or(usize::MAX))];
    let mut done = 0;
    while done < len {
        let most = scratch.len().min(usize::try_from(len - done).unwrap_or(usize::MAX));
        match pread(file, &mut scratch[..most], offset.saturating_add(done)) {
            // It is too short, as the attempt to send it finds out.
            Ok(0) => break,
            Ok(n) => done += n as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(kind_of(error)),
        }
    }
    Ok(())
}

fn list(directory: OwnedFd, limit: u32) -> Result<Vec<DirEntry>, FileErrorKind> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(&directory).map_err(kind_of)? {
        let entry = entry.map_err(kind_of)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() >= limit as usize {
            return Err(FileErrorKind::TooManyEntries);
        }
        let stat = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // It was removed meanwhile.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(kind_of(error)),
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Link,
            _ => EntryKind::Other,
        };
        let len = match kind {
            EntryKind::File => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        };
        entries.push(DirEntry {
            name: name.to_bytes().into(),
            kind,
            len,
            modified: modified(&stat),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
