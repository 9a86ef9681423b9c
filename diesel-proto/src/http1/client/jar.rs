//! [`Jar`]: the cookies of a client (RFC 6265): which it keeps, and which go with a request.
//!
//! ```text
//!   Set-Cookie ──▶ set_cookie ──▶ by domain: name, path ──▶ of the host and its parents ──▶ Cookie
//!                  (refused?)     (limits, expiry)          (path, Secure, expiry)
//! ```
//!
//! Rules of this file:
//!
//! - Time is an input, so that equal calls give equal cookies. Max-Age counts in the hub's time, and
//!   Expires is compared with its time of day.
//! - A Cookie field has at most `limits.field` bytes: the limits of domains add up along the parents
//!   of a host, and a server refuses a head that is too long.
//! - `len <= limits.total`, and at most `limits.per_domain` cookies have the same domain.
//! - No value of a cookie is shown by `Debug`.
//!
//! It must never know connections.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use super::url::Url;
use crate::fiber::Ctx;
use crate::http1::syntax::Scheme;
use crate::time::Instant;

mod matching;
mod set_cookie;
#[cfg(test)]
mod tests;

use matching::{hosts, is_within, path_matches};
use set_cookie::StoredCookie;

/// How many cookies a client keeps, and how long each may be. The defaults are what RFC 6265, 6.1,
/// asks of user agents, which names none for a field.
///
/// ```
/// use diesel_proto::http1::CookieLimits;
///
/// let limits = CookieLimits { total: 100, ..CookieLimits::default() };
/// assert_eq!((limits.per_domain, limits.size), (50, 4096));
/// ```
///
/// Fields may be added in later versions: end a literal with `..CookieLimits::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieLimits {
    /// The most cookies of one domain: 50. Beyond it, the one that was used least recently goes.
    pub per_domain: usize,
    /// The most cookies of all domains: 3000. Beyond it, the one that was used least recently goes.
    pub total: usize,
    /// The most bytes of the name and the value of a cookie: 4096. A longer one is refused.
    pub size: usize,
    /// The most bytes of a Cookie field: 8192. What does not fit is left out of the request: cookies
    /// of the nearest domain come first, and of one domain those with the longest path.
    pub field: usize,
}

impl Default for CookieLimits {
    fn default() -> Self {
        CookieLimits { per_domain: 50, total: 3000, size: 4096, field: 8192 }
    }
}

/// Why a client does not keep a cookie. A response with such a cookie is like any other.
///
/// Example: see [`Client::set_cookie`](super::Client::set_cookie).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusedCookie {
    /// The client keeps no cookies.
    NoJar,
    /// It has no name, is not UTF-8, or has control characters (RFC 6265, 5.2).
    Syntax,
    /// Its name and value have more than this number of bytes: [`CookieLimits::size`].
    TooLong(usize),
    /// Its Domain is not that of the host (RFC 6265, 5.3, step 6).
    Domain,
    /// Its Domain is a public suffix, under which anybody can have a domain (RFC 6265, 5.3, step 5), or
    /// above the one of the host.
    PublicSuffix,
    /// It is Secure, or would replace one that is, and the URL is not `https`.
    Insecure,
    /// Its name begins with `__Secure-` or `__Host-`, and it is not what that promises.
    Prefix,
}

/// When something happens to the jar.
#[derive(Clone, Copy)]
pub(super) struct JarTime {
    pub(super) now: Instant,
    /// Seconds since 1970.
    pub(super) unix: u64,
}

impl JarTime {
    pub(super) fn of(ctx: &Ctx) -> Self {
        // While the time of day is not known, what expired on the first day of 1970 has expired:
        // servers delete cookies so.
        JarTime { now: ctx.now(), unix: ctx.unix_seconds().unwrap_or(86_400) }
    }
}

pub(super) struct Jar {
    /// No list is empty.
    domains: BTreeMap<Box<str>, Vec<StoredCookie>>,
    /// The number of all cookies.
    len: usize,
    /// Counts what is stored and sent.
    turn: u64,
    limits: CookieLimits,
}

impl Jar {
    pub(super) fn new(limits: CookieLimits) -> Self {
        Jar { domains: BTreeMap::new(), len: 0, turn: 0, limits }
    }

    /// Keeps a cookie, replaces one, or, if it has expired, removes one (RFC 6265, 5.3). `text`: the
    /// value of a Set-Cookie in the response to a request for `url`.
    pub(super) fn store(
        &mut self,
        url: &Url,
        text: &[u8],
        time: JarTime,
    ) -> Result<(), RefusedCookie> {
        self.turn += 1;
        let (domain, mut cookie) = set_cookie::read(url, text, time, self.limits.size)?;
        cookie.created = self.turn;
        cookie.used = self.turn;
        // One that has expired is neither replaced nor protected.
        self.expire(&domain, time);
        if url.scheme() != Scheme::Https && self.would_hide_secure(&domain, &cookie, time) {
            return Err(RefusedCookie::Insecure);
        }
        let cookies = self.domains.entry(domain.clone()).or_default();
        let former = cookies.iter_mut().find(|it| it.name == cookie.name && it.path == cookie.path);
        match former {
            Some(former) => {
                cookie.created = former.created;
                *former = cookie;
            }
            None => {
                cookies.push(cookie);
                self.len += 1;
            }
        }
        self.expire(&domain, time);
        let too_many =
            |jar: &Jar| jar.domains.get(&domain).is_some_and(|it| it.len() > jar.limits.per_domain);
        while too_many(self) {
            self.drop_least_recent(Some(&domain));
        }
        if self.len > self.limits.total {
            let domains: Vec<_> = self.domains.keys().cloned().collect();
            domains.iter().for_each(|domain| self.expire(domain, time));
        }
        while self.len > self.limits.total {
            self.drop_least_recent(None);
        }
        Ok(())
    }

    /// The value of Cookie in a request for this URL; `None`: there is nothing to send (RFC 6265,
    /// 5.4).
    pub(super) fn field(&mut self, url: &Url, time: JarTime) -> Option<String> {
        self.turn += 1;
        let is_secure = url.scheme() == Scheme::Https;
        let mut found = Vec::new();
        for (rank, domain) in hosts(url.host()).enumerate() {
            self.expire(domain, time);
            for cookie in self.domains.get_mut(domain).into_iter().flatten() {
                let is_for_host = !cookie.is_host_only || domain == url.host();
                if is_for_host
                    && (is_secure || !cookie.is_secure)
                    && path_matches(url.path(), &cookie.path)
                {
                    cookie.used = self.turn;
                    let pair = format!("{}={}", cookie.name, cookie.value);
                    found.push((rank, Reverse(cookie.path.len()), cookie.created, pair));
                }
            }
        }
        // A parent's cookies, which any of its hosts may set, never push out those of the host.
        found.sort();
        let mut len = 0;
        let fitting = found.iter().take_while(|(_, _, _, pair)| {
            len += pair.len() + if len == 0 { 0 } else { 2 };
            len <= self.limits.field
        });
        let fitting = fitting.count();
        found.truncate(fitting);
        found.sort_by_key(|(_, path, created, _)| (*path, *created));
        let mut field = String::new();
        for (_, _, _, pair) in &found {
            if !field.is_empty() {
                field.push_str("; ");
            }
            field.push_str(pair);
        }
        (!found.is_empty()).then_some(field)
    }

    /// Forgets all cookies.
    pub(super) fn clear(&mut self) {
        self.domains.clear();
        self.len = 0;
    }

    /// Whether a server might take this cookie for a Secure one that is kept.
    fn would_hide_secure(&self, domain: &str, cookie: &StoredCookie, time: JarTime) -> bool {
        let related = |it: &str| is_within(it, domain) || is_within(domain, it);
        self.domains.iter().filter(|(it, _)| related(it)).any(|(_, kept)| {
            kept.iter().any(|it| {
                it.is_secure
                    && !it.expires.is_over(time)
                    && it.name == cookie.name
                    && path_matches(&cookie.path, &it.path)
            })
        })
    }

    /// Removes the cookies of this domain that have expired.
    fn expire(&mut self, domain: &str, time: JarTime) {
        self.change(domain, |cookies| cookies.retain(|it| !it.expires.is_over(time)));
    }

    /// Removes the cookie that was used least recently, of this domain or of all.
    fn drop_least_recent(&mut self, of: Option<&str>) {
        let is_meant = |domain: &str| of.is_none_or(|it| it == domain);
        let all = self.domains.iter().filter(|(domain, _)| is_meant(domain));
        let all = all.flat_map(|(domain, cookies)| cookies.iter().map(move |it| (it.used, domain)));
        // Those of one request were used at the same time: the one that was stored last stays.
        let Some((used, domain)) = all.min_by_key(|(used, _)| *used) else { return };
        let domain = domain.clone();
        self.change(&domain, |cookies| {
            let at = cookies.iter().position(|it| it.used == used);
            at.map(|at| cookies.remove(at));
        });
    }

    fn change(&mut self, domain: &str, change: impl FnOnce(&mut Vec<StoredCookie>)) {
        let Some(cookies) = self.domains.get_mut(domain) else { return };
        let before = cookies.len();
        change(cookies);
        self.len -= before - cookies.len();
        if cookies.is_empty() {
            self.domains.remove(domain);
        }
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.domains).finish()
    }
}

impl fmt::Display for RefusedCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedCookie::NoJar => f.write_str("the client keeps no cookies"),
            RefusedCookie::Syntax => f.write_str("not a cookie (RFC 6265, 5.2)"),
            RefusedCookie::TooLong(limit) => {
                write!(f, "a cookie of more than {limit} bytes (CookieLimits::size)")
            }
            RefusedCookie::Domain => f.write_str("a cookie for another domain (RFC 6265, 5.3)"),
            RefusedCookie::PublicSuffix => {
                f.write_str("a cookie for a public suffix (RFC 6265, 5.3)")
            }
            RefusedCookie::Insecure => f.write_str("a Secure cookie from a URL that is not https"),
            RefusedCookie::Prefix => {
                f.write_str("a cookie that is not what its name promises (__Secure-, __Host-)")
            }
        }
    }
}

impl core::error::Error for RefusedCookie {}
