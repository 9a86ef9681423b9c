//! Checks the laws on the PROXY protocol, both versions, around the line echo, which another
//! machine may replace.

use std::time::Duration;

use arbitrary::Unstructured;
use diesel_proto::proxy_protocol::{
    HeaderConfig, MAX_V1, ProxyProtocol, Untrusted, Versions, parse,
};
use diesel_proto::testkit::laws::Laws;
use diesel_proto::{Actions, Address, LineEcho};

use super::stimuli::stimuli;

const WORDS: [&[u8]; 50] = [
    b"PROXY ",
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN and whatever\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
    b"TCP4",
    b"TCP6",
    b" ",
    b"192.0.2.7",
    b"::1",
    b"::ffff:192.0.2.7",
    b"65535",
    b"65536",
    b"0",
    b"01",
    b"+1",
    b"\r",
    b"\n",
    b"\r\n",
    b"hello\r\n",
    b"quit\r\n",
    b"UPGRADE\r\n",
    b"UPGRADE",
    b"qui",
    b"t\n",
    b"\x00\xff",
    // Version 2, whole and in pieces.
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb",
    b"\r\n\r\n\0\r\n",
    b"QUIT\n",
    b"\x20",
    b"\x21",
    b"\x11",
    b"\x12",
    b"\x21\x21\0\x24",
    b"\x21\x31\0\xd8",
    b"\0\x0c",
    b"\0\x0f",
    b"\0\x13",
    b"\0\x80",
    b"\xff\xff",
    b"\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb",
    &[0; 36],
    &[b'/'; 216],
    b"\x02\0\x0bexample.com",
    b"\x03\0\x04\0\0\0\0",
    // The checksum of an IPv4 header that has no other vector.
    b"\x03\0\x04\x54\x8e\x28\xff",
];
const MAX_LINE: usize = 100;

/// Takes a seed for the cuts and the accepted versions, then the stimuli.
pub fn proxy(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(seed) = input.arbitrary::<u8>() else { return };
    let config = config(seed);
    // A header alone, from arbitrary bytes.
    if let Ok(Some((header, len))) = parse(data, &config) {
        assert!(len <= data.len() && len <= MAX_V1.max(config.max_v2));
        assert!(header.tlvs().all(|(_, value)| value.len() <= len));
        assert_eq!(parse(&data[..len - 1], &config), Ok(None));
    }
    let stimuli = stimuli(&mut input, &WORDS);
    let laws = Laws::of(|| ProxyProtocol::with(&config, Address::Unnamed, |_| echo(MAX_LINE)))
        .max_held(MAX_V1.max(config.max_v2).max(MAX_LINE))
        .seed(seed.into())
        .few_cuts();
    laws.assert(&stimuli);
}

fn config(seed: u8) -> HeaderConfig {
    let mut config = HeaderConfig { within: Duration::from_secs(3), ..HeaderConfig::default() };
    match seed % 8 {
        0 => config.versions = Versions::V1,
        1 => config.versions = Versions::V2,
        2 => config.max_v2 = 40,
        3 => config.max_v2 = 300,
        4 => config.trusted = Some(Vec::new()),
        5 => {
            config.trusted = Some(Vec::new());
            config.untrusted = Untrusted::ServeDirectly;
        }
        _ => {}
    }
    config
}

fn echo(max_line: usize) -> LineEcho {
    LineEcho::default().max_line(max_line).on_upgrade(upgrade)
}

/// Upgrades to an echo with shorter lines, which may itself upgrade.
fn upgrade(actions: &mut Actions<'_>) {
    actions.upgrade(echo(20));
}
