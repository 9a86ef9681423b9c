//! Switches to another protocol: by an upgrade, or in a tunnel.

use super::super::local_error::LocalProtocolError;
use super::super::state::ServerEvent;
use super::SharedServerConnection;
use crate::http1::message::MessageOutput;
use crate::http1::message::{ROOM, check_fields, put_status};
use crate::http1::syntax::are_among;
use crate::http1::syntax::{Headers, HttpDate, Status};

impl SharedServerConnection {
    /// Agrees to switch protocols: sends `101 Switching Protocols` if the client asked for an
    /// upgrade, or `200 OK` if it asked for a tunnel with CONNECT (see
    /// [`ConnectionConfig::tunnels`](super::ConnectionConfig::tunnels)); for a tunnel, `protocol`
    /// is ignored. Bytes that were not taken before are the first of the new protocol.
    ///
    /// A client that asked for `100 Continue` gets it before the 101 (RFC 9110, 7.8). The date is
    /// sent with a 200 only.
    ///
    /// # Errors
    ///
    /// If the client asked for neither, or for other protocols, or the request is incomplete, or
    /// for a field that only the connection writes, or if the output is closed.
    pub fn switch(
        &mut self,
        headers: &Headers,
        protocol: &str,
        date: Option<&HttpDate>,
        out: &mut MessageOutput<'_>,
    ) -> Result<(), LocalProtocolError> {
        if !self.request.is_connect {
            let Some(wanted) = &self.upgrade else {
                return Err(LocalProtocolError::Status(Status::SWITCHING_PROTOCOLS));
            };
            if !are_among(protocol.as_bytes(), &wanted.0) {
                return Err(LocalProtocolError::Protocol);
            }
        }
        check_fields(headers)?;
        out.check_open()?;
        self.state.server(ServerEvent::Switch)?;
        if self.request.owes_continue && !self.request.is_connect {
            self.put_continue(out);
        }
        let date = date.filter(|_| self.request.is_connect && !headers.has_date());
        let room = protocol.len() + headers.lines().len() + ROOM;
        out.put_with(room, |out| {
            if self.request.is_connect {
                put_status(Status::OK, out);
            } else {
                put_status(Status::SWITCHING_PROTOCOLS, out);
                out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
                out.extend_from_slice(protocol.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(date.map_or(b"", |date| date.line()));
            out.extend_from_slice(headers.lines());
            out.extend_from_slice(b"\r\n");
        });
        Ok(())
    }
}
