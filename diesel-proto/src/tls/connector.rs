//! Settings of a client.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::client_tickets::ClientTickets;
use super::layer::{Alone, Layer, Side};
use super::pem::{authorities, chain_of_pem, key_of_pem};
use super::{Clock, ConfigError, Tls};
use crate::hub::{Inner, MachineCtx};
use crate::machine::Machine;

/// Makes TLS connections: the settings of a client, for any number of connections.
///
/// ```
/// use diesel_proto::tls::{Connector, ServerName};
/// use diesel_proto::{Address, Ctx, Error};
///
/// /// Asks a server for its date. `roots` are the certificates of trusted authorities, as PEM.
/// async fn ask(ctx: Ctx, address: Address, roots: &[u8]) -> Result<(), Error> {
///     let connector = Connector::from_pem(roots).map_err(Error::application)?;
///     let name = ServerName::try_from("example.com").map_err(Error::application)?;
///     // If the server's certificate is not accepted, this fails with `Error::Tls`.
///     let connect = ctx.connect(address);
///     let connect = connect.layer(move |ctx, inner| connector.layer(name, ctx, inner));
///     let mut conn = connect.await?;
///     conn.write("HEAD / HTTP/1.0\r\n\r\n").await?;
///     println!("{}", conn.until_eol().await?.trimmed());
///     Ok(())
/// }
/// ```
///
/// Clones have the same settings, the same clock, and the same sessions to resume.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    tickets: Option<Arc<ClientTickets>>,
    clock: Clock,
    within: Duration,
}

/// Settings of a [`Connector`]. Made by [`Connector::builder`].
///
/// ```
/// use diesel_proto::tls::{ConfigError, Connector, authorities};
///
/// /// Shows a certificate to servers that ask for one. Everything is PEM text.
/// fn known(roots: &[u8], chain: &[u8], key: &[u8]) -> Result<Connector, ConfigError> {
///     let builder = Connector::builder(authorities(roots)?);
///     builder.identity_pem(chain, key)?.alpn(["http/1.1"]).build()
/// }
/// ```
pub struct ConnectorBuilder {
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    alpn: Vec<Vec<u8>>,
    resumes: bool,
    within: Duration,
}

impl Connector {
    /// The timeout of a handshake, by default.
    pub const WITHIN: Duration = Duration::from_secs(10);

    /// A connector that trusts these authorities, whose certificates are PEM text.
    ///
    /// # Errors
    ///
    /// If the text has no certificate, or one that cannot be used.
    pub fn from_pem(roots: &[u8]) -> Result<Self, ConfigError> {
        Connector::builder(authorities(roots)?).build()
    }

    /// Starts building a connector with other settings, which trusts these authorities: from PEM text,
    /// those of [`authorities`].
    pub fn builder(roots: RootCertStore) -> ConnectorBuilder {
        let within = Self::WITHIN;
        ConnectorBuilder { roots, identity: None, alpn: Vec::new(), resumes: true, within }
    }

    /// A connector with settings of rustls, for whatever the builder does not have. They must have
    /// been made with this clock: see [`Acceptor::from_config`](super::Acceptor::from_config).
    /// Early data is not sent. Sessions are those of the settings: the stores of rustls do not
    /// verify a server's certificate again, so that a session in use outlives it.
    pub fn from_config(config: Arc<ClientConfig>, clock: Clock) -> Self {
        Connector { config, tickets: None, clock, within: Self::WITHIN }
    }

    /// Sets the timeout of a handshake.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// The settings of rustls, without the sessions that are kept to be
    /// [resumed](ConnectorBuilder::resumes): those belong to the layer.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The clock of the settings, for an embedder without a hub to set.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A layer around a connection to this server, for
    /// [`Connect::layer`](crate::fiber::Connect::layer) and
    /// [`ClientBuilder::layer`](crate::fiber::ClientBuilder::layer). The server's certificate must
    /// be for this name.
    pub fn layer(
        &self,
        server: ServerName<'static>,
        ctx: &MachineCtx,
        inner: Inner,
    ) -> impl Machine + use<> {
        Layer::new(self.side(server), self.clock.clone(), self.within, ctx.clone(), inner)
    }

    /// A layer around any machine, for an [`Endpoint`](crate::machine::Endpoint). It is `Send` if
    /// the machine is. The [clock](Self::clock) must be set.
    pub fn machine<M: Machine>(&self, server: ServerName<'static>, inner: M) -> Tls<M> {
        let side = self.side(server);
        Tls(Layer::new(side, self.clock.clone(), self.within, Alone::default(), inner))
    }

    fn side(&self, server: ServerName<'static>) -> Side {
        Side::Client(Arc::clone(&self.config), self.tickets.clone(), server)
    }
}

impl ConnectorBuilder {
    /// The certificate to show to servers that ask for one, with its chain, and its private key, as
    /// PEM text.
    ///
    /// # Errors
    ///
    /// If the text is not correct.
    pub fn identity_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        self.identity = Some((chain_of_pem(chain)?, key_of_pem(key)?));
        Ok(self)
    }

    /// The application protocols to offer, the preferred one first.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self
    }

    /// Whether sessions are kept in memory and resumed: yes by default, with up to 256 servers. The
    /// server's certificate is verified again each time; if it is no longer accepted, the handshake
    /// is a full one, and fails.
    pub fn resumes(mut self, resumes: bool) -> Self {
        self.resumes = resumes;
        self
    }

    /// Sets the timeout of a handshake. [`Connector::WITHIN`] by default.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Builds the connector.
    ///
    /// # Errors
    ///
    /// If the identity cannot be used, or no authority is given.
    pub fn build(self) -> Result<Connector, ConfigError> {
        let clock = Clock::new();
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = verifier.build();
        let verifier =
            verifier.map_err(|error| ConfigError::Verifier(alloc::format!("{error}")))?;
        let builder = ClientConfig::builder_with_details(provider, Arc::new(clock.clone()))
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(Arc::clone(&verifier));
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        };
        config.alpn_protocols = self.alpn;
        // Each connection gets the store with its own view of it.
        config.resumption = Resumption::disabled();
        let tickets = self.resumes.then(|| {
            let verifier: Arc<dyn ServerCertVerifier> = verifier;
            Arc::new(ClientTickets::new(verifier, clock.clone()))
        });
        Ok(Connector { config: Arc::new(config), tickets, clock, within: self.within })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("within", &self.within).finish_non_exhaustive()
    }
}

impl fmt::Debug for ConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorBuilder")
            .field("roots", &self.roots.len())
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
