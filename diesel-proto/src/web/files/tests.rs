//! Requests for files that are in a map, through a hub, in virtual time.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use bytes::Bytes;

use super::*;
use crate::buf::FileRegion;
use crate::http1::Service;
use crate::hub::{Action, Hub};
use crate::machine::{
    Address, ConnId, DirEntry, EntryKind, FileAnswer, FileId, FileRequest, ServiceId,
};
use crate::time::Instant;

/// 1994-11-06 08:49:37, when every file was modified.
const MODIFIED: u64 = 784_111_777;
const NOW: Instant = Instant::ORIGIN;
/// Longer than what is read when a file is opened.
const LARGE: usize = 100_000;

struct Site {
    hub: Hub,
    service: ServiceId,
    files: BTreeMap<&'static [u8], (Bytes, u64)>,
    open: BTreeMap<FileId, Bytes>,
    fails: Option<FileErrorKind>,
}

impl Site {
    fn new(change: impl FnOnce(Files) -> Files) -> Self {
        let mut hub = Hub::default();
        hub.seed([7; 32]);
        hub.time_of_day(NOW, MODIFIED + 100);
        let files = change(Files::new(hub.add_directory()));
        let serve = async move |request: Request| files.serve(&request).await;
        let service = hub.add_service(Service::new(serve));
        let large: Bytes = (0..LARGE).map(|n| (n % 251) as u8).collect();
        let mut site =
            Site { hub, service, files: BTreeMap::new(), open: BTreeMap::new(), fails: None };
        for (path, content) in [
            (&b"index.html"[..], Bytes::from("<p>home")),
            (b"a.txt", Bytes::from("0123456789")),
            (b"empty", Bytes::new()),
            (b"large.bin", large.clone()),
            (b"dir/b c.css", Bytes::from("p{}")),
            (b"dir/sub/index.html", Bytes::from("<p>sub")),
            (b".secret", Bytes::from("no")),
            (b".well-known/acme", Bytes::from("token")),
            (b"app.js", Bytes::from("run();run();run();")),
            (b"app.js.gz", Bytes::from("zipped")),
            (b"old.js", Bytes::from("new version")),
            // What begins with this is behind a symbolic link.
            (b"link/file", Bytes::from("linked")),
        ] {
            site.files.insert(path, (content, MODIFIED));
        }
        site.files.insert(b"old.js.gz", (Bytes::from("old version"), MODIFIED - 1));
        site
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        path.is_empty()
            || self
                .files
                .keys()
                .any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/")))
    }

    fn answer(&mut self, request: &FileRequest) -> Result<FileAnswer, FileErrorKind> {
        if let Some(why) = self.fails {
            return Err(why);
        }
        let time = |seconds: u64| FileTime { seconds: seconds as i64, nanoseconds: 5 };
        match request {
            FileRequest::Open { path, follow_links: false, .. }
            | FileRequest::List { path, follow_links: false, .. }
                if path.starts_with(b"link") =>
            {
                Err(FileErrorKind::Escapes)
            }
            FileRequest::Open { path, .. } if self.is_directory(path) => {
                Err(FileErrorKind::IsDirectory)
            }
            FileRequest::Open { file, path, inline, .. } => {
                let (content, modified) = self.files.get(&**path).ok_or(FileErrorKind::NotFound)?;
                let len = content.len() as u64;
                let info = FileInfo { len, modified: time(*modified), number: 1 };
                let is_inline = len <= u64::from(*inline);
                if !is_inline {
                    self.open.insert(*file, content.clone());
                }
                Ok(FileAnswer::Opened { info, content: is_inline.then(|| content.clone()) })
            }
            FileRequest::List { path, .. } => {
                let mut entries = BTreeMap::new();
                for (file, (content, modified)) in &self.files {
                    let Some(rest) = file.strip_prefix(&**path) else { continue };
                    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
                    let name = rest.split(|byte| *byte == b'/').next().unwrap();
                    let kind = match name.len() == rest.len() {
                        true => EntryKind::File,
                        false => EntryKind::Directory,
                    };
                    let len = content.len() as u64;
                    entries.insert(
                        name,
                        DirEntry { name: name.into(), kind, len, modified: time(*modified) },
                    );
                }
                Ok(FileAnswer::Listed(entries.into_values().collect()))
            }
            _ => Err(FileErrorKind::Unsupported),
        }
    }

    /// Sends a request on a connection of its own, and returns all that comes back.
    fn ask(&mut self, head: &str) -> Answer {
        let conn = self.hub.accept(NOW, self.service, Address::Unnamed).unwrap();
        let head = format!("{head}Host: a\r\nConnection: close\r\n\r\n");
        assert_eq!(self.hub.received(NOW, conn, head.as_bytes()), head.len());
        let (mut received, mut actions) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            self.hub.run(NOW, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::File(job, request) => {
                        let answer = self.answer(&request);
                        assert!(self.hub.file_answered(NOW, job, answer));
                    }
                    Action::CloseFile(file) => assert!(self.open.remove(&file).is_some()),
                    _ => {}
                }
            }
            self.take_output(conn, &mut received);
        }
        assert!(self.open.is_empty(), "{:?}", self.open);
        Answer::new(received)
    }

    fn take_output(&mut self, conn: ConnId, received: &mut Vec<u8>) {
        loop {
            let taken = match self.hub.file_region(conn) {
                Some(FileRegion { id, offset, len }) => {
                    let file = self.open.iter().find(|(file, _)| file.number() == id).unwrap().1;
                    let (offset, len) = (offset as usize, len as usize);
                    received.extend_from_slice(&file[offset..offset + len]);
                    len
                }
                None => {
                    let bytes = self.hub.outgoing(conn, |slices| slices.concat());
                    let bytes = bytes.unwrap_or_default();
                    received.extend_from_slice(&bytes);
                    bytes.len()
                }
            };
            if taken == 0 {
                return;
            }
            self.hub.sent(NOW, conn, taken as u64);
        }
    }
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(received: Vec<u8>) -> Self {
        let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(received[..end].to_vec()).unwrap();
        Answer { head, body: received[end..].to_vec() }
    }

    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        Some(lines.find(|(field, _)| *field == name)?.1)
    }
}

fn site() -> Site {
    Site::new(|files| files)
}

#[test]
fn a_file_is_served_with_its_type_and_validators() {
    let mut site = site();
    for (path, content_type, body) in [
        ("/", "text/html; charset=utf-8", &b"<p>home"[..]),
        ("/index.html", "text/html; charset=utf-8", b"<p>home"),
        ("/a.txt", "text/plain; charset=utf-8", b"0123456789"),
        ("/a%2Etxt?query", "text/plain; charset=utf-8", b"0123456789"),
        ("/empty", "application/octet-stream", b""),
        ("/dir/b%20c.css", "text/css; charset=utf-8", b"p{}"),
        ("/dir/sub/", "text/html; charset=utf-8", b"<p>sub"),
        ("/.well-known/acme", "application/octet-stream", b"token"),
    ] {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\n"));
        assert_eq!(answer.status(), "200", "{path}");
        assert_eq!(answer.field("Content-Type"), Some(content_type), "{path}");
        assert_eq!(answer.body, body, "{path}");
        assert_eq!(answer.field("Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(answer.field("Accept-Ranges"), Some("bytes"));
        let etag = format!("\"2ebc98a1.5-{:x}\"", body.len());
        assert_eq!(answer.field("ETag").unwrap(), etag);
        let head = site.ask(&format!("HEAD {path} HTTP/1.1\r\n"));
        // Without content, a response to HEAD does not say whether GET has some.
        let wanted = answer.head.replace("Content-Length: 0\r\n", "");
        assert_eq!((head.head, head.body.len()), (wanted, 0), "{path}");
    }
}

#[test]
fn a_large_file_is_sent_from_where_it_is() {
    let mut site = site();
    let content = site.files[&b"large.bin"[..]].0.clone();
    let answer = site.ask("GET /large.bin HTTP/1.1\r\n");
    assert_eq!(answer.field("Content-Length"), Some("100000"));
    assert!(answer.body == content);
    let answer = site.ask("GET /large.bin HTTP/1.1\r\nRange: bytes=50000-50009\r\n");
    assert_eq!(answer.status(), "206");
    assert_eq!(answer.field("Content-Range"), Some("bytes 50000-50009/100000"));
    assert_eq!(answer.body, content[50_000..50_010]);
    let answer = site.ask("HEAD /large.bin HTTP/1.1\r\n");
    assert_eq!((answer.field("Content-Length"), answer.body.len()), (Some("100000"), 0));
}

#[test]
fn several_ranges_are_several_parts() {
    let mut site = site();
    for path in ["/a.txt", "/large.bin"] {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\nRange: bytes=2-3,-2,0-0\r\n"));
        assert_eq!(answer.status(), "206");
        let content_type = answer.field("Content-Type").unwrap();
        let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert_eq!(answer.field("Content-Length"), Some(&*answer.body.len().to_string()));
        assert_eq!(answer.field("Content-Range"), None);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let parts: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
        assert_eq!((parts.len(), parts[0], parts[4]), (5, "", "--\r\n"));
        assert!(parts[1].contains("\r\nContent-Range: bytes 2-3/"), "{body}");
        assert!(parts[3].contains("\r\nContent-Range: bytes 0-0/"), "{body}");
        if path == "/a.txt" {
            assert!(parts[1].ends_with("\r\n\r\n23") && parts[2].ends_with("\r\n\r\n89"), "{body}");
            assert!(parts[3].starts_with("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        }
    }
    let answer = site.ask("GET /a.txt HTTP/1.1\r\nRange: bytes=10-\r\n");
    assert_eq!((answer.status(), answer.field("Content-Range")), ("416", Some("bytes */10")));
}

#[test]
fn conditions_are_evaluated_for_the_version_that_is_open() {
    let mut site = site();
    let etag = site.ask("GET /a.txt HTTP/1.1\r\n").field("ETag").unwrap().to_string();
    for (fields, status) in [
        (format!("If-None-Match: {etag}\r\n"), "304"),
        ("If-None-Match: \"other\"\r\n".into(), "200"),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(), "304"),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".into(), "200"),
        ("If-Match: \"other\"\r\n".into(), "412"),
        (format!("If-Match: {etag}\r\n"), "200"),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n".into(), "412"),
        (format!("Range: bytes=0-1\r\nIf-Range: {etag}\r\n"), "206"),
        ("Range: bytes=0-1\r\nIf-Range: \"other\"\r\n".into(), "200"),
        // A condition that fails comes before the range.
        (format!("Range: bytes=90-\r\nIf-None-Match: {etag}\r\n"), "304"),
    ] {
        let answer = site.ask(&format!("GET /a.txt HTTP/1.1\r\n{fields}"));
        assert_eq!(answer.status(), status, "{fields}");
        if status == "304" {
            assert_eq!((answer.field("ETag"), answer.body.len()), (Some(&*etag), 0));
            assert_eq!(answer.field("Content-Type"), None);
        }
    }
}

/// RFC 9110, 13.2.1.
#[test]
fn a_failure_comes_before_the_conditions() {
    let mut site = site();
    for (method, path, status) in [
        ("GET", "/none", "404"),
        ("GET", "/%zz", "400"),
        ("GET", "/dir", "301"),
        ("PUT", "/a.txt", "405"),
        ("OPTIONS", "/a.txt", "405"),
    ] {
        for condition in ["If-Match: \"other\"", "If-None-Match: *", "Range: bytes=99-"] {
            let answer = site.ask(&format!("{method} {path} HTTP/1.1\r\n{condition}\r\n"));
            assert_eq!(answer.status(), status, "{method} {path} {condition}");
        }
    }
}

/// RFC 9110, 15.3.7.
#[test]
fn a_part_has_the_fields_of_the_whole() {
    let mut site = Site::new(|files| files.precompressed(true).cache_control("max-age=60"));
    for accepted in ["", "Accept-Encoding: gzip\r\n"] {
        let request = format!("GET /app.js HTTP/1.1\r\n{accepted}");
        let whole = site.ask(&request);
        let part = site.ask(&format!("{request}Range: bytes=1-2\r\n"));
        assert_eq!((part.status(), &part.body[..]), ("206", &whole.body[1..3]));
        let fields = |answer: &Answer| {
            let of_part = ["HTTP/1.1 ", "Content-Length: ", "Content-Range: "];
            let lines = answer.head.lines().map(String::from);
            let mut all: Vec<_> =
                lines.filter(|line| !of_part.iter().any(|name| line.starts_with(name))).collect();
            all.sort();
            all
        };
        assert_eq!(fields(&part), fields(&whole));
        assert_eq!(
            fields(&part).iter().filter(|line| line.starts_with("Cache-Control")).count(),
            1
        );
    }
}

/// Within two seconds, it may change again with the same time.
#[test]
fn the_tag_of_a_file_that_was_just_modified_is_weak() {
    let mut site = site();
    for (seconds, is_weak) in [(0, true), (1, true), (2, false)] {
        site.hub.time_of_day(NOW, MODIFIED + seconds);
        let answer = site.ask("GET /a.txt HTTP/1.1\r\n");
        assert_eq!(answer.field("ETag").unwrap().starts_with("W/"), is_weak, "{seconds}");
    }
    // The time of modification is never after that of the response.
    site.hub.time_of_day(NOW, MODIFIED - 7);
    let answer = site.ask("GET /a.txt HTTP/1.1\r\n");
    assert_eq!(answer.field("Last-Modified"), answer.field("Date"));
}

#[test]
fn what_may_not_be_seen_is_not_there() {
    let mut site = site();
    for path in [
        "/none",
        "/.secret",
        "/%2esecret",
        "/dir/",
        "/..",
        "/../a.txt",
        "/dir/../a.txt",
        "//a.txt",
        "/dir%2fb%20c.css",
        "/a.txt/",
        "/a.txt/b",
        "*",
    ] {
        let method = if path == "*" { "OPTIONS" } else { "GET" };
        let status = if path == "*" { "405" } else { "404" };
        let answer = site.ask(&format!("{method} {path} HTTP/1.1\r\n"));
        assert_eq!(answer.status(), status, "{path}");
    }
    assert_eq!(site.ask("GET /%zz HTTP/1.1\r\n").status(), "400");
    assert_eq!(site.ask("GET /%00 HTTP/1.1\r\n").status(), "400");
    let answer = site.ask("DELETE /a.txt HTTP/1.1\r\n");
    assert_eq!((answer.status(), answer.field("Allow")), ("405", Some("GET, HEAD")));
    let mut site = Site::new(|files| files.dot_files(true));
    assert_eq!(site.ask("GET /.secret HTTP/1.1\r\n").body, b"no");
}

#[test]
fn a_directory_without_its_slash_is_redirected_to() {
    let mut site = site();
    for (path, location) in
        [("/dir", "./dir/"), ("/dir/sub?a=b&c", "./sub/?a=b&c"), ("/%64ir", "./dir/")]
    {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\n"));
        assert_eq!((answer.status(), answer.field("Location")), ("301", Some(location)));
    }
}

#[test]
fn a_directory_is_listed_if_that_is_wanted() {
    let mut site = Site::new(|files| files.listing(true).index(""));
    let page = site.ask("GET / HTTP/1.1\r\n");
    assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("href=\"./dir/\"") && page.contains("href=\"./a.txt\""), "{page}");
    assert!(!page.contains("secret") && !page.contains("../"), "{page}");
    assert!(page.ends_with("</table>\n</html>\n"), "{page}");
    let page = String::from_utf8(site.ask("GET /dir/ HTTP/1.1\r\n").body).unwrap();
    assert!(page.contains("<h1>/dir/</h1>") || page.contains("<h1>/dir</h1>"), "{page}");
    assert!(page.contains("href=\"../\"") && page.contains("href=\"./b%20c.css\""), "{page}");
}

#[test]
fn a_compressed_twin_is_another_version() {
    let mut site = Site::new(|files| files.precompressed(true));
    let plain = site.ask("GET /app.js HTTP/1.1\r\n");
    assert_eq!(
        (plain.field("Content-Encoding"), plain.field("Vary")),
        (None, Some("Accept-Encoding"))
    );
    let zipped = site.ask("GET /app.js HTTP/1.1\r\nAccept-Encoding: gzip\r\n");
    assert_eq!(zipped.field("Content-Encoding"), Some("gzip"));
    assert_eq!(zipped.field("Vary"), Some("Accept-Encoding"));
    assert_eq!(zipped.field("Content-Type"), plain.field("Content-Type"));
    assert_eq!(zipped.body, b"zipped");
    assert_ne!(zipped.field("ETag"), plain.field("ETag"));
    let tag = zipped.field("ETag").unwrap();
    let again = site
        .ask(&format!("GET /app.js HTTP/1.1\r\nAccept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
    assert_eq!((again.status(), again.field("Vary")), ("304", Some("Accept-Encoding")));
    let other = site.ask(&format!("GET /app.js HTTP/1.1\r\nIf-None-Match: {tag}\r\n"));
    assert_eq!(other.status(), "200");
    // One that is older than the file is about another version.
    let old = site.ask("GET /old.js HTTP/1.1\r\nAccept-Encoding: gzip\r\n");
    assert_eq!((old.field("Content-Encoding"), &old.body[..]), (None, &b"new version"[..]));
    let refused = site.ask("GET /app.js HTTP/1.1\r\nAccept-Encoding: gzip;q=0\r\n");
    assert_eq!(refused.field("Content-Encoding"), None);
}

#[test]
fn symbolic_links_are_followed_if_that_is_wanted() {
    for (follows, status) in [(false, "404"), (true, "200")] {
        let mut site = Site::new(|files| files.listing(true).follow_links(follows));
        assert_eq!(site.ask("GET /link/file HTTP/1.1\r\n").status(), status);
        assert_eq!(site.ask("GET /link/ HTTP/1.1\r\n").status(), status);
    }
}

#[test]
fn each_failure_has_its_status() {
    let mut site = site();
    for (why, status) in [
        (FileErrorKind::NotFound, "404"),
        (FileErrorKind::NotRegular, "404"),
        (FileErrorKind::Escapes, "404"),
        (FileErrorKind::NameTooLong, "404"),
        (FileErrorKind::Denied, "403"),
        (FileErrorKind::OutOfResources, "503"),
        (FileErrorKind::Other(5), "500"),
        (FileErrorKind::Unsupported, "500"),
    ] {
        site.fails = Some(why);
        assert_eq!(site.ask("GET /a.txt HTTP/1.1\r\n").status(), status, "{why:?}");
    }
}

#[test]
fn files_are_served_below_a_route() {
    let mut site = site();
    let files = Files::new(site.hub.add_directory());
    let serve = async move |request: Request| {
        let path = request.path().strip_prefix("/static").unwrap_or_default();
        files.serve_path(&request, path).await
    };
    site.service = site.hub.add_service(Service::new(serve));
    assert_eq!(site.ask("GET /static/a.txt HTTP/1.1\r\n").body, b"0123456789");
    let redirect = site.ask("GET /static/dir HTTP/1.1\r\n");
    assert_eq!(redirect.field("Location"), Some("./dir/"));
    let types =
        vec![content_type(b"a.tar.gz"), content_type(b"d.gz/noext"), content_type(b"A.HTML")];
    assert_eq!(types, ["application/gzip", "application/octet-stream", "text/html; charset=utf-8"]);
}
