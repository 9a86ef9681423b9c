//! Sends responses, interim and final, with their bodies and trailers.

use core::fmt;

use bytes::Bytes;

use super::super::local_error::LocalProtocolError;
use super::super::state::ServerEvent;
use super::super::state::ServerState;
use super::SharedServerConnection;
use crate::buf::Pipeline;
use crate::http1::message::BodyLength;
use crate::http1::message::{
    HeadCache, MessageFraming, MessageOutput, OutgoingHead, ROOM, WriteStage, check_fields,
    put_status,
};
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{Headers, HttpDate, Status};

impl SharedServerConnection {
    /// Sends `100 Continue` if the client waits for it. Call this when the application first wants
    /// the body, whether or not bytes of it have arrived (RFC 9110, 10.1.1). Does nothing if the
    /// output is closed.
    pub fn ask_for_body(&mut self, out: &mut MessageOutput<'_>) {
        if out.check_open().is_err() {
            return;
        }
        if self.request.expects_continue && self.state.server(ServerEvent::Informational).is_ok() {
            self.put_continue(out);
        }
    }

    pub(super) fn put_continue(&mut self, out: &mut MessageOutput<'_>) {
        self.request.was_continued();
        out.put(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Sends an interim response, such as 103. It is left out for a client of HTTP/1.0, which knows
    /// none (RFC 9110, 15.2). A second `100 Continue` is left out, too, whichever command sent the
    /// first.
    ///
    /// # Errors
    ///
    /// After the head of the final response; for a status that is not 1xx, or is 101; for a field
    /// that only the connection writes; if the output is closed.
    pub fn inform(
        &mut self,
        status: Status,
        headers: &Headers,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        if !status.is_informational() || status == Status::SWITCHING_PROTOCOLS {
            return Err(LocalProtocolError::Status(status));
        }
        check_fields(headers)?;
        out.check_open()?;
        self.state.server(ServerEvent::Informational)?;
        let repeats = status == Status::CONTINUE && self.request.was_continued();
        if !self.request.is_http10 && !repeats {
            out.put_with(headers.lines().len() + ROOM, |out| {
                put_status(status, out);
                out.extend_from_slice(headers.lines());
                out.extend_from_slice(b"\r\n");
            });
        }
        Ok(())
    }

    /// Sends the head of the response. The body follows with [`data`](Self::data), then
    /// [`end`](Self::end).
    ///
    /// The connection itself writes the fields that delimit the body and that control the
    /// connection, and the date, if `date` is given. `headers` may contain an `Upgrade`, which
    /// advertises other protocols.
    ///
    /// In a response to HEAD, and in a 304, `length` is that of the body that GET would have (RFC
    /// 9110, 8.6), and no body is sent; `BodyLength::Exactly(0)` announces no length there.
    ///
    /// # Errors
    ///
    /// Before a request, or a second time; for 1xx; for a body with a status that forbids one; for
    /// a field that only the connection writes; if the output is closed. For 2xx to CONNECT, which
    /// opens a tunnel: use [`switch`](Self::switch). (No CONNECT is passed on unless
    /// [`ConnectionConfig::tunnels`](super::ConnectionConfig::tunnels) is set.)
    pub fn respond(
        &mut self,
        status: Status,
        headers: &Headers,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        let response_head = OutgoingHead { status, content_type: None, headers };
        self.respond_with(&response_head, length, date, out)
    }

    /// Sends a response with its whole content: the same bytes as [`respond`](Self::respond),
    /// [`data`](Self::data) and [`end`](Self::end), at less cost.
    ///
    /// # Errors
    ///
    /// As for [`respond`](Self::respond).
    pub fn respond_whole(
        &mut self,
        status: Status,
        headers: &Headers,
        content: &[u8],
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        let response_head = OutgoingHead { status, content_type: None, headers };
        self.respond_whole_with(&response_head, content, date, out)
    }

    fn respond_whole_with(
        &mut self,
        response_head: &OutgoingHead<'_>,
        content: &[u8],
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        let (framing, content) = self.whole_response(response_head, content)?;
        out.put_with(response_head.expected_len() + content.len(), |out| {
            response_head.write(framing, date, out);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    /// As [`respond_whole`](Self::respond_whole), with a cache of the last head: the fast path.
    pub(in crate::http1) fn respond_with_text(
        &mut self,
        response_head: &OutgoingHead<'_>,
        content: &[u8],
        head_cache: &mut HeadCache,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        if !response_head.headers.is_empty() {
            return self.respond_whole_with(response_head, content, head_cache.date(), out);
        }
        out.check_open()?;
        let (framing, content) = self.whole_response(response_head, content)?;
        let head = head_cache.head(response_head, framing);
        out.put_with(head.len() + content.len(), |out| {
            out.extend_from_slice(head);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    pub(in crate::http1) fn respond_with(
        &mut self,
        response_head: &OutgoingHead<'_>,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        let framing = self.begin_response(response_head, length, ServerEvent::Response)?;
        let _ = self.state.server(ServerEvent::Response);
        out.put_with(response_head.expected_len(), |out| response_head.write(framing, date, out));
        Ok(())
    }

    /// Sends a part of the body. Empty data sends nothing.
    ///
    /// # Errors
    ///
    /// Before the head, after the end, for more data than the announced length, or if the output is
    /// closed.
    pub fn data(
        &mut self,
        data: &[u8],
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.may_send_data(out)?;
        Ok(self.writer.data(data, out)?)
    }

    /// As [`data`](Self::data), by reference if it is large.
    ///
    /// # Errors
    ///
    /// As [`data`](Self::data).
    pub fn data_bytes(
        &mut self,
        data: Bytes,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.may_send_data(out)?;
        Ok(self.writer.data_bytes(data, out)?)
    }

    /// As [`data`](Self::data), with the first `n` bytes of another queue, in one chunk.
    pub(in crate::http1) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        n: u64,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.may_send_data(out)?;
        Ok(self.writer.data_queued(data, n, out)?)
    }

    /// Ends the response. `trailers` are sent after a chunked body. They are left out for a client
    /// of HTTP/1.0, and for HEAD.
    ///
    /// # Errors
    ///
    /// Before the head, or a second time; if less data was sent than announced; for trailers after
    /// a body of known length; for a trailer that only the connection writes; if the output is
    /// closed and something would have to be written.
    pub fn end(
        &mut self,
        trailers: &Headers,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        check_fields(trailers)?;
        self.state.may(ServerEvent::End)?;
        self.writer.may_end(trailers, out)?;
        self.state.server(ServerEvent::End)?;
        self.writer.end(trailers, out);
        Ok(())
    }

    /// Answers a violation of the protocol: sends the status of the rule that the client broke, and
    /// a text that names it. Does nothing if the client broke no rule, a response is in progress,
    /// or the output is closed; then closing the connection is the only signal.
    pub fn reject(&mut self, date: Option<&HttpDate>, out: &mut MessageOutput<'_>) {
        let Some(rejection) =
            self.rejection.filter(|_| self.state.server == ServerState::SendResponse)
        else {
            return;
        };
        let mut text = ReasonText::default();
        let _ = fmt::write(&mut text, format_args!("{rejection}\n"));
        let response_head = OutgoingHead {
            status: rejection.status(),
            content_type: Some(ContentType::TEXT),
            headers: &Headers::new(),
        };
        // No request forbids a response with the status of an error.
        let _ = self.respond_whole_with(&response_head, text.as_bytes(), date, out);
    }

    /// Begins a whole response, if that is allowed: returns the connection's part of the head, and
    /// the content to send.
    #[inline(always)]
    fn whole_response<'a>(
        &mut self,
        response_head: &OutgoingHead<'_>,
        content: &'a [u8],
    ) -> Result<(MessageFraming, &'a [u8]), LocalProtocolError> {
        let length = BodyLength::Exactly(content.len() as u64);
        let framing = self.begin_response(response_head, length, ServerEvent::WholeResponse)?;
        let _ = self.state.server(ServerEvent::WholeResponse);
        Ok((framing, if self.writer.writing() == WriteStage::Discarded { &[] } else { content }))
    }

    /// Begins a response, if that is allowed. This is the last moment to announce that the
    /// connection will be closed.
    #[inline(always)]
    fn begin_response(
        &mut self,
        response_head: &OutgoingHead<'_>,
        length: BodyLength,
        event: ServerEvent,
    ) -> Result<MessageFraming, LocalProtocolError> {
        let OutgoingHead { status, headers, .. } = *response_head;
        if status.is_informational() || (self.request.is_connect && status.is_success()) {
            return Err(LocalProtocolError::Status(status));
        }
        if headers.may_frame() && headers.framing_fields().any(|name| !is_upgrade(name)) {
            return Err(LocalProtocolError::FramingField);
        }
        let writing = self.writing(status, length)?;
        self.state.may(event)?;
        self.writer.begin(writing);
        let unread = self.reader.left().unwrap_or(0);
        // A client that waits for 100 Continue may or may not send the body, so its next bytes are
        // ambiguous. (They are not if the body has arrived already, but that depends on timing.)
        if writing == WriteStage::UntilClose
            || self.request.expects_continue
            || unread > self.config.limits.drain
        {
            self.state.give_up();
        }
        let keep_alive = self.state.keep_alive;
        // RFC 9110, 8.6: for HEAD and 304, a length is that of another response. An application
        // that gives no content has not stated that length.
        let is_bodiless = self.request.is_head || status == Status::NOT_MODIFIED;
        let length = Some(length).filter(|it| !is_bodiless || *it != BodyLength::Exactly(0));
        Ok(MessageFraming { length, keep_alive, is_http10: self.request.is_http10 })
    }

    /// What may be sent after the head of this response.
    fn writing(
        &self,
        status: Status,
        length: BodyLength,
    ) -> Result<WriteStage, LocalProtocolError> {
        let is_empty = length == BodyLength::Exactly(0);
        match status {
            // RFC 9110, 15.4.5: the length in a 304 is that of a 200.
            Status::NOT_MODIFIED => return Ok(WriteStage::Discarded),
            // RFC 9110, 15.3.5 and 15.3.6.
            Status::NO_CONTENT | Status::RESET_CONTENT if !is_empty => {
                return Err(LocalProtocolError::ContentForbidden(status));
            }
            _ => {}
        }
        Ok(match length {
            _ if self.request.is_head => WriteStage::Discarded,
            BodyLength::Exactly(n) => WriteStage::Length(n),
            BodyLength::Unknown if self.request.is_http10 => WriteStage::UntilClose,
            BodyLength::Unknown => WriteStage::Chunked,
        })
    }

    fn may_send_data(&mut self, out: &MessageOutput<'_>) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        Ok(self.state.server(ServerEvent::Data)?)
    }
}

fn is_upgrade(name: &str) -> bool {
    name.eq_ignore_ascii_case("upgrade")
}

/// A line of text, truncated if it is too long. The text of each rejection fits.
struct ReasonText {
    bytes: [u8; 160],
    len: usize,
}

impl Default for ReasonText {
    fn default() -> Self {
        ReasonText { bytes: [0; 160], len: 0 }
    }
}

impl ReasonText {
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for ReasonText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let n = text.len().min(room.len());
        if let (Some(room), Some(text)) = (room.get_mut(..n), text.as_bytes().get(..n)) {
            room.copy_from_slice(text);
        }
        self.len += n;
        Ok(())
    }
}
