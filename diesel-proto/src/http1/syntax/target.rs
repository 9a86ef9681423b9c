//! The four forms of a request target (RFC 9112, 3.2).
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
//! - **Characters that browsers send are accepted.** RFC 3986 requires ``[ ] ^ | ` { } \`` to be
//!   encoded, and a server SHOULD answer 400 if they are not (RFC 9112, 3.2). But the URL Standard,
//!   which browsers follow, leaves them as they are in a query, and `[ ] |` (until 2025, also `^`)
//!   in a path. They delimit nothing, so they are accepted there.
//! - **So is a `%` that two digits do not follow**, as in `?q=20%+tax`: the URL Standard leaves it
//!   as it is in a path and in a query (4.4, path state and query state), and defines that it
//!   decodes to itself (1.3, percent-decode). A decoder must handle it. It is refused in a host, as
//!   in the URL Standard (3.5).
//! - **Nothing else is accepted** that RFC 3986 does not allow: no control character, no blank, no
//!   byte beyond ASCII, no `"`, `<`, `>`, no fragment, and in a path no `\`, which some recipients
//!   treat as `/`.
//! - **An absolute target has the scheme http or https.** A server MUST accept the form (RFC 9112,
//!   3.2.2), but cannot meet the requirements of a scheme that it does not know (RFC 9110, 7.4).
//!   Whether to answer https is up to the application: it may be behind a gateway that terminates
//!   TLS.
//! - **CONNECT names a port**, which is not 0 (RFC 9110, 9.3.6).
//!
//! It must never know what a path refers to: it neither decodes nor resolves dot segments.

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
    /// A path on the host that `Host` names: the most common form.
    Origin {
        /// The path, from its first `/`, still percent-encoded.
        path: &'a str,
        /// The part after the `?`, if there is one.
        query: Option<&'a str>,
    },
    /// A whole URI. Its authority takes precedence over `Host` (RFC 9112, 3.2.2).
    Absolute {
        /// The scheme, before the first colon.
        scheme: Scheme,
        /// The host, and the port if there is one.
        authority: Authority<'a>,
        /// The path, still percent-encoded: `/`, if the URI has none (RFC 9110, 4.2.3); `*`, if it
        /// has neither path nor query and the method is OPTIONS (RFC 9112, 3.2.4).
        path: &'a str,
        /// The part after the `?`, if there is one.
        query: Option<&'a str>,
    },
    /// The destination of a tunnel, for CONNECT. It has a port, which is not 0.
    Authority(Authority<'a>),
    /// The server as a whole, for OPTIONS.
    Asterisk,
}

/// The scheme of an absolute target.
///
/// Example: see [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// The scheme in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl<'a> Target<'a> {
    /// Parses the target of a request with this method.
    ///
    /// # Errors
    ///
    /// [`Rule::TargetSyntax`], at the first byte that is not allowed; [`Rule::TargetForMethod`], if
    /// the method does not allow the form.
    pub fn new(target: &'a str, method: &str) -> Result<Self, Rejection> {
        Target::parse(target.as_bytes(), method.as_bytes())
            .map_err(|(rule, at)| Rejection::new(rule, at as u64))
    }

    /// The path, still percent-encoded: `*` for the server as a whole, and empty for CONNECT.
    pub fn path(self) -> &'a str {
        match self {
            Target::Origin { path, .. } | Target::Absolute { path, .. } => path,
            Target::Authority(_) => "",
            Target::Asterisk => "*",
        }
    }

    /// The query without its `?`, still percent-encoded, if there is one.
    pub fn query(self) -> Option<&'a str> {
        match self {
            Target::Origin { query, .. } | Target::Absolute { query, .. } => query,
            Target::Authority(_) | Target::Asterisk => None,
        }
    }

    /// The authority of the target itself, if it has one.
    pub fn authority(self) -> Option<Authority<'a>> {
        match self {
            Target::Absolute { authority, .. } | Target::Authority(authority) => Some(authority),
            Target::Origin { .. } | Target::Asterisk => None,
        }
    }

    /// If two rules are broken, the one that is broken first in byte order is reported: a form that
    /// the method does not allow is broken at the first byte.
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

/// The fast path of [`Target::parse`]: whether the target is valid for the method, without building
/// the result.
#[inline]
pub(in crate::http1) fn is_target(target: &[u8], method: &[u8]) -> bool {
    match target {
        [b'/', ..] if method != b"CONNECT" => {
            // Then the part before the first `?` and the part after it are both valid.
            are_all(target, &CLASSES, PATH_OR_MARK) || path_end(target).is_ok()
        }
        _ => Target::parse(target, method).is_ok(),
    }
}

/// The authority that a request is for: that of its target, if it has one, whatever `Host` holds
/// (RFC 9112, 3.2.2 and 3.3); otherwise that of `Host`.
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

/// The scheme, case-insensitively, and the offset of the part after `://`.
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

/// The length of the common prefix, case-insensitively.
fn alike(bytes: &[u8], other: &[u8]) -> usize {
    bytes.iter().zip(other).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

/// Parses all of `bytes`: a path, which may be empty, then optionally a `?` and a query.
fn path_and_query(bytes: &[u8]) -> Result<(&str, Option<&str>), usize> {
    let (end, has_query) = path_end(bytes)?;
    // All of it is ASCII.
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    let (path, query) = text.split_at_checked(end).unwrap_or_default();
    Ok((path, if has_query { query.get(1..) } else { None }))
}

/// The end of the path, and whether a query follows.
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
/// Bytes of a path, and `?`.
const PATH_OR_MARK: u8 = 4;

/// The components in which each byte is allowed.
static CLASSES: Classes = {
    const ALL: u8 = PATH | QUERY | PATH_OR_MARK;
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            // unreserved, sub-delims, and the rest of pchar and path (RFC 3986, 2.2 to 3.4).
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => ALL,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => ALL,
            b':' | b'@' | b'/' => ALL,
            b'?' => QUERY | PATH_OR_MARK,
            // Part of a percent-encoding, or alone.
            b'%' => ALL,
            // Characters that browsers send.
            b'[' | b']' | b'^' | b'|' => ALL,
            b'`' | b'{' | b'}' | b'\\' => QUERY,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// The number of leading bytes of this class.
fn component_len(bytes: &[u8], class: u8) -> usize {
    if are_all(bytes, &CLASSES, class) {
        return bytes.len();
    }
    bytes.iter().take_while(|&&byte| CLASSES[usize::from(byte)] & class != 0).count()
}

#[cfg(test)]
mod tests;
