//! Plays a script, and reports the line that fails.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::super::net::{HostId, Network, Restless};
use super::{Script, ScriptStep};
use crate::hub::{ConnId, Hub, ServiceId};
use crate::testkit::net::{Happened, LinkOptions, Peer, PeerState};
use crate::time::Instant;

/// How the sent bytes are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutMode {
    /// Not at all.
    None,
    /// In two, before this byte of all sent bytes.
    Before(usize),
    /// One byte at a time.
    Everywhere,
    /// Not at all, but streams take the hub's output one byte at a time.
    Narrow,
}

impl fmt::Display for CutMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CutMode::None => f.write_str("with nothing cut"),
            CutMode::Before(byte) => write!(f, "with the input cut in two before byte {byte}"),
            CutMode::Everywhere => f.write_str("with the input arriving a byte at a time"),
            CutMode::Narrow => f.write_str("with the output taken a byte at a time"),
        }
    }
}

/// A script that failed: the script with the line marked, and what happened instead.
///
/// Its `Debug` is its `Display`, so that `unwrap` in a test shows it.
///
/// Example: see [`Script::play`](super::Script::play).
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line number, counted from one. For a failure at the end of the script, it is the number
    /// of lines plus one.
    pub line: usize,
    /// The virtual time.
    pub at: Instant,
    /// What happened instead.
    pub instead: String,
    script: String,
    cut: CutMode,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { line, at, instead, script, cut } = self;
        writeln!(f, "the script fails in line {line}, at {at:?}, {cut}:")?;
        let ended = core::iter::once("(end)");
        for (number, text) in (1..).zip(script.lines().map(str::trim).chain(ended)) {
            // The end is shown only if it failed.
            if number <= script.lines().count() || number == *line {
                let mark = if number == *line { ">" } else { " " };
                writeln!(f, "{mark}{number:4}  {text}")?;
            }
            if number == *line {
                writeln!(f, "       but: {instead}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Mismatch {}

/// The result of a step. The error is what happened instead.
type StepResult = Result<(), String>;

pub(super) fn play(script: &Script, hub: Hub, cut: CutMode) -> Result<(), Mismatch> {
    let mut stage = ScriptStage::new(script, hub, cut);
    let mismatch = |stage: &ScriptStage<'_>, line, instead| Mismatch {
        line,
        at: stage.network.now(),
        instead,
        script: script.text.clone(),
        cut,
    };
    for line in &script.lines {
        stage.act(&line.step).map_err(|instead| mismatch(&stage, line.number, instead))?;
    }
    let end = script.text.lines().count() + 1;
    stage.all_is_seen().map_err(|instead| mismatch(&stage, end, instead))
}

struct ScriptStage<'a> {
    script: &'a Script,
    network: Network,
    host: HostId,
    cut: CutMode,
    /// The peer of each name, once it is connected.
    peers: Vec<Option<Peer>>,
    /// Bytes sent so far.
    sent: usize,
    /// The causes of closed connections.
    causes: Rc<RefCell<BTreeMap<ConnId, String>>>,
}

impl<'a> ScriptStage<'a> {
    fn new(script: &'a Script, hub: Hub, cut: CutMode) -> Self {
        let mut network = Network::new(0);
        if cut == CutMode::Narrow {
            network.link(LinkOptions { writes: 1..=1, ..LinkOptions::default() });
        }
        network.listen_everywhere();
        let causes = Rc::new(RefCell::new(BTreeMap::new()));
        let seen = Rc::clone(&causes);
        network.watch(move |happening| {
            let (Some(conn), what) = (happening.conn, &happening.what) else { return };
            if let Happened::Closed(cause) | Happened::Aborted(cause) = what {
                seen.borrow_mut().insert(conn, cause.to_string());
            }
        });
        let host = network.lone_host(hub);
        let peers = vec![None; script.names.len()];
        ScriptStage { script, network, host, cut, peers, sent: 0, causes }
    }

    fn act(&mut self, step: &ScriptStep) -> StepResult {
        match step {
            ScriptStep::Sees(who, bytes) => return self.sees(*who, bytes),
            ScriptStep::Closed(who, cause) => return self.closed(*who, cause.as_deref()),
            ScriptStep::Open(who) => {
                let peer = self.peer(*who)?;
                let state = self.network.peer_state(peer);
                return match state == PeerState::Open {
                    true => Ok(()),
                    false => Err(self.describe(*who, state)),
                };
            }
            ScriptStep::Halted if self.network.has_halted(self.host) => return Ok(()),
            ScriptStep::Halted => return Err("the application still runs".to_string()),
            _ => self.all_is_seen()?,
        }
        match step {
            ScriptStep::Connects(who, service) => self.connect(*who, service.as_deref())?,
            ScriptStep::Sends(who, bytes) => return self.sends(*who, bytes),
            ScriptStep::Passes(time) => return self.run(*time),
            ScriptStep::ShutDown(grace) => self.network.drain(self.host, *grace),
            ScriptStep::Accepts(who, address) => self.accepts(*who, *address)?,
            ScriptStep::Refuses(_, address) => {
                self.run(Duration::ZERO)?;
                if !self.network.refuse(*address) {
                    return Err(alloc::format!("no connection to {address} waits"));
                }
            }
            ScriptStep::Ends(who) => {
                let peer = self.peer(*who)?;
                self.network.end(peer);
            }
            ScriptStep::Closes(who) => {
                let peer = self.peer(*who)?;
                self.network.close(peer);
            }
            ScriptStep::Resets(who) => {
                let peer = self.peer(*who)?;
                self.network.reset(peer);
            }
            ScriptStep::StopsReading(who) => {
                let peer = self.peer(*who)?;
                self.network.stop_reading(peer);
            }
            ScriptStep::ReadsAgain(who) => {
                let peer = self.peer(*who)?;
                self.network.read_again(peer);
            }
            ScriptStep::Sees(..)
            | ScriptStep::Closed(..)
            | ScriptStep::Open(_)
            | ScriptStep::Halted => {}
        }
        self.run(Duration::ZERO)
    }

    fn run(&mut self, time: Duration) -> StepResult {
        self.network.run_for(time).map_err(|restless: Restless| restless.to_string())
    }

    /// The peer of this name. Connects it if it is not connected yet.
    fn peer(&mut self, who: usize) -> Result<Peer, String> {
        if let Some(peer) = self.peers[who] {
            return Ok(peer);
        }
        self.connect(who, None)?;
        self.peers[who].ok_or_else(|| "there is no such peer".to_string())
    }

    fn connect(&mut self, who: usize, service: Option<&str>) -> StepResult {
        if self.peers[who].is_some() {
            return Err(self.name(who) + " is connected already");
        }
        let service = self.service(service)?;
        let peer = self.network.connect_to(self.host, service);
        self.run(Duration::ZERO)?;
        self.peers[who] = Some(peer);
        match self.network.peer_state(peer) {
            PeerState::Refused => Err(self.name(who) + " is refused"),
            _ => Ok(()),
        }
    }

    fn accepts(&mut self, who: usize, address: SocketAddr) -> StepResult {
        if self.peers[who].is_some() {
            return Err(self.name(who) + " is connected already");
        }
        // A loop that has not had its first turn may connect in it.
        self.run(Duration::ZERO)?;
        self.peers[who] = self.network.accept(address);
        match self.peers[who] {
            Some(_) => Ok(()),
            None => Err(alloc::format!("no connection to {address} waits")),
        }
    }

    /// The service of this name, or the first.
    fn service(&self, name: Option<&str>) -> Result<ServiceId, String> {
        let hub = self.network.hub(self.host);
        let ids = (0..).map_while(|index| hub?.service_at(index));
        let names = ids.map_while(|id| Some((id, hub?.service_name(id)?)));
        let mut services = names.filter(|(_, known)| name.is_none_or(|name| name == *known));
        let found = services.next().map(|(id, _)| id);
        found.ok_or_else(|| "there is no such service".to_string())
    }

    fn sends(&mut self, who: usize, bytes: &[u8]) -> StepResult {
        let peer = self.peer(who)?;
        let before = self.sent;
        self.sent += bytes.len();
        match self.cut {
            CutMode::Before(at) if before < at && at < self.sent => {
                let (first, second) = bytes.split_at(at - before);
                self.deliver(peer, first)?;
                self.deliver(peer, second)
            }
            CutMode::Everywhere => bytes.iter().try_for_each(|byte| self.deliver(peer, &[*byte])),
            _ => self.deliver(peer, bytes),
        }
    }

    /// Sends bytes. The hub handles those before a cut before it gets the rest.
    fn deliver(&mut self, peer: Peer, bytes: &[u8]) -> StepResult {
        self.network.send(peer, bytes);
        self.run(Duration::ZERO)
    }

    fn sees(&mut self, who: usize, bytes: &[u8]) -> StepResult {
        let peer = self.peer(who)?;
        let got = self.network.got(peer);
        if got.starts_with(bytes) && (!bytes.is_empty() || got.is_empty()) {
            self.network.take_got(peer, bytes.len());
            return Ok(());
        }
        Err(match got.is_empty() {
            true => self.name(who) + " has got nothing" + &self.state(peer),
            false => alloc::format!("{} has got \"{}\"", self.name(who), got.escape_ascii()),
        })
    }

    /// Checks that the other side has ended and that no byte is unexpected. Then this side ends,
    /// too.
    fn closed(&mut self, who: usize, cause: Option<&str>) -> StepResult {
        let peer = self.peer(who)?;
        self.nothing_left(who, peer)?;
        let state = self.network.peer_state(peer);
        if matches!(state, PeerState::Connecting | PeerState::Open) {
            return Err(self.describe(who, state));
        }
        self.network.end(peer);
        self.run(Duration::ZERO)?;
        let Some(expected) = cause else { return Ok(()) };
        let causes = self.causes.borrow();
        let actual = self.network.far_end(peer).and_then(|(_, conn)| causes.get(&conn));
        match actual {
            Some(actual) if actual == expected => Ok(()),
            Some(actual) => Err(alloc::format!("closed: {actual}")),
            None => Err("the connection is still there".to_string()),
        }
    }

    fn all_is_seen(&mut self) -> StepResult {
        for who in 0..self.peers.len() {
            if let Some(peer) = self.peers[who] {
                self.nothing_left(who, peer)?;
            }
        }
        Ok(())
    }

    fn nothing_left(&self, who: usize, peer: Peer) -> StepResult {
        let got = self.network.got(peer);
        match got.is_empty() {
            true => Ok(()),
            false => {
                let got = got.escape_ascii();
                Err(alloc::format!(
                    "{} has also got \"{got}\", which no line before this expects",
                    self.name(who)
                ))
            }
        }
    }

    fn name(&self, who: usize) -> String {
        self.script.names[who].clone()
    }

    fn describe(&self, who: usize, state: PeerState) -> String {
        self.name(who)
            + match state {
                PeerState::Connecting => " is still connecting",
                PeerState::Refused => " was refused",
                PeerState::Open => " is still open",
                PeerState::Ended => " has seen the other side end",
                PeerState::Reset => " was reset",
                PeerState::Left => " has left",
            }
    }

    fn state(&self, peer: Peer) -> String {
        match self.network.peer_state(peer) {
            PeerState::Ended => ", and the other side has ended".to_string(),
            PeerState::Reset => ", and was reset".to_string(),
            _ => String::new(),
        }
    }
}
