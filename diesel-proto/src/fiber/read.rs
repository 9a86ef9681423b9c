//! Tokens that wait for bytes.
//!
//! There is one future, [`Read`], and one [`Want`] for each thing that can be waited for. A want
//! either takes all that it asks for from the input, or nothing. Hence cancel safety: dropping a
//! token loses no bytes.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::channel::ConnShared;
use super::waiting::SpareWaker;
use crate::buf::{Blocks, Buffer, Chunk, Line};
use crate::hub::Core;
use crate::machine::{Error, Limit};

/// Waits for bytes of one connection. Made by the methods of [`Conn`](super::conn::Conn) and
/// [`Reader`](super::conn::Reader). Polled again after it is done, it waits for the same again.
///
/// ```
/// # use diesel_proto::*;
/// /// Reads a line of at most 80 bytes, then as many bytes as that line says.
/// async fn record(conn: &mut Conn) -> Result<Chunk, Error> {
///     let line = conn.until_eol().limit(80).await?;
///     let n: usize = line.trimmed().parse()?;
///     conn.bytes(n).limit(1 << 20).await
/// }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, W> {
    socket: &'a ConnShared,
    want: W,
}

impl<'a, W> Read<'a, W> {
    fn new(socket: &'a ConnShared, want: W) -> Self {
        Read { socket, want }
    }
}

impl<'a> Read<'a, Until<'a>> {
    pub(crate) fn until(socket: &'a ConnShared, sentinel: &'a [u8]) -> Self {
        Read::new(socket, Until { sentinel, limit: socket.config.read_limit })
    }
}

impl<'a> Read<'a, UntilEol> {
    pub(crate) fn until_eol(socket: &'a ConnShared) -> Self {
        Read::new(socket, UntilEol { limit: socket.config.read_limit })
    }
}

impl<'a> Read<'a, Count> {
    pub(crate) fn bytes(socket: &'a ConnShared, n: usize) -> Self {
        Read::new(socket, Count { n, limit: socket.config.read_limit })
    }
}

impl<'a> Read<'a, Peek> {
    pub(crate) fn peek(socket: &'a ConnShared, n: usize) -> Self {
        Read::new(socket, Peek { n, limit: socket.config.read_limit })
    }
}

impl<'a> Read<'a, Some> {
    pub(crate) fn some(socket: &'a ConnShared) -> Self {
        Read::new(socket, Some { limit: socket.config.read_ahead })
    }
}

impl<'a> Read<'a, ToEnd> {
    pub(crate) fn to_end(socket: &'a ConnShared, limit: usize) -> Self {
        Read::new(socket, ToEnd { limit })
    }
}

impl<W: Want> Read<'_, W> {
    /// Limits this call to `bytes`, instead of the service's
    /// [`read_limit`](crate::hub::ServiceConfig::read_limit).
    pub fn limit(mut self, bytes: usize) -> Self {
        self.want.set_limit(bytes);
        self
    }
}

impl<W: Want + Unpin> Future for Read<'_, W> {
    type Output = Result<W::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Read { socket, want } = self.get_mut();
        let core = &*socket.core;
        ready!(core.may_go_on(cx))?;
        let mut spare = SpareWaker::default();
        loop {
            let mut borrowed = socket.channel.borrow_mut();
            let channel = &mut *borrowed;
            let input = channel.input.buffer();
            let taken = want.take(input, &mut core.slices.borrow_mut(), channel.eof);
            // Returned here rather than after the match, which would move it once more.
            let error = match taken {
                Ok(Some(taken)) => {
                    token_done(core, socket, channel.paused);
                    return Poll::Ready(Ok(taken));
                }
                Err(limit) => {
                    core.counters.borrow_mut().limit_reads += 1;
                    Error::Limit(limit)
                }
                Ok(None) => match channel.read_error() {
                    Some(error) => error,
                    None if core.forbids_waiting(core.now.get()) => Error::Shutdown,
                    None if channel.reader.register(cx, &mut spare) => {
                        // The token waits for more than is held: reading must not stay paused.
                        if channel.paused || channel.input.len() >= socket.config.read_ahead {
                            socket.wake_machine();
                        }
                        return Poll::Pending;
                    }
                    None => {
                        drop(borrowed);
                        spare.fill(cx);
                        continue;
                    }
                },
            };
            token_done(core, socket, channel.paused);
            return Poll::Ready(Err(error));
        }
    }
}

/// A token completed or failed. If reading is paused, the machine checks whether to resume it.
fn token_done(core: &Core, socket: &ConnShared, paused: bool) {
    core.spend_token();
    if paused {
        socket.wake_machine();
    }
}

type InputBuffer = Buffer<Rc<Vec<u8>>>;
type LentBlocks = Blocks<Rc<Vec<u8>>>;

/// What a [`Read`] waits for.
///
/// Example: see [`Read`].
pub trait Want: sealed::Sealed {
    /// What the token returns.
    type Output;

    #[doc(hidden)]
    fn set_limit(&mut self, limit: usize);

    /// Takes all that is wanted, or nothing yet.
    #[doc(hidden)]
    fn take(
        &mut self,
        input: &mut InputBuffer,
        blocks: &mut LentBlocks,
        ended: bool,
    ) -> Result<Option<Self::Output>, Limit>;
}

mod sealed {
    pub trait Sealed {}
}

/// See [`Reader::until`](super::conn::Reader::until).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct Until<'a> {
    pub(crate) sentinel: &'a [u8],
    pub(crate) limit: usize,
}

/// See [`Reader::until_eol`](super::conn::Reader::until_eol).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct UntilEol {
    pub(crate) limit: usize,
}

/// See [`Reader::bytes`](super::conn::Reader::bytes).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct Count {
    pub(crate) n: usize,
    pub(crate) limit: usize,
}

/// See [`Reader::peek`](super::conn::Reader::peek).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct Peek {
    pub(crate) n: usize,
    pub(crate) limit: usize,
}

/// See [`Reader::some`](super::conn::Reader::some).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct Some {
    pub(crate) limit: usize,
}

/// See [`Reader::to_end`](super::conn::Reader::to_end).
///
/// Example: see [`Conn`](super::conn::Conn).
#[derive(Debug)]
pub struct ToEnd {
    pub(crate) limit: usize,
}

#[inline(always)]
fn take_until(
    sentinel: &[u8],
    limit: usize,
    input: &mut InputBuffer,
    blocks: &mut LentBlocks,
) -> Result<Option<Chunk>, Limit> {
    let taken = match sentinel {
        [byte] => input.take_through(*byte, limit, blocks),
        _ => input.find(sentinel, limit).map(|found| found.map(|n| input.take(n, blocks))),
    };
    taken.map_err(|too_long| Limit::Line(too_long.limit))
}

macro_rules! want {
    ($name:ty, $output:ty, |$self:ident, $input:ident, $blocks:ident, $ended:ident| $take:expr) => {
        impl sealed::Sealed for $name {}
        impl Want for $name {
            type Output = $output;
            fn set_limit(&mut self, limit: usize) {
                self.limit = limit;
            }
            #[inline(always)]
            fn take(
                &mut $self,
                $input: &mut InputBuffer,
                $blocks: &mut LentBlocks,
                $ended: bool,
            ) -> Result<Option<$output>, Limit> {
                $take
            }
        }
    };
}

want!(Until<'_>, Chunk, |self, input, blocks, _ended| {
    take_until(self.sentinel, self.limit, input, blocks)
});

want!(UntilEol, Line, |self, input, blocks, _ended| {
    Ok(take_until(b"\n", self.limit, input, blocks)?.map(Line::from))
});

want!(Count, Chunk, |self, input, blocks, _ended| {
    if self.n > self.limit {
        return Err(Limit::Count(self.limit));
    }
    Ok((input.len() >= self.n).then(|| input.take(self.n, blocks)))
});

want!(Peek, Chunk, |self, input, blocks, _ended| {
    if self.n > self.limit {
        return Err(Limit::Count(self.limit));
    }
    Ok((input.len() >= self.n).then(|| input.share(self.n, blocks)))
});

want!(Some, Chunk, |self, input, blocks, _ended| {
    let max = self.limit.max(1);
    Ok((!input.is_empty()).then(|| input.take_some(max, blocks)))
});

want!(ToEnd, Chunk, |self, input, blocks, ended| {
    if input.len() > self.limit {
        return Err(Limit::ToEnd(self.limit));
    }
    let all = input.len();
    Ok(ended.then(|| input.take(all, blocks)))
});
