//! What is sent: responses, interim and final, their bodies and trailers.

use core::fmt;

use bytes::Bytes;

use super::super::state::ServerEvent;
use super::super::state::ServerState;
use super::SharedServerConnection;
use super::local_error::LocalProtocolError;
use crate::buf::Pipeline;
use crate::http1::message::BodyLength;
use crate::http1::message::{
    HeadCache, MessageFraming, MessageOutput, ROOM, ResponseHead, WriteStage, check_fields,
    put_status,
};
use crate::http1::syntax::ContentType;
use crate::http1::syntax::{Headers, HttpDate, Status};

impl SharedServerConnection {
    /// Sends `100 Continue` if the client waits for it and has not got it. To be called when the
    /// application first wants the body, whether or not bytes of it have come (RFC 9110, 10.1.1).
    /// Does nothing if the output is closed.
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

    /// Sends an interim response, such as 103. A client of HTTP/1.0 knows none: it is left out
    /// (RFC 9110, 15.2). So is a second `100 Continue`, whichever command sent the first.
    ///
    /// # Errors
    ///
    /// After the head of the response; for a status that is not 1xx, or is 101; if the output is
    /// closed.
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

    /// Sends the head of the response. A body follows by [`data`](Self::data), then
    /// [`end`](Self::end).
    ///
    /// The connection writes by itself: how the body is delimited, whether the connection is kept,
    /// and the date, if it is given one. An `Upgrade` may be among the fields: what else is spoken
    /// here.
    ///
    /// In an answer to HEAD, and in a 304, `length` is that of the body which GET would have (RFC
    /// 9110, 8.6), and none of it is sent; `BodyLength::Exactly(0)` announces nothing there.
    ///
    /// # Errors
    ///
    /// Before a request, or twice; for 1xx; for a body where there can be none; for fields that are
    /// the connection's; if the output is closed. For 2xx to CONNECT: that opens a tunnel, and is
    /// [`switch`](Self::switch)'s to send. (No CONNECT comes through unless
    /// [`ConnectionConfig::tunnels`](super::ConnectionConfig::tunnels) is set.)
    pub fn respond(
        &mut self,
        status: Status,
        headers: &Headers,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        let response_head = ResponseHead { status, content_type: None, headers };
        self.respond_with(&response_head, length, date, out)
    }

    /// Sends a response whose content is all there: what [`respond`](Self::respond),
    /// [`data`](Self::data) and [`end`](Self::end) send, at less cost.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    pub fn respond_whole(
        &mut self,
        status: Status,
        headers: &Headers,
        content: &[u8],
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        let response_head = ResponseHead { status, content_type: None, headers };
        self.respond_whole_with(&response_head, content, date, out)
    }

    fn respond_whole_with(
        &mut self,
        response_head: &ResponseHead<'_>,
        content: &[u8],
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        let (terms, content) = self.whole_response(response_head, content)?;
        out.put_with(response_head.expected_len() + content.len(), |out| {
            response_head.write(terms, date, out);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    /// As [`respond_whole`](Self::respond_whole), in memory that remembers the last head.
    pub(in crate::http1) fn respond_in_words(
        &mut self,
        response_head: &ResponseHead<'_>,
        content: &[u8],
        head_cache: &mut HeadCache,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        if !response_head.headers.is_empty() {
            return self.respond_whole_with(response_head, content, head_cache.date(), out);
        }
        out.check_open()?;
        let (terms, content) = self.whole_response(response_head, content)?;
        let head = head_cache.head(response_head, terms);
        out.put_with(head.len() + content.len(), |out| {
            out.extend_from_slice(head);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    pub(in crate::http1) fn respond_with(
        &mut self,
        response_head: &ResponseHead<'_>,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        let terms = self.begin_response(response_head, length, ServerEvent::Response)?;
        let _ = self.state.server(ServerEvent::Response);
        out.put_with(response_head.expected_len(), |out| response_head.write(terms, date, out));
        Ok(())
    }

    /// Sends a part of the body. What is empty sends nothing.
    ///
    /// # Errors
    ///
    /// Before the head, after the end, if it is more than was announced, or if the output is closed.
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

    /// As [`data`](Self::data), with the first `n` bytes that are queued elsewhere: in one chunk.
    pub(in crate::http1) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        n: u64,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.may_send_data(out)?;
        Ok(self.writer.data_queued(data, n, out)?)
    }

    /// Ends the response. `trailers` go out behind a chunked body; to a client of HTTP/1.0, and for
    /// HEAD, they are left out.
    ///
    /// # Errors
    ///
    /// Before the head, or twice; if less data came than was announced; for trailers behind a body
    /// of known length; if the output is closed, and something would have to be written.
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

    /// Answers what the client broke: the status that it deserves, and in words what was wrong.
    /// Does nothing if it broke nothing, a response is under way, or the output is closed; then
    /// nothing can tell it, but that the connection is closed.
    pub fn reject(&mut self, date: Option<&HttpDate>, out: &mut MessageOutput<'_>) {
        let Some(rejection) =
            self.rejection.filter(|_| self.state.server == ServerState::SendResponse)
        else {
            return;
        };
        let mut text = ReasonText::default();
        let _ = fmt::write(&mut text, format_args!("{rejection}\n"));
        let response_head = ResponseHead {
            status: rejection.status(),
            content_type: Some(ContentType::TEXT),
            headers: &Headers::new(),
        };
        // The status of an error is forbidden to no request.
        let _ = self.respond_whole_with(&response_head, text.as_bytes(), date, out);
    }

    /// A response goes out, if it may: its terms, and what goes out of its content.
    #[inline(always)]
    fn whole_response<'a>(
        &mut self,
        response_head: &ResponseHead<'_>,
        content: &'a [u8],
    ) -> Result<(MessageFraming, &'a [u8]), LocalProtocolError> {
        let length = BodyLength::Exactly(content.len() as u64);
        let terms = self.begin_response(response_head, length, ServerEvent::WholeResponse)?;
        let _ = self.state.server(ServerEvent::WholeResponse);
        Ok((terms, if self.writer.writing() == WriteStage::Discarded { &[] } else { content }))
    }

    /// The head of a response is about to go out, if it may: the last moment to say that the
    /// connection will not be kept.
    #[inline(always)]
    fn begin_response(
        &mut self,
        response_head: &ResponseHead<'_>,
        length: BodyLength,
        event: ServerEvent,
    ) -> Result<MessageFraming, LocalProtocolError> {
        let ResponseHead { status, headers, .. } = *response_head;
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
        // A client that waits for 100 Continue sends the body, or does not: there is no telling
        // what its next bytes are. (If the body came already, there is; but that depends on the cuts.)
        if writing == WriteStage::UntilClose
            || self.request.expects_continue
            || unread > self.config.limits.drain
        {
            self.state.give_up();
        }
        let keep_alive = self.state.keep_alive;
        // RFC 9110, 8.6: there, a length is that of another response. Who gives no content has not
        // said how long that is.
        let is_bodiless = self.request.is_head || status == Status::NOT_MODIFIED;
        let length = Some(length).filter(|it| !is_bodiless || *it != BodyLength::Exactly(0));
        Ok(MessageFraming { length, keep_alive, is_http10: self.request.is_http10 })
    }

    /// What may go out behind the head of such a response.
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

/// A line of text, cut off where it would be too long: a rejection in words fits.
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
