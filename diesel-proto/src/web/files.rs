//! [`Files`]: serves the files of a directory.
//!
//! ```text
//!   path      FilePath: the path of a request, as names of files
//!   listing   the page that lists a directory
//!   this file opens what a path names, and answers as the conditions and ranges of the request ask
//! ```
//!
//! Rules of this folder:
//!
//! - No file outside of the directory is opened. That is up to [`Ctx::open`], and not to a comparison
//!   of names.
//! - A response is about one version of a file: the one that is open. Its length and its validators are
//!   those of that version, and if it becomes shorter while it is sent, the response is cut.
//! - What a client may not see is not there: it gets a 404.
//!
//! It must never know where the files are.

mod listing;
mod path;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use self::path::{FilePath, PathError};
use super::accept_encoding::accepts_gzip;
use super::byteranges::Byteranges;
use super::conditions::{Precondition, Validators};
use super::entity_tag::EntityTag;
use super::ranges::{ContentRange, RangeRequest};
use crate::fiber::{Ctx, File};
use crate::http1::{BodyWriter, HttpDate, Request, Response, Status};
use crate::machine::{DirectoryId, Error, FileErrorKind, FileInfo, FileTime};

/// The most entries that a listing has.
const LISTED: u32 = 10_000;

/// Serves the files of a directory: for GET and HEAD, with conditions (`If-None-Match`,
/// `If-Modified-Since`, ..), ranges, types by the extensions of names, and index files.
///
/// The path of a request is decoded and split into names; see [`Ctx::open`] for what keeps it in the
/// directory. By default, symbolic links are not followed, names that begin with a dot are not served
/// (except `.well-known`, RFC 8615), and directories are not listed.
///
/// ```
/// use diesel_proto::http1::{Request, Service};
/// use diesel_proto::web::Files;
/// use diesel_proto::Hub;
///
/// let mut hub = Hub::default();
/// // With `diesel-driver`: `app.add_directory("www")?`.
/// let files = Files::new(hub.add_directory()).precompressed(true);
/// hub.add_service(Service::new(async move |request: Request| files.serve(&request).await));
/// ```
///
/// Each response is about the file as it was when it was opened. A file that is replaced (written
/// under another name, and renamed) is served whole, before and after. The entity tag is made of the
/// length and the time of modification; it is weak while a further change within the same second could
/// have the same time.
#[derive(Clone, Debug)]
pub struct Files {
    directory: DirectoryId,
    index: Option<Cow<'static, str>>,
    cache_control: Option<Cow<'static, str>>,
    listing: bool,
    dot_files: bool,
    follow_links: bool,
    precompressed: bool,
}

impl Files {
    /// Serves the files of this directory. The index file is `index.html`.
    pub fn new(directory: DirectoryId) -> Self {
        Files {
            directory,
            index: Some(Cow::Borrowed("index.html")),
            cache_control: None,
            listing: false,
            dot_files: false,
            follow_links: false,
            precompressed: false,
        }
    }

    /// Sets the name of the file that stands for its directory. With an empty one there is none.
    pub fn index(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.index = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// Whether a directory without an index file is listed, if it has at most 10,000 entries. Off by
    /// default.
    pub fn listing(mut self, lists: bool) -> Self {
        self.listing = lists;
        self
    }

    /// Whether files and directories are served whose names begin with a dot. Off by default.
    pub fn dot_files(mut self, serves: bool) -> Self {
        self.dot_files = serves;
        self
    }

    /// Whether symbolic links are followed, within the directory. Off by default.
    pub fn follow_links(mut self, follows: bool) -> Self {
        self.follow_links = follows;
        self
    }

    /// Whether a client that accepts gzip gets the file `NAME.gz` in place of `NAME`, if it exists and
    /// is not older. Off by default: it costs opening another file.
    pub fn precompressed(mut self, looks: bool) -> Self {
        self.precompressed = looks;
        self
    }

    /// Sets the value of `Cache-Control`. Without one, caches decide by themselves how long they use a
    /// file without asking again.
    pub fn cache_control(mut self, value: impl Into<Cow<'static, str>>) -> Self {
        self.cache_control = Some(value.into());
        self
    }

    /// Answers a request for the file that its path names.
    ///
    /// What cannot be served is a response as well: 404, 403 where the system denies access, 405 for
    /// other methods than GET and HEAD, 400 for a path that cannot be decoded, 503 out of descriptors.
    ///
    /// # Errors
    ///
    /// Others of [`Ctx::open`]: the hub shuts down, or the system fails to read.
    pub async fn serve(&self, request: &Request) -> Result<Response, Error> {
        self.serve_path(request, request.path()).await
    }

    /// As [`serve`](Self::serve), for another path than that of the request: what is behind the prefix
    /// below which the files are. It is encoded as in a request, and decoded here: a parameter of a
    /// route is decoded already, and would be decoded twice. A slash at its start does not count.
    ///
    /// ```
    /// use diesel_proto::http1::Request;
    /// use diesel_proto::web::{Files, Router, get};
    ///
    /// # let hub = &mut diesel_proto::Hub::default();
    /// let files = Files::new(hub.add_directory());
    /// let assets = async move |request: Request| {
    ///     let path = request.path().strip_prefix("/assets").unwrap_or_default();
    ///     files.serve_path(&request, path).await
    /// };
    /// let routes = Router::new().route("/assets/{*path}", get(assets)).build()?;
    /// hub.add_service(routes);
    /// # Ok::<(), diesel_proto::web::InvalidRoute>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_path(&self, request: &Request, path: &str) -> Result<Response, Error> {
        if !matches!(request.method(), "GET" | "HEAD") {
            let allowed = refusal(Status::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            return Ok(allowed.header("Allow", "GET, HEAD"));
        }
        let path = match FilePath::new(path) {
            Ok(path) if path.is_hidden() && !self.dot_files => return Ok(not_found()),
            Ok(path) => path,
            Err(PathError::NotFound) => return Ok(not_found()),
            Err(PathError::Invalid) => {
                return Ok(refusal(Status::BAD_REQUEST, "the path is not encoded correctly\n"));
            }
        };
        let served = match path.is_directory {
            true => self.serve_directory(request, &path).await,
            false => self.serve_file(request, path.join(b"")).await,
        };
        served.or_else(|error| match error {
            Error::File(FileErrorKind::IsDirectory) => Ok(redirect(request, path.name())),
            error => refusal_of(error),
        })
    }

    async fn serve_directory(
        &self,
        request: &Request,
        path: &FilePath<'_>,
    ) -> Result<Response, Error> {
        if let Some(index) = &self.index {
            match self.serve_file(request, path.join(index.as_bytes())).await {
                Err(Error::File(FileErrorKind::NotFound | FileErrorKind::IsDirectory)) => {}
                served => return served,
            }
        }
        if !self.listing {
            return Ok(not_found());
        }
        let directory = path.join(b"");
        let list = request.ctx().list(self.directory, &directory).limit(LISTED);
        let mut entries = list.follow_links(self.follow_links).await?;
        entries.retain(|entry| self.dot_files || !entry.name.starts_with(b"."));
        let shown = format!("/{}", String::from_utf8_lossy(&directory));
        let page = listing::page(&shown, directory.is_empty(), &entries);
        // The page needs nothing from anywhere, whatever names it contains.
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        Ok(Response::html(page).header("Content-Security-Policy", policy))
    }

    async fn serve_file(&self, request: &Request, path: Vec<u8>) -> Result<Response, Error> {
        let ctx = request.ctx();
        let file = self.open(&ctx, &path).await?;
        let content_type = content_type(&path);
        let twin = match self.precompressed && accepts_gzip(request.headers()) {
            true => self.open_twin(&ctx, path, file.modified()).await,
            false => None,
        };
        let is_twin = twin.is_some();
        let file = twin.unwrap_or(file);
        let now = ctx.unix_seconds();
        let validators = validators(file.info(), is_twin, now);
        let mut response =
            match Precondition::of(request.method(), request.headers(), Some(&validators)) {
                Precondition::Failed => {
                    return Ok(refusal(Status::PRECONDITION_FAILED, "the file has changed\n"));
                }
                Precondition::NotModified => Response::new(Status::NOT_MODIFIED),
                Precondition::Met => {
                    let (method, fields, len) = (request.method(), request.headers(), file.len());
                    match RangeRequest::of(method, fields, len, &validators, now) {
                        RangeRequest::Unsatisfiable => return Ok(unsatisfiable(len)),
                        RangeRequest::Whole => Response::file(file).content_type(content_type),
                        RangeRequest::Parts(parts) => parts_of(&ctx, file, parts, content_type),
                    }
                    .header("Accept-Ranges", "bytes")
                }
            };
        if let Some(etag) = &validators.etag {
            response = response.header("ETag", etag.as_str());
        }
        if let Some(modified) = validators.modified {
            response = response.header("Last-Modified", HttpDate::from_unix(modified).as_str());
        }
        if let Some(value) = &self.cache_control {
            response = response.header("Cache-Control", value.as_bytes());
        }
        if self.precompressed {
            response = response.header("Vary", "Accept-Encoding");
        }
        if is_twin {
            response = response.header("Content-Encoding", "gzip");
        }
        Ok(response)
    }

    async fn open(&self, ctx: &Ctx, path: &[u8]) -> Result<File, Error> {
        ctx.open(self.directory, path).follow_links(self.follow_links).await
    }

    /// The compressed twin of a file that was modified at this time. One that is older is about
    /// another version.
    async fn open_twin(&self, ctx: &Ctx, mut path: Vec<u8>, modified: FileTime) -> Option<File> {
        path.extend_from_slice(b".gz");
        let twin = self.open(ctx, &path).await.ok()?;
        (twin.modified() >= modified).then_some(twin)
    }
}

/// The validators of a version of a file, at this time.
fn validators(info: &FileInfo, is_twin: bool, now: Option<u64>) -> Validators {
    let FileTime { seconds, nanoseconds } = info.modified;
    let twin = if is_twin { "-gz" } else { "" };
    let opaque = format!("{seconds:x}.{nanoseconds:x}-{:x}{twin}", info.len);
    let modified = u64::try_from(seconds).ok();
    // File systems count time in steps of some milliseconds: a file that was modified just now may
    // change again without a later time.
    let is_settled = now.zip(modified).is_some_and(|(now, modified)| modified + 1 < now);
    let etag = match is_settled {
        true => EntityTag::strong(opaque),
        false => EntityTag::weak(opaque),
    };
    // Never later than the response itself (RFC 9110, 8.8.2.1).
    let modified = modified.map(|modified| now.map_or(modified, |now| modified.min(now)));
    Validators { etag: etag.ok(), modified }
}

/// The type of a file, by the extension of its name.
fn content_type(path: &[u8]) -> Cow<'static, str> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let extension = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    let extension = extension.and_then(|extension| core::str::from_utf8(extension).ok());
    match mime_guess::from_ext(extension.unwrap_or_default()).first_raw() {
        None => Cow::Borrowed("application/octet-stream"),
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        Some(other) => Cow::Borrowed(other),
    }
}

/// One or several parts of a file.
fn parts_of(
    ctx: &Ctx,
    file: File,
    parts: Vec<Range<u64>>,
    content_type: Cow<'static, str>,
) -> Response {
    let len = file.len();
    if let [range] = &parts[..] {
        let content_range = format!("{}", ContentRange::part(range, len));
        return Response::file_part(file, range.clone())
            .status(Status::PARTIAL_CONTENT)
            .content_type(content_type)
            .header("Content-Range", content_range);
    }
    let body = Byteranges::new(parts, len, content_type.into_owned(), ctx.random());
    let content_type = body.content_type();
    Response::stream_exactly(body.len(), async move |out: &mut BodyWriter| {
        for (n, part) in body.parts().iter().enumerate() {
            out.write(body.before(n)).await?;
            out.write_file(&file, part.clone()).await?;
        }
        out.write(body.before(body.parts().len())).await
    })
    .status(Status::PARTIAL_CONTENT)
    .content_type(content_type)
}

fn unsatisfiable(len: u64) -> Response {
    refusal(Status::RANGE_NOT_SATISFIABLE, "the file has no such bytes\n")
        .header("Content-Range", format!("{}", ContentRange::unsatisfied(len)))
}

/// To the directory of this name, which the path of the request ends with, without a slash. The
/// location is relative, since the files may be below any path.
fn redirect(request: &Request, name: &[u8]) -> Response {
    let mut location = String::from("./");
    location.extend(path::encode(name));
    location.push('/');
    if let Some(query) = request.query() {
        location.push('?');
        location.push_str(query);
    }
    refusal(Status::MOVED_PERMANENTLY, "it is a directory\n").header("Location", location)
}

fn refusal_of(error: Error) -> Result<Response, Error> {
    match error {
        Error::File(
            FileErrorKind::NotFound
            | FileErrorKind::NotDirectory
            | FileErrorKind::NotRegular
            | FileErrorKind::Escapes
            | FileErrorKind::InvalidPath
            | FileErrorKind::NameTooLong,
        ) => Ok(not_found()),
        Error::File(FileErrorKind::Denied) => {
            Ok(refusal(Status::FORBIDDEN, "access to the file is denied\n"))
        }
        Error::File(FileErrorKind::OutOfResources | FileErrorKind::TooManyEntries)
        | Error::Limit(_) => {
            Ok(refusal(Status::SERVICE_UNAVAILABLE, "the file cannot be served now\n"))
        }
        error => Err(error),
    }
}

fn not_found() -> Response {
    refusal(Status::NOT_FOUND, "no such file\n")
}

fn refusal(status: Status, text: &'static str) -> Response {
    Response::text(text).status(status)
}
