//! The proxies that the environment names.
//!
//! It must never know what the variables mean: [`Proxies`] does.

use diesel_proto::http1::{InvalidProxy, Proxies};

/// Reads the proxies for an HTTP client from the environment, as curl does: see
/// [`Proxies::from_variables`] for the variables. A client looks there only if it is given the
/// result. A variable that is not UTF-8 counts as none.
///
/// ```
/// use diesel_driver::http1::Client;
/// use diesel_driver::{Ctx, Error, environment_proxies};
///
/// fn client(ctx: &Ctx) -> Result<Client, Error> {
///     let proxies = environment_proxies().map_err(Error::application)?;
///     Ok(Client::builder(ctx).proxies(proxies).build())
/// }
/// ```
///
/// # Errors
///
/// If the value of a variable does not name a proxy.
pub fn environment_proxies() -> Result<Proxies, InvalidProxy> {
    Proxies::from_variables(|name| std::env::var(name).ok())
}
