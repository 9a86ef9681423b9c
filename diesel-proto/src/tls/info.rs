//! What was negotiated, for all that is above the layer.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use crate::fiber::Conn;
use crate::http1::Request;
use crate::hub::MachineCtx;

/// What a TLS handshake negotiated. See [`Conn::tls`], [`Request::tls`] and [`MachineCtx::tls`].
///
/// ```
/// use diesel_proto::{Conn, Error};
///
/// async fn describe(mut conn: Conn) -> Result<(), Error> {
///     let text = match conn.tls() {
///         Some(tls) => format!("{:?}, for {:?}\r\n", tls.version(), tls.server_name()),
///         None => "in the clear\r\n".to_string(),
///     };
///     conn.write(text).await
/// }
/// ```
#[derive(Clone)]
pub struct Info {
    version: ProtocolVersion,
    suite: SupportedCipherSuite,
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    peer_certificates: Vec<CertificateDer<'static>>,
    resumed: bool,
}

impl Info {
    /// `asked`: the name that this side, if it is the client, asked for.
    pub(super) fn of(tls: &Connection, asked: Option<String>) -> Option<Self> {
        let server_name = match tls {
            Connection::Server(server) => server.server_name().map(String::from),
            Connection::Client(_) => asked,
        };
        Some(Info {
            version: tls.protocol_version()?,
            suite: tls.negotiated_cipher_suite()?,
            alpn: tls.alpn_protocol().map(Vec::from),
            server_name,
            peer_certificates: tls.peer_certificates().map(Vec::from).unwrap_or_default(),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// The version of TLS.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The cipher suite.
    pub fn cipher_suite(&self) -> SupportedCipherSuite {
        self.suite
    }

    /// The application protocol (ALPN), if one was negotiated.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The name of the server that the client asked for (SNI), if it did.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The certificates of the peer, its own first. Empty if the peer is a client that showed none.
    /// They are verified already; the crates `x509-parser` and `x509-cert` read the names in them.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.peer_certificates
    }

    /// Whether an earlier session was resumed, which saves most of the work of a handshake.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("version", &self.version)
            .field("cipher_suite", &self.suite.suite())
            .field("alpn", &self.alpn.as_deref().map(<[u8]>::escape_ascii))
            .field("server_name", &self.server_name)
            .field("peer_certificates", &self.peer_certificates.len())
            .field("resumed", &self.resumed)
            .finish()
    }
}

impl Conn {
    /// What was negotiated, if the connection uses TLS.
    pub fn tls(&self) -> Option<Rc<Info>> {
        self.learned()
    }
}

impl Request {
    /// What was negotiated, if the connection uses TLS.
    pub fn tls(&self) -> Option<Rc<Info>> {
        self.learned()
    }
}

impl MachineCtx {
    /// What was negotiated, if a layer below the machine does TLS.
    pub fn tls(&self) -> Option<Rc<Info>> {
        self.learned()
    }
}
