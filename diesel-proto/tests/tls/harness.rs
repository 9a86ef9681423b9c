//! Both ends as endpoints, machines that do as they are told, and bare peers of rustls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use diesel_proto::tls::rustls::crypto::{CryptoProvider, ring};
use diesel_proto::tls::rustls::pki_types::pem::PemObject;
use diesel_proto::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use diesel_proto::tls::rustls::version::{TLS12 as TLS12_, TLS13 as TLS13_};
use diesel_proto::tls::rustls::{
    CipherSuite, ClientConfig, ClientConnection, Connection, Error, IoState, ProtocolVersion,
    RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use diesel_proto::tls::{Acceptor, Certificates, Clock, Connector, Info, ServerName, Tls};
use diesel_proto::{Actions, Cause, Endpoint, Input, Instant, Machine};

pub(super) const NOW: Instant = Instant::ORIGIN;
/// 2024-01-15, 00:00:00 UTC: every certificate of the tests is valid.
pub(super) const TODAY: u64 = 1_705_276_800;

macro_rules! certificate {
    ($name:literal) => {
        include_bytes!(concat!("../certificates/", $name))
    };
}

/// The authority of all certificates, and one of none.
pub(super) const AUTHORITY: &[u8] = certificate!("authority.pem");
pub(super) const STRANGER: &[u8] = certificate!("stranger.pem");

/// A certificate and its key.
pub(super) type Pem = (&'static [u8], &'static [u8]);
/// For `localhost`, `a.example` and 127.0.0.1.
pub(super) const SERVER: Pem = (certificate!("server.pem"), certificate!("server.key"));
/// For `*.b.example`.
pub(super) const OTHER: Pem = (certificate!("other.pem"), certificate!("other.key"));
/// For `a.example`, valid in January of 2024.
pub(super) const BRIEF: Pem = (certificate!("brief.pem"), certificate!("brief.key"));
/// Of a client.
pub(super) const CLIENT: Pem = (certificate!("client.pem"), certificate!("client.key"));

/// Of a client, valid in January of 2024.
pub(super) const MEMBER: Pem = (certificate!("member.pem"), certificate!("member.key"));
/// For `localhost`, signed by itself, and an authority: what `openssl req -x509` makes.
pub(super) const SELF: Pem = (certificate!("self.pem"), certificate!("self.key"));
/// The key of [`SERVER`], with a passphrase.
pub(super) const ENCRYPTED_KEY: &[u8] = certificate!("encrypted.key");
/// A key of a curve that is not supported.
pub(super) const P521_KEY: &[u8] = certificate!("p521.key");

pub(super) fn certificates((chain, key): Pem) -> Certificates {
    Certificates::from_pem(chain, key).unwrap()
}

pub(super) fn acceptor_showing(certificates: Certificates) -> Acceptor {
    let acceptor = Acceptor::builder(certificates).build().unwrap();
    acceptor.clock().set(TODAY);
    acceptor
}

pub(super) fn acceptor() -> Acceptor {
    acceptor_showing(certificates(SERVER))
}

pub(super) fn connector_trusting(authority: &[u8]) -> Connector {
    let connector = Connector::from_pem(authority).unwrap();
    connector.clock().set(TODAY);
    connector
}

pub(super) fn connector() -> Connector {
    connector_trusting(AUTHORITY)
}

pub(super) type Versions = &'static [&'static SupportedProtocolVersion];
pub(super) const TLS13: Versions = &[&TLS13_];
pub(super) const TLS12: Versions = &[&TLS12_];

/// With settings of rustls, for these versions only.
pub(super) fn acceptor_of(versions: Versions) -> Acceptor {
    acceptor_with(ring::default_provider(), versions)
}

pub(super) fn acceptor_with(provider: CryptoProvider, versions: Versions) -> Acceptor {
    acceptor_with_rustls(provider, versions, SERVER)
}

pub(super) fn acceptor_with_rustls(
    provider: CryptoProvider,
    versions: Versions,
    (chain, key): Pem,
) -> Acceptor {
    let clock = Clock::new();
    clock.set(TODAY);
    let (chain, key) = ders((chain, key));
    let config = ServerConfig::builder_with_details(Arc::new(provider), Arc::new(clock.clone()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Acceptor::from_config(Arc::new(config), clock)
}

fn ders((chain, key): Pem) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(chain).map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_slice(key).unwrap())
}

fn client_config(
    provider: CryptoProvider,
    versions: Versions,
    shows: Option<Pem>,
) -> (ClientConfig, Clock) {
    let clock = Clock::new();
    clock.set(TODAY);
    let builder = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(clock.clone()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(AUTHORITY));
    let config = match shows.map(ders) {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    };
    (config, clock)
}

/// With settings of rustls, and a certificate.
pub(super) fn connector_showing(versions: Versions, pem: Pem) -> Connector {
    let (config, clock) = client_config(ring::default_provider(), versions, Some(pem));
    Connector::from_config(Arc::new(config), clock)
}

pub(super) fn connector_of(versions: Versions) -> Connector {
    connector_with(ring::default_provider(), versions)
}

pub(super) fn connector_with(provider: CryptoProvider, versions: Versions) -> Connector {
    let (config, clock) = client_config(provider, versions, None);
    Connector::from_config(Arc::new(config), clock)
}

pub(super) fn connector_with_early_data() -> Connector {
    let (mut config, clock) = client_config(ring::default_provider(), TLS13, None);
    config.enable_early_data = true;
    Connector::from_config(Arc::new(config), clock)
}

pub(super) fn roots(pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    roots
}

/// The first certificate.
pub(super) fn der(pem: &[u8]) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem).unwrap().to_vec()
}

/// The sizes of whole records.
pub(super) fn record_sizes(mut bytes: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = bytes {
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        sizes.push(size);
        bytes = &rest[size..];
    }
    sizes
}

pub(super) fn name(name: &'static str) -> ServerName<'static> {
    ServerName::try_from(name).unwrap()
}

/// What a machine saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) started: bool,
    pub(super) got: Vec<u8>,
    pub(super) ended: bool,
    pub(super) cut: Option<Cause>,
    pub(super) write_failed: bool,
    pub(super) shut_down: bool,
    pub(super) drained: bool,
    /// It pauses whenever something arrives.
    pub(super) sips: bool,
    todo: VecDeque<Do>,
}

/// What a machine is told to do.
#[derive(Clone, Debug)]
pub(super) enum Do {
    Send(Vec<u8>),
    HalfClose,
    Close,
    Cut,
    Abort,
    Pause,
    Resume,
    NotifyBelow(u64),
}

impl Seen {
    /// At the next wake.
    pub(super) fn do_next(&mut self, todo: impl IntoIterator<Item = Do>) {
        self.todo.extend(todo);
    }
}

/// A machine that keeps what arrives, and does at [`Input::Wake`] as it is told.
#[derive(Default)]
pub(super) struct Puppet(Rc<RefCell<Seen>>);

impl Puppet {
    pub(super) fn new() -> (Puppet, Rc<RefCell<Seen>>) {
        let puppet = Puppet::default();
        let seen = Rc::clone(&puppet.0);
        (puppet, seen)
    }
}

impl Machine for Puppet {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let seen = &mut *self.0.borrow_mut();
        assert!(seen.started != (input == Input::Start) || matches!(input, Input::Cut(_)));
        match input {
            Input::Start => seen.started = true,
            Input::Bytes(bytes) => {
                seen.got.extend_from_slice(bytes);
                if seen.sips {
                    actions.pause();
                }
                return bytes.len();
            }
            Input::Eof => seen.ended = true,
            Input::Cut(cause) => assert_eq!(seen.cut.replace(cause), None),
            Input::WriteFailed => seen.write_failed = true,
            Input::Drained => seen.drained = true,
            Input::Shutdown => seen.shut_down = true,
            Input::Wake => {
                for todo in seen.todo.drain(..) {
                    match todo {
                        Do::Send(bytes) => actions.send_bytes(bytes.into()),
                        Do::HalfClose => actions.half_close(),
                        Do::Close => actions.close(Cause::Done),
                        Do::Cut => actions.cut(Cause::Failed),
                        Do::Abort => actions.abort(Cause::Failed),
                        Do::Pause => actions.pause(),
                        Do::Resume => actions.resume(),
                        Do::NotifyBelow(n) => actions.notify_below(n),
                    }
                }
            }
            _ => {}
        }
        0
    }
}

/// What both sides must agree on.
#[derive(Debug, PartialEq)]
pub(super) struct Negotiated {
    pub(super) version: ProtocolVersion,
    pub(super) suite: CipherSuite,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) server_name: Option<String>,
    pub(super) resumed: bool,
}

/// One end: an endpoint with TLS around a puppet.
pub(super) struct Side {
    pub(super) endpoint: Endpoint<Tls<Puppet>>,
    pub(super) seen: Rc<RefCell<Seen>>,
}

impl Side {
    pub(super) fn server(acceptor: &Acceptor, now: Instant) -> Side {
        let (puppet, seen) = Puppet::new();
        Side { endpoint: Endpoint::new(acceptor.machine(puppet), now), seen }
    }

    pub(super) fn client(connector: &Connector, server: ServerName<'static>, now: Instant) -> Side {
        let (puppet, seen) = Puppet::new();
        Side { endpoint: Endpoint::new(connector.machine(server, puppet), now), seen }
    }

    /// The machine does this.
    pub(super) fn does(&mut self, now: Instant, todo: impl IntoIterator<Item = Do>) {
        self.seen.borrow_mut().do_next(todo);
        self.endpoint.wake(now);
    }

    pub(super) fn sends(&mut self, now: Instant, bytes: impl Into<Vec<u8>>) {
        self.does(now, [Do::Send(bytes.into())]);
    }

    pub(super) fn receives(&mut self, now: Instant, bytes: &[u8]) {
        assert_eq!(self.endpoint.received(now, bytes), bytes.len());
    }

    fn negotiated(&self) -> &Info {
        let tls = self.endpoint.machine().first().expect("replaced");
        tls.info().expect("no handshake")
    }

    /// What must be the same on both sides.
    pub(super) fn info(&self) -> Negotiated {
        let info = self.negotiated();
        Negotiated {
            version: info.version(),
            suite: info.cipher_suite().suite(),
            alpn: info.alpn().map(Vec::from),
            server_name: info.server_name().map(String::from),
            resumed: info.is_resumed(),
        }
    }

    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.negotiated().peer_certificates()
    }

    pub(super) fn got(&self) -> Vec<u8> {
        self.seen.borrow().got.clone()
    }

    pub(super) fn cut(&self) -> Option<Cause> {
        self.seen.borrow().cut
    }

    pub(super) fn notices(&mut self) -> Vec<String> {
        self.endpoint.drain_notices().map(|notice| notice.to_string()).collect()
    }

    /// Whether nothing more can arrive: in order, or not.
    pub(super) fn is_over(&self) -> bool {
        let seen = self.seen.borrow();
        seen.ended || seen.cut.is_some()
    }
}

/// Both ends, and what one of them still has to be told of the other.
pub(super) struct Pair {
    pub(super) client: Side,
    pub(super) server: Side,
    /// Both read at most this many bytes at once.
    pub(super) piece: usize,
    ended: [bool; 2],
}

impl Pair {
    pub(super) fn new(acceptor: &Acceptor, connector: &Connector) -> Pair {
        Pair::at(NOW, acceptor, connector, name("localhost"))
    }

    pub(super) fn at(
        now: Instant,
        acceptor: &Acceptor,
        connector: &Connector,
        server: ServerName<'static>,
    ) -> Pair {
        let client = Side::client(connector, server, now);
        let server = Side::server(acceptor, now);
        Pair { client, server, piece: usize::MAX, ended: [false; 2] }
    }

    /// Both ends, joined, after the handshake.
    pub(super) fn open() -> Pair {
        let mut pair = Pair::new(&acceptor(), &connector());
        pair.runs(NOW);
        assert!(pair.client.seen.borrow().started && pair.server.seen.borrow().started);
        pair
    }

    /// Carries bytes until nothing moves. Returns how many bytes were carried.
    pub(super) fn runs(&mut self, now: Instant) -> usize {
        let mut carried = 0;
        loop {
            let there =
                carry(now, &mut self.client, &mut self.server, self.piece, &mut self.ended[0]);
            let back =
                carry(now, &mut self.server, &mut self.client, self.piece, &mut self.ended[1]);
            if there + back == 0 {
                return carried;
            }
            carried += there + back;
        }
    }
}

impl Pair {
    /// Takes what the client, or the server, has to send.
    pub(super) fn takes(&mut self, of_client: bool) -> Vec<u8> {
        let side = if of_client { &mut self.client } else { &mut self.server };
        side.endpoint.take_outgoing(NOW)
    }

    /// Bytes arrive at the server, or at the client.
    pub(super) fn receives(&mut self, server: bool, bytes: &[u8]) {
        let side = if server { &mut self.server } else { &mut self.client };
        side.receives(NOW, bytes);
    }
}

/// Carries what `from` has for `to`, then the end of its side. Returns how much that was.
fn carry(now: Instant, from: &mut Side, to: &mut Side, piece: usize, ended: &mut bool) -> usize {
    let mut carried = 0;
    loop {
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let n = from.endpoint.outgoing(&mut slices);
        let bytes = slices[..n].concat();
        if bytes.is_empty() || !to.endpoint.wants_input() && to.endpoint.end().is_none() {
            break;
        }
        let bytes = &bytes[..bytes.len().min(piece)];
        to.receives(now, bytes);
        from.endpoint.sent(now, bytes.len() as u64);
        carried += bytes.len();
    }
    if *ended || to.endpoint.end().is_some() {
        return carried;
    }
    match from.endpoint.end() {
        Some(end) if end.is_abort() => to.endpoint.reset(now),
        Some(_) => to.endpoint.eof(now),
        None if from.endpoint.half_closed() => to.endpoint.eof(now),
        None => return carried,
    }
    *ended = true;
    carried + 1
}

/// A peer that is rustls alone.
pub(super) struct Bare {
    pub(super) tls: Connection,
    pub(super) got: Vec<u8>,
}

impl Bare {
    pub(super) fn client(connector: &Connector) -> Bare {
        let client = ClientConnection::new(connector.config(), name("localhost")).unwrap();
        Bare { tls: client.into(), got: Vec::new() }
    }

    pub(super) fn sends(&mut self, bytes: &[u8]) {
        self.tls.set_buffer_limit(None);
        self.tls.writer().write_all(bytes).unwrap();
    }

    /// Whether it may send something before the handshake is complete.
    pub(super) fn early_data(&mut self) -> Option<()> {
        let Connection::Client(client) = &mut self.tls else { return None };
        client.early_data().map(drop)
    }

    /// What it has to send.
    pub(super) fn takes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// It gets these bytes.
    pub(super) fn receives(&mut self, mut bytes: &[u8]) -> Result<IoState, Error> {
        loop {
            if !bytes.is_empty() {
                self.tls.read_tls(&mut bytes).unwrap();
            }
            let state = self.tls.process_new_packets();
            let mut got = [0; 32 << 10];
            while let Ok(n @ 1..) = self.tls.reader().read(&mut got) {
                self.got.extend_from_slice(&got[..n]);
            }
            if state.is_err() || bytes.is_empty() {
                return state;
            }
        }
    }

    /// Exchanges bytes with a side until nothing moves.
    pub(super) fn runs(&mut self, now: Instant, side: &mut Side) {
        loop {
            let there = self.takes();
            if !there.is_empty() {
                side.receives(now, &there);
            }
            let back = side.endpoint.take_outgoing(now);
            self.receives(&back).unwrap();
            if there.is_empty() && back.is_empty() {
                return;
            }
        }
    }
}
