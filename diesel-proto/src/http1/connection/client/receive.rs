//! Receives responses, interim and final, with their bodies and trailers, and the end of the stream.

use super::super::state::{ClientEvent, ClientState, ServerEvent, ServerState};
use super::SharedClientConnection;
use super::event::ResponsePart;
use crate::buf::Blocks;
use crate::http1::message::{BodyPart, ReadHead, WriteStage};
use crate::http1::syntax::{
    FieldSpans, FieldsView, Framing, Limits, Rejection, ResponseFraming, ResponseHead,
    ResponseReader, Rule, Status, Version, are_among,
};

impl SharedClientConnection {
    /// Takes bytes from the front of `bytes`: returns how many, and at most one part of a response.
    /// Call it again with the rest, even if that is empty, until it returns no part.
    ///
    /// If bytes are left then, nothing more is read: the connection must be closed, or was
    /// switched.
    ///
    /// `spans` and `blocks` are memory of the caller, reused for every message.
    ///
    /// # Errors
    ///
    /// The rule that was broken, and where. Nothing more is read, and further calls return the
    /// same; the connection must be closed. What was returned before is sound.
    ///
    /// # Cost
    ///
    /// Linear in the bytes taken. A complete head is not copied.
    pub fn receive<'a>(
        &'a mut self,
        bytes: &'a [u8],
        spans: &'a mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<ResponsePart<'a>>), Rejection> {
        if let Some(rejection) = self.rejection {
            return Err(rejection);
        }
        self.reader.let_go(blocks);
        match self.state.server {
            ServerState::SendResponse if bytes.is_empty() => Ok((0, None)),
            ServerState::SendResponse => self.head(bytes, spans, blocks),
            ServerState::Sending => self.body(bytes, spans, blocks),
            // RFC 9112, 9.2.
            ServerState::Idle | ServerState::Done if !bytes.is_empty() => {
                Err(self.refuse_here(Rule::ResponseUnrequested))
            }
            _ => Ok((0, None)),
        }
    }

    /// Reports that the server ended the stream in an orderly way. Call this after all its bytes
    /// were taken. Returns whether that completes a response, which then has no trailers.
    ///
    /// # Errors
    ///
    /// If a response is missing or incomplete.
    pub fn eof(&mut self) -> Result<bool, Rejection> {
        if self.ends_with_stream() && self.rejection.is_none() {
            self.state.give_up();
            let _ = self.state.server(ServerEvent::End);
            return Ok(true);
        }
        self.cut().map(|()| false)
    }

    /// Reports that the stream is gone in any other way: the server reset it, or TLS did not close
    /// it. A response that ends with the stream is incomplete then (RFC 9112, 8).
    ///
    /// # Errors
    ///
    /// If a response is missing or incomplete.
    pub fn cut(&mut self) -> Result<(), Rejection> {
        if let Some(rejection) = self.rejection {
            return Err(rejection);
        }
        match self.state.server {
            ServerState::SendResponse if self.reader.has_partial() => {
                Err(self.refuse_here(Rule::HeadIncomplete))
            }
            ServerState::SendResponse => Err(self.refuse_here(Rule::ResponseMissing)),
            ServerState::Sending => Err(self.refuse_here(Rule::BodyIncomplete)),
            _ => {
                let _ = self.state.server(ServerEvent::Eof);
                self.state.give_up();
                Ok(())
            }
        }
    }

    fn body<'a>(
        &'a mut self,
        bytes: &'a [u8],
        spans: &'a mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<ResponsePart<'a>>), Rejection> {
        let read = self.reader.body(bytes, &self.limits, spans, blocks);
        let (taken, part) = read.map_err(|rejection| self.refuse(rejection))?;
        let part = match part {
            None => None,
            Some(BodyPart::Data(data)) => Some(ResponsePart::Data(data)),
            Some(BodyPart::End(section)) => {
                let _ = self.state.server(ServerEvent::End);
                self.begin_next();
                Some(ResponsePart::End(match section {
                    None => FieldsView::default(),
                    section => self.reader.trailers(section, spans),
                }))
            }
        };
        Ok((taken, part))
    }

    fn head<'a>(
        &'a mut self,
        bytes: &'a [u8],
        spans: &'a mut FieldSpans,
        blocks: &mut Blocks,
    ) -> Result<(usize, Option<ResponsePart<'a>>), Rejection> {
        let taken = if self.reader.is_empty() && spans.recall_response(bytes, &self.limits) {
            let len = spans.response_map().len();
            self.reader.advance(len as u64);
            len
        } else {
            let read = self.reader.head(bytes, &self.limits, spans, blocks, |_, _| ());
            match read.map_err(|rejection| self.refuse(rejection))? {
                Some(taken) => taken,
                None => return Ok((bytes.len(), None)),
            }
        };
        let spans = &*spans;
        let head = spans.kept_response();
        let map = head.map();
        let status = head.status();
        let framing = match self.request.is_head {
            true => ResponseFraming::Empty,
            false => head.framing(if self.request.is_connect { "CONNECT" } else { "" }),
        };
        if let Some(fault) = map.fault
            && framing != ResponseFraming::Tunnel
        {
            let start = self.reader.taken() - map.len() as u64;
            return Err(self.refuse(fault.moved(start)));
        }
        if status == Status::SWITCHING_PROTOCOLS || framing == ResponseFraming::Tunnel {
            self.switch(framing == ResponseFraming::Tunnel, head)?;
            return Ok((taken, Some(ResponsePart::Switched(head))));
        }
        if status.is_informational() {
            self.informational += 1;
            if self.informational > self.config.limits.informational {
                return Err(self.refuse_here(Rule::TooManyInformational));
            }
            if status == Status::CONTINUE {
                self.request.awaits_continue = false;
            }
            let _ = self.state.server(ServerEvent::Informational);
            self.reader.begin_body(Framing::Empty, &self.limits);
            return Ok((taken, Some(ResponsePart::Informational(head))));
        }
        // A server that answers before it said `100 Continue` does not want the body.
        self.request.awaits_continue = false;
        let has_body = match framing {
            ResponseFraming::Empty | ResponseFraming::Tunnel => {
                self.reader.begin_body(Framing::Empty, &self.limits)
            }
            ResponseFraming::Length(length) if length > self.limits.body => {
                return Err(self.refuse_here(Rule::BodyTooLarge));
            }
            ResponseFraming::Length(length) => {
                self.reader.begin_body(Framing::Length(length), &self.limits)
            }
            ResponseFraming::Chunked => self.reader.begin_body(Framing::Chunked, &self.limits),
            ResponseFraming::UntilClose => {
                self.reader.begin_until_close(&self.limits);
                true
            }
        };
        let keeps = match head.version() {
            Version::Http10 => map.options.keep_alive && !map.options.close,
            Version::Http11 => !map.options.close,
        };
        if !keeps || framing == ResponseFraming::UntilClose {
            self.state.give_up();
        }
        let event = if has_body { ServerEvent::Response } else { ServerEvent::WholeResponse };
        let _ = self.state.server(event);
        if has_body {
            return Ok((taken, Some(ResponsePart::Response(head))));
        }
        self.begin_next();
        Ok((taken, Some(ResponsePart::WholeResponse(head))))
    }

    /// Switches to another protocol, if the request asked for it: for each one that the response
    /// names, in however many fields.
    fn switch(&mut self, is_tunnel: bool, head: ResponseHead<'_>) -> Result<(), Rejection> {
        let is_requested = is_tunnel
            || self.request.upgrade.as_ref().is_some_and(|requested| {
                let mut names = head.fields().get_all("upgrade");
                let are_requested = |names| are_among(names, requested.as_bytes());
                head.upgrade().is_some() && names.all(are_requested)
            });
        // A body of known length is whole with its last byte: the server need not wait for `end`.
        if is_requested && self.writer.writing() == WriteStage::Length(0) {
            self.end_is_implied = self.state.client(ClientEvent::End).is_ok();
        }
        // A server may switch only after the whole request (RFC 9110, 7.8).
        if !is_requested || self.state.client != ClientState::Done {
            return Err(self.refuse_here(Rule::SwitchUnrequested));
        }
        let _ = self.state.server(ServerEvent::Switch);
        self.reader.begin_body(Framing::Empty, &self.limits);
        Ok(())
    }
}

impl ReadHead for ResponseReader {
    fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        spans: &mut FieldSpans,
    ) -> Result<Option<usize>, Rejection> {
        let is_complete = ResponseReader::read(self, bytes, limits, spans)?;
        Ok(is_complete.then(|| spans.response_map().len()))
    }

    #[inline]
    fn keep(spans: &mut FieldSpans, head: &[u8]) {
        spans.keep_response(head);
    }
}
