//! Stacks of layers around machines that take their bytes as commands, with every kind of input:
//! the machine inside the stack is compared with the same machine alone, and the stack must keep
//! the laws. And around services that send [`files`].

mod files;

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::proxy_protocol::{MAX_V1, ProxyProtocol};
use diesel_proto::testkit::Stimulus;
use diesel_proto::testkit::decorator::{FaultInjector, InjectedFault, Throttle, Tracer};
use diesel_proto::testkit::layer_laws::{LayerLaws, Probe};
use diesel_proto::{Actions, Cause, Deadline, Input, Instant, LineEcho, Machine, Nested, Reason};

use super::joined::Joined;
use super::tls_settings::Keys;
use super::toy_frames::frame::{Frame, FrameReader, Kind, MAX_PAYLOAD};
use super::toy_frames::layer::Frames;
use super::xor::{self, Xor};

const MOST_LAYERS: usize = 5;
const MOST_STIMULI: usize = 24;
const MOST_BYTES: usize = 400;
/// Far more than half a frame of each layer, or a frame that the machine has not taken.
const MAX_HELD: usize = MOST_LAYERS * (MAX_V1 + 20 * MOST_BYTES);

/// What is inside the stack.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Probe,
    Echo,
    /// A service that sends files.
    Files,
}

/// One layer.
#[derive(Arbitrary, Clone, Debug)]
enum Layer {
    /// Shares the queue, and changes nothing.
    Plain,
    /// Shares the queue, and changes each byte that comes in.
    Flipped(u8),
    /// Records with a length.
    Records(u8),
    /// Frames with a kind, a length and a key, pings among them, and one for the end.
    Frames([u8; 4]),
    /// Has its own deadline, far in the future.
    Hour,
    Tracer,
    /// A header comes first.
    Proxy(u8),
    /// Passes bytes on in pieces.
    Cuts(Vec<u8>),
    /// Passes bytes on later.
    Throttle(u8, u16),
    /// Passes bytes on later, here and there.
    Stalls(Vec<(u8, u16)>),
    /// TLS with its peer. It is not drawn, but inserted: a handshake costs much.
    #[arbitrary(skip)]
    Tls(Keys),
}

#[derive(Arbitrary, Debug)]
enum Happening<'a> {
    /// Bytes with a meaning for the machine.
    Words(Vec<u8>),
    Bytes(&'a [u8]),
    Wait(u16),
    WaitLong(u16),
    Eof,
    Reset,
    Cut,
    WriteFailed,
    Blocked,
    Writable,
    Wake,
    Shutdown,
}

/// Takes a seed for the cuts, a machine, its layers, TLS among them at most once, then
/// the stimuli, or the files.
pub fn layers(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok((seed, inside, few)) = input.arbitrary::<(u8, Inside, u8)>() else { return };
    let (few, tls) = (1 + usize::from(few) % MOST_LAYERS, usize::from(few) / MOST_LAYERS);
    let mut stack: Vec<_> = (0..few).map_while(|_| Layer::arbitrary(&mut input).ok()).collect();
    if stack.is_empty() {
        return;
    }
    if let Some(place) = tls.checked_sub(1) {
        let keys = if place % 2 == 0 { Keys::Few13 } else { Keys::Many12 };
        stack.insert(place / 2 % (1 + stack.len()), Layer::Tls(keys));
    }
    let delays = stack.iter().fold(Duration::ZERO, |all, layer| all + layer.delays());
    match inside {
        Inside::Probe => {
            let laws = LayerLaws::of(|inner: Probe| around(&stack, inner));
            let stimuli = stimuli(&mut input, inside, !delays.is_zero());
            through(&stack, laws, delays, seed).assert_on(&stimuli);
        }
        Inside::Echo => {
            let laws = LayerLaws::around(|| echo(60), |inner| around(&stack, inner));
            let stimuli = stimuli(&mut input, inside, !delays.is_zero());
            through(&stack, laws, delays, seed).assert_on(&stimuli);
        }
        Inside::Files => files::files(&stack, delays, seed, &mut input),
    }
}

/// Sets up the laws with a peer of the whole stack.
fn through<'a, M: Machine, L: Machine>(
    stack: &[Layer],
    laws: LayerLaws<'a, M, L>,
    delays: Duration,
    seed: u8,
) -> LayerLaws<'a, M, L> {
    let (encoding, decoding) = (stack.to_vec(), stack.to_vec());
    let mut laws = laws
        .framed_by(move |plain| encode(&encoding, plain), move |bytes| decode(&decoding, bytes))
        .preamble(&preamble(stack))
        .goodbye(&goodbye(stack))
        .max_held(MAX_HELD)
        .seed(seed.into())
        .few_cuts();
    if stack.iter().any(|layer| matches!(layer, Layer::Hour)) {
        laws = laws.own_deadlines();
    }
    if !delays.is_zero() {
        laws = laws.delays(delays);
    }
    laws
}

/// Puts the layers around a machine. The first layer is the innermost.
fn around(stack: &[Layer], inner: impl Machine + 'static) -> Box<dyn Machine> {
    let inner: Box<dyn Machine> = Box::new(inner);
    stack.iter().fold(inner, |inner, layer| layer.around(inner))
}

fn encode(stack: &[Layer], plain: &[u8]) -> Vec<u8> {
    stack.iter().fold(plain.to_vec(), |bytes, layer| match layer {
        Layer::Flipped(key) => bytes.iter().map(|byte| byte ^ key).collect(),
        Layer::Records(key) => xor::seal(*key, &bytes),
        Layer::Frames(key) => {
            let messages = bytes.chunks(MAX_PAYLOAD).map(|it| Frame::new(Kind::Binary, it));
            let ping = (key[0] % 2 == 0).then_some(Frame::new(Kind::Ping, *b"?"));
            messages.chain(ping).flat_map(|frame| frame.encode(Some(*key))).collect()
        }
        _ => bytes,
    })
}

fn decode(stack: &[Layer], bytes: &[u8]) -> Vec<u8> {
    stack.iter().rev().fold(bytes.to_vec(), |bytes, layer| match layer {
        Layer::Records(key) => xor::open(*key, &bytes),
        Layer::Frames(_) => opened(&bytes),
        _ => bytes,
    })
}

/// The payload of a server's whole frames, up to the closing frame.
fn opened(mut bytes: &[u8]) -> Vec<u8> {
    let (mut opened, mut reader) = (Vec::new(), FrameReader::of_server());
    while let Ok((n, Some(Frame { kind, payload }))) = reader.read(bytes) {
        match kind {
            Kind::Binary => opened.extend(payload),
            Kind::Close => break,
            _ => {}
        }
        bytes = &bytes[n..];
    }
    opened
}

/// The closing frames of all layers, the innermost first. Each is framed by the layers around it.
fn goodbye(stack: &[Layer]) -> Vec<u8> {
    let frames = stack.iter().enumerate().map(|(index, layer)| match layer {
        Layer::Frames(key) => encode(&stack[index + 1..], &Frame::close(1000).encode(Some(*key))),
        _ => Vec::new(),
    });
    frames.flatten().collect()
}

/// The headers of all layers, the outermost first. Each is framed by the layers around it.
fn preamble(stack: &[Layer]) -> Vec<u8> {
    let headers = stack.iter().enumerate().rev().map(|(index, layer)| {
        let header: &[u8] = match layer {
            Layer::Proxy(0) => b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            Layer::Proxy(1) => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
            Layer::Proxy(_) => b"PROXY UNKNOWN\r\n",
            _ => b"",
        };
        encode(&stack[index + 1..], header)
    });
    headers.flatten().collect()
}

impl Layer {
    fn around(&self, inner: Box<dyn Machine>) -> Box<dyn Machine> {
        match self {
            Layer::Plain => Box::new(Plain(Nested::sharing(inner), 0, None)),
            Layer::Flipped(key) => Box::new(Plain(Nested::sharing(inner), *key, None)),
            Layer::Hour => {
                let at = Instant::ORIGIN + Duration::from_secs(1 << 30);
                let ends = Deadline { at, reason: Reason::BodyRate };
                Box::new(Plain(Nested::sharing(inner), 0, Some(ends)))
            }
            Layer::Records(key) => Box::new(Xor::new(*key, inner)),
            Layer::Frames(_) => Box::new(Frames::new(inner)),
            Layer::Tls(keys) => {
                let (acceptor, connector) = keys.sides();
                Box::new(Joined::new(acceptor, connector, inner))
            }
            Layer::Tracer => Box::new(Tracer::new(inner, |_, _| {})),
            Layer::Proxy(_) => {
                Box::new(ProxyProtocol::new(Duration::from_secs(1 << 30), |_| inner))
            }
            Layer::Cuts(at) => {
                let cuts = at.iter().map(|&at| (at.into(), InjectedFault::Cut));
                Box::new(FaultInjector::with(inner, cuts))
            }
            Layer::Throttle(bytes, ms) => {
                Box::new(Throttle::new(inner, usize::from(*bytes), milliseconds(*ms)))
            }
            Layer::Stalls(stalls) => {
                let stall = |(at, ms): &(u8, u16)| {
                    (u64::from(*at), InjectedFault::Stall(milliseconds(*ms)))
                };
                Box::new(FaultInjector::with(inner, stalls.iter().take(8).map(stall)))
            }
        }
    }

    /// The longest time for which it holds a byte back, with all its stalls.
    fn delays(&self) -> Duration {
        match self {
            Layer::Throttle(_, ms) => milliseconds(*ms),
            Layer::Stalls(stalls) => {
                let each = stalls.iter().take(8).map(|(_, ms)| milliseconds(*ms));
                each.fold(Duration::ZERO, |all, stall| all + stall)
            }
            _ => Duration::ZERO,
        }
    }
}

fn milliseconds(n: u16) -> Duration {
    Duration::from_millis(1 + u64::from(n % 2000))
}

/// Keeps the length: changes each byte by a key, and may have its own deadline.
struct Plain<M>(Nested<M>, u8, Option<Deadline>);

impl<M: Machine> Machine for Plain<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        let taken = match input {
            Input::Bytes(bytes) if self.1 > 0 => {
                let plain: Vec<u8> = bytes.iter().map(|byte| byte ^ self.1).collect();
                self.0.pass_on(now, Input::Bytes(&plain), actions)
            }
            other => self.0.pass_on(now, other, actions),
        };
        self.0.settle(self.2, actions);
        taken
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn scanned(&self) -> u64 {
        self.0.scanned()
    }
}

fn echo(max_line: usize) -> LineEcho {
    LineEcho::default().max_line(max_line).on_upgrade(upgrade)
}

/// Upgrades to an echo with shorter lines, which may itself upgrade.
fn upgrade(actions: &mut Actions<'_>) {
    actions.upgrade(echo(20));
}

/// If layers delay bytes, it is not determined which have arrived when a deadline passes: the
/// machine sets none then.
fn stimuli(input: &mut Unstructured<'_>, inside: Inside, delays: bool) -> Vec<Stimulus> {
    const LINES: [&[u8]; 8] =
        [b"hello\r\n", b"\n", b"UPGRADE\r\n", b"quit\n", b"a", b"UPGR", b"xxxxxxxxxxxx", b"\r\n"];
    let mut stimuli = Vec::new();
    let mut room = MOST_BYTES;
    let mut bytes = |mut bytes: Vec<u8>| {
        if inside == Inside::Probe && delays {
            bytes.retain(|&byte| byte != b'd');
        }
        bytes.truncate(room);
        room -= bytes.len();
        Stimulus::Bytes(bytes)
    };
    while stimuli.len() < MOST_STIMULI && !input.is_empty() {
        let Ok(happening) = Happening::arbitrary(input) else { break };
        stimuli.push(match happening {
            Happening::Words(words) if inside == Inside::Echo => {
                bytes(words.iter().flat_map(|&n| LINES[usize::from(n) % 8]).copied().collect())
            }
            Happening::Words(words) => {
                // Every other byte is echoed.
                let commands = Probe::COMMANDS;
                let word = |&n: &u8| *commands.get(usize::from(n) % 28).unwrap_or(&b'?');
                bytes(words.iter().map(word).collect())
            }
            Happening::Bytes(some) => bytes(some.to_vec()),
            Happening::Wait(ms) => Stimulus::Wait(Duration::from_millis(ms.into())),
            Happening::WaitLong(s) => Stimulus::Wait(Duration::from_secs(s.into())),
            Happening::Eof => Stimulus::Eof,
            Happening::Reset => Stimulus::Reset,
            Happening::Cut => Stimulus::Cut(Cause::TimedOut(Reason::Idle)),
            Happening::WriteFailed => Stimulus::WriteFailed,
            Happening::Blocked => Stimulus::Blocked,
            Happening::Writable => Stimulus::Writable,
            Happening::Wake => Stimulus::Wake,
            Happening::Shutdown => Stimulus::Shutdown,
        });
    }
    stimuli
}
