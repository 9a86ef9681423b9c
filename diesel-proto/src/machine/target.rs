//! [`Target`]: what to connect to, an address or a name with a port, and how it is parsed.
//!
//! It must never know how names are resolved, nor what a connection is for.

use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::str::FromStr;

use super::address::Address;
use super::name::HostName;
use super::target_error::{TargetError, TargetErrorKind};

/// What to connect to. Parsed from text, it is one of
///
/// | text | what it is |
/// | --- | --- |
/// | `192.0.2.7:80` | an IPv4 address: four decimal numbers |
/// | `[2001:db8::7]:80` | an IPv6 address, in brackets |
/// | `[fe80::7%2]:80` | an IPv6 address in the zone with this number (RFC 4007, section 11) |
/// | `[fe80::7%eth0]:80` | a question to the system, which knows the number of the zone |
/// | `example.com:80` | the [name of a host](HostName), to be resolved |
///
/// The port is always there, and not zero. White space, a path, or anything else is an error.
///
/// ```
/// use diesel_proto::{Target, TargetErrorKind};
///
/// let target: Target = "[::1]:7050".parse()?;
/// assert_eq!(target, Target::from(std::net::SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7050))));
/// assert_eq!("Example.com:80".parse::<Target>()?.to_string(), "example.com:80");
///
/// let error = "example.com".parse::<Target>().unwrap_err();
/// assert_eq!(error.kind(), TargetErrorKind::NoPort);
/// assert_eq!(error.to_string(), r#"cannot connect to "example.com": it has no port"#);
/// # Ok::<(), diesel_proto::TargetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// An address: there is nothing to resolve.
    Address(Address),
    /// A name, and a port.
    Name(HostName, u16),
}

impl Target {
    /// A host without its port: a name, an IPv4 address, or an IPv6 address, with brackets or
    /// without. For those that have the two apart already, as in a URL.
    ///
    /// # Errors
    ///
    /// As for the text of both, if the host is not valid, or if the port is zero.
    ///
    /// ```
    /// use diesel_proto::Target;
    ///
    /// assert_eq!(Target::new("::1", 80)?, "[::1]:80".parse()?);
    /// assert_eq!(Target::new("example.com", 80)?, "example.com:80".parse()?);
    /// # Ok::<(), diesel_proto::TargetError>(())
    /// ```
    pub fn new(host: &str, port: u16) -> Result<Self, TargetError> {
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let parsed = match inner {
            Some(inner) => ipv6(inner, port),
            None if host.contains(':') => ipv6(host, port),
            None => named(host, port),
        };
        let checked = parsed.and_then(|target| match port {
            0 => Err(TargetErrorKind::Port),
            _ => Ok(target),
        });
        checked.map_err(|kind| TargetError::new(host, kind))
    }

    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Target::Address(Address::Socket(address)) => Some(address.port()),
            Target::Address(_) => None,
            Target::Name(_, port) => Some(*port),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text).map_err(|kind| TargetError::new(text, kind))
    }
}

fn parse(text: &str) -> Result<Target, TargetErrorKind> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, behind) = rest.split_once(']').ok_or(TargetErrorKind::Ipv6)?;
        let port = port(behind.strip_prefix(':').ok_or(TargetErrorKind::NoPort)?)?;
        return ipv6(inner, port);
    }
    let (host, behind) = text.rsplit_once(':').ok_or(TargetErrorKind::NoPort)?;
    if host.contains(':') {
        return Err(TargetErrorKind::NoBrackets);
    }
    named(host, port(behind)?)
}

/// Digits only: the parser of std also takes a plus sign.
fn port(text: &str) -> Result<u16, TargetErrorKind> {
    if text.is_empty() {
        return Err(TargetErrorKind::NoPort);
    }
    let port = number(text).and_then(|port| u16::try_from(port).ok());
    port.filter(|port| *port != 0).ok_or(TargetErrorKind::Port)
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn named(host: &str, port: u16) -> Result<Target, TargetErrorKind> {
    match host.parse::<Ipv4Addr>() {
        Ok(address) => Ok(SocketAddr::from((address, port)).into()),
        Err(_) => Ok(Target::Name(HostName::parse(host)?, port)),
    }
}

fn ipv6(text: &str, port: u16) -> Result<Target, TargetErrorKind> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let ip: Ipv6Addr = address.parse().map_err(|_| TargetErrorKind::Ipv6)?;
    let scope = match zone {
        None => 0,
        Some(zone) => match number(zone) {
            Some(number) => number,
            None if zone.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(TargetErrorKind::Zone);
            }
            None => return Ok(Target::Name(HostName::zoned(address, zone)?, port)),
        },
    };
    Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)).into())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Name(name, port) if name.as_str().contains(':') => write!(f, "[{name}]:{port}"),
            Target::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Target::Address(address)
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Target::Address(address.into())
    }
}

/// What can be connected to: an address, or text that is parsed as a [`Target`]. A pair is a host
/// and a port.
///
/// ```
/// use diesel_proto::{Client, Ctx, Error, IntoTarget};
///
/// async fn dial(ctx: Ctx, server: impl IntoTarget) -> Result<Client, Error> {
///     Client::connect(&ctx, server).await
/// }
///
/// async fn dial_all(ctx: Ctx) -> Result<(), Error> {
///     dial(ctx.clone(), "example.com:7050").await?;
///     dial(ctx.clone(), ("example.com", 7050)).await?;
///     dial(ctx, std::net::SocketAddr::from(([192, 0, 2, 7], 7050))).await?;
///     Ok(())
/// }
/// # diesel_proto::Hub::default().add_loop(dial_all).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something to connect to",
    label = "neither an address nor a name with a port",
    note = "an address is a `SocketAddr`; a name is text with a port, `\"example.com:80\"`, or a \
            pair, `(\"example.com\", 80)`"
)]
pub trait IntoTarget {
    /// Converts, or parses.
    ///
    /// # Errors
    ///
    /// If the text is neither an address nor a name, with a port.
    fn into_target(self) -> Result<Target, TargetError>;
}

macro_rules! into_target {
    ($($from:ty: $it:ident => $target:expr),+ $(,)?) => {
        $(impl IntoTarget for $from {
            fn into_target(self) -> Result<Target, TargetError> {
                let $it = self;
                $target
            }
        })+
    };
}

into_target! {
    Target: it => Ok(it),
    &Target: it => Ok(it.clone()),
    Address: it => Ok(it.into()),
    SocketAddr: it => Ok(it.into()),
    SocketAddrV4: it => Ok(SocketAddr::from(it).into()),
    SocketAddrV6: it => Ok(SocketAddr::from(it).into()),
    (IpAddr, u16): it => Ok(SocketAddr::from(it).into()),
    (Ipv4Addr, u16): it => Ok(SocketAddr::from(it).into()),
    (Ipv6Addr, u16): it => Ok(SocketAddr::from(it).into()),
    &str: it => it.parse(),
    String: it => it.parse(),
    &String: it => it.parse(),
    (&str, u16): it => Target::new(it.0, it.1),
    (String, u16): it => Target::new(&it.0, it.1),
    Result<Target, TargetError>: it => it,
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    fn kind(text: &str) -> TargetErrorKind {
        let error = text.parse::<Target>().expect_err(text);
        let full = error.to_string();
        assert!(full.ends_with(&error.kind().to_string()) && error.text() == text, "{full}");
        error.kind()
    }

    #[test]
    fn addresses_are_those_that_std_reads_and_are_shown_alike() {
        for text in ["1.2.3.4:80", "[::1]:80", "[2001:db8::7]:65535", "[::ffff:1.2.3.4]:1"] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target, text.parse::<SocketAddr>().unwrap().into());
            assert_eq!((target.to_string(), target.port().is_some()), (text.to_string(), true));
        }
    }

    #[test]
    fn a_zone_is_a_number_or_a_question() {
        let scope = |text: &str| match text.parse().unwrap() {
            Target::Address(Address::Socket(SocketAddr::V6(address))) => address.scope_id(),
            other => panic!("{other}"),
        };
        assert_eq!(scope("[fe80::1%3]:80"), 3);
        assert_eq!(scope("[fe80::1%4294967295]:80"), u32::MAX);
        let Target::Name(name, 80) = "[fe80::1%eth0]:80".parse().unwrap() else { panic!() };
        assert_eq!(name.as_str(), "fe80::1%eth0");
        assert!(!name.is_localhost());
        let zones = ["", "4294967296", "eth 0", "eth/0", "eth%0", "ü", &"x".repeat(64)];
        for zone in zones {
            assert_eq!(kind(&format!("[fe80::1%{zone}]:80")), TargetErrorKind::Zone, "{zone}");
        }
        assert_eq!(kind("[example.com%eth0]:80"), TargetErrorKind::Ipv6);
        assert_eq!("[fe80::1%eth0]:80".parse::<Target>().unwrap().to_string(), "[fe80::1%eth0]:80");
    }

    #[test]
    fn names_are_shown_in_lower_case() {
        for (text, shown) in [
            ("localhost:80", "localhost:80"),
            ("LocalHost.:1", "localhost.:1"),
            ("_srv.xn--Bcher-kva.example:443", "_srv.xn--bcher-kva.example:443"),
            ("1.2.3.4.example:80", "1.2.3.4.example:80"),
            ("4chan.org:80", "4chan.org:80"),
            ("0xcafe.x:80", "0xcafe.x:80"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(
            Target::new(&longest, 80).is_ok() && Target::new(&format!("{longest}."), 80).is_ok()
        );
        assert_eq!(kind(&format!("{longest}a:80")), TargetErrorKind::LongName);
        assert_eq!(kind(&format!("{label}a:80")), TargetErrorKind::LongName);
    }

    #[test]
    fn names_below_localhost_are_local() {
        for (text, is) in [
            ("localhost:80", true),
            ("LOCALHOST.:80", true),
            ("a.b.localhost:80", true),
            ("localhost.example:80", false),
            ("notlocalhost:80", false),
        ] {
            let Target::Name(name, 80) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(name.is_localhost(), is, "{text}");
        }
    }

    #[test]
    fn what_is_neither_names_its_cause() {
        use TargetErrorKind::*;
        for (text, cause) in [
            ("", NoPort),
            ("example.com", NoPort),
            ("example.com:", NoPort),
            ("[::1]", NoPort),
            ("[::1]80", NoPort),
            ("example.com:0", Port),
            ("example.com:+80", Port),
            ("example.com:65536", Port),
            ("example.com:99999999999", Port),
            ("example.com: 80", Port),
            ("example.com:http", Port),
            (":80", NoHost),
            (".:80", NoHost),
            ("a..b:80", EmptyLabel),
            (".a:80", EmptyLabel),
            ("exa mple:80", Character),
            ("bücher.example:80", Character),
            ("user@example.com:80", Character),
            ("a\0b:80", Character),
            ("http//example.com:80", Character),
            ("http://example.com:80", NoBrackets),
            ("127.1:80", Ipv4),
            ("1.2.3.256:80", Ipv4),
            ("1.2.3.04:80", Ipv4),
            ("2130706433:80", Ipv4),
            ("0x7f.1:80", Ipv4),
            ("127.0.0.0x1:80", Ipv4),
            ("1.2.3.4.:80", Ipv4),
            ("::1:80", NoBrackets),
            ("fe80::1%eth0:80", NoBrackets),
            ("[::1:80", Ipv6),
            ("[1.2.3.4]:80", Ipv6),
            ("[]:80", Ipv6),
        ] {
            assert_eq!(kind(text), cause, "{text}");
        }
    }

    #[test]
    fn a_host_and_a_port_are_the_same_as_their_text() {
        for (host, text) in [
            ("example.com", "example.com:80"),
            ("1.2.3.4", "1.2.3.4:80"),
            ("::1", "[::1]:80"),
            ("[::1]", "[::1]:80"),
            ("fe80::1%2", "[fe80::1%2]:80"),
            ("fe80::1%eth0", "[fe80::1%eth0]:80"),
        ] {
            assert_eq!((host, 80).into_target(), text.into_target(), "{host}");
        }
        assert_eq!(Target::new("example.com", 0).unwrap_err().kind(), TargetErrorKind::Port);
        assert_eq!(Target::new("example.com:80", 80).unwrap_err().kind(), TargetErrorKind::Ipv6);
        assert_eq!(Target::new("[::1", 80).unwrap_err().kind(), TargetErrorKind::Ipv6);
    }

    #[test]
    fn an_error_keeps_a_bounded_part_of_the_text() {
        let error = "ü".repeat(1000).parse::<Target>().unwrap_err();
        assert_eq!(error.text(), "ü".repeat(150));
        let error = format!("x{}", "ü".repeat(1000)).parse::<Target>().unwrap_err();
        assert_eq!(error.text().len(), 299);
    }
}
