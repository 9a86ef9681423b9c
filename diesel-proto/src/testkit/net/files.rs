//! What hosts of a network ask of files, and what they are answered, and when.
//!
//! It must never know what the answers are for.

use alloc::collections::BTreeMap;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::file_map::{FakeFile, FileMap};
use super::transcript::Happened;
use super::wire::WireEvent;
use super::{HostId, Network};
use crate::buf::FileRegion;
use crate::hub::ConnId;
use crate::hub::embed::RegionOutcome;
use crate::machine::{
    DirectoryId, FileAnswer, FileErrorKind, FileId, FileInfo, FileRequest, JobId,
};

/// The files of all hosts.
#[derive(Default)]
pub(super) struct NetFiles {
    maps: BTreeMap<(usize, DirectoryId), FileMap>,
    open: BTreeMap<(usize, u64), FakeFile>,
    /// Parts of files that were waited for, so that they are there now: up to which offset.
    loaded: BTreeMap<(usize, u64), u64>,
}

impl Network {
    /// Sets the files of a directory of a host. What is open stays as it is. Without this, a
    /// directory is empty.
    pub fn files(&mut self, host: HostId, directory: DirectoryId, files: impl Into<FileMap>) {
        self.files.maps.insert((host.0, directory), files.into());
    }

    /// How many files a host has open.
    pub fn open_files(&self, host: HostId) -> usize {
        self.files.open.keys().filter(|(at, _)| *at == host.0).count()
    }

    /// The answer, if it comes at once.
    pub(super) fn file(
        &mut self,
        host: usize,
        job: JobId,
        request: FileRequest,
    ) -> Option<Result<FileAnswer, FileErrorKind>> {
        self.transcript.add(self.now, host, None, Happened::AsksFile(&request));
        let (delay, opens, answer) = self.files.answer(host, &request);
        if delay? > Duration::ZERO {
            let due = WireEvent::FileAnswered(host, job, opens, answer);
            self.due.insert(self.now + delay?, due);
            return None;
        }
        self.files.open.extend(opens.map(|(file, fake)| ((host, file.number()), fake)));
        self.transcript.add(self.now, host, None, Happened::FileAnswered(&answer));
        Some(answer)
    }

    pub(super) fn file_answered(
        &mut self,
        host: usize,
        job: JobId,
        opens: Option<(FileId, FakeFile)>,
        answer: Result<FileAnswer, FileErrorKind>,
    ) {
        let now = self.now;
        self.transcript.add(now, host, None, Happened::FileAnswered(&answer));
        let Some(app) = self.hosts.get_mut(host).and_then(|at| at.app.as_mut()) else { return };
        if app.hub.file_answered(now, job, answer) {
            self.files.open.extend(opens.map(|(file, fake)| ((host, file.number()), fake)));
        }
        self.make_busy(host);
    }

    pub(super) fn close_file(&mut self, host: usize, file: FileId) {
        self.transcript.add(self.now, host, None, Happened::ClosesFile(file));
        self.files.open.remove(&(host, file.number()));
        self.files.loaded.remove(&(host, file.number()));
    }

    /// The bytes of a region that can be sent now, or the outcome if there are none.
    pub(super) fn region(
        &mut self,
        host: usize,
        conn: ConnId,
        region: FileRegion,
    ) -> Result<Bytes, RegionOutcome> {
        let FileRegion { id, offset, len } = region;
        let Some(file) = self.files.open.get(&(host, id)) else {
            return Err(RegionOutcome::Failed(FileErrorKind::NotFound));
        };
        let mut most = u32::try_from(len).unwrap_or(u32::MAX);
        if file.delay != Some(Duration::ZERO) {
            let loaded = self.files.loaded.get(&(host, id)).copied().unwrap_or_default();
            if offset >= loaded {
                if let Some(delay) = file.delay {
                    let end = offset.saturating_add(len.min(LOADED));
                    self.due.insert(self.now + delay, WireEvent::RegionReady(host, conn, id, end));
                }
                return Err(RegionOutcome::Pending);
            }
            most = most.min(u32::try_from(loaded - offset).unwrap_or(u32::MAX));
        }
        let bytes = file.read(offset, most);
        match bytes.is_empty() {
            true => Err(RegionOutcome::Failed(FileErrorKind::Shrunk)),
            false => Ok(bytes),
        }
    }

    pub(super) fn region_ready(&mut self, host: usize, conn: ConnId, id: u64, end: u64) {
        self.files.loaded.insert((host, id), end);
        self.region_is_ready(host, conn);
    }
}

/// How much of a file on a slow disk is there after one wait.
const LOADED: u64 = 64 << 10;

impl NetFiles {
    /// The answer to a request, how long it takes, and the file that it opens.
    #[allow(clippy::type_complexity)]
    fn answer(
        &self,
        host: usize,
        request: &FileRequest,
    ) -> (Option<Duration>, Option<(FileId, FakeFile)>, Result<FileAnswer, FileErrorKind>) {
        let at_once = |answer| (Some(Duration::ZERO), None, answer);
        match request {
            FileRequest::Open { file: id, directory, path, inline, .. } => {
                let Some(map) = self.maps.get(&(host, *directory)) else {
                    return at_once(Err(FileErrorKind::NotFound));
                };
                let Some(file) = map.0.get(path) else {
                    return at_once(Err(match map.is_directory(path) {
                        true => FileErrorKind::IsDirectory,
                        false => FileErrorKind::NotFound,
                    }));
                };
                if let Some(error) = file.error {
                    return (file.delay, None, Err(error));
                }
                let number = map.0.keys().take_while(|it| *it < path).count() as u64 + 1;
                let len = file.content.len() as u64;
                let info = FileInfo { len, modified: file.modified, number };
                match len <= u64::from(*inline) {
                    true => {
                        let content = file.left();
                        let info = FileInfo { len: content.len() as u64, ..info };
                        let answer = FileAnswer::Opened { info, content: Some(content) };
                        (file.delay, None, Ok(answer))
                    }
                    false => {
                        let answer = FileAnswer::Opened { info, content: None };
                        (file.delay, Some((*id, file.clone())), Ok(answer))
                    }
                }
            }
            FileRequest::Read { file, offset, len } => {
                match self.open.get(&(host, file.number())) {
                    Some(file) => {
                        (file.delay, None, Ok(FileAnswer::Read(file.read(*offset, *len))))
                    }
                    None => at_once(Err(FileErrorKind::NotFound)),
                }
            }
            FileRequest::List { directory, path, limit, .. } => {
                let none = FileMap::default();
                let map = self.maps.get(&(host, *directory)).unwrap_or(&none);
                at_once(map.list(path, *limit).map(FileAnswer::Listed))
            }
        }
    }
}

impl fmt::Debug for NetFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetFiles").field("open", &self.open.len()).finish_non_exhaustive()
    }
}
