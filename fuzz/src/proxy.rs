//! The PROXY protocol around the line echo, which gives way to another machine, under the laws.

use std::time::Duration;

use arbitrary::Unstructured;
use diesel_proto::proxy_protocol::{MAX_HEADER, ProxyProtocol};
use diesel_proto::testkit::laws::Laws;
use diesel_proto::{Actions, LineEcho};

use super::stimuli::stimuli;

const WORDS: [&[u8]; 26] = [
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
];
const MAX_LINE: usize = 100;

/// A seed for the cuts, then what happens.
pub fn proxy(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(seed) = input.arbitrary::<u8>() else { return };
    let stimuli = stimuli(&mut input, &WORDS);
    let laws = Laws::of(|| ProxyProtocol::new(Duration::from_secs(3), |_| echo(MAX_LINE)))
        .max_held(MAX_HEADER.max(MAX_LINE))
        .seed(seed.into())
        .few_cuts();
    laws.assert(&stimuli);
}

fn echo(max_line: usize) -> LineEcho {
    LineEcho::default().max_line(max_line).on_upgrade(upgrade)
}

/// To an echo with shorter lines, which may give way once more.
fn upgrade(actions: &mut Actions<'_>) {
    actions.upgrade(echo(20));
}
