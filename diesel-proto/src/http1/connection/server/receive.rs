//! Receives heads, bodies, trailers, and the end of the stream.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::state::ClientEvent;
use super::super::state::{ClientState, ServerState};
use super::event::Received;
use super::{Protocols, SharedServerConnection, Traits};
use crate::buf::Blocks;
use crate::http1::message::{BodyPart, ReadHead};
use crate::http1::syntax::{FieldSpans, Framing, Limits, Rejection, RequestHead, Rule, Version};
use crate::http1::syntax::{HeadMap, HeadReader, Method};

impl SharedServerConnection {
    /// Takes bytes from the front of `bytes`: returns how many, and at most one event. Call it
    /// again with the rest, even if that is empty, until it returns no event.
    ///
    /// If bytes are left then, nothing more is read for now: the answer to a request is incomplete,
    /// or the connection must be closed, or it was switched. Offer the bytes that were not taken
    /// again later.
    ///
    /// `spans` and `blocks` are memory of the caller, reused for every message.
    ///
    /// # Errors
    ///
    /// The rule that was broken, and where. Nothing more is read, and further calls return the
    /// same. Answer it with [`reject`](Self::reject), or like any request.
    ///
    /// # Cost
    ///
    /// Linear in the bytes taken. A complete head is not copied.
    pub fn receive<'a>(
        &'a mut self,
        bytes: &'a [u8],
        spans: &'a mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<Received<'a>>), Rejection> {
        if let Some(rejection) = self.rejection {
            return Err(rejection);
        }
        self.reader.let_go(blocks);
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            if self.must_close() {
                return Ok((taken, None));
            }
            if self.state.client == ClientState::Idle && self.state.keep_alive {
                if rest.is_empty() {
                    return Ok((taken, None));
                }
                return self.head(rest, taken, spans, blocks);
            }
            if self.state.client != ClientState::Sending {
                return Ok((taken, None));
            }
            let read = self.reader.body(rest, &self.config.limits, spans, blocks);
            let (n, part) = read.map_err(|rejection| self.refuse(rejection))?;
            taken += n;
            match part {
                None => return Ok((taken, None)),
                Some(BodyPart::Data(data)) if self.drains(data.len()) => {}
                Some(BodyPart::Data(data)) => return Ok((taken, Some(Received::Data(data)))),
                Some(BodyPart::End(section)) => {
                    let drained = self.drains(0);
                    let _ = self.state.client(ClientEvent::End);
                    if !drained {
                        let trailers = self.reader.trailers(section, spans);
                        return Ok((taken, Some(Received::End(trailers))));
                    }
                    self.reader.let_go(blocks);
                }
            }
        }
    }

    /// Reports a half-close: the client ended its side of the stream. Call this after all its bytes
    /// were taken.
    ///
    /// # Errors
    ///
    /// If a head or a body is incomplete.
    pub fn eof(&mut self) -> Result<(), Rejection> {
        if let Some(rejection) = self.rejection {
            return Err(rejection);
        }
        match self.state.client {
            ClientState::Idle if self.reader.has_partial() => {
                Err(self.refuse_here(Rule::HeadIncomplete))
            }
            ClientState::Idle => {
                let _ = self.state.client(ClientEvent::Eof);
                Ok(())
            }
            ClientState::Sending => Err(self.refuse_here(Rule::BodyIncomplete)),
            _ => {
                // The client may still read the response; no other request follows.
                self.state.give_up();
                Ok(())
            }
        }
    }

    /// Reports a timeout: the client took too long. Returns `None` if no head or body is
    /// incomplete: then the connection was idle, and must be closed.
    pub fn timed_out(&mut self) -> Option<Rejection> {
        match self.state.client {
            ClientState::Idle if self.reader.has_partial() => {
                Some(self.refuse_here(Rule::HeadTimeout))
            }
            ClientState::Sending => Some(self.refuse_here(Rule::BodyTimeout)),
            _ => {
                self.state.give_up();
                None
            }
        }
    }

    /// Reports that the body is arriving too slowly as a whole. Returns `None` if no body is
    /// arriving.
    pub fn too_slow(&mut self) -> Option<Rejection> {
        self.is_in_body().then(|| self.refuse_here(Rule::BodyTooSlow))
    }

    /// Whether `n` bytes of a body are drained, only to reach the next request, because the
    /// response is complete. Beyond the limit the connection does not persist.
    fn drains(&mut self, n: usize) -> bool {
        if self.state.server != ServerState::Done {
            return false;
        }
        self.drained = self.drained.saturating_add(n as u64);
        if self.drained > self.config.limits.drain {
            self.state.give_up();
        }
        true
    }

    fn head<'a>(
        &'a mut self,
        mut rest: &'a [u8],
        mut before: usize,
        spans: &'a mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<Received<'a>>), Rejection> {
        if self.reader.is_empty() && (rest.first() == Some(&b'\r') || self.skipped > 0) {
            let skipped = self.skip_empty_lines(rest)?;
            before += skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            if rest.is_empty() {
                return Ok((before, None));
            }
        }
        let is_first = self.reader.is_empty() && self.skipped == 0;
        let taken = if is_first && spans.recall(rest, &self.config.limits) {
            let len = spans.map().len();
            self.reader.advance(len as u64);
            len
        } else if let Some(taken) = self.read_head(rest, spans, blocks)? {
            taken
        } else {
            return Ok((before + rest.len(), None));
        };
        let spans = &*spans;
        self.begin(spans.kept())?;
        Ok((before + taken, Some(Received::Request(spans.kept()))))
    }

    /// Skips empty lines before a request line, which begin no head (RFC 9112, 2.2). They count
    /// towards the limit of a request line, and are not buffered. Returns how many bytes they are.
    #[cold]
    fn skip_empty_lines(&mut self, rest: &[u8]) -> Result<usize, Rejection> {
        let most = self.config.limits.request_line;
        let mut n = 0;
        let rejection = loop {
            if self.skipped >= most {
                break Rejection::new(Rule::RequestLineTooLong, self.reader.taken());
            }
            match (self.skipped % 2, rest.get(n)) {
                (0, Some(b'\r')) | (1, Some(b'\n')) => {}
                // The CR before this byte is alone.
                (1, Some(_)) => break Rejection::new(Rule::BareCr, self.reader.taken() - 1),
                _ => return Ok(n),
            }
            n += 1;
            self.reader.advance(1);
            self.skipped += 1;
        };
        // A client that has not sent HTTP/1.1 may not support it.
        self.request = Traits { is_http10: true, ..Traits::default() };
        Err(self.refuse(rejection))
    }

    /// Reads a head, and keeps it in `spans`. If it is complete, returns how many bytes of `rest`
    /// belong to it. If not, all of `rest` is buffered.
    #[inline(never)]
    fn read_head(
        &mut self,
        rest: &[u8],
        spans: &mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<Option<usize>, Rejection> {
        let fewer;
        let limits = match (&self.config.limits, self.skipped) {
            (limits, 0) => limits,
            (limits, skipped) => {
                let request_line = limits.request_line.saturating_sub(skipped);
                fewer = Limits { request_line, ..*limits };
                &fewer
            }
        };
        let request = &mut self.request;
        let found = self.reader.head(rest, limits, spans, blocks, |reader, bytes| {
            *request = Traits::so_far(reader, bytes);
        });
        found.map_err(|rejection| self.refuse(rejection))
    }

    /// Begins a request: applies what its head asks for.
    fn begin(&mut self, head: RequestHead<'_>) -> Result<(), Rejection> {
        let map = head.map();
        self.skipped = 0;
        self.request = Traits::of(map);
        self.upgrade = map.options.upgrade.then(|| Box::new(Protocols::of(head)));
        self.drained = 0;
        self.requests = self.requests.saturating_add(1);
        let config = &self.config;
        let limit = config.limits.body;
        let refused = match map.framing {
            _ if self.request.is_http10 && config.require_http11 => Some(Rule::Http11Required),
            _ if self.request.is_connect && !config.tunnels => Some(Rule::TunnelUnsupported),
            Framing::Empty if map.kind() == Method::Sends && config.require_length => {
                Some(Rule::LengthRequired)
            }
            Framing::Length(length) if length > limit => Some(Rule::BodyTooLarge),
            _ => None,
        };
        if let Some(rule) = refused {
            return Err(self.refuse_here(rule));
        }
        let is_last = self.requests >= config.limits.requests;
        let keeps = match map.version() {
            Version::Http10 => map.options.keep_alive && !map.options.close,
            Version::Http11 => !map.options.close,
        };
        let has_body = self.reader.begin_body(map.framing, &config.limits);
        let event = if has_body { ClientEvent::Request } else { ClientEvent::WholeRequest };
        let _ = self.state.client(event);
        // The bytes after CONNECT are no request, whether or not the tunnel is opened.
        if is_last || !keeps || self.request.is_connect {
            self.state.give_up();
        }
        Ok(())
    }
}

impl Protocols {
    /// The protocols that a request asks for.
    fn of(head: RequestHead<'_>) -> Self {
        let lines: Vec<&[u8]> = head.fields().get_all("upgrade").collect();
        Protocols(lines.join(&b','))
    }
}

impl Traits {
    #[inline]
    fn of(map: &HeadMap) -> Self {
        let expects_continue = map.options.expects_continue;
        let has_body = !matches!(map.framing, Framing::Empty | Framing::Length(0));
        Traits {
            is_http10: map.version() == Version::Http10,
            is_head: map.kind() == Method::Head,
            is_connect: map.kind() == Method::Connect,
            expects_continue: expects_continue && has_body,
            owes_continue: expects_continue,
            is_continued: false,
        }
    }

    /// For a request whose head is incomplete or invalid: what the response depends on, if the
    /// request is refused now or later. The request before it does not matter. A client that has
    /// not sent HTTP/1.1 may support neither chunks nor interim responses (RFC 9112, 6.1; RFC 9110,
    /// 15.2).
    fn so_far(reader: &HeadReader, bytes: &[u8]) -> Self {
        Traits {
            is_http10: !reader.is_of_http11(bytes),
            is_head: reader.is_of_head(bytes),
            ..Traits::default()
        }
    }
}

impl ReadHead for HeadReader {
    fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<Option<usize>, Rejection> {
        let is_complete = HeadReader::read(self, bytes, limits, spans)?;
        Ok(is_complete.then(|| spans.map().len()))
    }

    #[inline]
    fn keep(spans: &mut FieldSpans, head: &[u8]) {
        spans.keep_request(head);
    }
}
