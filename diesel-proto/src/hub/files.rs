//! The files of a hub: directories, requests to the embedder and its answers, and when files are
//! closed.
//!
//! ```text
//!   token ──ask──▶ job entry ──File──▶ the embedder
//!   token ◀──poll────┴──file_answered──────┘
//!   token dropped: Cancel, unless it was answered; a late answer is refused, so that the embedder
//!                  closes what it opened
//!   OpenFile dropped ──CloseFile──▶ the embedder
//! ```
//!
//! Rules of this file:
//!
//! - A file has an id from the request to open it until it is closed: `files <= Config::max_files`.
//! - The embedder has a file open from its answer, if that was taken, until [`Action::CloseFile`].
//! - A file is closed only when no region of it is queued any more: one that was given up while a
//!   part of it was queued is kept until the queue of its connection is empty.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use super::Hub;
use super::action::Action;
use super::core::Core;
use super::job_entry::{JobAnswer, JobKind, JobState};
use crate::buf::FileRegion;
use crate::machine::{
    Cause, ConnId, DirectoryId, End, Error, FileAnswer, FileErrorKind, FileId, FileRequest, JobId,
    Key, Limit, Notice, check_path,
};
use crate::time::Instant;

/// A file that the embedder has open. It is closed on drop. No user code runs then.
pub(crate) struct OpenFile {
    core: Rc<Core>,
    id: FileId,
}

impl OpenFile {
    pub(crate) fn new(core: Rc<Core>, id: FileId) -> Self {
        OpenFile { core, id }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn region(&self, offset: u64, len: u64) -> FileRegion {
        FileRegion { id: self.id.number(), offset, len }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.core.close_file(self.id);
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl Core {
    /// Asks for a file to be opened. Returns the id that it has if that succeeds, too.
    pub(crate) fn ask_open(
        &self,
        directory: DirectoryId,
        path: &[u8],
        follow_links: bool,
        inline: u32,
    ) -> Result<(JobId, FileId), Error> {
        self.check_directory(directory)?;
        check_path(path)?;
        let most = self.config.max_files;
        if self.files.files.borrow().len() >= most {
            return Err(self.at_file_limit(Limit::Files(most)).into());
        }
        let key = self.files.files.borrow_mut().insert(());
        let file = FileId(key);
        let job = self.add_file_job(JobKind::Open(file)).inspect_err(|_| {
            self.files.files.borrow_mut().remove(key);
        })?;
        let path = Box::from(path);
        let request = FileRequest::Open { file, directory, path, follow_links, inline };
        self.push_action(Action::File(job, request));
        Ok((job, file))
    }

    /// Asks for a part of an open file.
    pub(crate) fn ask_read(&self, file: FileId, offset: u64, len: u32) -> Result<JobId, Error> {
        let job = self.add_file_job(JobKind::File)?;
        self.push_action(Action::File(job, FileRequest::Read { file, offset, len }));
        Ok(job)
    }

    /// Asks for the entries of a directory.
    pub(crate) fn ask_list(
        &self,
        directory: DirectoryId,
        path: &[u8],
        follow_links: bool,
        limit: u32,
    ) -> Result<JobId, Error> {
        self.check_directory(directory)?;
        if !path.is_empty() {
            check_path(path)?;
        }
        let job = self.add_file_job(JobKind::File)?;
        let path = Box::from(path);
        let request = FileRequest::List { directory, path, follow_links, limit };
        self.push_action(Action::File(job, request));
        Ok(job)
    }

    fn check_directory(&self, directory: DirectoryId) -> Result<(), Error> {
        match directory.hub == self.tag {
            true => Ok(()),
            false => Err(Error::OtherHub),
        }
    }

    fn add_file_job(&self, kind: JobKind) -> Result<JobId, Limit> {
        let most = self.config.max_file_requests;
        if self.files.requests.get() >= most {
            return Err(self.at_file_limit(Limit::FileRequests(most)));
        }
        self.files.requests.set(self.files.requests.get() + 1);
        Ok(self.insert_job(JobState::Asked, kind))
    }

    fn at_file_limit(&self, limit: Limit) -> Limit {
        self.counters.borrow_mut().limit_files += 1;
        self.notice(None, Notice::LimitReached(limit));
        limit
    }

    /// A request to open this file failed, was given up, or was answered with the content: it has no
    /// id any more.
    pub(super) fn forget_file(&self, file: FileId) {
        self.files.files.borrow_mut().remove(file.into());
    }

    pub(super) fn close_file(&self, file: FileId) {
        let was_open = self.files.files.borrow_mut().remove(file.into()).is_some();
        if was_open {
            self.push_action(Action::CloseFile(file));
            self.need_run();
        }
    }

    /// Keeps a file open until the queue of this connection is empty.
    pub(crate) fn keep_until_sent(&self, conn: Key, file: Rc<OpenFile>) {
        self.files.sending.borrow_mut().push((conn, file));
        self.need_run();
    }

    /// Closes the files whose regions are sent, or dropped with their connections.
    pub(super) fn release_files(&self) {
        if self.files.sending.borrow().is_empty() {
            return;
        }
        let mut sent = Vec::new();
        for (conn, file) in self.files.sending.take() {
            let is_sending = self.streams.borrow_mut().at(conn).is_some_and(|stream| {
                // What a fiber wrote is queued only once its machine was stepped.
                stream.woken || stream.with_flow(|flow| !flow.output.is_empty()).unwrap_or(false)
            });
            match is_sending {
                true => self.files.sending.borrow_mut().push((conn, file)),
                false => sent.push(file),
            }
        }
        // Nothing is borrowed: this may wake the embedder.
        drop(sent);
    }
}

impl Hub {
    /// Adds a directory, from which fibers [open](crate::fiber::Ctx::open) files. What it stands for
    /// is up to the embedder, which the id is passed to. Like a service, it belongs to how the hub
    /// is set up: it is no input.
    ///
    /// ```
    /// let mut hub = diesel_proto::Hub::default();
    /// assert_eq!(hub.add_directory().index(), 0);
    /// assert_eq!(hub.add_directory().index(), 1);
    /// ```
    pub fn add_directory(&mut self) -> DirectoryId {
        let directories = &self.core.files.directories;
        let index = directories.replace(directories.get() + 1);
        DirectoryId { index, hub: self.core.tag }
    }

    /// The answer to an [`Action::File`]: what was asked for, or why there is none. Returns whether
    /// it was awaited. If not, it is dropped, and the embedder must close the file that it opened
    /// for it, if it did.
    ///
    /// ```
    /// use diesel_proto::machine::{FileAnswer, FileInfo, FileTime};
    /// use diesel_proto::{Action, Ctx, Hub, Instant};
    ///
    /// let mut hub = Hub::default();
    /// let pages = hub.add_directory();
    /// hub.add_loop(async move |ctx: Ctx| {
    ///     let file = ctx.open(pages, "hello.txt").await?;
    ///     assert_eq!(file.content().unwrap(), "hello");
    ///     ctx.halt();
    ///     Ok(())
    /// })?;
    /// let (now, mut actions) = (Instant::ORIGIN, Vec::new());
    /// hub.run(now, &mut actions);
    /// let [Action::File(job, _)] = actions[..] else { panic!("{actions:?}") };
    /// let info = FileInfo { len: 5, modified: FileTime::default(), number: 0 };
    /// let opened = FileAnswer::Opened { info, content: Some("hello".into()) };
    /// assert!(hub.file_answered(now, job, Ok(opened)));
    ///
    /// actions.clear();
    /// hub.run(now, &mut actions);
    /// assert!(actions.contains(&Action::Halt));
    /// # Ok::<(), diesel_proto::Limit>(())
    /// ```
    #[must_use = "what was opened must be closed if it is not awaited"]
    pub fn file_answered(
        &mut self,
        now: Instant,
        job: JobId,
        answer: Result<FileAnswer, FileErrorKind>,
    ) -> bool {
        self.advance(now);
        !self.refuses_job(job) && self.answer(job, JobAnswer::File(answer))
    }

    /// The rest of the [`file_region`](Self::file_region) that comes first cannot be sent, because
    /// its file cannot be read any more, or is shorter than that. The connection is aborted with
    /// [`Cause::File`], so that the peer notices that it was cut off.
    pub fn region_failed(&mut self, now: Instant, conn: ConnId, why: FileErrorKind) {
        self.advance(now);
        if self.refuses(conn) {
            return;
        }
        let cause = Cause::File(why);
        self.step(conn, |link, now, workspace| link.cut(now, cause, workspace));
        self.end_stream(conn, End::Abort(cause));
    }
}
