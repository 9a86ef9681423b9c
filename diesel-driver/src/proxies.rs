//! The proxies that the environment names.
//!
//! It must never know what the variables mean: [`Proxies`] does.

use diesel_proto::http1::Proxies;

/// Reads the proxies for an HTTP client from the environment, as curl does: see
/// [`Proxies::from_variables`] for the variables. A client looks there only if it is given the
/// result. A variable that is not UTF-8 counts as none.
///
/// ```
/// use diesel_driver::http1::Client;
/// use diesel_driver::{Ctx, environment_proxies};
///
/// fn client(ctx: &Ctx) -> Client {
///     Client::builder(ctx).proxies(environment_proxies()).build()
/// }
/// ```
///
/// A value that does not name a proxy fails only the requests that would go through it, with
/// [`InvalidRequest::Proxy`](diesel_proto::http1::InvalidRequest::Proxy).
pub fn environment_proxies() -> Proxies {
    Proxies::from_variables(|name| std::env::var(name).ok())
}
