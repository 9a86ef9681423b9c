//! [`ConnectError`]: why a connection could not be made, address by address.

use alloc::vec::Vec;
use core::fmt;

use super::address::{Address, ConnectErrorKind};
use super::name::HostName;

/// The error of a connection that could not be made: which addresses were tried, and why each
/// failed.
///
/// ```
/// use diesel_proto::{Address, ConnectError, ConnectErrorKind};
///
/// let error = ConnectError::new(Address::Unnamed, ConnectErrorKind::Refused);
/// assert_eq!(error.to_string(), "cannot connect to unnamed: connection refused");
/// assert_eq!(error.attempts().count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectError {
    /// The name that was to be connected to, if it was not an address.
    pub name: Option<HostName>,
    /// The address that was tried first.
    pub address: Address,
    /// Why no connection to that address could be made.
    pub kind: ConnectErrorKind,
    /// The other addresses that were tried, in this order, and why each failed. One for which no
    /// answer came before the deadline has [`ConnectErrorKind::TimedOut`].
    pub others: Vec<(Address, ConnectErrorKind)>,
}

impl ConnectError {
    /// The error of an attempt with one address.
    pub const fn new(address: Address, kind: ConnectErrorKind) -> Self {
        ConnectError { name: None, address, kind, others: Vec::new() }
    }

    /// All addresses that were tried, in the order in which the attempts began, and why each
    /// failed.
    pub fn attempts(&self) -> impl Iterator<Item = (Address, ConnectErrorKind)> + '_ {
        core::iter::once((self.address, self.kind)).chain(self.others.iter().copied())
    }

    /// Whether a deadline passed before there was an answer of every address.
    pub fn timed_out(&self) -> bool {
        self.attempts().any(|(_, kind)| kind == ConnectErrorKind::TimedOut)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect to ")?;
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        for (n, (address, kind)) in self.attempts().enumerate() {
            write!(f, "{}{address}: {kind}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for ConnectError {}
