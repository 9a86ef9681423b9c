//! Asks for URLs, as curl does.
//!
//! ```text
//! $ cargo run --release --example http_client -- -i http://localhost:8089/get?a=b
//! $ cargo run --release --example http_client -- -o page.html https://example.org/
//! ```
//!
//! It exits with 0 if every answer was whole, with a status below 400; with 22 if one was 400 or above;
//! and with 1 if any was not whole, with the cause on standard error.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use diesel_driver::http1::{
    Client, ClientConfig, ClientRequest, ClientResponse, ClientTimeouts, Status, Version,
};
use diesel_driver::tls::Connector;
use diesel_driver::{Application, Error, platform_connector};

const USAGE: &str = "\
Asks for URLs, and prints what they answer.

usage: http_client [OPTION].. URL..

  -i, --include        print the heads of the answers, too
  -I, --head           ask for heads alone (HEAD), and print them
  -L, --location       follow redirects
  -o, --output FILE    write the answers to FILE
  -d, --data DATA      POST this; @FILE: what is in the file
  -T, --upload FILE    PUT what is in the file
  -X, --request METHOD use this method
      --expect         send a body once the server asks for it (100 Continue)
  -H, --header FIELD   send this field (Name: value)
      --max-time S     give up on an answer after so many seconds
      --cacert FILE    trust these authorities (PEM), not those of the system
  -h, --help           print this
";

/// What the command line asks for.
#[derive(Default)]
pub struct Options {
    include: bool,
    head: bool,
    follow: bool,
    output: Option<PathBuf>,
    data: Option<Vec<u8>>,
    upload: Option<PathBuf>,
    method: Option<String>,
    expect: bool,
    fields: Vec<(String, String)>,
    max_time: Option<Duration>,
    authorities: Option<PathBuf>,
    urls: Vec<String>,
}

fn options() -> Result<Option<Options>, Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('i') | Long("include") => options.include = true,
            Short('I') | Long("head") => options.head = true,
            Short('L') | Long("location") => options.follow = true,
            Short('o') | Long("output") => options.output = Some(arguments.value()?.into()),
            Short('d') | Long("data") => {
                let data = arguments.value()?.string()?;
                options.data = Some(match data.strip_prefix('@') {
                    Some(file) => Named::new(file, std::fs::read(file))?.inner,
                    None => data.into_bytes(),
                });
            }
            Short('T') | Long("upload") => options.upload = Some(arguments.value()?.into()),
            Short('X') | Long("request") => options.method = Some(arguments.value()?.string()?),
            Long("expect") => options.expect = true,
            Short('H') | Long("header") => {
                let field = arguments.value()?.string()?;
                let (name, value) =
                    field.split_once(':').ok_or("-H needs a name, a colon and a value")?;
                options.fields.push((name.to_owned(), value.trim().to_owned()));
            }
            Long("max-time") => {
                let seconds = arguments.value()?.parse::<f64>();
                let time = seconds.map_err(|error| format!("--max-time: {error}"))?;
                let time = Duration::try_from_secs_f64(time);
                options.max_time = Some(time.map_err(|error| format!("--max-time: {error}"))?);
            }
            Long("cacert") => options.authorities = Some(arguments.value()?.into()),
            Short('h') | Long("help") => return Ok(None),
            Value(url) => options.urls.push(url.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if options.urls.is_empty() {
        return Err("no URL: see --help".into());
    }
    Ok(Some(options))
}

/// The request that the command line asks for.
fn request(client: &Client, options: &Options, url: &str) -> Result<ClientRequest, Error> {
    let method = |usual: &str| options.method.clone().unwrap_or_else(|| usual.to_owned());
    let mut request = match (&options.data, &options.upload) {
        (Some(data), _) => client
            .request(method("POST"), url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(data.clone()),
        (None, Some(path)) => {
            let mut file = Named::new(path, File::open(path))?;
            let length = file.name(file.inner.metadata())?.len();
            client.request(method("PUT"), url).stream_sized(length, async move |body| {
                let mut piece = vec![0; 64 << 10];
                loop {
                    match file.read(&mut piece)? {
                        0 => return Ok(()),
                        n => body.write(&piece[..n]).await?,
                    }
                }
            })
        }
        (None, None) => client.request(method(if options.head { "HEAD" } else { "GET" }), url),
    };
    if options.expect {
        request = request.expect_continue();
    }
    for (name, value) in &options.fields {
        request = request.header(name, value);
    }
    Ok(request)
}

/// Asks for one URL, and writes the answer.
async fn fetch(
    client: &Client,
    options: &Options,
    url: &str,
    output: &mut dyn Write,
) -> Result<Status, Error> {
    let mut response = request(client, options, url)?.await?;
    if options.include || options.head {
        write_head(&response, output)?;
    }
    let mut progress = Progress::new(options, response.content_length());
    while let Some(piece) = response.some().await? {
        output.write_all(&piece)?;
        progress.add(piece.len() as u64);
    }
    output.flush()?;
    Ok(response.status())
}

fn write_head(response: &ClientResponse, output: &mut dyn Write) -> io::Result<()> {
    let version = match response.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    write!(output, "{version} {} ", response.status().code())?;
    output.write_all(response.head().reason())?;
    output.write_all(b"\r\n")?;
    for (name, value) in response.headers().iter() {
        write!(output, "{name}: ")?;
        output.write_all(value)?;
        output.write_all(b"\r\n")?;
    }
    output.write_all(b"\r\n")
}

/// A file or a stream whose errors say which it is.
struct Named<T> {
    path: PathBuf,
    inner: T,
}

impl<T> Named<T> {
    fn new(path: impl Into<PathBuf>, opened: io::Result<T>) -> io::Result<Self> {
        let path = path.into();
        match opened {
            Ok(inner) => Ok(Named { path, inner }),
            Err(error) => Named { path, inner: () }.name(Err(error)),
        }
    }

    fn name<R>(&self, result: io::Result<R>) -> io::Result<R> {
        let path = self.path.display();
        result.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }
}

impl<T: Read> Read for Named<T> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(to);
        self.name(n)
    }
}

impl<T: Write> Write for Named<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes);
        self.name(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.name(flushed)
    }
}

/// A bar on the terminal, if the length is known and the answer goes elsewhere.
struct Progress {
    total: Option<u64>,
    done: u64,
    shown: Option<u64>,
}

impl Progress {
    fn new(options: &Options, total: Option<u64>) -> Self {
        let elsewhere = options.output.is_some() || !io::stdout().is_terminal();
        let shows = elsewhere && io::stderr().is_terminal();
        Progress { total: total.filter(|&total| shows && total > 0), done: 0, shown: None }
    }

    fn add(&mut self, n: u64) {
        self.done += n;
        let Some(total) = self.total else { return };
        let percent = (u128::from(self.done) * 100 / u128::from(total)).min(100) as u64;
        if self.shown.replace(percent) != Some(percent) {
            let bar = "#".repeat(percent as usize / 2);
            eprint!("\r[{bar:<50}] {percent:3}%");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprintln!();
        }
    }
}

fn run(options: Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let has_tls = options.follow || options.urls.iter().any(|url| !url.starts_with("http://"));
    let connector = match &options.authorities {
        Some(path) => {
            let pem = Named::new(path, std::fs::read(path))?;
            let connector = Connector::from_pem(&pem.inner);
            Some(connector.map_err(|error| format!("{}: {error}", path.display()))?)
        }
        // Without any, a URL that needs them fails, and says so.
        None if has_tls => platform_connector().ok(),
        None => None,
    };
    let mut output: Box<dyn Write> = match &options.output {
        Some(path) => Box::new(Named::new(path, File::create(path))?),
        None => Box::new(Named::new("standard output", Ok(io::stdout()))?),
    };
    let exit = Application::new().run_until(async move |ctx| {
        let timeouts = ClientTimeouts {
            total: options.max_time.unwrap_or(Duration::MAX),
            ..ClientTimeouts::default()
        };
        let redirects = if options.follow { 10 } else { 0 };
        let config = ClientConfig { timeouts, redirects, ..ClientConfig::default() };
        let mut client = Client::builder(&ctx)
            .config(config)
            .header("User-Agent", concat!("diesel/", env!("CARGO_PKG_VERSION")))?
            .header("Accept", "*/*")?;
        if let Some(connector) = connector {
            client = client.tls(connector);
        }
        let client = client.build();
        let (mut failed, mut refused) = (false, false);
        for url in &options.urls {
            match fetch(&client, &options, url, &mut output).await {
                Ok(status) => refused |= status.code() >= 400,
                Err(error) => {
                    eprintln!("http_client: {error}");
                    failed = true;
                }
            }
        }
        Ok(match (failed, refused) {
            (true, _) => 1,
            (false, true) => 22,
            (false, false) => 0,
        })
    })?;
    Ok(ExitCode::from(exit))
}

fn main() -> ExitCode {
    let outcome = match options() {
        Ok(Some(options)) => run(options),
        Ok(None) => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("http_client: {error}");
        ExitCode::FAILURE
    })
}
