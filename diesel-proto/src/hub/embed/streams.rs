//! The table of streams: accepts them, and writes and reads them when they are ready.

use alloc::vec::Vec;
use core::fmt;

use super::super::action::Action;
use super::super::{Hub, Refused};
use super::budgets::Round;
use super::entry::{PeerSide, StreamEntry, Unwritten};
use super::{
    AcceptOutcome, Budgets, ConnectOutcome, Interest, Lost, ReadOutcome, Ready, RegionOutcome,
    Transport, WriteOutcome,
};
use crate::buf::FileRegion;
use crate::machine::{Address, End, MAX_SLICES};
use crate::machine::{ConnId, ServiceId};
use crate::time::Instant;

/// The streams of one hub, and the event loop around it: see the [module](super).
///
/// The embedder owns the hub, the transport and the clock, and passes them to each call. After some
/// calls, the embedder calls [`turn`](Self::turn), and before it waits,
/// [`end_round`](Self::end_round).
///
/// ```
/// use std::collections::VecDeque;
/// use diesel_proto::hub::embed::{
///     Interest, Lost, ReadOutcome, Ready, Streams, Transport, WriteOutcome,
/// };
/// use diesel_proto::{Address, ConnId, End, Hub, Instant, LineEcho, Service, ServiceId};
///
/// /// Pipes in memory.
/// #[derive(Default)]
/// struct Pipes {
///     scratch: Vec<u8>,
/// }
///
/// #[derive(Default)]
/// struct Pipe {
///     arrived: VecDeque<Vec<u8>>,
///     written: Vec<u8>,
/// }
///
/// impl Transport for Pipes {
///     type Stream = Pipe;
///     type Incoming = Pipe;
///
///     fn read(&mut self, pipe: &mut Pipe) -> ReadOutcome<'_> {
///         match pipe.arrived.pop_front() {
///             Some(bytes) => {
///                 self.scratch = bytes;
///                 ReadOutcome::Bytes { bytes: &self.scratch, filled: false }
///             }
///             None => ReadOutcome::Nothing,
///         }
///     }
///
///     fn write(&mut self, pipe: &mut Pipe, slices: &[&[u8]]) -> WriteOutcome {
///         pipe.written.extend(slices.concat());
///         WriteOutcome::Took(slices.concat().len())
///     }
///
///     fn open(&mut self, _: ConnId, pipe: Pipe) -> Result<Pipe, Lost> {
///         Ok(pipe)
///     }
///
///     fn shut_down(&mut self, _: ConnId, _: &mut Pipe) -> Result<(), Lost> {
///         Ok(())
///     }
///
///     fn watch(&mut self, _: ConnId, _: &mut Pipe, _: Interest) -> Result<(), Lost> {
///         Ok(())
///     }
///
///     fn close(&mut self, _: Instant, _: ConnId, _: Option<Pipe>, _: End) {}
///
///     fn accepts(&mut self, _: Instant, _: ServiceId, _: bool) {}
///
///     fn now(&mut self) -> Instant {
///         Instant::ORIGIN
///     }
/// }
///
/// let (mut hub, mut pipes, mut streams) = (Hub::default(), Pipes::default(), Streams::default());
/// let service = hub.add_service(Service::machine(|_| LineEcho::default()));
/// let now = Instant::ORIGIN;
/// let pipe = Pipe { arrived: [b"hello\r\n".to_vec()].into(), ..Pipe::default() };
/// let conn = streams.accept_one(&mut hub, &mut pipes, now, service, Address::Unnamed, pipe)?;
///
/// // An embedder waits here, and its poller reports which of its streams are ready:
/// let ready = Ready { readable: true, ..Ready::default() };
/// streams.ready(&mut hub, &mut pipes, now, conn, ready);
/// assert!(streams.end_round(&mut hub, &mut pipes, now), "the hub has not halted");
/// assert_eq!(streams.stream(conn).unwrap().written, b"you said: hello\r\n");
/// # Ok::<(), diesel_proto::Refused>(())
/// ```
pub struct Streams<S> {
    table: Vec<Option<StreamEntry<S>>>,
    /// Streams whose place in the table another stream has already, although the action that ends
    /// them has not come yet.
    displaced: Vec<(ConnId, S)>,
    /// Streams whose last read filled the buffer.
    filled: Vec<ConnId>,
    pub(super) budgets: Budgets,
    round: Round,
    pub(super) actions: Vec<Action>,
    pub(super) again: Vec<Again>,
    /// Services for which a connection waits that could not be accepted.
    pub(super) exhausted: Vec<ServiceId>,
    pub(super) halted: bool,
}

/// Budgets are counted in 32 bits for each stream: see [`Budgets`].
const MOST: usize = u32::MAX as usize;

/// A connection for which the system had no resources, until another one is closed.
pub(super) struct Again {
    pub(super) conn: ConnId,
    pub(super) address: Address,
    /// Whether the hub has run since, so that the other one is closed.
    pub(super) is_due: bool,
}

impl<S> Default for Streams<S> {
    fn default() -> Self {
        Streams::new(Budgets::default())
    }
}

impl<S> Streams<S> {
    /// No streams. Allocates nothing.
    pub const fn new(budgets: Budgets) -> Self {
        Streams {
            table: Vec::new(),
            displaced: Vec::new(),
            filled: Vec::new(),
            round: Round::first(&budgets),
            budgets,
            actions: Vec::new(),
            again: Vec::new(),
            exhausted: Vec::new(),
            halted: false,
        }
    }

    /// Begins another round: every stream has its full budget again. [`end_round`](Self::end_round)
    /// does this; an embedder that calls [`turn`](Self::turn) and [`read_on`](Self::read_on) itself
    /// calls this each time before handling the events of streams that are ready.
    pub fn begin_round(&mut self) {
        self.round.next(&self.budgets);
        // A level-triggered poller reports those again that were not read.
        self.filled.clear();
    }

    /// Whether the hub has [halted](super::super::action::Action::Halt), so that the loop can end.
    pub fn has_halted(&self) -> bool {
        self.halted
    }

    /// The stream of a connection, while it is open.
    pub fn stream(&mut self, conn: ConnId) -> Option<&mut S> {
        self.entry(conn).map(|entry| &mut entry.stream)
    }

    /// The connection at this [index](ConnId::index), and its stream: for a poller that identifies
    /// a stream by a number.
    pub fn at(&self, index: usize) -> Option<(ConnId, &S)> {
        self.table.get(index)?.as_ref().map(|entry| (entry.conn, &entry.stream))
    }

    /// All streams that are open.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &S)> + '_ {
        self.table.iter().flatten().map(|entry| (entry.conn, &entry.stream))
    }

    /// How many bytes of a connection were read that the hub has not taken yet.
    pub fn kept(&self, conn: ConnId) -> usize {
        let entry = self.table.get(conn.index()).and_then(Option::as_ref);
        entry.filter(|entry| entry.conn == conn).map_or(0, |entry| entry.kept())
    }

    /// A service's listening socket is ready: accepts the connections that wait there, within the
    /// budget, as long as the hub takes them. At a limit they wait in the system's backlog until
    /// the hub resumes accepting.
    pub fn accept<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, service: ServiceId)
    where
        T: Transport<Stream = S>,
    {
        for _ in 0..self.budgets.accepts {
            if self.halted || !hub.may_accept(service) {
                return;
            }
            match transport.accept(now, service) {
                AcceptOutcome::One(incoming, peer) => {
                    // The transport got the refusal.
                    let _ = self.accept_one(hub, transport, now, service, peer, incoming);
                }
                AcceptOutcome::Gone => {}
                AcceptOutcome::Nothing => return,
                // The connection that has been idle for longest makes room, if there is one.
                AcceptOutcome::Exhausted if hub.make_room(now) => self.turn(hub, transport, now),
                AcceptOutcome::Exhausted => return self.exhausted.push(service),
            }
        }
        transport.accepts(now, service, true);
    }

    /// Adds a connection that the embedder accepted.
    ///
    /// # Errors
    ///
    /// As [`Hub::accept`]; the transport's [`refuse`](Transport::refuse) was called with it.
    pub fn accept_one<T>(
        &mut self,
        hub: &mut Hub,
        transport: &mut T,
        now: Instant,
        service: ServiceId,
        peer: Address,
        incoming: T::Incoming,
    ) -> Result<ConnId, Refused>
    where
        T: Transport<Stream = S>,
    {
        match hub.accept(now, service, peer) {
            Ok(conn) => {
                match transport.open(conn, incoming) {
                    Ok(stream) => self.add(conn, stream, false),
                    Err(Lost) => hub.reset(now, conn),
                }
                Ok(conn)
            }
            Err(why) => {
                transport.refuse(service, peer, incoming, why);
                Err(why)
            }
        }
    }

    /// A stream is ready: writes what it takes, then reads, unless reading is paused.
    pub fn ready<T>(
        &mut self,
        hub: &mut Hub,
        transport: &mut T,
        now: Instant,
        conn: ConnId,
        ready: Ready,
    ) where
        T: Transport<Stream = S>,
    {
        let Some(entry) = self.entry(conn) else { return };
        if entry.connecting {
            self.connected(hub, transport, now, conn, ready.hung_up);
        } else {
            if ready.ends && entry.peer == PeerSide::Open {
                entry.peer = PeerSide::Ends;
            }
            if ready.writable && entry.unwritten == Unwritten::NoRoom {
                self.send(hub, transport, now, conn);
            }
            if ready.readable {
                self.read(hub, transport, now, conn);
            }
        }
        if let Some(entry) = self.entry(conn).filter(|_| ready.disarmed) {
            entry.rearm = true;
            self.watch(hub, transport, now, conn);
        }
    }

    /// Bytes arrived that were already read: for a transport that is handed the bytes, instead of
    /// reading them. What the hub does not take is kept; the transport should pass no more while
    /// the stream is not [watched](Transport::watch) for reading.
    pub fn received<T>(
        &mut self,
        hub: &mut Hub,
        transport: &mut T,
        now: Instant,
        conn: ConnId,
        bytes: &[u8],
    ) where
        T: Transport<Stream = S>,
    {
        let Some(entry) = self.entry(conn).filter(|entry| entry.peer != PeerSide::Ended) else {
            return;
        };
        if entry.kept() > 0 {
            return entry.keep(bytes);
        }
        let taken = hub.received(now, conn, bytes);
        self.keep(hub, transport, now, conn, &bytes[taken.min(bytes.len())..]);
    }

    /// Reads again the streams whose last read filled the buffer, unless reading was paused, up to
    /// the budget of the round. Returns whether there was any: then call [`turn`](Self::turn), and
    /// this again. Call this after a turn, before the embedder waits. If it is not called, a
    /// level-triggered poller reports these streams as readable again; with an edge-triggered one
    /// they stall.
    pub fn read_on<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant) -> bool
    where
        T: Transport<Stream = S>,
    {
        let filled = self.filled.len();
        for at in 0..filled {
            self.read(hub, transport, now, self.filled[at]);
        }
        self.filled.drain(..filled);
        filled > 0
    }

    /// Reads a stream once, and passes the bytes to the hub.
    fn read<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, conn: ConnId)
    where
        T: Transport<Stream = S>,
    {
        let (round, budget) = (self.round.number, self.budgets.received.min(MOST));
        let Some(entry) = self.entry(conn).filter(|entry| entry.wants_read()) else { return };
        match transport.read(&mut entry.stream) {
            ReadOutcome::Bytes { bytes, filled } => {
                let n = bytes.len();
                let filled = filled || entry.peer == PeerSide::Ends;
                let goes_on = filled && entry.received_in(round, n) < budget;
                let goes_on = self.round.count_received(n, &self.budgets) && goes_on;
                let taken = hub.received(now, conn, bytes);
                if taken < bytes.len() {
                    // The hub paused reading since the last turn, and emits a resume later.
                    let rest = bytes[taken..].to_vec();
                    self.keep(hub, transport, now, conn, &rest);
                } else if goes_on {
                    self.filled.push(conn);
                } else if let Some(entry) = self.entry(conn).filter(|_| filled) {
                    entry.rearm = true;
                    self.watch(hub, transport, now, conn);
                }
            }
            ReadOutcome::Nothing => {}
            ReadOutcome::Eof => {
                entry.peer = PeerSide::Ended;
                let reset = entry.reset;
                self.watch(hub, transport, now, conn);
                match reset {
                    true => hub.reset(now, conn),
                    false => hub.eof(now, conn),
                }
            }
            ReadOutcome::Reset => hub.reset(now, conn),
        }
    }

    /// Keeps what the hub did not take, and pauses reading.
    fn keep<T>(&mut self, hub: &mut Hub, t: &mut T, now: Instant, conn: ConnId, rest: &[u8])
    where
        T: Transport<Stream = S>,
    {
        if let Some(entry) = self.entry(conn).filter(|_| !rest.is_empty()) {
            entry.keep(rest);
            entry.paused = true;
            self.watch(hub, t, now, conn);
        }
    }

    /// Pauses or resumes reading. Before it resumes, it offers the kept bytes again.
    pub(super) fn pause<T>(&mut self, hub: &mut Hub, t: &mut T, now: Instant, conn: ConnId, p: bool)
    where
        T: Transport<Stream = S>,
    {
        let Some(entry) = self.entry(conn) else { return };
        entry.paused = p;
        if let Some(mut kept) = if p { None } else { entry.take_kept() } {
            let taken = hub.received(now, conn, &kept);
            kept.drain(..taken.min(kept.len()));
            let Some(entry) = self.entry(conn) else { return };
            entry.paused = !kept.is_empty();
            entry.keep_again(kept);
        }
        self.watch(hub, t, now, conn);
    }

    /// Writes what the stream takes, up to the budget of this round. After that, the transport
    /// reports the stream as writable again.
    pub(super) fn send<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, conn: ConnId)
    where
        T: Transport<Stream = S>,
    {
        let (round, most_of_region) = (self.round.number, self.budgets.region.max(1) as u64);
        let mut spent = false;
        let wait = loop {
            let budget = self.round.share(&self.budgets).min(MOST);
            let Some(entry) = self.entry(conn) else { return };
            let room = budget.saturating_sub(entry.sent_in(round));
            if room == 0 {
                let more = hub.outgoing(conn, |_| ()).is_some() || hub.file_region(conn).is_some();
                if more {
                    // The stream may take no more: report 0, so that the hub starts its write
                    // timeout.
                    hub.sent(now, conn, 0);
                }
                spent = more;
                break if more { Unwritten::NoRoom } else { Unwritten::None };
            }
            let stream = &mut entry.stream;
            let bytes = hub.outgoing_with(conn, |slices, queued| {
                write(transport, stream, slices, queued, room)
            });
            let written = match bytes {
                Some((written, all)) => (written, (all, false)),
                None => match hub.file_region(conn) {
                    None => break Unwritten::None,
                    Some(region) => {
                        // Parts end with pages of the file, as long as there is room.
                        let most = most_of_region - region.offset % most_of_region;
                        let len = region.len.min(most).min(room as u64);
                        let region = FileRegion { len, ..region };
                        match transport.write_region(conn, stream, region) {
                            RegionOutcome::Wrote(written) => (written, (len as usize, true)),
                            RegionOutcome::Pending => break Unwritten::ReadsRegion,
                            RegionOutcome::Failed(why) => return hub.region_failed(now, conn, why),
                        }
                    }
                },
            };
            match written {
                (WriteOutcome::Took(n), (all, is_region)) => {
                    let before = entry.count_sent(n);
                    self.round.count_sent(before, n, &self.budgets);
                    let left = hub.sent(now, conn, n as u64);
                    // The transport may have read less of a region than there was room for.
                    if n < all && (n == 0 || !is_region) {
                        break Unwritten::NoRoom;
                    }
                    if left == 0 {
                        break Unwritten::None;
                    }
                }
                (WriteOutcome::Failed { reset }, _) => {
                    entry.reset |= reset;
                    hub.write_failed(now, conn);
                    break Unwritten::None;
                }
            }
        };
        let Some(entry) = self.entry(conn) else { return };
        if entry.unwritten != wait || spent {
            entry.unwritten = wait;
            entry.rearm |= spent;
            self.watch(hub, transport, now, conn);
        }
    }

    /// The bytes of a file region for which the transport said
    /// [`RegionOutcome::Pending`] are there, or cannot be read: writes on. Does nothing for a stream
    /// that does not wait for this.
    pub fn region_ready<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, conn: ConnId)
    where
        T: Transport<Stream = S>,
    {
        if self.entry(conn).is_some_and(|entry| entry.unwritten == Unwritten::ReadsRegion) {
            self.send(hub, transport, now, conn);
        }
    }

    /// A stream that is connecting is ready: gets the result.
    fn connected<T>(&mut self, hub: &mut Hub, t: &mut T, now: Instant, conn: ConnId, hung_up: bool)
    where
        T: Transport<Stream = S>,
    {
        let Some(entry) = self.entry(conn) else { return };
        match t.connected(&mut entry.stream, hung_up) {
            ConnectOutcome::Done => {
                (entry.connecting, entry.unwritten) = (false, Unwritten::None);
                entry.watched = Interest::READABLE;
                hub.connected(now, conn);
            }
            ConnectOutcome::UnderWay => {}
            ConnectOutcome::Failed(why) => hub.connect_failed(now, conn, why),
        }
    }

    /// Makes the transport watch a stream for what it waits for, if that has changed, or if an
    /// edge-triggered poller must be armed again.
    pub(super) fn watch<T>(&mut self, hub: &mut Hub, transport: &mut T, now: Instant, conn: ConnId)
    where
        T: Transport<Stream = S>,
    {
        let Some(entry) = self.entry(conn) else { return };
        let interest = entry.interest();
        let rearm = core::mem::take(&mut entry.rearm);
        if interest == entry.watched && !rearm {
            return;
        }
        match transport.watch(conn, &mut entry.stream, interest) {
            Ok(()) => entry.watched = interest,
            Err(Lost) => hub.reset(now, conn),
        }
    }

    pub(super) fn add(&mut self, conn: ConnId, stream: S, connecting: bool) {
        if self.table.len() <= conn.index() {
            self.table.resize_with(conn.index() + 1, || None);
        }
        let before = self.table[conn.index()].replace(StreamEntry::new(conn, stream, connecting));
        self.displaced.extend(before.map(|entry| (entry.conn, entry.stream)));
    }

    /// A connection has ended: removes its stream and closes it.
    pub(super) fn close<T>(&mut self, transport: &mut T, now: Instant, conn: ConnId, end: End)
    where
        T: Transport<Stream = S>,
    {
        self.again.retain(|again| again.conn != conn);
        let place = self.table.get_mut(conn.index());
        let entry = place.and_then(|place| place.take_if(|entry| entry.conn == conn));
        let stream = entry.map(|entry| entry.stream).or_else(|| {
            let at = self.displaced.iter().position(|(displaced, _)| *displaced == conn)?;
            Some(self.displaced.swap_remove(at).1)
        });
        transport.close(now, conn, stream, end);
    }

    pub(super) fn entry(&mut self, conn: ConnId) -> Option<&mut StreamEntry<S>> {
        self.table.get_mut(conn.index())?.as_mut().filter(|entry| entry.conn == conn)
    }
}

/// Writes once, up to `room` bytes, of `queued` bytes in all. Also returns how many bytes there were
/// to write.
fn write<T: Transport>(
    transport: &mut T,
    stream: &mut T::Stream,
    slices: &[&[u8]],
    queued: u64,
    room: usize,
) -> (WriteOutcome, usize) {
    let all = slices.iter().map(|slice| slice.len()).sum();
    if all <= room {
        // If not all is offered, although there was room for more slices, a region comes next.
        let is_before_region = slices.len() < MAX_SLICES && (all as u64) < queued;
        let written = match is_before_region {
            true => transport.write_before_region(stream, slices),
            false => transport.write(stream, slices),
        };
        return (written, all);
    }
    let (mut cut, mut n, mut left): ([&[u8]; MAX_SLICES], _, _) = ([&[]; MAX_SLICES], 0, room);
    for (cut, slice) in cut.iter_mut().zip(slices) {
        if left == 0 {
            break;
        }
        *cut = &slice[..slice.len().min(left)];
        left -= cut.len();
        n += 1;
    }
    (transport.write(stream, &cut[..n]), room)
}

impl<S> fmt::Debug for Streams<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("open", &self.iter().count())
            .field("round", &self.round.number)
            .finish_non_exhaustive()
    }
}
