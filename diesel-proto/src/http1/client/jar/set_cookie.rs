//! Reads a Set-Cookie, by the crate `cookie`, and decides whether it may be kept (RFC 6265, 5.2 and
//! 5.3).

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use cookie::Cookie;

use super::matching::{default_path, is_above_suffix, is_public_suffix, is_within};
use super::{JarTime, RefusedCookie};
use crate::http1::client::url::Url;
use crate::http1::syntax::Scheme;
use crate::time::Instant;

pub(super) struct StoredCookie {
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
    pub(super) path: Box<str>,
    /// It is for the host that it is from, and not for those below.
    pub(super) is_host_only: bool,
    pub(super) is_secure: bool,
    /// Not for scripts: it has no effect here.
    pub(super) is_http_only: bool,
    pub(super) expires: Expiry,
    /// The turns of the jar in which it, or the first that it replaced, was stored, and was last
    /// sent.
    pub(super) created: u64,
    pub(super) used: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Expiry {
    /// With the jar.
    Never,
    /// By Max-Age.
    At(Instant),
    /// By Expires, in seconds since 1970.
    On(u64),
}

impl Expiry {
    pub(super) fn is_over(self, time: JarTime) -> bool {
        match self {
            Expiry::Never => false,
            Expiry::At(at) => time.now >= at && at < Instant::NEVER,
            Expiry::On(unix) => time.unix >= unix,
        }
    }
}

/// Reads a cookie. Returns its domain, too.
pub(super) fn read(
    url: &Url,
    text: &[u8],
    time: JarTime,
    limit: usize,
) -> Result<(Box<str>, StoredCookie), RefusedCookie> {
    let text = core::str::from_utf8(text).map_err(|_| RefusedCookie::Syntax)?;
    if text.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err(RefusedCookie::Syntax);
    }
    let cookie = Cookie::parse(text).map_err(|_| RefusedCookie::Syntax)?;
    if cookie.name().len().saturating_add(cookie.value().len()) > limit {
        return Err(RefusedCookie::TooLong(limit));
    }
    let (domain, is_host_only) = domain(url.host(), cookie.domain())?;
    let given = cookie.path().filter(|path| path.starts_with('/'));
    let path = given.unwrap_or_else(|| default_path(url.path()));
    let (is_https, is_secure) = (url.scheme() == Scheme::Https, cookie.secure() == Some(true));
    if is_secure && !is_https {
        return Err(RefusedCookie::Insecure);
    }
    let has_prefix = |prefix: &str| {
        let start = cookie.name().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_for_host = is_host_only && given == Some("/") && cookie.domain().is_none();
    if (has_prefix("__Secure-") && !is_secure)
        || (has_prefix("__Host-") && !(is_secure && is_for_host))
    {
        return Err(RefusedCookie::Prefix);
    }
    let stored = StoredCookie {
        name: cookie.name().into(),
        value: cookie.value().into(),
        path: path.into(),
        is_host_only,
        is_secure,
        is_http_only: cookie.http_only() == Some(true),
        expires: expiry(&cookie, time),
        created: 0,
        used: 0,
    };
    Ok((domain, stored))
}

/// The domain of a cookie, and whether it is for this host alone.
fn domain(host: &str, named: Option<&str>) -> Result<(Box<str>, bool), RefusedCookie> {
    // The crate leaves out a dot at the start.
    let Some(named) = named else { return Ok((host.into(), true)) };
    let named = named.to_ascii_lowercase();
    if named.is_empty() {
        return Ok((host.into(), true));
    }
    if is_public_suffix(&named) {
        return match named == host {
            true => Ok((host.into(), true)),
            false => Err(RefusedCookie::PublicSuffix),
        };
    }
    match is_within(host, &named) {
        true if is_above_suffix(host, &named) => Err(RefusedCookie::PublicSuffix),
        true => Ok((named.into(), false)),
        false => Err(RefusedCookie::Domain),
    }
}

/// Max-Age counts more than Expires (RFC 6265, 5.3, step 3).
fn expiry(cookie: &Cookie<'_>, time: JarTime) -> Expiry {
    // The crate reads an empty Max-Age, which must be ignored, as the longest.
    let max_age = cookie.max_age().map(|age| age.whole_seconds()).filter(|age| *age < i64::MAX);
    if let Some(seconds) = max_age {
        return Expiry::At(time.now + Duration::from_secs(seconds.try_into().unwrap_or(0)));
    }
    match cookie.expires_datetime() {
        Some(date) => Expiry::On(date.unix_timestamp().try_into().unwrap_or(0)),
        None => Expiry::Never,
    }
}

impl fmt::Debug for StoredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCookie")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("is_host_only", &self.is_host_only)
            .field("is_secure", &self.is_secure)
            .field("is_http_only", &self.is_http_only)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
