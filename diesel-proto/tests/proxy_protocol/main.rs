//! The PROXY protocol, both versions, in front of a line echo, a handler and HTTP services: in an
//! endpoint and in a hub, at every cut.

#[path = "../harness/mod.rs"]
mod harness;
mod services;

use std::net::SocketAddr;

use diesel_proto::proxy_protocol::{
    Header, HeaderConfig, HeaderError, HeaderErrorKind, HeaderVersion, MAX_V1, Proxied, Tlvs,
    TrustedSource, Untrusted, Versions, layer, parse, tlv_type,
};
use diesel_proto::testkit::decorator::{Throttle, Tracer};
use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::layer_laws::LayerLaws;
use diesel_proto::testkit::net::{LinkOptions, Network};
use diesel_proto::testkit::{HubMachine, Stimulus};
use diesel_proto::*;
use harness::*;

const NOW: Instant = Instant::ORIGIN;
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
const CLIENT: &str = "192.0.2.7:56324";
const SERVER: &str = "198.51.100.1:443";

/// A header of version 2 with this command and family, and this behind its length.
fn v2(command: u8, family: u8, parts: &[&[u8]]) -> Vec<u8> {
    let block = parts.concat();
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, &block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

fn ipv6() -> Vec<u8> {
    let mut block = Vec::new();
    for address in ["2001:db8::7", "2001:db8::1"] {
        block.extend(address.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    block.extend([0x00, 0x01, 0xff, 0xff]);
    block
}

fn unix(source: &[u8], destination: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 216];
    block[..source.len()].copy_from_slice(source);
    block[108..][..destination.len()].copy_from_slice(destination);
    block
}

/// With its checksum, which is made here in another way than there.
fn with_checksum(family: u8, parts: &[&[u8]]) -> Vec<u8> {
    let vector = tlv(tlv_type::CRC32C, &[0; 4]);
    let parts = [parts, &[&vector[..]]].concat();
    let mut header = v2(0x21, family, &parts);
    let table: Vec<u32> = (0..256u32)
        .map(|n| (0..8).fold(n, |n, _| if n & 1 == 1 { n >> 1 ^ 0x82f6_3b78 } else { n >> 1 }))
        .collect();
    let step = |crc: u32, &byte: &u8| crc >> 8 ^ table[((crc ^ u32::from(byte)) & 0xff) as usize];
    let checksum = !header.iter().fold(!0, step);
    let at = header.len() - 4;
    header[at..].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// Sends the contents of the header, then echoes lines.
struct Introduced(Option<Header>, LineEcho);

impl Machine for Introduced {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        if input == Input::Start {
            let source = self.0.as_ref().and_then(|header| header.source());
            actions.send(format!("{source:?}\n").as_bytes());
        }
        self.1.step(now, input, actions)
    }

    fn held(&self) -> usize {
        self.1.held()
    }
}

fn introduced(config: &HeaderConfig, peer: Address) -> impl Machine + use<> {
    let echo = LineEcho::default().max_line(50);
    ProxyProtocol::with(config, peer, |header| Introduced(header, echo))
}

fn address(text: &str) -> Address {
    Address::Socket(text.parse::<SocketAddr>().unwrap())
}

fn max_v2(max_v2: usize) -> HeaderConfig {
    HeaderConfig { max_v2, ..HeaderConfig::default() }
}

/// The output, the end, and the notices.
#[derive(Debug, PartialEq)]
struct Outcome {
    received: String,
    end: Option<End>,
    notices: Vec<Notice>,
}

fn in_an_endpoint(config: &HeaderConfig, parts: &[&[u8]]) -> Outcome {
    let mut endpoint = Endpoint::new(introduced(config, address("10.0.0.1:5000")), NOW);
    for part in parts.iter().filter(|it| !it.is_empty()) {
        assert_eq!(endpoint.received(NOW, part), part.len());
        assert!(endpoint.held() <= config.max_v2.max(MAX_V1) + 50);
    }
    let received = String::from_utf8(endpoint.take_outgoing(NOW)).unwrap();
    let notices = endpoint.drain_notices().collect();
    Outcome { received, end: endpoint.end(), notices }
}

/// The same of these bytes, however they are cut.
fn always(config: &HeaderConfig, bytes: &[u8]) -> Outcome {
    let whole = in_an_endpoint(config, &[bytes]);
    for (head, tail) in two_way_cuts(bytes) {
        assert_eq!(in_an_endpoint(config, &[head, tail]), whole, "cut at {}", head.len());
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(in_an_endpoint(config, &single), whole, "byte by byte");
    whole
}

fn accepted(header: &[u8]) -> Header {
    let config = HeaderConfig::default();
    let stream = [header, b"hello\n"].concat();
    let (read, len) = parse(&stream, &config).unwrap().unwrap();
    assert_eq!(len, header.len());
    for len in 0..header.len() {
        assert_eq!(parse(&header[..len], &config), Ok(None), "{len} bytes");
    }
    let outcome = always(&config, &stream);
    let received = format!("{:?}\nyou said: hello\n", read.source());
    assert_eq!(outcome, Outcome { received, end: None, notices: Vec::new() });
    read
}

#[test]
fn headers_of_version_2_name_the_client_and_what_it_asked_for() {
    let ip = |header: &Header| match header.proxied() {
        Proxied::Ip { source, destination } => (source.to_string(), destination.to_string()),
        other => panic!("{other:?}"),
    };
    for family in [0x11, 0x12] {
        let header = accepted(&v2(0x21, family, &[&IPV4]));
        assert_eq!(header.version(), HeaderVersion::V2);
        assert_eq!(ip(&header), (CLIENT.to_string(), SERVER.to_string()));
        assert_eq!(header.destination(), Some(address(SERVER)));
    }
    for family in [0x21, 0x22] {
        let header = accepted(&v2(0x21, family, &[&ipv6()]));
        assert_eq!(ip(&header), ("[2001:db8::7]:1".into(), "[2001:db8::1]:65535".into()));
    }
}

#[test]
fn a_client_of_a_unix_socket_has_no_address_but_the_header_has_its_path() {
    for family in [0x31, 0x32] {
        let header = accepted(&v2(0x21, family, &[&unix(b"", b"/run/a"), &tlv(0xe0, b"x")]));
        assert_eq!(header.source(), Some(Address::Unnamed));
        assert_eq!(header.unix_paths(), Some((&b""[..], &b"/run/a"[..])));
        assert_eq!(header.tlv(0xe0), Some(&b"x"[..]));
    }
    let header = accepted(&v2(0x21, 0x31, &[&unix(b"\0abstract", &[b'a'; 108])]));
    assert_eq!(header.unix_paths(), Some((&b"\0abstract"[..], &[b'a'; 108][..])));
    assert_eq!(accepted(V1).unix_paths(), None);
}

/// Section 2.2: the receiver must discard the block, its family included, and use the real
/// endpoints.
#[test]
fn what_has_no_client_has_the_peer_of_the_connection() {
    let nothing = |header: &Header| {
        (header.source(), header.destination(), header.tlvs().count()) == (None, None, 0)
    };
    for (family, block) in [(0x00, &b""[..]), (0x11, &IPV4), (0xff, b"no vectors"), (0x21, b"")] {
        let header = accepted(&v2(0x20, family, &[block]));
        assert!(header.proxied() == Proxied::Local && nothing(&header));
    }
    for (family, block) in [(0x00, &b""[..]), (0x00, b"junk"), (0x10, b""), (0x01, &IPV4)] {
        let header = accepted(&v2(0x21, family, &[block]));
        assert!(header.proxied() == Proxied::Unknown && nothing(&header));
    }
    let header = accepted(b"PROXY UNKNOWN a b c\r\n");
    assert!(header.version() == HeaderVersion::V1 && nothing(&header));
}

#[test]
fn vectors_are_there_to_be_asked_for() {
    let inner = [tlv(0x21, b"TLSv1.3"), tlv(0x22, b"ann")].concat();
    let tls = [&[1, 0, 0, 0, 0], &inner[..]].concat();
    let vectors = [
        tlv(tlv_type::ALPN, b"h2"),
        tlv(tlv_type::AUTHORITY, b"example.com"),
        tlv(tlv_type::NOOP, b""),
        tlv(tlv_type::SSL, &tls),
        tlv(0xe0, b"one"),
        tlv(0xe0, b"two"),
    ];
    let header = accepted(&v2(0x21, 0x11, &[&IPV4, &vectors.concat()]));
    assert_eq!(header.alpn(), Some(&b"h2"[..]));
    assert_eq!(header.authority(), Some("example.com"));
    assert_eq!(header.tlv(0xe0), Some(&b"one"[..]));
    assert_eq!(header.tlv(0xe1), None);
    assert_eq!(header.tlvs().count(), 6);
    let tls = header.tlv(tlv_type::SSL).unwrap();
    assert_eq!(Tlvs::of(&tls[5..]).next(), Some((0x21, &b"TLSv1.3"[..])));

    let header = accepted(&v2(0x21, 0x11, &[&IPV4, &tlv(tlv_type::AUTHORITY, b"\xff")]));
    assert_eq!(header.authority(), None);
}

#[test]
fn a_checksum_is_verified() {
    let name = tlv(tlv_type::AUTHORITY, b"example.com");
    let header = with_checksum(0x11, &[&IPV4, &name]);
    assert_eq!(accepted(&header).authority(), Some("example.com"));
    let ipv6 = with_checksum(0x21, &[&ipv6()]);
    accepted(&ipv6);
    for at in 16..header.len() {
        // The lengths of vectors are wrong before the checksum is, and of another type it is none.
        if [29, 30, 42, 43, 44].contains(&at) {
            continue;
        }
        let mut wrong = header.clone();
        wrong[at] ^= 1;
        let error = parse(&wrong, &HeaderConfig::default()).unwrap_err();
        let expected = HeaderError { kind: HeaderErrorKind::Checksum, offset: header.len() - 4 };
        // Flipped, the type of a vector may be that of another checksum.
        assert!(error == expected || at == 28, "{at}: {error}");
    }
}

#[test]
fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
    use HeaderErrorKind::*;
    let ipv4 = |vectors: &[u8]| v2(0x21, 0x11, &[&IPV4, vectors]);
    let mut cases = vec![
        (v2(0x11, 0x11, &[&IPV4]), Version, 12),
        (v2(0x31, 0x11, &[&IPV4]), Version, 12),
        (v2(0x22, 0x11, &[&IPV4]), Command, 12),
        (v2(0x2f, 0x11, &[&IPV4]), Command, 12),
        (v2(0x21, 0x41, &[&IPV4]), Family, 13),
        (v2(0x21, 0x13, &[&IPV4]), Family, 13),
        (v2(0x21, 0x11, &[&IPV4[..11]]), AddressLength, 14),
        (v2(0x21, 0x12, &[]), AddressLength, 14),
        (v2(0x21, 0x21, &[&ipv6()[..35]]), AddressLength, 14),
        (v2(0x21, 0x31, &[&unix(b"", b"")[..215]]), AddressLength, 14),
        (ipv4(b"\x04"), Tlv, 28),
        (ipv4(b"\x04\0"), Tlv, 28),
        (ipv4(b"\x04\0\x01"), Tlv, 28),
        (ipv4(b"\x04\0\0\x05\0\x02x"), Tlv, 31),
        (ipv4(&tlv(3, &[0; 3])), Tlv, 28),
        (ipv4(&tlv(3, &[0; 5])), Tlv, 28),
        (ipv4(&[tlv(3, &[0; 4]), tlv(3, &[0; 4])].concat()), Tlv, 35),
        (ipv4(&tlv(3, &[0; 4])), Checksum, 31),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), NoSignature, 0),
        (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), NoSignature, 4),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), NoSignature, 0),
        (b"PROXYTCP4\n".to_vec(), NoSignature, 5),
        (b"PROXY TCP4 \xff 198.51.100.1 1 2\r\n".to_vec(), Address, 11),
        (b"PROXY TCP4 192.0.2.7 198.51.100.300 1 2\r\n".to_vec(), Address, 21),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1\r\n".to_vec(), Port, 33),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n".to_vec(), Port, 36),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n".to_vec(), Port, 36),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n".to_vec(), Trailing, 37),
        (b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec(), Protocol, 6),
        (b"PROXY TCP4\t192.0.2.7 198.51.100.1 1 2\r\n".to_vec(), Protocol, 6),
        (b"PROXY UNKNOWN\n".to_vec(), NoEnd, 13),
        (b"PROXY UNKNOWN \r \r\n".to_vec(), NoEnd, 14),
        ([&b"PROXY "[..], &[b'x'; 101]].concat(), NoEnd, MAX_V1),
    ];
    for at in 0..12 {
        let mut wrong = v2(0x21, 0x11, &[&IPV4]);
        wrong[at] ^= 0x20;
        cases.push((wrong, NoSignature, at));
    }
    let config = HeaderConfig::default();
    for (bytes, kind, offset) in cases {
        let error = HeaderError { kind, offset };
        assert_eq!(parse(&bytes, &config), Err(error), "{}", bytes.escape_ascii());
        let outcome = always(&config, &[&bytes[..], b"hello\n"].concat());
        let reported =
            format!("10.0.0.1:5000: PROXY header refused at byte {offset}: {}", kind.rule());
        assert_eq!(outcome.received, "", "{}", bytes.escape_ascii());
        assert_eq!(outcome.end, Some(End::Abort(Cause::Protocol(kind.rule()))));
        assert_eq!(outcome.notices, [Notice::Text(reported)]);
    }
}

#[test]
fn only_the_versions_are_read_that_are_accepted() {
    let binary = v2(0x21, 0x11, &[&IPV4]);
    let accepts = |versions, bytes: &[u8]| {
        let config = HeaderConfig { versions, ..HeaderConfig::default() };
        match always(&config, bytes).end {
            None => true,
            Some(end) => {
                let kind = HeaderErrorKind::NoSignature;
                assert_eq!(end, End::Abort(Cause::Protocol(kind.rule())));
                false
            }
        }
    };
    assert!(accepts(Versions::Both, V1) && accepts(Versions::Both, &binary));
    assert!(accepts(Versions::V1, V1) && !accepts(Versions::V1, &binary));
    assert!(!accepts(Versions::V2, V1) && accepts(Versions::V2, &binary));
}

#[test]
fn a_header_of_version_2_has_a_limit_by_name_which_holds_to_the_byte() {
    let header = v2(0x21, 0x11, &[&IPV4, &tlv(tlv_type::NOOP, &[0; 200])]);
    let fits = always(&max_v2(header.len()), &header);
    assert_eq!(fits.end, None);
    let limit = header.len() - 1;
    let outcome = always(&max_v2(limit), &header);
    assert_eq!(outcome.end, Some(End::Abort(Cause::Limit(Limit::ProxyHeader(limit)))));
    let reported = format!(
        "10.0.0.1:5000: PROXY header refused at byte 14: PROXY v2: the header exceeds the limit of \
        {limit} bytes (HeaderConfig::max_v2)"
    );
    assert_eq!(outcome.notices, [Notice::Text(reported)]);
    // The longest that there can be, where that is accepted.
    let longest = v2(0x21, 0x11, &[&IPV4, &tlv(tlv_type::NOOP, &[0; 65_535 - 12 - 3])]);
    assert_eq!(longest.len(), 65_551);
    let parts = [&longest[..9], &longest[9..40_000], &longest[40_000..]];
    assert_eq!(in_an_endpoint(&max_v2(65_551), &parts).end, None);
    assert!(in_an_endpoint(&max_v2(65_550), &parts).end.is_some());
}

/// Whatever part of the header was there when something else happens.
#[test]
fn a_peer_that_stops_inside_the_header() {
    let config = HeaderConfig::default();
    for header in [V1.to_vec(), v2(0x21, 0x11, &[&IPV4, &tlv(tlv_type::NOOP, b"xy")])] {
        for len in 0..header.len() {
            let begun = || {
                let mut endpoint = Endpoint::new(introduced(&config, Address::Unnamed), NOW);
                if len > 0 {
                    assert_eq!(endpoint.received(NOW, &header[..len]), len);
                }
                assert_eq!(endpoint.held(), len);
                endpoint
            };
            let over = |mut endpoint: Endpoint<_>, end| {
                assert_eq!(endpoint.end(), Some(end), "after {len} bytes");
                assert_eq!(endpoint.held(), 0, "after {len} bytes");
                assert_eq!(endpoint.take_outgoing(NOW), b"");
                endpoint.drain_notices().map(|it| it.to_string()).collect::<Vec<_>>()
            };

            let mut silent = begun();
            let deadline = silent.next_deadline().unwrap();
            assert_eq!((deadline.at, deadline.reason), (NOW + seconds(5), Reason::Head));
            silent.expired(deadline.at);
            over(silent, End::Abort(Cause::TimedOut(Reason::Head)));

            let mut ended = begun();
            ended.eof(NOW);
            let kind = HeaderErrorKind::Incomplete;
            let reported = over(ended, End::Abort(Cause::Protocol(kind.rule())));
            let place = format!("unnamed: PROXY header refused at byte {len}: {}", kind.rule());
            assert_eq!(reported, [place]);

            let mut reset = begun();
            reset.reset(NOW);
            over(reset, End::Abort(Cause::Reset));

            let mut shut_down = begun();
            shut_down.shutdown(NOW);
            over(shut_down, End::Close(Cause::Shutdown));

            // Nothing was queued yet, so that this has no effect until the inner machine writes,
            // which gets the failed write.
            let mut deaf = begun();
            deaf.write_failed(NOW);
            assert_eq!(deaf.received(NOW, &header[len..]), header.len() - len);
            assert_eq!(deaf.take_outgoing(NOW), b"");
        }
    }
}

fn trusting(sources: &[&str], untrusted: Untrusted) -> HeaderConfig {
    let trusted = sources.iter().map(|it| it.parse().unwrap()).collect();
    HeaderConfig { trusted: Some(trusted), untrusted, ..HeaderConfig::default() }
}

#[test]
fn sources_are_addresses_networks_and_peers_without_one() {
    let contains = |source: &str, peer: &str| {
        let source: TrustedSource = source.parse().unwrap();
        source.contains(match peer {
            "unix" => Address::Unnamed,
            ip => Address::Socket(SocketAddr::new(ip.parse().unwrap(), 1)),
        })
    };
    for (source, inside, outside) in [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255"]),
        ("10.0.0.0/8", ["::ffff:10.1.2.3", "10.1.2.3"], ["::ffff:11.0.0.0", "::10.1.2.3"]),
        ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.128"]),
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "unix"]),
        ("192.0.2.7/32", ["192.0.2.7", "192.0.2.7"], ["192.0.2.8", "::"]),
        ("::ffff:192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "unix"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::1", "unix"]),
        ("fd00::/8", ["fd00::", "fdff::1"], ["fc00::", "253.0.0.1"]),
        ("::1", ["::1", "::1"], ["::2", "127.0.0.1"]),
        ("::/0", ["::", "ffff::"], ["unix", "127.0.0.1"]),
        ("unix", ["unix", "unix"], ["::1", "127.0.0.1"]),
    ] {
        assert!(inside.iter().all(|peer| contains(source, peer)), "{source} {inside:?}");
        assert!(!outside.iter().any(|peer| contains(source, peer)), "{source} {outside:?}");
    }
    for text in ["", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.1/8", "fd00::/129"] {
        assert!(text.parse::<TrustedSource>().is_err(), "{text}");
    }
    for text in ["/8", "host", "fd00::1/8", "10.0.0.0/8/8", "10.0.0.0:80", "unix/8", "::%eth0"] {
        assert!(text.parse::<TrustedSource>().is_err(), "{text}");
    }
    assert_eq!("fd00::/8".parse::<TrustedSource>().unwrap().to_string(), "fd00::/8");
    assert_eq!(TrustedSource::UNIX.to_string(), "unix");
}

#[test]
fn a_source_that_is_not_trusted_is_refused_before_it_says_anything() {
    let config = trusting(&["10.0.0.0/8", "unix"], Untrusted::Refuse);
    let mut endpoint = Endpoint::new(introduced(&config, address("192.0.2.1:1")), NOW);
    assert_eq!(endpoint.end(), Some(End::Abort(Cause::Untrusted)));
    assert_eq!(endpoint.next_deadline(), None);
    let reported: Vec<_> = endpoint.drain_notices().map(|it| it.to_string()).collect();
    assert_eq!(reported, ["192.0.2.1:1: not trusted to send a PROXY header"]);
    for trusted in [address("10.9.9.9:1"), Address::Unnamed] {
        let mut endpoint = Endpoint::new(introduced(&config, trusted), NOW);
        assert_eq!(endpoint.received(NOW, V1), V1.len());
        assert_eq!(endpoint.end(), None);
    }
}

#[test]
fn or_it_is_served_directly_whatever_it_says() {
    let config = trusting(&["10.0.0.0/8"], Untrusted::ServeDirectly);
    let mut endpoint = Endpoint::new(introduced(&config, address("192.0.2.1:1")), NOW);
    assert_eq!(endpoint.take_outgoing(NOW), b"None\n");
    assert_eq!(endpoint.next_deadline(), None);
    // A header is a line like any other to the echo; here, to a client that claims an address.
    assert_eq!(endpoint.received(NOW, b"PROXY UNKNOWN\r\n"), 15);
    assert_eq!(endpoint.take_outgoing(NOW), b"you said: PROXY UNKNOWN\r\n");
}
