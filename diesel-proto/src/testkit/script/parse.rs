//! Parses scripts. It must never know how a script is played.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{Script, ScriptLine, ScriptStep};

/// An invalid line of a script.
///
/// Its `Debug` is its `Display`, so that `unwrap` in a test shows it.
///
/// Example: see [`Script::parse`](super::Script::parse).
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line number, counted from one.
    pub line: usize,
    /// The text of the line.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
///
/// Example: see [`Script::parse`](super::Script::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not a line of any kind.
    NotALine,
    /// The text before `>` or `<` is not a name of letters, digits, `_` and `-`.
    NotAName,
    /// It contains an unknown escape.
    NotAnEscape,
    /// It contains an invalid time. Valid are `3s`, `1.5s`, `250ms`, `2m`, `1h`.
    NotATime,
    /// It contains an invalid address. Valid is `10.0.0.1:80`.
    NotAnAddress,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::NotALine => {
                "expected `name> bytes`, `name< bytes`, `name ends`, `+3s`, or another line"
            }
            Problem::NotAName => "expected a name of letters, digits, `_` and `-`",
            Problem::NotAnEscape => "expected an escape: \\r \\n \\t \\0 \\\\ \\\" \\xff",
            Problem::NotATime => "expected a time, such as 3s, 1.5s, 250ms, 2m or 1h",
            Problem::NotAnAddress => "expected an address, such as 10.0.0.1:80",
        })
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the script, `{}`: {}", self.line, self.text, self.problem)
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for ParseError {}

pub(super) fn script(text: &str) -> Result<Script, ParseError> {
    let mut script = Script { text: text.to_owned(), lines: Vec::new(), names: Vec::new() };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let step = step(line, &mut script.names).map_err(|problem| ParseError {
            line: number,
            text: line.to_owned(),
            problem,
        })?;
        script.lines.push(ScriptLine { number, step });
    }
    Ok(script)
}

fn step(line: &str, names: &mut Vec<String>) -> Result<ScriptStep, Problem> {
    if let Some(time) = line.strip_prefix('+') {
        return Ok(ScriptStep::Passes(duration(time)?));
    }
    if let Some(time) = line.strip_prefix("shut down within ") {
        return Ok(ScriptStep::ShutDown(duration(time)?));
    }
    if line == "halted" {
        return Ok(ScriptStep::Halted);
    }
    let (name, rest) = match line.find(is_no_letter) {
        Some(end) => line.split_at(end),
        None => return Err(Problem::NotALine),
    };
    if name.is_empty() {
        return Err(Problem::NotAName);
    }
    let rest = rest.trim_start();
    let step: fn(usize) -> ScriptStep = match rest {
        "connects" => |who| ScriptStep::Connects(who, None),
        "ends" => ScriptStep::Ends,
        "closes" => ScriptStep::Closes,
        "resets" => ScriptStep::Resets,
        "stops reading" => ScriptStep::StopsReading,
        "reads again" => ScriptStep::ReadsAgain,
        "closed" => |who| ScriptStep::Closed(who, None),
        "open" => ScriptStep::Open,
        _ => return step_with_text(name_index(name, names), rest),
    };
    Ok(step(name_index(name, names)))
}

fn step_with_text(who: usize, rest: &str) -> Result<ScriptStep, Problem> {
    if let Some(text) = rest.strip_prefix('>') {
        return Ok(ScriptStep::Sends(who, bytes(text)?));
    }
    if let Some(text) = rest.strip_prefix('<') {
        return Ok(ScriptStep::Sees(who, bytes(text)?));
    }
    if let Some(service) = rest.strip_prefix("connects to ") {
        return Ok(ScriptStep::Connects(who, Some(service.trim().to_string())));
    }
    let address = |text: &str| text.trim().parse().map_err(|_| Problem::NotAnAddress);
    if let Some(text) = rest.strip_prefix("accepts ") {
        return Ok(ScriptStep::Accepts(who, address(text)?));
    }
    if let Some(text) = rest.strip_prefix("refuses ") {
        return Ok(ScriptStep::Refuses(who, address(text)?));
    }
    if let Some(cause) = rest.strip_prefix("closed:") {
        return Ok(ScriptStep::Closed(who, Some(cause.trim().to_string())));
    }
    Err(Problem::NotALine)
}

fn is_no_letter(c: char) -> bool {
    !(c.is_alphanumeric() || c == '_' || c == '-')
}

/// The index of a name, which is added if it is new.
fn name_index(name: &str, names: &mut Vec<String>) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

fn bytes(text: &str) -> Result<Vec<u8>, Problem> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first().ok_or(Problem::NotAnEscape)?;
        rest = after;
        bytes.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'"' => b'"',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2).ok_or(Problem::NotAnEscape)?;
                rest = after;
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                let (high, low) = digit(0).zip(digit(1)).ok_or(Problem::NotAnEscape)?;
                (high * 16 + low) as u8
            }
            _ => return Err(Problem::NotAnEscape),
        });
    }
    Ok(bytes)
}

/// Parses a duration such as `1.5s`, with up to nine digits after the point.
fn duration(text: &str) -> Result<Duration, Problem> {
    let text = text.trim();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(Problem::NotATime)?;
    let (number, unit) = text.split_at(unit);
    let nanos: u64 = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(Problem::NotATime),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| Problem::NotATime)?;
    let digits = u32::try_from(part.len()).map_err(|_| Problem::NotATime)?;
    if digits > 9 {
        return Err(Problem::NotATime);
    }
    let part: u64 = part.parse().map_err(|_| Problem::NotATime)?;
    // part < 10^9 and nanos < 2^42, so the product fits.
    let part = (u128::from(part) * u128::from(nanos) / 10u128.pow(digits)) as u64;
    let all = whole.checked_mul(nanos).and_then(|whole| whole.checked_add(part));
    all.map(Duration::from_nanos).ok_or(Problem::NotATime)
}
