//! Sends requests, with their bodies and trailers.

use bytes::Bytes;

use super::super::local_error::LocalProtocolError;
use super::super::state::{ClientEvent, ClientState, OutOfOrder};
use super::{SentRequest, SharedClientConnection};
use crate::buf::Pipeline;
use crate::http1::message::{
    BodyLength, MessageOutput, RequestLine, RequestOptions, WriteStage, check_request_fields,
};
use crate::http1::syntax::Headers;

impl SharedClientConnection {
    /// Sends the head of a request. The body follows with [`data`](Self::data), then
    /// [`end`](Self::end), even if it is empty.
    ///
    /// The connection itself writes `Host`, `Expect`, and the fields that delimit the body and
    /// control the connection.
    ///
    /// Bytes that arrived before the request do not answer it. Pass them to
    /// [`receive`](Self::receive) before this call: it refuses them then, and takes them for the
    /// response later.
    ///
    /// # Errors
    ///
    /// Before the exchange before it is complete; when the connection must be closed; for a field
    /// that only the connection writes; for content with CONNECT or TRACE; if the output is closed.
    pub fn request(
        &mut self,
        line: &RequestLine<'_>,
        headers: &Headers,
        length: BodyLength,
        options: &RequestOptions<'_>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        line.check(headers, length, options)?;
        out.check_open()?;
        self.state.client_may(ClientEvent::Request)?;
        let has_body = length != BodyLength::Exactly(0);
        self.begin(SentRequest::of(line, options, has_body), ClientEvent::Request);
        self.writer.begin(match length {
            BodyLength::Exactly(n) => WriteStage::Length(n),
            BodyLength::Unknown => WriteStage::Chunked,
        });
        let expected = line.expected_len(headers);
        out.put_with(expected, |out| line.write(headers, length, options, out));
        Ok(())
    }

    /// Sends a request with its whole content, which may be empty: the same bytes as
    /// [`request`](Self::request), [`data`](Self::data) and [`end`](Self::end), at less cost. It
    /// does not wait for `100 Continue`.
    ///
    /// With [`pipelined`](super::ClientConnectionConfig::pipelined), it may be called before the
    /// responses to earlier requests.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request).
    pub fn request_whole(
        &mut self,
        line: &RequestLine<'_>,
        headers: &Headers,
        content: &[u8],
        options: &RequestOptions<'_>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        let length = BodyLength::Exactly(content.len() as u64);
        // The body comes with the head: nothing waits for an answer to the expectation.
        let options = &RequestOptions { expects_continue: false, ..*options };
        line.check(headers, length, options)?;
        out.check_open()?;
        let request = SentRequest::of(line, options, false);
        match self.state.client_may(ClientEvent::WholeRequest) {
            Ok(_) => self.begin(request, ClientEvent::WholeRequest),
            Err(_) if self.may_pipeline(&request) => self.ahead.push_back(request),
            Err(out_of_order) => return Err(out_of_order.into()),
        }
        out.put_with(line.expected_len(headers) + content.len(), |out| {
            line.write(headers, length, options, out);
            out.extend_from_slice(content);
        });
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

    /// As [`data`](Self::data), for all that is in another queue: in one chunk, without copying it.
    pub(in crate::http1) fn data_queued(
        &mut self,
        data: &mut Pipeline,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        self.may_send_data(out)?;
        Ok(self.writer.data_queued(data, data.len(), out)?)
    }

    /// Ends the request. `trailers` are sent after a chunked body.
    ///
    /// # Errors
    ///
    /// Before the head, or a second time; if less data was sent than announced; for trailers after
    /// a body of known length; for a trailer that only the connection writes; after the server
    /// broke a rule; if the output is closed and something would have to be written.
    pub fn end(
        &mut self,
        trailers: &Headers,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        check_request_fields(trailers)?;
        if self.end_is_implied && trailers.is_empty() {
            self.end_is_implied = false;
            return Ok(());
        }
        self.may_send()?;
        self.state.client_may(ClientEvent::End)?;
        self.writer.may_end(trailers, out)?;
        let _ = self.state.client(ClientEvent::End);
        self.writer.end(trailers, out);
        self.request.awaits_continue = false;
        self.begin_next();
        Ok(())
    }

    /// Begins a request, which may begin now.
    fn begin(&mut self, request: SentRequest, event: ClientEvent) {
        self.request = request;
        self.informational = 0;
        let _ = self.state.client(event);
        if self.request.is_last {
            self.state.give_up();
        }
    }

    /// Call when an exchange may be complete: begins the one whose request was sent ahead, if there
    /// is one.
    pub(super) fn begin_next(&mut self) {
        if self.is_idle()
            && let Some(request) = self.ahead.pop_front()
        {
            self.begin(request, ClientEvent::WholeRequest);
        }
    }

    /// Whether this request may be sent behind others that are unanswered (RFC 9112, 9.3.2).
    fn may_pipeline(&self, request: &SentRequest) -> bool {
        let last = self.ahead.back().unwrap_or(&self.request);
        let is_plain = |request: &SentRequest| request.is_idempotent && request.upgrade.is_none();
        self.unanswered() < self.config.pipelined
            && self.state.client == ClientState::Done
            && self.state.keep_alive
            && !last.is_last
            && is_plain(last)
            && is_plain(request)
    }

    fn may_send_data(&mut self, out: &MessageOutput<'_>) -> Result<(), LocalProtocolError> {
        out.check_open()?;
        self.may_send()?;
        self.state.client(ClientEvent::Data)?;
        Ok(())
    }

    /// After a violation nothing more of a request is sent (RFC 9112, 9.5): what was refused of its
    /// body would be missing, and the server would not know.
    fn may_send(&self) -> Result<(), OutOfOrder> {
        match self.rejection {
            Some(_) => Err(OutOfOrder { state: self.state }),
            None => Ok(()),
        }
    }
}
