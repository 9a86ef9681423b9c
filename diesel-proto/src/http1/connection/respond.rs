//! What is sent: responses, interim and final, their bodies and trailers.

use core::fmt;

use bytes::Bytes;

use super::{Misuse, SharedServerConnection};
use crate::Pipeline;
use crate::http1::message::{
    Heading, Output, ROOM, Terms, Wording, Writing, check_fields, put_status,
};
use crate::http1::state::ServerEvent;
use crate::http1::{BodyLength, ContentType, Headers, HttpDate, Server, Status};

impl SharedServerConnection {
    /// Sends `100 Continue` if the client waits for it and has not got it. To be called when the
    /// application first wants the body, whether or not bytes of it have come (RFC 9110, 10.1.1).
    /// Does nothing if the output is closed.
    pub fn ask_for_body(&mut self, out: &mut Output<'_>) {
        if out.check_open().is_err() {
            return;
        }
        if self.request.expects_continue && self.state.server(ServerEvent::Informational).is_ok() {
            self.put_continue(out);
        }
    }

    pub(super) fn put_continue(&mut self, out: &mut Output<'_>) {
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
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        if !status.is_informational() || status == Status::SWITCHING_PROTOCOLS {
            return Err(Misuse::Status(status));
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
    /// [`Config::tunnels`](super::Config::tunnels) is set.)
    pub fn respond(
        &mut self,
        status: Status,
        headers: &Headers,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        let heading = Heading { status, content_type: None, headers };
        self.respond_with(&heading, length, date, out)
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
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        let heading = Heading { status, content_type: None, headers };
        self.respond_whole_with(&heading, content, date, out)
    }

    fn respond_whole_with(
        &mut self,
        heading: &Heading<'_>,
        content: &[u8],
        date: Option<&HttpDate>,
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        out.check_open()?;
        let (terms, content) = self.whole_response(heading, content)?;
        out.put_with(heading.expected_len() + content.len(), |out| {
            heading.write(terms, date, out);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    /// As [`respond_whole`](Self::respond_whole), in memory that remembers the last head.
    pub(in crate::http1) fn respond_in_words(
        &mut self,
        heading: &Heading<'_>,
        content: &[u8],
        wording: &mut Wording,
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        if !heading.headers.is_empty() {
            return self.respond_whole_with(heading, content, wording.date(), out);
        }
        out.check_open()?;
        let (terms, content) = self.whole_response(heading, content)?;
        let head = wording.head(heading, terms);
        out.put_with(head.len() + content.len(), |out| {
            out.extend_from_slice(head);
            out.extend_from_slice(content);
        });
        Ok(())
    }

    pub(in crate::http1) fn respond_with(
        &mut self,
        heading: &Heading<'_>,
        length: BodyLength,
        date: Option<&HttpDate>,
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
        out.check_open()?;
        let terms = self.begin_response(heading, length, ServerEvent::Response)?;
        let _ = self.state.server(ServerEvent::Response);
        out.put_with(heading.expected_len(), |out| heading.write(terms, date, out));
        Ok(())
    }

    /// Sends a part of the body. What is empty sends nothing.
    ///
    /// # Errors
    ///
    /// Before the head, after the end, if it is more than was announced, or if the output is closed.
    pub fn data(&mut self, data: &[u8], out: &mut Output<'_>) -> Result<(), Misuse> {
        self.may_send_data(out)?;
        Ok(self.writer.data(data, out)?)
    }

    /// As [`data`](Self::data), by reference if it is large.
    ///
    /// # Errors
    ///
    /// As [`data`](Self::data).
    pub fn data_bytes(&mut self, data: Bytes, out: &mut Output<'_>) -> Result<(), Misuse> {
        self.may_send_data(out)?;
        Ok(self.writer.data_bytes(data, out)?)
    }

    /// As [`data`](Self::data), with the first `n` bytes that are queued elsewhere: in one chunk.
    pub(in crate::http1) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        n: u64,
        out: &mut Output<'_>,
    ) -> Result<(), Misuse> {
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
    pub fn end(&mut self, trailers: &Headers, out: &mut Output<'_>) -> Result<(), Misuse> {
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
    pub fn reject(&mut self, date: Option<&HttpDate>, out: &mut Output<'_>) {
        let Some(rejection) = self.rejection.filter(|_| self.state.server == Server::Owing) else {
            return;
        };
        let mut text = Text::default();
        let _ = fmt::write(&mut text, format_args!("{rejection}\n"));
        let heading = Heading {
            status: rejection.status(),
            content_type: Some(ContentType::TEXT),
            headers: &Headers::new(),
        };
        // The status of an error is forbidden to no request.
        let _ = self.respond_whole_with(&heading, text.as_bytes(), date, out);
    }

    /// A response goes out, if it may: its terms, and what goes out of its content.
    #[inline(always)]
    fn whole_response<'a>(
        &mut self,
        heading: &Heading<'_>,
        content: &'a [u8],
    ) -> Result<(Terms, &'a [u8]), Misuse> {
        let length = BodyLength::Exactly(content.len() as u64);
        let terms = self.begin_response(heading, length, ServerEvent::WholeResponse)?;
        let _ = self.state.server(ServerEvent::WholeResponse);
        Ok((terms, if self.writer.writing() == Writing::Discarded { &[] } else { content }))
    }

    /// The head of a response is about to go out, if it may: the last moment to say that the
    /// connection will not be kept.
    #[inline(always)]
    fn begin_response(
        &mut self,
        heading: &Heading<'_>,
        length: BodyLength,
        event: ServerEvent,
    ) -> Result<Terms, Misuse> {
        let Heading { status, headers, .. } = *heading;
        if status.is_informational() || (self.request.is_connect && status.is_success()) {
            return Err(Misuse::Status(status));
        }
        if headers.may_frame() && headers.framing_fields().any(|name| !is_upgrade(name)) {
            return Err(Misuse::FramingField);
        }
        let writing = self.writing(status, length)?;
        self.state.may(event)?;
        self.writer.begin(writing);
        let unread = self.reader.left().unwrap_or(0);
        // A client that waits for 100 Continue sends the body, or does not: there is no telling
        // what its next bytes are. (If the body came already, there is; but that depends on the cuts.)
        if writing == Writing::UntilClose
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
        Ok(Terms { length, keep_alive, is_http10: self.request.is_http10 })
    }

    /// What may go out behind the head of such a response.
    fn writing(&self, status: Status, length: BodyLength) -> Result<Writing, Misuse> {
        let is_empty = length == BodyLength::Exactly(0);
        match status {
            // RFC 9110, 15.4.5: the length in a 304 is that of a 200.
            Status::NOT_MODIFIED => return Ok(Writing::Discarded),
            // RFC 9110, 15.3.5 and 15.3.6.
            Status::NO_CONTENT | Status::RESET_CONTENT if !is_empty => {
                return Err(Misuse::ContentForbidden(status));
            }
            _ => {}
        }
        Ok(match length {
            _ if self.request.is_head => Writing::Discarded,
            BodyLength::Exactly(n) => Writing::Length(n),
            BodyLength::Unknown if self.request.is_http10 => Writing::UntilClose,
            BodyLength::Unknown => Writing::Chunked,
        })
    }

    fn may_send_data(&mut self, out: &Output<'_>) -> Result<(), Misuse> {
        out.check_open()?;
        Ok(self.state.server(ServerEvent::Data)?)
    }
}

fn is_upgrade(name: &str) -> bool {
    name.eq_ignore_ascii_case("upgrade")
}

/// A line of text, cut off where it would be too long: a rejection in words fits.
struct Text {
    bytes: [u8; 160],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Text { bytes: [0; 160], len: 0 }
    }
}

impl Text {
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Text {
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
