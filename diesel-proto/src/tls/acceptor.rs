//! Settings of a server.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::layer::{Alone, Layer, Side};
use super::tickets::Tickets;
use super::{Certificates, Clock, ConfigError, Reload, Tls, pem};
use crate::hub::{Inner, MachineCtx};
use crate::machine::Machine;

/// Accepts TLS connections: the settings of a server, for any number of connections.
///
/// ```
/// use diesel_proto::http1::{Request, Response, Service};
/// use diesel_proto::tls::{Acceptor, Certificates, ConfigError};
///
/// fn service(chain: &[u8], key: &[u8]) -> Result<diesel_proto::Service, ConfigError> {
///     let certificates = Certificates::from_pem(chain, key)?;
///     let acceptor = Acceptor::builder(certificates).alpn([b"http/1.1"]).build()?;
///     let http = Service::new(|request: Request| {
///         let name = request.tls().and_then(|tls| tls.server_name().map(String::from));
///         Response::text(format!("you asked for {name:?}"))
///     });
///     Ok(http.layer(move |ctx, inner| acceptor.layer(ctx, inner)))
/// }
/// ```
///
/// Clones have the same settings, the same clock, and the same sessions to resume.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    tickets: Option<Arc<Tickets>>,
    clock: Clock,
    within: Duration,
    reload: Option<Reload>,
}

/// Settings of an [`Acceptor`]. Made by [`Acceptor::builder`]. Example: see [`Acceptor`].
pub struct AcceptorBuilder {
    certificates: Certificates,
    clients: ClientCertificates,
    alpn: Vec<Vec<u8>>,
    sessions: usize,
    session_lifetime: Duration,
    within: Duration,
}

/// Whether clients must show a certificate.
///
/// ```
/// use diesel_proto::tls::{Acceptor, Certificates, ClientCertificates, ConfigError};
///
/// fn for_members(certificates: Certificates, authority: &[u8]) -> Result<Acceptor, ConfigError> {
///     let authorities = ClientCertificates::authorities(authority)?;
///     let clients = ClientCertificates::Required(authorities);
///     Acceptor::builder(certificates).client_certificates(clients).build()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They may show one, which must be issued by one of these authorities.
    Optional(Arc<RootCertStore>),
    /// They must show one that is issued by one of these authorities.
    Required(Arc<RootCertStore>),
}

impl ClientCertificates {
    /// Certificates of authorities, from PEM text: for [`Required`](Self::Required) and
    /// [`Optional`](Self::Optional).
    ///
    /// # Errors
    ///
    /// If the text has no certificate, or one that cannot be used.
    pub fn authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, ConfigError> {
        pem::authorities(pem).map(Arc::new)
    }
}

impl Acceptor {
    /// The timeout of a handshake, by default.
    pub const WITHIN: Duration = Duration::from_secs(10);

    /// An acceptor with one certificate: its chain and its private key, as PEM text.
    ///
    /// # Errors
    ///
    /// As [`Certificates::from_pem`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        Acceptor::builder(Certificates::from_pem(chain, key)?).build()
    }

    /// Starts building an acceptor with other settings.
    pub fn builder(certificates: Certificates) -> AcceptorBuilder {
        AcceptorBuilder {
            certificates,
            clients: ClientCertificates::None,
            alpn: Vec::new(),
            sessions: 4096,
            session_lifetime: Duration::from_secs(6 * 60 * 60),
            within: Self::WITHIN,
        }
    }

    /// An acceptor with settings of rustls, for whatever the builder does not have. They must have
    /// been made with this clock:
    ///
    /// ```
    /// use diesel_proto::tls::rustls::ServerConfig;
    /// use diesel_proto::tls::rustls::crypto::ring;
    /// use diesel_proto::tls::{Acceptor, Clock};
    /// use std::sync::Arc;
    ///
    /// let clock = Clock::new();
    /// let provider = Arc::new(ring::default_provider());
    /// let builder = ServerConfig::builder_with_details(provider, Arc::new(clock.clone()));
    /// # let _ = |resolver| {
    /// let config = builder
    ///     .with_safe_default_protocol_versions()?
    ///     .with_no_client_auth()
    ///     .with_cert_resolver(resolver);
    /// let acceptor = Acceptor::from_config(Arc::new(config), clock);
    /// # Ok::<_, diesel_proto::tls::rustls::Error>(acceptor)
    /// # };
    /// ```
    ///
    /// The ticketers of rustls read the system's clock. Early data is not read. Sessions are those of
    /// the settings: the stores of rustls do not verify a client's certificate again, so that a
    /// session in use outlives it.
    pub fn from_config(config: Arc<ServerConfig>, clock: Clock) -> Self {
        Acceptor { config, tickets: None, clock, within: Self::WITHIN, reload: None }
    }

    /// Sets the timeout of a handshake.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// The settings of rustls, without the sessions that the [builder](AcceptorBuilder::sessions)
    /// keeps: those belong to the layer.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The clock of the settings, for an embedder without a hub to set.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The handle that replaces the certificates while the server runs. `None` if the settings
    /// were made [by rustls](Self::from_config).
    pub fn reload(&self) -> Option<Reload> {
        self.reload.clone()
    }

    /// A layer around the connections of a service, for
    /// [`Service::layer`](crate::hub::Service::layer).
    pub fn layer(&self, ctx: &MachineCtx, inner: Inner) -> impl Machine + use<> {
        Layer::new(self.side(), self.clock.clone(), self.within, ctx.clone(), inner)
    }

    /// A layer around any machine, for an [`Endpoint`](crate::machine::Endpoint). It is `Send` if
    /// the machine is. The [clock](Self::clock) must be set.
    pub fn machine<M: Machine>(&self, inner: M) -> Tls<M> {
        Tls(Layer::new(self.side(), self.clock.clone(), self.within, Alone::default(), inner))
    }

    fn side(&self) -> Side {
        Side::Server(Arc::clone(&self.config), self.tickets.clone())
    }
}

impl AcceptorBuilder {
    /// The application protocols that the service speaks, the preferred one first. A client that
    /// offers others only is refused; one that offers none is not.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self
    }

    /// Whether clients must show a certificate. They are not asked by default.
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// How many sessions are kept to be resumed, and for how long: 4096 by default, for six hours.
    /// They are lost with the process, and are some hundred bytes each, more with a client's
    /// certificate. None at all: clients cannot resume.
    ///
    /// The lifetime counts from the full handshake, however often the session was resumed since (RFC
    /// 8446, 4.6.1). A client's certificate is verified again each time, so a session does not outlive
    /// it; nor does it outlive the certificates that the server shows, if they are
    /// [replaced](Reload::replace). A client whose session has ended makes a full handshake.
    pub fn sessions(mut self, most: usize, lifetime: Duration) -> Self {
        (self.sessions, self.session_lifetime) = (most, lifetime);
        self
    }

    /// Sets the timeout of a handshake. [`Acceptor::WITHIN`] by default.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Builds the acceptor.
    ///
    /// # Errors
    ///
    /// If clients' certificates are asked for, and no authority is given.
    pub fn build(self) -> Result<Acceptor, ConfigError> {
        let clock = Clock::new();
        let provider = Arc::new(ring::default_provider());
        let builder =
            ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(clock.clone()))
                .with_safe_default_protocol_versions()?;
        let verifier = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider);
        let verifier = match self.clients {
            ClientCertificates::None => None,
            ClientCertificates::Optional(roots) => {
                Some(verifier(roots).allow_unauthenticated().build())
            }
            ClientCertificates::Required(roots) => Some(verifier(roots).build()),
        };
        let verifier: Option<Arc<dyn ClientCertVerifier>> = match verifier.transpose() {
            Ok(verifier) => verifier.map(|verifier| verifier as _),
            Err(error) => return Err(ConfigError::Verifier(alloc::format!("{error}"))),
        };
        let builder = match verifier.clone() {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let reload = Reload::new(self.certificates);
        let mut config = builder.with_cert_resolver(Arc::new(reload.clone()));
        config.alpn_protocols = self.alpn;
        // Each connection gets the store with its own view of it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let tickets = (self.sessions > 0).then(|| {
            let (lifetime, own) = (self.session_lifetime, reload.clone());
            Arc::new(Tickets::new(self.sessions, lifetime, clock.clone(), own, verifier))
        });
        let (config, reload, within) = (Arc::new(config), Some(reload), self.within);
        Ok(Acceptor { config, tickets, clock, within, reload })
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("within", &self.within).finish_non_exhaustive()
    }
}

impl fmt::Debug for AcceptorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptorBuilder")
            .field("certificates", &self.certificates)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
