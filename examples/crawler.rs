//! Copies the pages of a site into a folder: ten fibers take URLs from one queue, and put there what
//! the pages link to.
//!
//! ```text
//! $ cargo run --release --example crawler -- http://localhost:8080/ copy
//! 212 pages, 3 failed, 4.1 MB in 1.3 s
//! ```
//!
//! It stays at the origin of the URL (scheme, host and port), with at most ten requests at once, and
//! takes at most 10,000 URLs. It keeps to the rules of `/robots.txt` for all robots (RFC 9309). A page
//! larger than 8 MiB fails. The folder must be new or empty. It exits with 1 if not a single page
//! was there.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use diesel_driver::fiber::{Queue, join_all};
use diesel_driver::http1::{Client, ClientConfig, ClientResponse, Scheme, Url};
use diesel_driver::tls::Connector;
use diesel_driver::{Application, Ctx, Error, platform_connector};
use diesel_examples::{Failure, print_line};
use html5gum::{Token, Tokenizer};

const FIBERS: usize = 10;
const MOST_URLS: usize = 10_000;
const LONGEST_NAME: usize = 200;

/// What the fibers share.
struct Crawl {
    ctx: Ctx,
    client: Client,
    folder: PathBuf,
    robots: Robots,
    queue: Queue<Url>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    seen: HashSet<String>,
    /// URLs that are in the queue, or being asked for. Without any, the crawl is done.
    pending: usize,
    pages: usize,
    failed: usize,
    bytes: usize,
}

impl Crawl {
    /// One of the fibers.
    async fn work(&self) -> Result<(), Error> {
        while let Some(url) = self.queue.take().await? {
            let copied = self.copy(&url).await;
            self.progress(&url, copied);
        }
        Ok(())
    }

    /// Copies a page, and puts its links into the queue. Returns its size.
    async fn copy(&self, url: &Url) -> Result<usize, Error> {
        let mut response = self.client.get(url).await?;
        let status = response.status();
        if let Some(location) = response.header_str("Location") {
            self.visit(url, location);
        }
        if status.code() / 100 == 3 {
            return Ok(0);
        }
        if !status.is_success() {
            return Err(Error::application(format!("its status is {status}")));
        }
        let is_html = is_html(&response);
        let body = response.bytes().await?.to_vec();
        if is_html {
            for link in links(&body) {
                self.visit(url, &link);
            }
        }
        let (path, size) = (self.folder.join(file_name(url, is_html)), body.len());
        // A file system may block.
        self.ctx.unblock(move || File::create_new(path)?.write_all(&body)).await??;
        Ok(size)
    }

    /// Puts a link into the queue, unless it leads elsewhere, is known, or is not for robots.
    fn visit(&self, page: &Url, link: &str) {
        let Ok(url) = page.join(link) else { return };
        let state = &mut *self.state.borrow_mut();
        if url.origin() == page.origin()
            && self.robots.allow(url.target())
            && !state.seen.contains(url.as_str())
            && self.queue.try_put(url.clone()).is_ok()
        {
            state.seen.insert(url.as_str().to_owned());
            state.pending += 1;
        }
    }

    fn progress(&self, url: &Url, copied: Result<usize, Error>) {
        let state = &mut *self.state.borrow_mut();
        match copied {
            Ok(size) => (state.pages, state.bytes) = (state.pages + 1, state.bytes + size),
            Err(error) => {
                state.failed += 1;
                eprintln!("{}{url}: {error}", erase());
            }
        }
        state.pending -= 1;
        if state.pending == 0 {
            self.queue.close();
        }
        if io::stderr().is_terminal() {
            eprint!("{}{} pages, {} to go", erase(), state.pages, state.pending);
        }
    }
}

/// Begins the progress line again, if there is one.
fn erase() -> &'static str {
    if io::stderr().is_terminal() { "\r\x1b[K" } else { "" }
}

fn is_html(response: &ClientResponse) -> bool {
    response.header_str("Content-Type").is_some_and(|value| value.starts_with("text/html"))
}

/// Where a page refers to.
fn links(html: &[u8]) -> Vec<String> {
    let mut links = Vec::new();
    for Ok(token) in Tokenizer::new(html) {
        let Token::StartTag(tag) = token else { continue };
        let linked = |name: &str| tag.attributes.get(name.as_bytes());
        for value in [linked("href"), linked("src")].into_iter().flatten() {
            links.push(String::from_utf8_lossy(value).into_owned());
        }
    }
    links
}

/// The name of a page's file: one component, whatever the URL has in it.
///
/// ```text
///   /                 index.html
///   /a/b.css?v=2      a,b.css@v=2
///   /..%2F..%2Fetc    ..%2F..%2Fetc.html
/// ```
fn file_name(url: &Url, is_html: bool) -> String {
    let safe = |c: char| match c {
        '/' => ',',
        '?' => '@',
        c if c.is_ascii_alphanumeric() || "-._~%=&+".contains(c) => c,
        _ => '_',
    };
    let mut name: String = url.target()[1..].chars().map(safe).collect();
    if name.is_empty() || name.ends_with(',') {
        name.push_str("index");
    }
    if name.len() > LONGEST_NAME {
        let mut hasher = DefaultHasher::new();
        url.target().hash(&mut hasher);
        name.truncate(LONGEST_NAME);
        name.push_str(&format!("-{:x}", hasher.finish()));
    }
    if is_html && !name.ends_with(".html") {
        name.push_str(".html");
    }
    name
}

/// The rules for all robots. Where two match, the longer one counts (RFC 9309, 2.2.2). A rule with a
/// wildcard counts up to there, which forbids more.
#[derive(Default)]
struct Robots(Vec<(bool, String)>);

impl Robots {
    fn parse(text: &str) -> Robots {
        let (mut rules, mut applies, mut in_rules) = (Vec::new(), false, true);
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            match (key.trim().to_ascii_lowercase().as_str(), value.trim()) {
                ("user-agent", agent) => {
                    applies = (applies && !in_rules) || agent == "*";
                    in_rules = false;
                }
                (key @ ("allow" | "disallow"), path) => {
                    in_rules = true;
                    let prefix = path.split(['*', '$']).next().unwrap_or_default();
                    let is_whole = prefix == path;
                    if applies && !path.is_empty() && (is_whole || key == "disallow") {
                        rules.push((key == "allow", prefix.to_owned()));
                    }
                }
                _ => {}
            }
        }
        Robots(rules)
    }

    fn allow(&self, target: &str) -> bool {
        let matching = self.0.iter().filter(|(_, prefix)| target.starts_with(prefix.as_str()));
        matching.max_by_key(|(allows, prefix)| (prefix.len(), *allows)).is_none_or(|rule| rule.0)
    }
}

/// The rules of a site: without any, everything is allowed; if the server fails, nothing (RFC 9309,
/// 2.3.1).
async fn robots(client: &Client, url: &Url) -> Result<Robots, Error> {
    let url = url.join("/robots.txt").map_err(Error::application)?;
    let mut response = client.get(url).await?;
    match response.status().code() {
        200..=299 => Ok(Robots::parse(&String::from_utf8_lossy(&response.bytes().await?))),
        500.. => Ok(Robots(vec![(false, "/".into())])),
        _ => Ok(Robots::default()),
    }
}

async fn crawl(
    ctx: Ctx,
    url: Url,
    folder: PathBuf,
    connector: Option<Connector>,
) -> Result<String, Error> {
    let start = Instant::now();
    // A redirect is a link like any other: it may lead elsewhere.
    let config = ClientConfig { redirects: 0, ..ClientConfig::default() };
    let mut client = Client::builder(&ctx).config(config).header("User-Agent", "diesel-crawler")?;
    if let Some(connector) = connector {
        client = client.tls(connector);
    }
    let client = client.build();
    let (robots, queue) = (robots(&client, &url).await?, ctx.queue(MOST_URLS));
    let crawl = Rc::new(Crawl { ctx, client, folder, robots, queue, state: RefCell::default() });
    crawl.visit(&url, url.as_str());
    if crawl.state.borrow().pending == 0 {
        return Err(Error::application("robots.txt forbids it"));
    }
    for ended in join_all((0..FIBERS).map(|_| crawl.work())).await {
        ended?;
    }
    let State { pages, failed, bytes, .. } = *crawl.state.borrow();
    if pages == 0 {
        return Err(Error::application("there is no page"));
    }
    let (megabytes, took) = (bytes as f64 / 1e6, start.elapsed().as_secs_f64());
    Ok(format!("{}{pages} pages, {failed} failed, {megabytes:.1} MB in {took:.1} s", erase()))
}

/// An empty folder of this name.
fn empty(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    match std::fs::read_dir(folder)?.next() {
        None => Ok(()),
        Some(_) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
    }
}

const USAGE: &str = "\
Copies the pages of a site into a folder that is new or empty.

Usage: crawler URL DIR

It stays at the origin of URL, with at most ten requests at once, and keeps to /robots.txt.
";

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, folder) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        [url, folder] if !url.starts_with('-') => (Url::parse(url)?, PathBuf::from(folder)),
        _ => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    empty(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let connector = (url.scheme() == Scheme::Https).then(platform_connector).transpose()?;
    let app = Application::new();
    print_line(&app.run_until(async move |ctx| crawl(ctx, url, folder, connector).await)?);
    Ok(ExitCode::SUCCESS)
}
