//! [`Lookup`]: the addresses of a name, in the order in which they are tried.
//!
//! Rules of this file:
//!
//! - `localhost`, and names below it, are loopback addresses, and no question (RFC 6761, section
//!   6.3): neither a file of the system nor a server can send such a connection elsewhere.
//! - The embedder gives the addresses in the order that it prefers (RFC 6724). From the second one
//!   on, the families alternate (RFC 8305, section 4): if one of them is broken, every other attempt
//!   is of the other one.
//!
//! It must never know how the addresses are tried.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::Future;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::sleep::Sleep;
use crate::hub::{Core, JobAnswer};
use crate::machine::{Error, HostName, JobId, ResolveError, ResolveErrorKind};

/// Waits for the addresses of a name. Its caller accounts for tokens.
pub(super) struct Lookup {
    core: Rc<Core>,
    name: HostName,
    port: u16,
    /// `None` once it is answered.
    job: Option<JobId>,
    deadline: Sleep,
}

impl Lookup {
    /// Asks the embedder. `within`: how long it may take.
    pub(super) fn begin(
        core: &Rc<Core>,
        name: HostName,
        port: u16,
        within: Duration,
    ) -> Result<Self, Error> {
        let job = core.ask_addresses(name.clone())?;
        let deadline = Sleep::new(Rc::clone(core), within);
        Ok(Lookup { core: Rc::clone(core), name, port, job: Some(job), deadline })
    }

    pub(super) fn name(&self) -> &HostName {
        &self.name
    }

    /// At least one address, in the order in which they are to be tried.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<SocketAddr>, Error>> {
        let Some(job) = self.job else { return Poll::Ready(Err(Error::AlreadyDone)) };
        if let Poll::Ready(answer) = self.core.poll_job(job, cx) {
            self.job = None;
            let addresses = match answer {
                Some(JobAnswer::Addresses(addresses)) => addresses,
                _ => Err(ResolveErrorKind::NotFound),
            };
            let most = self.core.config.names.max_addresses.max(1);
            let addresses = addresses.map(|addresses| in_order(addresses, self.port, most));
            return Poll::Ready(match addresses {
                Ok(addresses) if addresses.is_empty() => self.fail(ResolveErrorKind::NotFound),
                Ok(addresses) => Ok(addresses),
                Err(kind) => self.fail(kind),
            });
        }
        if let Poll::Ready(slept) = Pin::new(&mut self.deadline).poll(cx) {
            slept?;
            return Poll::Ready(self.fail(ResolveErrorKind::TimedOut));
        }
        Poll::Pending
    }

    fn fail<T>(&self, kind: ResolveErrorKind) -> Result<T, Error> {
        Err(ResolveError { name: self.name.clone(), kind }.into())
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Some(job) = self.job {
            self.core.forget_job(job);
        }
    }
}

/// The addresses of `localhost`.
pub(super) fn loopback(port: u16) -> Vec<SocketAddr> {
    [(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()].into()
}

/// Up to `most` different addresses with this port: the families alternate, the addresses of each
/// stay in order, and the first one stays the first.
fn in_order(addresses: Vec<SocketAddr>, port: u16, most: usize) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for mut address in addresses {
        address.set_port(port);
        // Quadratic, so an answer of any length must not get this far.
        if distinct.len() < LOOKED_AT && !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let Some(first) = distinct.first() else { return distinct };
    let is_first = first.is_ipv6();
    let (preferred, other): (Vec<_>, Vec<_>) =
        distinct.into_iter().partition(|address| address.is_ipv6() == is_first);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let (a, b) = (preferred.next(), other.next());
        if a.is_none() && b.is_none() {
            break;
        }
        ordered.extend(a);
        ordered.extend(b);
    }
    ordered.truncate(most);
    ordered
}

/// How many different addresses of an answer are considered.
const LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec;

    use super::*;

    fn ordered(addresses: &[&str], most: usize) -> Vec<String> {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        in_order(addresses, 80, most).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_alternate_and_the_first_stays_first() {
        let (a, b, c) = ("[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::3]:80");
        let (x, y) = ("192.0.2.1:80", "192.0.2.2:80");
        assert_eq!(ordered(&[a, b, c, x, y], 9), [a, x, b, y, c]);
        assert_eq!(ordered(&[x, y, a, b, c], 9), [x, a, y, b, c]);
        assert_eq!(ordered(&[x, a, b], 9), [x, a, b]);
        assert_eq!(ordered(&[a, b, c, x, y], 2), [a, x]);
        assert_eq!(ordered(&[a, b], 9), [a, b]);
        assert_eq!(ordered(&[], 9), [""; 0]);
    }

    #[test]
    fn ports_of_the_answer_do_not_count_and_each_address_comes_once() {
        assert_eq!(
            ordered(&["192.0.2.1:0", "192.0.2.1:443", "[::1]:7", "192.0.2.1:1"], 9),
            ["192.0.2.1:80", "[::1]:80"]
        );
        // The same address in two zones is two addresses.
        assert_eq!(ordered(&["[fe80::1%1]:0", "[fe80::1%2]:0"], 9).len(), 2);
    }

    #[test]
    fn the_cost_of_a_long_answer_is_bounded() {
        let many: Vec<_> =
            (0..100_000u32).map(|n| SocketAddr::from((n.to_be_bytes(), 0))).collect();
        assert_eq!(in_order(many, 80, usize::MAX).len(), LOOKED_AT);
        let same = vec![SocketAddr::from(([192, 0, 2, 1], 0)); 100_000];
        assert_eq!(in_order(same, 80, usize::MAX).len(), 1);
    }
}
