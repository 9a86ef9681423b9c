//! [`Url`]: what is asked for, and of whom.
//!
//! ```text
//!   http://user:secret@Example.org:80/a/../b?c#d      as given
//!   http://example.org/b?c                            as kept
//!   |-------origin-----|target|                       (the credentials apart, the fragment dropped)
//! ```
//!
//! The grammar, and how a reference is resolved, are those of RFC 3986, by the crate `iri-string`.
//! Rules of this file:
//!
//! - A URL is kept in its normal form (RFC 9110, 4.2.3), so that equal origins are equal text.
//! - What a URL must not contain, but what has only one reading, is percent-encoded: blanks, letters
//!   beyond ASCII, `"<>^{|}` and the backquote, and `[` and `]` behind the host. Control characters and backslashes are refused.
//! - A host beyond ASCII is refused: give its ASCII form (RFC 5891, `xn--..`).
//!
//! It must never know names, addresses or connections.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use iri_string::types::{UriAbsoluteStr, UriReferenceStr, UriStr};

use crate::http1::syntax::{Authority, Scheme};

/// The URL of a request: `http` or `https`, a host, and a target.
///
/// ```
/// use diesel_proto::http1::{Scheme, Url};
///
/// let url = Url::parse("HTTP://Example.org:80/a/../b?c#d")?;
/// assert_eq!(url.as_str(), "http://example.org/b?c");
/// assert_eq!((url.scheme(), url.host(), url.port()), (Scheme::Http, "example.org", 80));
/// assert_eq!((url.origin(), url.target()), ("http://example.org", "/b?c"));
///
/// let next = url.join("../d e")?;
/// assert_eq!(next.as_str(), "http://example.org/d%20e");
///
/// let error = Url::parse("ftp://example.org/").unwrap_err();
/// assert_eq!(error.to_string(), "the URL \"ftp://example.org/\" is not of the scheme http or https");
/// # Ok::<(), diesel_proto::http1::InvalidUrl>(())
/// ```
///
/// `Debug` and `Display` leave out the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In normal form. Invariant: `scheme_len + 3 <= origin_len <= text.len()`, and the host is a
    /// valid authority.
    text: String,
    scheme: Scheme,
    /// The length of scheme, host and port.
    origin_len: usize,
    host_len: usize,
    port: u16,
    credentials: Option<Box<str>>,
}

/// Why a text is not the URL of a request.
///
/// Example: see [`Url`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUrl {
    /// The text, without credentials.
    text: Box<str>,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Syntax,
    Scheme,
    Host,
    Credentials,
}

impl Url {
    /// Parses a URL. A fragment is dropped; credentials are kept apart.
    ///
    /// # Errors
    ///
    /// If it is not a URL of RFC 3986, not of the scheme `http` or `https`, or has no valid host. A
    /// host with letters beyond ASCII is refused, too: give its `xn--` form (RFC 5891).
    ///
    /// # Cost
    ///
    /// Linear. One allocation, if it has no credentials, no dot segments and nothing to encode.
    pub fn parse(text: &str) -> Result<Url, InvalidUrl> {
        Url::read(text, text)
    }

    /// Resolves a reference that was found at this URL: `/a`, `b`, `?c`, or a whole URL (RFC 3986,
    /// 5). The credentials of this URL are not those of the result.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn join(&self, reference: &str) -> Result<Url, InvalidUrl> {
        let invalid = || InvalidUrl::new(reference, Why::Syntax);
        let encoded = encoded(reference).ok_or_else(invalid)?;
        let parsed = UriReferenceStr::new(&encoded).map_err(|_| invalid())?;
        let base = UriAbsoluteStr::new(&self.text).map_err(|_| invalid())?;
        Url::read(&parsed.resolve_against(base).to_string(), reference)
    }

    /// `given`: for errors.
    fn read(text: &str, given: &str) -> Result<Url, InvalidUrl> {
        let invalid = |why| InvalidUrl::new(given, why);
        let encoded = encoded(text).ok_or_else(|| invalid(Why::Syntax))?;
        let mut uri = UriStr::new(&encoded).map_err(|_| invalid(Why::Syntax))?;
        let normal;
        if uri.path_str().contains("/.") {
            normal = uri.normalize().to_string();
            uri = UriStr::new(&normal).map_err(|_| invalid(Why::Syntax))?;
        }
        let scheme = match uri.scheme_str() {
            scheme if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            scheme if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ => return Err(invalid(Why::Scheme)),
        };
        let authority = uri.authority_str().ok_or_else(|| invalid(Why::Host))?;
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let credentials = credentials.map(decoded).transpose();
        let credentials = credentials.map_err(|()| invalid(Why::Credentials))?;
        let host = Authority::new(host).map_err(|_| invalid(Why::Host))?;
        // A name of DNS has none of what has to be encoded.
        if host.host().contains('%') {
            return Err(invalid(Why::Host));
        }
        let mut text = String::with_capacity(encoded.len() + 1);
        text.push_str(scheme.as_str());
        text.push_str("://");
        let start = text.len();
        text.push_str(host.host());
        text.make_ascii_lowercase();
        let host_len = text.len() - start;
        let port = host.port().unwrap_or(default_port(scheme));
        if port != default_port(scheme) {
            text.push_str(&format!(":{port}"));
        }
        let origin_len = text.len();
        let path = uri.path_str();
        text.push_str(if path.is_empty() { "/" } else { path });
        if let Some(query) = uri.query_str() {
            text.push('?');
            text.push_str(query);
        }
        Ok(Url { text, scheme, origin_len, host_len, port, credentials })
    }

    /// The URL in normal form, without credentials.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, in lower case: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        let start = self.scheme.as_str().len() + 3;
        self.text.get(start..start + self.host_len).unwrap_or_default()
    }

    /// The port: 80 or 443 if it names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host, and the port if it is not the default of the scheme.
    pub fn authority(&self) -> &str {
        self.text.get(self.scheme.as_str().len() + 3..self.origin_len).unwrap_or_default()
    }

    /// Scheme, host and port: what shares connections and credentials (RFC 6454).
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_len).unwrap_or_default()
    }

    /// The path and the query: the target of a request to the origin server.
    pub fn target(&self) -> &str {
        self.text.get(self.origin_len..).unwrap_or_default()
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The part after the `?`, still percent-encoded, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The user and the password that the URL had before its host, decoded: `user:password`.
    pub fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    /// Adds an encoded pair, or several, to the query.
    pub(super) fn push_query(&mut self, pairs: &str) {
        self.text.push(if self.query().is_some() { '&' } else { '?' });
        self.text.push_str(pairs);
    }

    /// Moves the URL out, and leaves one that is empty.
    pub(super) fn take(&mut self) -> Url {
        let scheme = self.scheme;
        let empty = Url {
            text: String::new(),
            scheme,
            origin_len: 0,
            host_len: 0,
            port: 0,
            credentials: None,
        };
        core::mem::replace(self, empty)
    }

    /// Forgets the credentials.
    pub(super) fn without_credentials(mut self) -> Url {
        self.credentials = None;
        self
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

/// The text with what has only one reading percent-encoded. `None`: it has something that may be
/// read in two ways.
fn encoded(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim_matches(' ');
    let authority_end = authority_end(text);
    let is_plain = |(at, byte): (usize, u8)| match byte {
        // Around an address of IPv6.
        b'[' | b']' => at < authority_end,
        _ => byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte),
    };
    if text.bytes().enumerate().all(is_plain) {
        return Some(Cow::Borrowed(text));
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            0..b' ' | 0x7f | b'\\' => return None,
            _ if is_plain((at, byte)) => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(Cow::Owned(encoded))
}

/// Where the authority of a URL or a reference ends: 0 if it has none (RFC 3986, 3.2).
fn authority_end(text: &str) -> usize {
    let scheme = text.find([':', '/', '?', '#']).filter(|&at| text[at..].starts_with("://"));
    let start = match scheme {
        Some(at) => at + 3,
        None if text.starts_with("//") => 2,
        None => return 0,
    };
    text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at)
}

/// Decodes credentials.
fn decoded(text: &str) -> Result<Box<str>, ()> {
    let mut bytes = alloc::vec::Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = rest.first_chunk::<2>().filter(|_| byte == b'%');
        let Some(digits) = digits else {
            bytes.push(byte);
            continue;
        };
        let digits = core::str::from_utf8(digits).map_err(|_| ())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| ())?);
        rest = rest.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map(Into::into).map_err(|_| ())
}

impl InvalidUrl {
    /// The text, without credentials, if only the scheme is wrong.
    pub(super) fn other_scheme(&self) -> Option<&str> {
        (self.why == Why::Scheme).then_some(&*self.text)
    }

    fn new(text: &str, why: Why) -> Self {
        let mut shown = String::new();
        let authority = text.find("://").map_or(0, |at| at + 3);
        let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
        let host = text[authority..end].rfind('@').map_or(authority, |at| authority + at + 1);
        shown.push_str(&text[..authority]);
        shown.push_str(&text[host..]);
        InvalidUrl { text: shown.into(), why }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the URL {:?} ", self.text)?;
        f.write_str(match self.why {
            Why::Syntax => "is not a URL (RFC 3986)",
            Why::Scheme => "is not of the scheme http or https",
            Why::Host => "has no valid host (RFC 9110, 4.2)",
            Why::Credentials => "has credentials that are not percent-encoded UTF-8",
        })
    }
}

impl core::error::Error for InvalidUrl {}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl core::str::FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Url, InvalidUrl> {
        Url::parse(text)
    }
}

/// What a method of a client takes as a URL: a [`Url`], or text.
///
/// Example: see [`Client`](super::Client).
pub trait IntoUrl {
    /// The URL.
    ///
    /// # Errors
    ///
    /// As [`Url::parse`].
    fn into_url(self) -> Result<Url, InvalidUrl>;
}

impl IntoUrl for Url {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Ok(self)
    }
}

impl IntoUrl for &Url {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Ok(self.clone())
    }
}

impl IntoUrl for &str {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Url::parse(self)
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Url::parse(self)
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Url::parse(&self)
    }
}

#[cfg(test)]
mod tests;
