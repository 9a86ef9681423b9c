//! What the examples share: their command line (options, files, output, failures), the
//! [`handlers`] that several of them serve, and what [embedders](embed) supply.
//!
//! Apart from the handlers, nothing here belongs to diesel; it is a separate crate so that each
//! example shows only diesel.

pub mod embed;
pub mod handlers;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::exit;
use std::time::Duration;

use diesel_driver::tls::Acceptor;

/// One option of a program: `--name VALUE`, or a switch, `--name`; or an operand, which has no name.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Address,
    Seconds,
    File,
    Switch,
    Operand,
    Addresses,
    Networks,
}

/// An option whose value is an address, `HOST:PORT`.
pub const fn address(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Address, default, help }
}

/// An option whose value is a time in seconds, `1.5`, or `forever`.
pub const fn seconds(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Seconds, default, help }
}

/// An option whose value is the path of a file; without it there is none.
pub const fn file(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::File, default: "none", help }
}

/// An argument without a name, which must be given.
pub const fn operand(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Operand, default: "", help }
}

/// An option that may be repeated, whose values are addresses, `HOST:PORT`. One must be given.
pub const fn addresses(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Addresses, default: "", help }
}

/// An option that may be repeated, whose values are IP addresses, or `ADDRESS/BITS`.
pub const fn networks(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Networks, default: "", help }
}

/// The options of TLS, for [`tls_acceptor`].
pub const TLS_CERT: Setting = file("tls-cert", "serve TLS with this certificate chain (PEM)");
/// See [`TLS_CERT`].
pub const TLS_KEY: Setting = file("tls-key", "the private key of --tls-cert (PEM)");

/// What accepts TLS connections with the certificate of the options, if they are given.
///
/// # Errors
///
/// If only one of them is given, or the files cannot be used.
pub fn tls_acceptor(cert: &Value, key: &Value) -> Result<Option<Acceptor>, Failure> {
    match (cert.path(), key.path()) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let read = |path| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
            let acceptor = Acceptor::from_pem(&read(cert)?, &read(key)?);
            Ok(Some(acceptor.map_err(|error| format!("{cert}, {key}: {error}"))?))
        }
        _ => Err("--tls-cert and --tls-key belong together".into()),
    }
}

/// An option without a value, which is off unless it is given.
pub const fn switch(name: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Switch, default: OFF, help }
}

const ON: &str = "on";
const OFF: &str = "off";

/// The value of an option, from the command line or its default.
#[derive(Clone, Debug)]
pub struct Value(String);

impl Value {
    /// The value as one address to connect to.
    ///
    /// # Errors
    ///
    /// If its host cannot be resolved.
    pub fn socket_addr(&self) -> io::Result<SocketAddr> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no address: {}", self.0));
        self.to_socket_addrs()?.next().ok_or_else(unknown)
    }

    /// The value as the path of a file; `None` if the option was not given.
    pub fn path(&self) -> Option<&str> {
        Some(&*self.0).filter(|path| *path != "none")
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The values of an option that may be repeated.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        self.0.split_whitespace()
    }

    /// Whether a switch was given.
    pub fn is_on(&self) -> bool {
        self.0 == ON
    }

    /// The value as a duration; zero if it is not one.
    pub fn duration(&self) -> Duration {
        duration(&self.0).unwrap_or_default()
    }
}

/// The value as addresses to listen on; the first that works is used.
impl ToSocketAddrs for Value {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let name_it =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.0));
        self.0.to_socket_addrs().map_err(name_it)
    }
}

/// The values of `settings`, in their order, from the command line of this process.
///
/// `--help` prints the usage, with `about`, and exits with 0. An invalid argument is named on
/// standard error, and the exit code is 2.
pub fn command_line<const N: usize>(about: &str, settings: [Setting; N]) -> [Value; N] {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default();
    let usage = || usage(&program.to_string_lossy(), about, &settings);
    match parse(arguments, settings) {
        Ok(Some(values)) => values,
        Ok(None) => {
            print(&usage());
            exit(0)
        }
        Err(error) => {
            complain(&format!("{error}\n\n{}", usage()));
            exit(2)
        }
    }
}

/// Parses the arguments. `None` if help was requested.
fn parse<const N: usize>(
    arguments: impl IntoIterator<Item = OsString, IntoIter: 'static>,
    settings: [Setting; N],
) -> Result<Option<[Value; N]>, lexopt::Error> {
    let mut values = settings.map(|setting| Value(setting.default.to_string()));
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let name = match &argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            lexopt::Arg::Long(name) => name,
            lexopt::Arg::Value(text) => {
                let mut operands = settings.iter().zip(&mut values);
                let operand = operands.find(|(setting, value)| setting.is_missing(value));
                let Some((Setting { kind: Kind::Operand, .. }, value)) = operand else {
                    return Err(argument.unexpected());
                };
                *value = Value(text.clone().into_string()?);
                continue;
            }
            _ => return Err(argument.unexpected()),
        };
        let is_named = |setting: &Setting| setting.name == *name && setting.kind != Kind::Operand;
        let Some(index) = settings.iter().position(is_named) else {
            return Err(argument.unexpected());
        };
        let Setting { name, kind, .. } = settings[index];
        let text = match kind {
            Kind::Switch => ON.to_string(),
            _ => parser.value()?.into_string()?,
        };
        check(kind, &text).map_err(|why| format!("--{name}: {text:?} is not {why}"))?;
        values[index] = match kind {
            Kind::Addresses | Kind::Networks => Value(format!("{} {text}", values[index].0)),
            _ => Value(text),
        };
    }
    match settings.iter().zip(&values).find(|(setting, value)| setting.is_missing(value)) {
        Some((Setting { name, kind: Kind::Operand, .. }, _)) => {
            Err(format!("{name} is missing").into())
        }
        Some((Setting { name, .. }, _)) => Err(format!("--{name} is missing").into()),
        None => Ok(Some(values)),
    }
}

impl Setting {
    /// Whether this is no value, and one must be given.
    fn is_missing(&self, value: &Value) -> bool {
        matches!(self.kind, Kind::Operand | Kind::Addresses) && value.0.is_empty()
    }
}

fn check(kind: Kind, text: &str) -> Result<(), &'static str> {
    let fine = match kind {
        Kind::Address | Kind::Addresses => text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
        Kind::Seconds => duration(text).is_some(),
        Kind::Networks => {
            let address = text.split('/').next().unwrap_or_default();
            address.parse::<std::net::IpAddr>().is_ok()
        }
        Kind::File | Kind::Switch | Kind::Operand => true,
    };
    match (fine, kind) {
        (true, _) => Ok(()),
        (false, Kind::Address | Kind::Addresses) => Err("HOST:PORT, with a port from 0 to 65535"),
        (false, Kind::Networks) => Err("ADDRESS or ADDRESS/BITS"),
        (false, _) => Err("a number of seconds, or `forever`"),
    }
}

fn duration(text: &str) -> Option<Duration> {
    if text == "forever" {
        return Some(Duration::MAX);
    }
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn usage(program: &str, about: &str, settings: &[Setting]) -> String {
    let mut operands = String::new();
    for operand in settings.iter().filter(|setting| setting.kind == Kind::Operand) {
        operands += &format!(" {}", operand.name);
    }
    let mut text = format!("{about}\n\nUsage: {program} [OPTIONS]{operands}\n\nOptions:\n");
    for Setting { name, kind, default, help } in settings {
        let default = match (default.is_empty(), kind) {
            (true, Kind::Networks) => "none",
            (true, _) => "required",
            _ => default,
        };
        let option = match kind {
            Kind::Operand => name.to_string(),
            Kind::Addresses => format!("--{name} HOST:PORT .."),
            Kind::Networks => format!("--{name} ADDRESS .."),
            Kind::Address => format!("--{name} HOST:PORT"),
            Kind::Seconds => format!("--{name} SECONDS"),
            Kind::File => format!("--{name} FILE"),
            Kind::Switch => format!("--{name}"),
        };
        text += &format!("  {option:<22} {help} [{default}]\n");
    }
    text + &format!("  {:<22} print this help\n", "--help")
}

/// The error of `main`, which ends a program with exit code 1. Its `Debug` output is the text of
/// the error, for the user to read.
pub struct Failure(String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends the program like a [`Failure`], from a loop that the program cannot run without.
pub fn fail(error: impl fmt::Display) -> ! {
    complain(&format!("Error: {error}\n"));
    exit(1)
}

/// Prints a line on standard output.
///
/// `println!` panics if standard output is a closed pipe, as in `clocker | head -1`. This function
/// ends the program instead, without a message. Any other error, such as a full disk, ends it like
/// [`fail`].
pub fn print_line(text: &str) {
    print(&format!("{text}\n"));
}

fn print(text: &str) {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit(0),
        Err(error) => fail(format!("cannot write to standard output: {error}")),
    }
}

/// Prints on standard error. If that is closed, the text is lost.
fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [Setting; 3] = [
        address("listen", "127.0.0.1:7050", "where"),
        seconds("pause", "2", "how long"),
        switch("loud", "whether to shout"),
    ];

    fn given(arguments: &[&str]) -> Result<Option<[String; 3]>, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        match parse(arguments, SETTINGS) {
            Ok(values) => Ok(values.map(|values| values.map(|value| value.0))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn values(listen: &str, pause: &str) -> Result<Option<[String; 3]>, String> {
        Ok(Some([listen.to_string(), pause.to_string(), OFF.to_string()]))
    }

    #[test]
    fn a_switch_is_off_unless_it_is_given() {
        assert!(given(&["--loud"]).unwrap().is_some_and(|values| values[2] == ON));
        assert!(given(&["--loud=yes"]).unwrap_err().contains("--loud"));
        assert!(Value(ON.to_string()).is_on() && !Value(OFF.to_string()).is_on());
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        assert_eq!(given(&[]), values("127.0.0.1:7050", "2"));
        assert_eq!(given(&["--pause", "0.5"]), values("127.0.0.1:7050", "0.5"));
        assert_eq!(given(&["--listen=[::1]:0", "--pause=forever"]), values("[::1]:0", "forever"));
        assert_eq!(given(&["--pause", "1", "--help", "--what"]), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: [(&[&str], &str); 7] = [
            (&["--what"], "--what"),
            (&["stray"], "stray"),
            (&["-x"], "-x"),
            (&["--listen"], "--listen"),
            (&["--listen", "7050"], "--listen: \"7050\" is not HOST:PORT"),
            (&["--listen", "localhost:70500"], "\"localhost:70500\" is not HOST:PORT"),
            (&["--pause", "-1"], "\"-1\" is not a number of seconds"),
        ];
        for (arguments, named) in cases {
            let error = given(arguments).unwrap_err();
            assert!(error.contains(named), "{error:?} does not contain {named:?}");
        }
    }

    #[test]
    fn an_operand_and_a_repeated_option_must_be_given() {
        let settings = [
            operand("DIR", "which"),
            addresses("to", "where"),
            networks("trust", "whom"),
            switch("loud", "how"),
        ];
        let given = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            parse(arguments, settings).map_err(|error| error.to_string())
        };
        let given_twice = ["--to", "a:1", "www", "--trust=::1", "--loud", "--trust", "10.0.0.0/8"];
        let [dir, to, trust, loud] =
            given(&[&given_twice[..], &["--to=b:2"]].concat()).unwrap().unwrap();
        assert_eq!(trust.each().collect::<Vec<_>>(), ["::1", "10.0.0.0/8"]);
        assert_eq!((dir.as_str(), loud.is_on()), ("www", true));
        assert_eq!(to.each().collect::<Vec<_>>(), ["a:1", "b:2"]);
        for (arguments, named) in [
            (&["--to", "a:1"][..], "DIR is missing"),
            (&["www"], "--to is missing"),
            (&["--to", "a:1", "www", "more"], "more"),
            (&["--trust", "a:1"], "--trust: \"a:1\" is not ADDRESS or ADDRESS/BITS"),
            (&["--DIR", "www"], "--DIR"),
        ] {
            let error = given(arguments).unwrap_err();
            assert!(error.contains(named), "{error:?} does not contain {named:?}");
        }
        let usage = usage("serve", "Serves.", &settings);
        assert!(usage.contains("Usage: serve [OPTIONS] DIR\n"), "{usage}");
        assert!(usage.contains("  --to HOST:PORT ..      where [required]\n"), "{usage}");
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(Value("0.25".to_string()).duration(), Duration::from_millis(250));
        assert_eq!(Value("forever".to_string()).duration(), Duration::MAX);
        assert_eq!(duration("NaN"), None);
        assert_eq!(duration("1e30"), None);
    }
}
