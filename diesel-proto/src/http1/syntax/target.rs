//! What a request is for: the four forms of a request target (RFC 9112, 3.2).
//!
//! ```text
//! origin     /where?q=now                    all methods but CONNECT
//! absolute   http://www.example.org/pub      all methods but CONNECT
//! authority  www.example.org:80              CONNECT alone
//! asterisk   *                               OPTIONS alone
//! ```
//!
//! Rules of this file, where RFC 9112 leaves a choice:
//!
//! - **What browsers send passes.** RFC 3986 has them encode ``[ ] ^ | ` { } \`` and a server
//!   SHOULD answer 400 where they do not (RFC 9112, 3.2); but the URL Standard, which they follow,
//!   leaves them as they are in a query, and in a path `[ ] |` (until 2025, `^` as well). So those
//!   pass there. They delimit nothing.
//! - **So does a `%` that two digits do not follow**, as in `?q=20%+tax`: the URL Standard leaves it
//!   as it is in a path and in a query (4.4, path state and query state), and defines what it
//!   decodes to: itself (1.3, percent-decode). A decoder has to be ready for it. In a host it does
//!   not pass: there the URL Standard refuses it, too (3.5).
//! - **Nothing else passes** that RFC 3986 does not have: no control, no blank, no byte beyond
//!   ASCII, no `"`, `<`, `>`, no fragment, and in a path no `\`, which some take for `/`.
//! - **An absolute target is one of http or https.** A server MUST accept the form (RFC 9112,
//!   3.2.2), but what another scheme requires cannot be met by who does not know it (RFC 9110,
//!   7.4). Whether https is to be answered is for the application to say: it may be behind a
//!   gateway that takes care of TLS.
//! - **CONNECT names a port**, which is not 0 (RFC 9110, 9.3.6).
//!
//! What is decoded, which dots are resolved, is no matter of this file: it must never know what a
//! path leads to.

use super::authority::Authority;
use super::rule::{Rejection, Rule};
use super::token::{Classes, Wrong, are_all};
use crate::http1::syntax::authority;

/// A request target.
///
/// ```
/// use diesel_proto::http1::{Rule, Scheme, Target};
///
/// let target = Target::new("/where?q=now", "GET")?;
/// assert_eq!(target, Target::Origin { path: "/where", query: Some("q=now") });
///
/// let target = Target::new("https://example.org:8443", "GET")?;
/// assert!(matches!(target, Target::Absolute { scheme: Scheme::Https, .. }));
/// assert_eq!((target.path(), target.query()), ("/", None));
/// assert_eq!(target.authority().and_then(|authority| authority.port()), Some(8443));
///
/// assert_eq!(Target::new("*", "GET").unwrap_err().rule, Rule::TargetForMethod);
/// assert_eq!(Target::new("/a b", "GET").unwrap_err().offset, 2);
/// # Ok::<(), diesel_proto::http1::Rejection>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// A path on the host that `Host` names: by far the most common.
    Origin {
        /// From its first `/`, still encoded.
        path: &'a str,
        /// What follows the `?`, if there is one.
        query: Option<&'a str>,
    },
    /// A whole URI. Its authority counts, not `Host` (RFC 9112, 3.2.2).
    Absolute {
        /// Of what comes before the first colon.
        scheme: Scheme,
        /// Host and port.
        authority: Authority<'a>,
        /// The path, still encoded: `/`, if the URI has none (RFC 9110, 4.2.3); `*`, if it has
        /// neither path nor query and the method is OPTIONS (RFC 9112, 3.2.4).
        path: &'a str,
        /// What follows the `?`, if there is one.
        query: Option<&'a str>,
    },
    /// Whom CONNECT asks to be connected with. Its port is there, and not 0.
    Authority(Authority<'a>),
    /// The server as a whole, of which OPTIONS asks.
    Asterisk,
}

/// The scheme of an absolute target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// In lower case, as is usual.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl<'a> Target<'a> {
    /// Reads the target of a request with this method.
    ///
    /// # Errors
    ///
    /// [`Rule::TargetSyntax`], at the first byte that may not be there; [`Rule::TargetForMethod`],
    /// if the form is not one that the method has.
    pub fn new(target: &'a str, method: &str) -> Result<Self, Rejection> {
        Target::parse(target.as_bytes(), method.as_bytes())
            .map_err(|(rule, at)| Rejection::new(rule, at as u64))
    }

    /// The path, still encoded: `*` for the server as a whole, and empty for CONNECT.
    pub fn path(self) -> &'a str {
        match self {
            Target::Origin { path, .. } | Target::Absolute { path, .. } => path,
            Target::Authority(_) => "",
            Target::Asterisk => "*",
        }
    }

    /// The query without its `?`, still encoded, if there is one.
    pub fn query(self) -> Option<&'a str> {
        match self {
            Target::Origin { query, .. } | Target::Absolute { query, .. } => query,
            Target::Authority(_) | Target::Asterisk => None,
        }
    }

    /// The authority that it names itself.
    pub fn authority(self) -> Option<Authority<'a>> {
        match self {
            Target::Absolute { authority, .. } | Target::Authority(authority) => Some(authority),
            Target::Origin { .. } | Target::Asterisk => None,
        }
    }

    /// Which of two wrongs is told of is decided by the order of the bytes: a form that the method
    /// does not have is wrong at its first.
    pub(in crate::http1) fn parse(target: &'a [u8], method: &[u8]) -> Result<Self, Wrong> {
        match target {
            _ if method == b"CONNECT" => authority_form(target),
            [b'/', ..] => {
                let (path, query) = path_and_query(target).map_err(syntax)?;
                Ok(Target::Origin { path, query })
            }
            b"*" if method == b"OPTIONS" => Ok(Target::Asterisk),
            b"*" => Err((Rule::TargetForMethod, 0)),
            _ => absolute_form(target, method == b"OPTIONS"),
        }
    }
}

/// Whether this is a target that the method may have: as [`Target::parse`], but nothing is made of
/// it.
#[inline]
pub(in crate::http1) fn is_target(target: &[u8], method: &[u8]) -> bool {
    match target {
        [b'/', ..] if method != b"CONNECT" => {
            // Whatever is before the first `?`, and whatever is behind it, is right then.
            are_all(target, &CLASSES, PATH_OR_MARK) || path_end(target).is_ok()
        }
        _ => Target::parse(target, method).is_ok(),
    }
}

/// Whom a request is for: the authority of its target, if that has one, whatever `Host` says
/// (RFC 9112, 3.2.2 and 3.3); else that of `Host`.
pub(in crate::http1) fn effective_host<'a>(
    target: Target<'a>,
    host: Option<Authority<'a>>,
) -> Option<Authority<'a>> {
    target.authority().or(host)
}

fn syntax(at: usize) -> Wrong {
    (Rule::TargetSyntax, at)
}

fn absolute_form(target: &[u8], is_options: bool) -> Result<Target<'_>, Wrong> {
    let (scheme, start) = match scheme(target) {
        Ok(found) => found,
        Err(_) if connect_target(target).is_ok() => return Err((Rule::TargetForMethod, 0)),
        Err(at) => return Err(syntax(at)),
    };
    let rest = target.get(start..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or_default();
    let authority = authority::read(authority).map_err(|at| syntax(start + at))?;
    let (path, query) = path_and_query(rest).map_err(|at| syntax(start + end + at))?;
    let path = match (path, query) {
        ("", None) if is_options => "*",
        ("", _) => "/",
        _ => path,
    };
    Ok(Target::Absolute { scheme, authority, path, query })
}

fn authority_form(target: &[u8]) -> Result<Target<'_>, Wrong> {
    match target {
        [b'/', ..] | b"*" => Err((Rule::TargetForMethod, 0)),
        _ if scheme(target).is_ok() => Err((Rule::TargetForMethod, 0)),
        _ => connect_target(target).map(Target::Authority).map_err(syntax),
    }
}

fn connect_target(target: &[u8]) -> Result<Authority<'_>, usize> {
    let authority = authority::read(target)?;
    match authority.port() {
        None => Err(target.len()),
        Some(0) => Err(authority.host().len() + ":".len()),
        Some(_) => Ok(authority),
    }
}

/// The scheme in front, in any case, and where what follows its `://` begins.
fn scheme(target: &[u8]) -> Result<(Scheme, usize), usize> {
    let (scheme, len) = match alike(target, b"https") {
        5 => (Scheme::Https, 5),
        4 => (Scheme::Http, 4),
        len => return Err(len),
    };
    let delimiter = b"://";
    match alike(target.get(len..).unwrap_or_default(), delimiter) {
        3 => Ok((scheme, len + 3)),
        more => Err(len + more),
    }
}

/// How many bytes are the same in front, in any case.
fn alike(bytes: &[u8], other: &[u8]) -> usize {
    bytes.iter().zip(other).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

/// All of it: a path, which may be empty, and maybe a `?` and a query.
fn path_and_query(bytes: &[u8]) -> Result<(&str, Option<&str>), usize> {
    let (end, has_query) = path_end(bytes)?;
    // ASCII, all of it.
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    let (path, query) = text.split_at_checked(end).unwrap_or_default();
    Ok((path, if has_query { query.get(1..) } else { None }))
}

/// Where the path ends, and whether a query follows.
#[inline]
fn path_end(bytes: &[u8]) -> Result<(usize, bool), usize> {
    let end = component_len(bytes, PATH);
    match bytes.get(end..).unwrap_or_default() {
        [] => Ok((end, false)),
        [b'?', query @ ..] => match component_len(query, QUERY) {
            len if len == query.len() => Ok((end, true)),
            len => Err(end + 1 + len),
        },
        _ => Err(end),
    }
}

const PATH: u8 = 1;
const QUERY: u8 = 2;
/// What may stand in a path, and `?`.
const PATH_OR_MARK: u8 = 4;

/// In which components a byte may stand.
static CLASSES: Classes = {
    const ALL: u8 = PATH | QUERY | PATH_OR_MARK;
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            // unreserved, sub-delims, and what else pchar and path have (RFC 3986, 2.2 to 3.4).
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => ALL,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => ALL,
            b':' | b'@' | b'/' => ALL,
            b'?' => QUERY | PATH_OR_MARK,
            // Of an encoding, or alone.
            b'%' => ALL,
            // What browsers send.
            b'[' | b']' | b'^' | b'|' => ALL,
            b'`' | b'{' | b'}' | b'\\' => QUERY,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// How many bytes from the front are of this class.
fn component_len(bytes: &[u8], class: u8) -> usize {
    if are_all(bytes, &CLASSES, class) {
        return bytes.len();
    }
    bytes.iter().take_while(|&&byte| CLASSES[usize::from(byte)] & class != 0).count()
}

#[cfg(test)]
mod tests;
