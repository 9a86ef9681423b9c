//! Checks the event loop of a server that runs already: see [`diesel_tests::embedder`].
//!
//! ```text
//! $ cargo run -p diesel-tests --bin embed_check -- --http 127.0.0.1:8088
//! ```

use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use diesel_tests::embedder::Embedder;

const USAGE: &str = "\
Checks the event loop of a server that runs already, and names the lines of the embedding contract
that it broke. The server answers `GET /` with 200, and `POST /echo` with the body.

Usage: embed_check --http HOST:PORT [OPTIONS]

      --chat HOST:PORT         check a chat like that of the examples, too
      --process ID             look at its memory and descriptors (Linux)
      --head-deadline SECONDS  when it gives up on a head that is not complete
      --stop-within SECONDS    at last, send SIGTERM to --process: it ends within this time
      --closes-the-rest        connections that are open when that time is over may be closed: they
                               are reset by a hub, but not by the end of a process
  -h, --help                   print this

It exits with 0 if all checks passed, and with 1 if one failed.
";

fn main() -> ExitCode {
    let embedder = match embedder(std::env::args().skip(1)) {
        Ok(Some(embedder)) => embedder,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}: see --help");
            return ExitCode::from(2);
        }
    };
    let report = embedder.check();
    println!("{report}");
    match report.broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// `None`: help is asked for.
fn embedder(mut arguments: impl Iterator<Item = String>) -> Result<Option<Embedder>, String> {
    let mut http = None;
    let (mut chat, mut process, mut head_deadline, mut stop_within) = (None, None, None, None);
    let mut resets_the_rest = true;
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} has no value"));
        match name.as_str() {
            "--http" => http = Some(parse(&value()?)?),
            "--chat" => chat = Some(parse(&value()?)?),
            "--process" => process = Some(parse(&value()?)?),
            "--head-deadline" => head_deadline = Some(Duration::from_secs(parse(&value()?)?)),
            "--stop-within" => stop_within = Some(Duration::from_secs(parse(&value()?)?)),
            "--closes-the-rest" => resets_the_rest = false,
            "-h" | "--help" => return Ok(None),
            _ => return Err(format!("{name} is not known")),
        }
    }
    if stop_within.is_some() && process.is_none() {
        return Err("--stop-within needs --process".to_string());
    }
    let http = http.ok_or("--http is missing")?;
    Ok(Some(Embedder { http, chat, process, head_deadline, stop_within, resets_the_rest }))
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}
