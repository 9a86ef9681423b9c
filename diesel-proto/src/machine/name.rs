//! [`HostName`], the name of a host, and why it could not be resolved.
//!
//! A name is checked once, when it is parsed: what a resolver of the system would read in a way of
//! its own (as an address in octal, as the end of a string) never reaches it.
//!
//! It must never know how names are resolved.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::target_error::TargetErrorKind;

/// The name of a host: what an embedder gets to [resolve](crate::hub::Action::Resolve). Cheap to
/// clone.
///
/// At most 253 bytes in labels of 1 to 63 (RFC 1035, section 2.3.4), of ASCII letters, digits, `-`
/// and `_`; a last dot, for a name that is not completed by a search list, is kept. Letters are
/// stored in lower case, since names do not distinguish it. The last label is no number: such a
/// name is an IPv4 address in a form that is not accepted here. Names with other letters have to be
/// encoded before (IDNA, `xn--..`).
///
/// The other form is an IPv6 address with the *name* of a zone, such as `fe80::1%eth0` (RFC 4007,
/// section 11): only the system knows which number that zone has.
///
/// ```
/// use diesel_proto::Target;
///
/// let Target::Name(name, port) = "Example.com:80".parse()? else { panic!("it is a name") };
/// assert_eq!((name.as_str(), port), ("example.com", 80));
/// # Ok::<(), diesel_proto::TargetError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// The longest name (RFC 1035, section 2.3.4, without the length bytes), and the longest label.
const MOST: usize = 253;
const MOST_IN_LABEL: usize = 63;

/// The longest name of a zone that is passed on. Systems allow less.
const MOST_IN_ZONE: usize = 63;

impl HostName {
    /// Parses a name.
    pub(super) fn parse(text: &str) -> Result<Self, TargetErrorKind> {
        let labels = text.strip_suffix('.').unwrap_or(text);
        if labels.is_empty() {
            return Err(TargetErrorKind::NoHost);
        }
        if labels.len() > MOST {
            return Err(TargetErrorKind::LongName);
        }
        for label in labels.split('.') {
            match label.len() {
                0 => return Err(TargetErrorKind::EmptyLabel),
                1..=MOST_IN_LABEL => {}
                _ => return Err(TargetErrorKind::LongName),
            }
            if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                return Err(TargetErrorKind::Character);
            }
        }
        let last = labels.rsplit('.').next().unwrap_or_default();
        let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || hexadecimal.is_some_and(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()));
        if is_number {
            return Err(TargetErrorKind::Ipv4);
        }
        Ok(HostName(text.to_ascii_lowercase().into()))
    }

    /// An IPv6 address, which the caller has checked, with the name of a zone.
    pub(super) fn zoned(address: &str, zone: &str) -> Result<Self, TargetErrorKind> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@~".contains(&byte);
        if zone.is_empty() || zone.len() > MOST_IN_ZONE || !zone.bytes().all(is_plain) {
            return Err(TargetErrorKind::Zone);
        }
        let mut text = String::with_capacity(address.len() + 1 + zone.len());
        text.push_str(address);
        text.push('%');
        text.push_str(zone);
        Ok(HostName(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `localhost`, or a name below it: RFC 6761, section 6.3, wants such names
    /// resolved to loopback addresses without asking any server.
    ///
    /// ```
    /// use diesel_proto::Target;
    ///
    /// let Target::Name(name, _) = "db.localhost:5432".parse()? else { panic!("it is a name") };
    /// assert!(name.is_localhost());
    /// # Ok::<(), diesel_proto::TargetError>(())
    /// ```
    pub fn is_localhost(&self) -> bool {
        let name = self.0.strip_suffix('.').unwrap_or(&self.0);
        name == "localhost" || name.ends_with(".localhost")
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostName({})", self.0)
    }
}

/// The error of a name that was not resolved.
///
/// ```
/// use diesel_proto::{ResolveError, ResolveErrorKind, Target};
///
/// let Target::Name(name, _) = "nowhere.example:80".parse()? else { panic!("it is a name") };
/// let error = ResolveError { name, kind: ResolveErrorKind::NotFound };
/// assert_eq!(error.to_string(), "cannot resolve nowhere.example: no such name, or no address");
/// # Ok::<(), diesel_proto::TargetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResolveError {
    /// The name.
    pub name: HostName,
    /// Why it was not resolved.
    pub kind: ResolveErrorKind,
}

/// Why a name was not resolved.
///
/// Example: see [`ResolveError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResolveErrorKind {
    /// There is no such name, or it has no address.
    NotFound,
    /// No answer came within the time for a look-up
    /// ([`NameConfig::resolve`](crate::hub::NameConfig::resolve)).
    TimedOut,
    /// The name servers cannot be reached, or failed for now (EAI_AGAIN): a later attempt may
    /// succeed.
    Temporary,
    /// A name server failed for good (EAI_FAIL): it refused, or answered nonsense.
    ServerFailed,
    /// Out of memory, descriptors or threads.
    OutOfResources,
    /// The embedder resolves no names.
    Unsupported,
    /// Any other error, with the number that the system gave it.
    Other(i32),
}

impl fmt::Display for ResolveErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolveErrorKind::NotFound => f.write_str("no such name, or no address"),
            ResolveErrorKind::TimedOut => f.write_str("no answer in time"),
            ResolveErrorKind::Temporary => f.write_str("no name server answers at the moment"),
            ResolveErrorKind::ServerFailed => f.write_str("the name server failed"),
            ResolveErrorKind::OutOfResources => {
                f.write_str("out of threads, descriptors or memory")
            }
            ResolveErrorKind::Unsupported => f.write_str("names are not supported here"),
            ResolveErrorKind::Other(code) => write!(f, "system error {code}"),
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve {}: {}", self.name, self.kind)
    }
}

impl core::error::Error for ResolveError {}
