//! Checks the event loop of a server that runs already: see [`diesel_tests::embedder`].
//!
//! ```text
//! $ cargo run -p diesel-tests --bin embed_check -- --http 127.0.0.1:8088
//! ```
//!
//! The server answers `GET /` with 200, and `POST /echo` with the body. `--chat HOST:PORT` also
//! checks a chat like that of the examples; `--process ID` looks at memory and descriptors;
//! `--head-deadline SECONDS` says when the server gives up on a head.

use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use diesel_tests::embedder::Embedder;

fn main() -> ExitCode {
    match check() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\nUsage: embed_check --http HOST:PORT [--chat HOST:PORT]");
            eprintln!("       [--process ID] [--head-deadline SECONDS]");
            ExitCode::from(2)
        }
    }
}

/// Returns how many checks failed.
fn check() -> Result<usize, String> {
    let (mut http, mut chat, mut process, mut head_deadline) = (None, None, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} has no value"))?;
        match name.as_str() {
            "--http" => http = Some(parse(&value)?),
            "--chat" => chat = Some(parse(&value)?),
            "--process" => process = Some(parse(&value)?),
            "--head-deadline" => head_deadline = Some(Duration::from_secs(parse(&value)?)),
            _ => return Err(format!("{name} is not known")),
        }
    }
    let http = http.ok_or("--http is missing")?;
    let broken = Embedder { http, chat, process, head_deadline }.check();
    broken.iter().for_each(|broken| println!("{broken}"));
    println!("{} checks failed", broken.len());
    Ok(broken.len())
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}
