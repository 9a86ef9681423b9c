//! The authorities that the platform trusts.
//!
//! It must never know what connects.

use std::io;

use diesel_proto::tls::Connector;
use diesel_proto::tls::rustls::RootCertStore;

/// Settings of a TLS client that trusts the authorities that the platform trusts: those of
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`, if these are set, or of the system.
///
/// It reads files, so call it before the application runs. A certificate that cannot be used is left
/// out, as systems have such ones.
///
/// ```no_run
/// use diesel_driver::http1::Client;
/// use diesel_driver::{Application, platform_connector};
///
/// let connector = platform_connector()?;
/// let page = Application::new().run_until(async |ctx| {
///     let client = Client::builder(&ctx).tls(connector).build();
///     Ok(client.get("https://example.org/").await?.text().await?)
/// })?;
/// println!("{page}");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the platform has no certificate that can be used; the text says what went wrong.
pub fn platform_connector() -> io::Result<Connector> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let errors = if errors.is_empty() { "none found".into() } else { errors.join("; ") };
        let text = format!("no certificates of trusted authorities: {errors}");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Connector::builder(roots).build().map_err(io::Error::other)
}
