//! What the fiber of a request and the machine of its connection share.
//!
//! ```text
//!             ──▶ [ incoming ], its end ──────────────▶ Body
//!   machine   ◀── interim responses, in order ◀────────── Body, Request      fiber
//!             ◀── answer, [ outgoing ], its end ◀────── Reply, BodyWriter
//! ```
//!
//! Rules of this file:
//!
//! - Neither side calls the other. Each notes what it did, and wakes: the fiber the machine through
//!   its seat, the machine the fiber through the waker of whoever waits.
//! - Nothing is borrowed while somebody is woken, or while what a stranger made is dropped or
//!   formatted.
//! - `incoming` is as long as it may be (`mark`), plus one read; `outgoing` has a piece for each
//!   write, up to the high-water mark: each is framed by itself, so that what goes out does not
//!   depend on how many of them a step takes, nor on how fast the client reads.
//! - One is made for the first request of a connection that needs it, and used again as soon as
//!   nobody else holds it.
//!
//! It must never know how messages are framed.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;
use core::task::{Context, Poll, Waker, ready};

use super::response::{Content, Stream};
use super::{BodyWriter, Headers, Response, Status};
use crate::fiber::{Spare, Waiting};
use crate::{Blocks, Buffer, Chunk, Error, Limit, Payload, Pipeline, Seat};

#[derive(Default)]
pub(super) struct Exchange {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Of the machine. Nobody has one before the first request begins, and after the last ended.
    seat: Option<Seat>,
    /// The machine looks anyway, when the poll that is under way is over.
    attended: bool,
    /// The client has ended its side.
    has_ended: bool,
    /// Of those that wait for that.
    watchers: Vec<Waker>,
    request: Arriving,
    response: Leaving,
}

/// The body of the request.
#[derive(Default)]
struct Arriving {
    incoming: Buffer<Rc<Vec<u8>>>,
    end: End,
    trailers: Headers,
    /// How much is held before no more is read.
    mark: usize,
    /// The machine holds back what comes: whoever makes room is to wake it.
    held_back: bool,
    /// The client waits to be told that somebody wants the body.
    expected: bool,
    /// Somebody wanted some of it.
    wanted: bool,
    /// Somebody wants all of it at once.
    whole: bool,
    /// Nobody will ask any more.
    dropped: bool,
    reader: Waiting,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Coming,
    /// All of it is in `incoming`, or was taken.
    Complete,
}

/// The response.
#[derive(Default)]
struct Leaving {
    /// In the order of the calls that asked for them.
    interim: Vec<Interim>,
    answer: Option<Result<Response, Error>>,
    /// It was given, whether or not the machine has taken it.
    is_answered: bool,
    /// What was written since the machine last looked, a piece for each write.
    outgoing: Vec<Pipeline>,
    outgoing_len: u64,
    /// What was queued in the connection when the machine last looked.
    below: u64,
    end: Option<Result<Headers, Error>>,
    /// The fiber is gone, and has not said how it ended.
    lost: bool,
    /// There is no body, whatever the answer is: nobody need write one.
    is_head: bool,
    high_water: u64,
    low_water: u64,
    /// Too much is queued. It stays so until no more than `low_water` is.
    blocked: bool,
    /// Something is queued in the connection.
    unsent: bool,
    /// Somebody waits for all to be sent.
    flushing: bool,
    writer: Waiting,
}

/// Writes of a body that one step of the machine takes, at most: small ones cost memory of their own.
const PIECES: usize = 64;

impl Leaving {
    /// Whether one more write may be queued.
    fn has_room(&self) -> bool {
        let queued = self.outgoing_len.saturating_add(self.below);
        let is_full = queued > 0 && queued >= self.high_water.max(1);
        !self.blocked && !is_full && self.outgoing.len() < PIECES
    }
}

/// A response before the final one.
pub(super) enum Interim {
    /// The body is wanted: `100 Continue`, if the client waits for that.
    GoOn,
    /// Whatever the handler says.
    Inform(Status, Headers),
}

/// How a request begins.
pub(super) struct Beginning {
    pub(super) seat: Seat,
    pub(super) is_complete: bool,
    pub(super) is_head: bool,
    pub(super) expects_continue: bool,
    pub(super) has_ended: bool,
    pub(super) read_ahead: usize,
    pub(super) high_water: u64,
    pub(super) low_water: u64,
}

/// What the fiber did since the machine last looked.
pub(super) struct News {
    pub(super) interim: Vec<Interim>,
    pub(super) answer: Option<Result<Response, Error>>,
    pub(super) outgoing: Vec<Pipeline>,
    pub(super) end: Option<Result<Headers, Error>>,
    pub(super) lost: bool,
}

impl State {
    /// The body is wanted: the client is told to go on, if it waits for that and was not told.
    /// Returns whether it is.
    fn ask_for_body(&mut self) -> bool {
        let ask = mem::take(&mut self.request.expected) && !self.response.is_answered;
        if ask {
            self.response.interim.push(Interim::GoOn);
        }
        ask
    }
}

/// The machine's side.
impl Exchange {
    /// A request begins. What was left of the one before is dropped.
    pub(super) fn begin(&self, beginning: Beginning) {
        let Beginning { seat, is_complete, is_head, expects_continue, .. } = beginning;
        let Beginning { has_ended, read_ahead, high_water, low_water, .. } = beginning;
        let former = {
            let state = &mut *self.state.borrow_mut();
            let request = Arriving {
                expected: expects_continue,
                end: if is_complete { End::Complete } else { End::Coming },
                mark: read_ahead.max(1),
                ..Arriving::default()
            };
            let response = Leaving { is_head, high_water, low_water, ..Leaving::default() };
            let watchers = Vec::new();
            let seat = Some(seat);
            let begun = State { seat, attended: false, has_ended, watchers, request, response };
            mem::replace(state, begun)
        };
        drop(former);
    }

    /// It is over: whoever still holds a part of it is told.
    pub(super) fn finish(&self) {
        let (former, wakers, watchers) = {
            let state = &mut *self.state.borrow_mut();
            let wakers = [state.request.reader.take(), state.response.writer.take()];
            let watchers = mem::take(&mut state.watchers);
            (mem::take(state), wakers, watchers)
        };
        drop(former);
        wakers.into_iter().flatten().chain(watchers).for_each(Waker::wake);
    }

    /// The client ended its side.
    pub(super) fn peer_ended(&self) {
        let watchers = {
            let state = &mut *self.state.borrow_mut();
            state.has_ended = true;
            mem::take(&mut state.watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Whether more of the body is welcome. Before somebody asks for it, none is: what the handler
    /// answers then cannot depend on how much of the body had come.
    ///
    /// `is_full`: the service holds as much as it may. Then who takes it piece by piece gets one piece
    /// at a time.
    pub(super) fn has_room(&self, is_full: bool) -> bool {
        let request = &mut self.state.borrow_mut().request;
        let fits = !is_full || request.whole || request.incoming.is_empty();
        let room =
            request.wanted && fits && request.incoming.len() < request.mark && !request.dropped;
        request.held_back = !room;
        room
    }

    /// A part of the body.
    pub(super) fn arrives(&self, data: &[u8], blocks: &RefCell<Blocks<Rc<Vec<u8>>>>) {
        let reader = {
            let request = &mut self.state.borrow_mut().request;
            if !request.dropped {
                request.incoming.push(data, &mut blocks.borrow_mut());
            }
            request.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }

    /// The body is complete.
    pub(super) fn arrived(&self, trailers: Headers) {
        let reader = {
            let request = &mut self.state.borrow_mut().request;
            request.end = End::Complete;
            request.trailers = trailers;
            request.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }

    /// Has the fiber run from a step of the machine, which looks when that is over.
    pub(super) fn attend(&self, poll: impl FnOnce()) {
        self.state.borrow_mut().attended = true;
        poll();
        self.state.borrow_mut().attended = false;
    }

    pub(super) fn news(&self) -> News {
        let response = &mut self.state.borrow_mut().response;
        response.outgoing_len = 0;
        News {
            interim: mem::take(&mut response.interim),
            answer: response.answer.take(),
            outgoing: mem::take(&mut response.outgoing),
            end: response.end.take(),
            lost: response.lost,
        }
    }

    /// Takes back the list of pieces, empty, for the next ones.
    pub(super) fn give_back(&self, pieces: Vec<Pipeline>) {
        let response = &mut self.state.borrow_mut().response;
        if response.outgoing.capacity() == 0 {
            response.outgoing = pieces;
        }
    }

    /// So much is queued in the connection. Returns below how much the machine is to look again,
    /// or zero.
    pub(super) fn queued(&self, queued: u64) -> u64 {
        let (writer, below) = {
            let response = &mut self.state.borrow_mut().response;
            response.unsent = queued > 0;
            response.below = queued;
            response.blocked = match response.blocked {
                true => queued > response.low_water,
                false => queued >= response.high_water.max(1),
            };
            let goes_on = match response.flushing {
                true => queued == 0 && response.outgoing.is_empty(),
                false => !response.blocked,
            };
            let below = match response.flushing {
                _ if goes_on => 0,
                true => 1,
                false => response.low_water.saturating_add(1),
            };
            (if goes_on { response.writer.take() } else { None }, below)
        };
        writer.into_iter().for_each(Waker::wake);
        below
    }
}

/// The fiber's side.
impl Exchange {
    /// Says how the handler answered. Returns what writes the body, if somebody is to.
    pub(super) fn answer(&self, mut answer: Result<Response, Error>) -> Option<Stream> {
        let mut stream = None;
        if let Ok(Response { content: content @ Content::Stream(..), .. }) = &mut answer {
            if let Content::Stream(length, write) = mem::replace(content, Content::Empty) {
                *content = Content::Streaming(length);
                stream = Some(write);
            }
        }
        let is_head = self.state.borrow().response.is_head;
        // The body of an answer to HEAD ends where it begins.
        let unwanted = stream.take_if(|_| is_head);
        let end = unwanted.is_some().then(|| Ok(Headers::new()));
        drop(unwanted);
        let reads_on = stream.is_some();
        self.change(|state| {
            // A stream that still has the body may read it, when it is too late to ask for it.
            if reads_on && !state.request.dropped {
                state.ask_for_body();
            }
            state.response.answer = Some(answer);
            state.response.is_answered = true;
            state.response.end = end;
        });
        stream
    }

    /// The body was written, or could not be.
    pub(super) fn end(&self, end: Result<Headers, Error>) {
        self.change(|state| state.response.end = Some(end));
    }

    /// The fiber ends without a word.
    pub(super) fn lose(&self) {
        self.change(|state| state.response.lost = true);
    }

    /// An interim response is to go out. Behind the answer there can be none.
    pub(super) fn inform(&self, status: Status, headers: Headers) {
        self.change(|state| {
            if !state.response.is_answered {
                state.response.interim.push(Interim::Inform(status, headers));
            }
        });
    }

    /// Nobody will ask for the body any more.
    pub(super) fn drop_body(&self) {
        let (incoming, seat) = {
            let State { seat, request, .. } = &mut *self.state.borrow_mut();
            request.dropped = true;
            (mem::take(&mut request.incoming), seat.clone())
        };
        let mut incoming = incoming;
        if let Some(seat) = seat {
            incoming.clear(&mut seat.core().slices.borrow_mut());
        }
    }

    /// Whether the whole body is collected here.
    pub(super) fn is_collecting(&self) -> bool {
        let request = &self.state.borrow().request;
        request.whole && !request.dropped
    }

    /// Bytes of the body that are held here.
    pub(super) fn held_body(&self) -> usize {
        self.state.borrow().request.incoming.len()
    }

    /// Bytes that are held here, in and out.
    pub(super) fn held(&self) -> usize {
        let State { request, response, .. } = &*self.state.borrow();
        let outgoing = usize::try_from(response.outgoing_len).unwrap_or(usize::MAX);
        request.incoming.len().saturating_add(outgoing)
    }

    pub(super) fn trailers(&self) -> Headers {
        self.state.borrow().request.trailers.clone()
    }

    pub(super) fn is_complete(&self) -> bool {
        let request = &self.state.borrow().request;
        request.end == End::Complete && request.incoming.is_empty()
    }

    /// Something of the body, or `None` at its end.
    pub(super) fn poll_some(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        self.poll_incoming(cx, |incoming, end, blocks| match end {
            _ if !incoming.is_empty() => Some(Ok(Some(incoming.take_some(usize::MAX, blocks)))),
            End::Coming => None,
            End::Complete => Some(Ok(None)),
        })
    }

    /// The whole body, of no more than `limit` bytes.
    pub(super) fn poll_whole(
        &self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Result<Chunk, Error>> {
        {
            // The one byte more that shows that it is too much.
            let request = &mut self.state.borrow_mut().request;
            request.mark = request.mark.max(limit.saturating_add(1));
            request.whole = true;
        }
        self.poll_incoming(cx, |incoming, end, blocks| match end {
            _ if incoming.len() > limit => Some(Err(Error::Limit(Limit::Body(limit)))),
            End::Coming => None,
            End::Complete => Some(Ok(incoming.take(incoming.len(), blocks))),
        })
    }

    fn poll_incoming<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl Fn(
            &mut Buffer<Rc<Vec<u8>>>,
            End,
            &mut Blocks<Rc<Vec<u8>>>,
        ) -> Option<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let Some(seat) = self.seat() else { return Poll::Ready(Err(Error::Closed)) };
        let core = seat.core();
        ready!(core.may_go_on(cx))?;
        let mut spare = Spare::default();
        let mut ask = false;
        let (taken, wake) = loop {
            let mut borrowed = self.state.borrow_mut();
            let state = &mut *borrowed;
            // Whether or not all of it came: what is said must not depend on that.
            ask |= state.ask_for_body();
            let request = &mut state.request;
            let taken = take(&mut request.incoming, request.end, &mut core.slices.borrow_mut());
            if taken.is_none() && !request.reader.register(cx, &mut spare) {
                drop(borrowed);
                spare.fill(cx);
                continue;
            }
            request.wanted = true;
            let room = request.held_back && request.incoming.len() < request.mark;
            break (taken, ask || room);
        };
        if wake {
            self.wake(&seat);
        }
        match taken {
            Some(taken) => {
                core.spend_token();
                Poll::Ready(taken)
            }
            None => Poll::Pending,
        }
    }

    /// Hands a part of the response's body over, as soon as the one before was taken, and there is
    /// room.
    pub(super) fn poll_write<P: Payload>(
        &self,
        cx: &mut Context<'_>,
        payload: &mut P,
    ) -> Poll<Result<(), Error>> {
        let Some(seat) = self.seat() else { return Poll::Ready(Err(Error::Closed)) };
        let core = seat.core();
        ready!(core.may_go_on(cx))?;
        let mut spare = Spare::default();
        loop {
            let mut state = self.state.borrow_mut();
            let response = &mut state.response;
            if response.has_room() {
                break;
            }
            if response.writer.register(cx, &mut spare) {
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
        // What formats itself may be code of a stranger: nothing is borrowed meanwhile.
        let mut lent = Lent {
            exchange: self,
            outgoing: Pipeline::new(),
            seat: &seat,
            blocks: mem::take(&mut core.workspace.borrow_mut().blocks),
        };
        let queued = payload.queue_in(&mut lent.outgoing, &mut lent.blocks);
        drop(lent);
        core.spend_token();
        self.wake(&seat);
        Poll::Ready(queued.map_err(|_| Error::Closed))
    }

    /// Waits until everything that was written is sent.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(seat) = self.seat() else { return Poll::Ready(Err(Error::Closed)) };
        let core = seat.core();
        ready!(core.may_go_on(cx))?;
        let mut spare = Spare::default();
        loop {
            let mut state = self.state.borrow_mut();
            let response = &mut state.response;
            let is_told = response.answer.is_none();
            response.flushing = response.unsent || !is_told || !response.outgoing.is_empty();
            if !response.flushing {
                core.spend_token();
                return Poll::Ready(Ok(()));
            }
            let is_registered = response.writer.register(cx, &mut spare);
            drop(state);
            if is_registered {
                self.wake(&seat);
                return Poll::Pending;
            }
            spare.fill(cx);
        }
    }

    /// Waits until the client ended its side, or the request is over.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut spare = None;
        loop {
            {
                let state = &mut *self.state.borrow_mut();
                if state.has_ended || state.seat.is_none() {
                    return Poll::Ready(());
                }
                if state.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    return Poll::Pending;
                }
                if let Some(waker) = spare.take() {
                    state.watchers.push(waker);
                    return Poll::Pending;
                }
            }
            // Cloned while nothing is borrowed: that may run user code.
            spare = Some(cx.waker().clone());
        }
    }

    fn seat(&self) -> Option<Seat> {
        self.state.borrow().seat.clone()
    }

    /// Changes something that the machine is to know. Once it is over, nothing changes any more.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let seat = {
            let state = &mut *self.state.borrow_mut();
            if state.seat.is_some() {
                change(state);
            }
            state.seat.clone()
        };
        if let Some(seat) = seat {
            self.wake(&seat);
        }
    }

    fn wake(&self, seat: &Seat) {
        if !self.state.borrow().attended {
            seat.wake();
        }
    }
}

/// The queue and its memory, taken out for as long as something is pushed. They go back however
/// that ends.
struct Lent<'a> {
    exchange: &'a Exchange,
    seat: &'a Seat,
    outgoing: Pipeline,
    blocks: Blocks,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.seat.core().workspace.borrow_mut().blocks = mem::take(&mut self.blocks);
        let response = &mut self.exchange.state.borrow_mut().response;
        if !self.outgoing.is_empty() {
            response.outgoing_len = response.outgoing_len.saturating_add(self.outgoing.len());
            response.outgoing.push(mem::take(&mut self.outgoing));
        }
    }
}

/// The fiber's duty to answer: dropped before it did, it says so.
pub(super) struct Reply {
    exchange: Rc<Exchange>,
    is_given: bool,
}

impl Reply {
    pub(super) fn new(exchange: Rc<Exchange>) -> Self {
        Reply { exchange, is_given: false }
    }

    /// Answers, and writes the body if that is a stream.
    pub(super) async fn give(mut self, answer: Result<Response, Error>) {
        if let Some(write) = self.exchange.answer(answer) {
            let end = write(BodyWriter::new(Rc::clone(&self.exchange))).await;
            self.exchange.end(end);
        }
        self.is_given = true;
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.is_given {
            self.exchange.lose();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Body;

    #[test]
    fn a_writer_waits_from_the_high_water_mark_to_the_low_one() {
        let exchange = Exchange::default();
        (
            exchange.state.borrow_mut().response.high_water,
            exchange.state.borrow_mut().response.low_water,
        ) = (10, 4);
        for (queued, below) in [(9, 0), (10, 5), (5, 5), (4, 0), (9, 0)] {
            assert_eq!(exchange.queued(queued), below, "{queued}");
            assert!(exchange.state.borrow().response.unsent);
        }
        exchange.state.borrow_mut().response.flushing = true;
        for (queued, below) in [(10, 1), (1, 1), (0, 0)] {
            assert_eq!(exchange.queued(queued), below, "{queued} to be flushed");
            assert_eq!(exchange.state.borrow().response.unsent, queued > 0);
        }
    }

    #[test]
    fn there_is_room_up_to_the_mark_until_the_body_is_dropped() {
        let exchange = Rc::new(Exchange::default());
        let blocks = &RefCell::default();
        exchange.state.borrow_mut().request.mark = 3;
        assert!(!exchange.has_room(false), "nobody asked for it");
        exchange.state.borrow_mut().request.wanted = true;
        for (n, has_room) in [(1, true), (2, true), (3, false), (4, false)] {
            exchange.arrives(b"x", blocks);
            assert_eq!((exchange.held(), exchange.has_room(false)), (n, has_room));
        }
        drop(Body::of(Rc::clone(&exchange)));
        assert_eq!((exchange.held(), exchange.has_room(false)), (0, false));
        exchange.arrives(b"x", blocks);
        assert_eq!(exchange.held(), 0);
    }
}
