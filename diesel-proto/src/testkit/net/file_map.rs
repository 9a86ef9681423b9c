//! The files that hosts of a network open: a map from paths to contents.
//!
//! It must never know who reads them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::machine::{DirEntry, EntryKind, FileErrorKind, FileTime};

/// The files of a directory, by their paths. Directories are what paths have in common.
///
/// ```
/// use diesel_proto::testkit::net::{FakeFile, FileMap, Network};
/// use diesel_proto::{Conn, Error, FileErrorKind, Hub};
/// use core::time::Duration;
///
/// let mut hub = Hub::default();
/// let pages = hub.add_directory();
/// let address = "192.0.2.1:80".parse()?;
/// let service = hub.add_service(async move |mut conn: Conn| {
///     let path = conn.until_eol().await?;
///     let file = conn.ctx().open(pages, path.without_eol()).await?;
///     conn.write_file(&file, ..).await
/// });
/// let mut network = Network::new(7);
/// let host = network.host(hub, &[(service, address)])?;
/// network.files(host, pages, FileMap::from([
///     ("index.html", "<p>hello".into()),
///     ("slow.txt", FakeFile::from("late").after(Duration::from_secs(3))),
///     ("log/today.txt", FakeFile::from("a line\n").shrinks_to(3)),
///     ("secret.txt", FileErrorKind::Denied.into()),
/// ]));
/// let peer = network.connect_to(host, service);
/// network.send(peer, "index.html\n");
/// network.run_until_idle()?;
/// assert_eq!(network.got(peer), b"<p>hello");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FileMap(pub(super) BTreeMap<Box<[u8]>, FakeFile>);

impl FileMap {
    /// Adds a file, in place of the one that had its path.
    pub fn add(&mut self, path: impl AsRef<[u8]>, file: impl Into<FakeFile>) {
        self.0.insert(path.as_ref().into(), file.into());
    }

    /// Whether there is a directory at this path.
    pub(super) fn is_directory(&self, path: &[u8]) -> bool {
        path.is_empty() || self.0.keys().any(|it| below(it, path).is_some())
    }

    pub(super) fn list(&self, path: &[u8], limit: u32) -> Result<Vec<DirEntry>, FileErrorKind> {
        if self.0.contains_key(path) {
            return Err(FileErrorKind::NotDirectory);
        }
        if !self.is_directory(path) {
            return Err(FileErrorKind::NotFound);
        }
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        for (own, file) in &self.0 {
            let Some(rest) = below(own, path) else { continue };
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            if !seen.insert(name) {
                continue;
            }
            if entries.len() >= limit as usize {
                return Err(FileErrorKind::TooManyEntries);
            }
            let (kind, len) = match name.len() == rest.len() {
                true => (EntryKind::File, file.content.len() as u64),
                false => (EntryKind::Directory, 0),
            };
            entries.push(DirEntry { name: name.into(), kind, len, modified: file.modified });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

/// The rest of a path that is below a directory.
fn below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    match directory.is_empty() {
        true => Some(path),
        false => path.strip_prefix(directory)?.strip_prefix(b"/"),
    }
}

impl<P: AsRef<[u8]>, const N: usize> From<[(P, FakeFile); N]> for FileMap {
    fn from(files: [(P, FakeFile); N]) -> Self {
        let mut map = FileMap::default();
        files.into_iter().for_each(|(path, file)| map.add(path, file));
        map
    }
}

/// A file of a [`FileMap`], and what goes wrong with it.
///
/// Example: see [`FileMap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeFile {
    /// What is in it.
    pub content: Bytes,
    /// When it was last modified.
    pub modified: FileTime,
    /// Why it cannot be opened.
    pub error: Option<FileErrorKind>,
    /// How long each answer about it takes; `None`: there is none.
    pub delay: Option<Duration>,
    /// How many bytes of it are left once it is open.
    pub left: Option<usize>,
}

impl FakeFile {
    /// Sets when it was last modified, in seconds since 1970.
    pub fn modified(mut self, seconds: i64) -> Self {
        self.modified = FileTime { seconds, nanoseconds: 0 };
        self
    }

    /// It is on a slow disk: each answer about it takes this time, and so does each part that is
    /// sent of it.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// It is on a disk that never answers.
    pub fn never(mut self) -> Self {
        self.delay = None;
        self
    }

    /// It is cut to this length as soon as it is open.
    pub fn shrinks_to(mut self, bytes: usize) -> Self {
        self.left = Some(bytes);
        self
    }

    /// What can still be read of it.
    pub(super) fn left(&self) -> Bytes {
        self.content.slice(..self.left.unwrap_or(usize::MAX).min(self.content.len()))
    }

    pub(super) fn read(&self, offset: u64, len: u32) -> Bytes {
        let left = self.left();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(left.len());
        left.slice(start..start.saturating_add(len as usize).min(left.len()))
    }
}

impl From<&'static str> for FakeFile {
    fn from(content: &'static str) -> Self {
        Bytes::from_static(content.as_bytes()).into()
    }
}

impl From<Vec<u8>> for FakeFile {
    fn from(content: Vec<u8>) -> Self {
        Bytes::from(content).into()
    }
}

impl From<Bytes> for FakeFile {
    fn from(content: Bytes) -> Self {
        let (modified, delay) = (FileTime::default(), Some(Duration::ZERO));
        FakeFile { content, modified, error: None, delay, left: None }
    }
}

/// It cannot be opened.
impl From<FileErrorKind> for FakeFile {
    fn from(error: FileErrorKind) -> Self {
        FakeFile { error: Some(error), ..Bytes::new().into() }
    }
}
