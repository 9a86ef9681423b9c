//! The cookies of a client, against a model: a list that is searched from end to end. None goes to a
//! host, a path or a scheme that it is not for, none is sent after its time, and while no limit is
//! reached, all others are sent, in their order.
//!
//! The input is text: a line of limits, then lines that set cookies (`> URL Set-Cookie`), ask for a
//! field (`< URL`), and let seconds pass (`+ 60`).

use std::net::IpAddr;
use std::time::Duration;

use diesel_proto::http1::{Client, CookieLimits, RefusedCookie, Scheme, Url};
use diesel_proto::{Hub, Instant};

/// Some public suffixes. No cookie is for one, or for what is above it.
const SUFFIXES: [&str; 7] =
    ["com", "example", "co.uk", "uk", "github.io", "a.kobe.jp", "b.kobe.jp"];

/// The time of day at first.
const UNIX: u64 = 1_000_000_000;

/// A cookie that was kept.
#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    /// `None`: for the host alone.
    domain: Option<String>,
    host: String,
    path: String,
    is_secure: bool,
    expires: Expires,
    created: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expires {
    Never,
    /// In seconds since the start.
    At(u64),
    /// At a date, which the model does not read.
    Someday,
}

impl Cookie {
    /// Reads a Set-Cookie (RFC 6265, 5.2) of which it is known that it was kept.
    fn read(url: &Url, text: &str, now: u64, created: usize) -> Self {
        let mut parts = text.split(';');
        let (name, value) = parts.next().and_then(|it| it.split_once('=')).expect("a pair");
        let path = url.path();
        let at = path.rfind('/').unwrap_or(0).max(1);
        let default_path = path.get(..at).unwrap_or("/");
        let mut cookie = Cookie {
            name: name.trim().into(),
            value: value.trim().into(),
            domain: None,
            host: url.host().into(),
            path: default_path.into(),
            is_secure: false,
            expires: Expires::Never,
            created,
        };
        let (mut max_age, mut has_date) = (None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match &*name.trim().to_ascii_lowercase() {
                "domain" if !value.is_empty() => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    cookie.domain = Some(domain).filter(|it| !it.is_empty());
                }
                "path" if part.contains('=') => {
                    let is_path = value.starts_with('/');
                    cookie.path = if is_path { value } else { default_path }.into();
                }
                "secure" => cookie.is_secure = true,
                "max-age" if !value.is_empty() => {
                    let (is_negative, digits) = match value.strip_prefix('-') {
                        Some(digits) => (true, digits),
                        None => (false, value),
                    };
                    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        let seconds = digits.parse().unwrap_or(u64::MAX);
                        max_age = Some(if is_negative { 0 } else { seconds });
                    }
                }
                // The crate that reads it forgets the former one.
                "max-age" if part.contains('=') => (max_age, has_date) = (None, true),
                "expires" => has_date = true,
                _ => {}
            }
        }
        cookie.expires = match max_age {
            // So long a time counts as none.
            Some(seconds) if seconds >= i64::MAX as u64 && has_date => Expires::Someday,
            Some(seconds) => Expires::At(now.saturating_add(seconds)),
            None if has_date => Expires::Someday,
            None => Expires::Never,
        };
        // RFC 6265, 5.3, step 5: one for a public suffix is for the host that is one.
        cookie.domain = cookie.domain.filter(|it| *it != cookie.host || !is_suffix(it));
        cookie
    }

    /// The domain that it is kept for.
    fn domain(&self) -> &str {
        self.domain.as_deref().unwrap_or(&self.host)
    }

    fn is_for(&self, url: &Url) -> bool {
        let host = url.host();
        let is_for_host = match &self.domain {
            None => self.host == host,
            Some(domain) => is_within(host, domain),
        };
        let rest = url.path().strip_prefix(&*self.path);
        let is_for_path = rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        is_for_host && is_for_path && (!self.is_secure || url.scheme() == Scheme::Https)
    }

    fn is_over(&self, now: u64) -> bool {
        matches!(self.expires, Expires::At(at) if at <= now)
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    host == domain || (!is_address && host.ends_with(&format!(".{domain}")))
}

fn is_suffix(domain: &str) -> bool {
    SUFFIXES.contains(&domain)
}

struct Model {
    limits: CookieLimits,
    cookies: Vec<Cookie>,
    /// In seconds since the start.
    now: u64,
    /// Whether every cookie is known to be kept: no limit was reached, and no date has to be read.
    is_exact: bool,
    created: usize,
}

impl Model {
    fn set(&mut self, url: &Url, text: &str, result: Result<(), RefusedCookie>) {
        if let Err(refused) = result {
            assert_ne!(refused, RefusedCookie::NoJar);
            return;
        }
        self.created += 1;
        let mut cookie = Cookie::read(url, text, self.now, self.created);
        assert!(cookie.name.len() + cookie.value.len() <= self.limits.size);
        if let Some(domain) = &cookie.domain {
            assert!(is_within(url.host(), domain), "of {} for {domain}", url.host());
            let spans = |suffix: &str| is_within(url.host(), suffix) && is_within(suffix, domain);
            assert!(!SUFFIXES.into_iter().any(spans), "of {} for {domain}", url.host());
        }
        let is_https = url.scheme() == Scheme::Https;
        assert!(is_https || !cookie.is_secure, "Secure, by http");
        let name = cookie.name.to_ascii_lowercase();
        assert!(cookie.is_secure || !name.starts_with("__secure-"));
        if name.starts_with("__host-") {
            assert!(cookie.is_secure && cookie.domain.is_none() && cookie.path == "/");
        }
        self.cookies.retain(|it| !it.is_over(self.now));
        let is_same = |it: &Cookie| {
            (&it.name, it.domain(), &it.path) == (&cookie.name, cookie.domain(), &cookie.path)
        };
        if let Some(at) = self.cookies.iter().position(is_same) {
            assert!(is_https || !self.is_exact || !self.cookies[at].is_secure, "replaced, by http");
            cookie.created = self.cookies.remove(at).created;
        }
        self.is_exact &= cookie.expires != Expires::Someday;
        self.cookies.push(cookie);
        // One that has expired takes a place for a moment.
        let of_domain =
            |domain: &str| self.cookies.iter().filter(|it| it.domain() == domain).count();
        let domain = self.cookies.last().map(|it| of_domain(it.domain())).unwrap_or_default();
        self.is_exact &=
            domain <= self.limits.per_domain && self.cookies.len() <= self.limits.total;
        self.cookies.retain(|it| !it.is_over(self.now));
    }

    fn ask(&self, url: &Url, field: Option<&str>) {
        let sent: Vec<&str> = field.map_or(Vec::new(), |field| field.split("; ").collect());
        let pair = |it: &Cookie| format!("{}={}", it.name, it.value);
        let mut fitting: Vec<&Cookie> =
            self.cookies.iter().filter(|it| it.is_for(url) && !it.is_over(self.now)).collect();
        for sent in &sent {
            assert!(fitting.iter().any(|it| pair(it) == *sent), "{sent:?} is not for {url}");
        }
        assert!(field.is_none_or(|field| !field.is_empty() && field.len() <= self.limits.field));
        assert!(sent.len() <= self.limits.total);
        fitting.sort_by_key(|it| (std::cmp::Reverse(it.path.len()), it.created));
        let all = fitting.iter().map(|it| pair(it)).collect::<Vec<_>>().join("; ");
        if self.is_exact && all.len() <= self.limits.field {
            assert_eq!(field.unwrap_or_default(), all, "for {url}");
        }
    }
}

/// Takes lines.
pub fn jar(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut numbers = lines.next().unwrap_or_default().split(' ');
    let mut number = || numbers.next().and_then(|it| it.parse::<usize>().ok());
    let defaults = CookieLimits::default();
    let limits = CookieLimits {
        per_domain: number().unwrap_or(defaults.per_domain),
        total: number().unwrap_or(defaults.total),
        size: number().unwrap_or(defaults.size),
        field: number().unwrap_or(defaults.field),
    };
    let mut hub = Hub::default();
    hub.time_of_day(Instant::ORIGIN, UNIX);
    let client = Client::builder(&hub.ctx()).cookies(limits).build();
    let mut model = Model { limits, cookies: Vec::new(), now: 0, is_exact: true, created: 0 };
    for line in lines {
        let Some((what, rest)) = line.split_once(' ') else { continue };
        match what {
            "+" => {
                let seconds = rest.parse::<u32>().unwrap_or(1);
                model.now += u64::from(seconds);
                let now = Instant::ORIGIN + Duration::from_secs(model.now);
                hub.run(now, &mut Vec::new());
            }
            ">" => {
                let Some((url, cookie)) = rest.split_once(' ') else { continue };
                let Ok(url) = Url::parse(url) else { continue };
                model.set(&url, cookie, client.set_cookie(&url, cookie));
            }
            _ => {
                let Ok(url) = Url::parse(rest) else { continue };
                model.ask(&url, client.cookies(&url).as_deref());
            }
        }
    }
    client.clear_cookies();
}
