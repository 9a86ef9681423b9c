//! The legal order of events, for both peers. Everything that decides it is in this file.
//!
//! A connection is two small state machines, the client's and the server's. Each moves by its own
//! events ([`ClientState::after`], [`ServerState::after`]). Some moves depend on both
//! ([`ConnectionState::advance`]): when a client begins a request, the server must answer; and when
//! both are done with an exchange, the next one begins, or the connection closes.
//!
//! Rules of this file:
//!
//! - Code that needs to know whether something may happen now asks here, and nowhere else.
//! - An event that is not in the table is refused, and changes nothing.
//! - It must never know bytes, fields or lengths: only that a message begins, goes on and ends.
//!
//! A test checks that the tables in the documentation of [`http1`](super) equal these.

use core::fmt;

/// The state of the client.
///
/// Example: see [`ConnectionState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientState {
    /// Between requests.
    Idle,
    /// Its request has begun: the body is arriving, if there is one.
    Sending,
    /// Its request is complete.
    Done,
    /// It broke a rule: nothing more is read from it.
    Failed,
    /// It has half-closed the stream, and no request is incomplete.
    Closed,
    /// The client speaks another protocol.
    Switched,
}

/// The state of the server.
///
/// Example: see [`ConnectionState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerState {
    /// There is no request to answer.
    Idle,
    /// The server must send a response.
    SendResponse,
    /// The head of the response is sent; the body follows.
    Sending,
    /// The response is complete.
    Done,
    /// That was the last response: the connection must be closed.
    MustClose,
    /// It broke a rule: nothing more is read from it.
    Failed,
    /// It has ended the stream, and no response is incomplete.
    Closed,
    /// The server speaks another protocol.
    Switched,
}

/// An event of the client.
///
/// Example: see [`ConnectionState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientEvent {
    /// The head of a request.
    Request,
    /// The head of a request without a body, which is complete.
    WholeRequest,
    /// A part of the request's body.
    Data,
    /// The request is complete.
    End,
    /// A half-close: the end of the client's side of the stream.
    Eof,
    /// The client broke a rule.
    Violation,
}

/// An event of the server.
///
/// Example: see [`ConnectionState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerEvent {
    /// An interim response.
    Informational,
    /// The head of the final response.
    Response,
    /// The final response, head and body at once.
    WholeResponse,
    /// A part of the response's body.
    Data,
    /// The response is complete.
    End,
    /// The response after which both sides speak another protocol.
    Switch,
    /// The end of the server's side of the stream.
    Eof,
    /// The server broke a rule.
    Violation,
}

impl ClientState {
    /// Every state.
    pub const ALL: [ClientState; 6] = [
        ClientState::Idle,
        ClientState::Sending,
        ClientState::Done,
        ClientState::Failed,
        ClientState::Closed,
        ClientState::Switched,
    ];

    /// The state after an event. `None`: the event may not happen now.
    #[inline]
    pub const fn after(self, event: ClientEvent) -> Option<ClientState> {
        use ClientEvent::{Data, End, Eof, Request, Violation, WholeRequest};
        Some(match (self, event) {
            (ClientState::Idle, Request) => ClientState::Sending,
            (ClientState::Idle, WholeRequest) => ClientState::Done,
            (ClientState::Idle, Eof) => ClientState::Closed,
            (ClientState::Idle, Violation) => ClientState::Failed,
            (ClientState::Sending, Data) => ClientState::Sending,
            (ClientState::Sending, End) => ClientState::Done,
            (ClientState::Sending, Violation) => ClientState::Failed,
            _ => return None,
        })
    }
}

impl ServerState {
    /// Every state.
    pub const ALL: [ServerState; 8] = [
        ServerState::Idle,
        ServerState::SendResponse,
        ServerState::Sending,
        ServerState::Done,
        ServerState::MustClose,
        ServerState::Failed,
        ServerState::Closed,
        ServerState::Switched,
    ];

    /// The state after an event. `None`: the event may not happen now.
    #[inline]
    pub const fn after(self, event: ServerEvent) -> Option<ServerState> {
        use ServerEvent::{
            Data, End, Eof, Informational, Response, Switch, Violation, WholeResponse,
        };
        Some(match (self, event) {
            (ServerState::Idle | ServerState::Done, Eof) => ServerState::Closed,
            (ServerState::SendResponse, Informational) => ServerState::SendResponse,
            (ServerState::SendResponse, Response) => ServerState::Sending,
            (ServerState::SendResponse, WholeResponse) => ServerState::Done,
            (ServerState::SendResponse, Switch) => ServerState::Switched,
            (ServerState::Sending, Data) => ServerState::Sending,
            (ServerState::Sending, End) => ServerState::Done,
            (
                ServerState::Idle
                | ServerState::SendResponse
                | ServerState::Sending
                | ServerState::Done,
                Violation,
            ) => ServerState::Failed,
            _ => return None,
        })
    }
}

impl ClientEvent {
    /// Every event.
    pub const ALL: [ClientEvent; 6] = [
        ClientEvent::Request,
        ClientEvent::WholeRequest,
        ClientEvent::Data,
        ClientEvent::End,
        ClientEvent::Eof,
        ClientEvent::Violation,
    ];
}

impl ServerEvent {
    /// Every event.
    pub const ALL: [ServerEvent; 8] = [
        ServerEvent::Informational,
        ServerEvent::Response,
        ServerEvent::WholeResponse,
        ServerEvent::Data,
        ServerEvent::End,
        ServerEvent::Switch,
        ServerEvent::Eof,
        ServerEvent::Violation,
    ];
}

/// The states of both peers, and whether there will be another exchange.
///
/// ```
/// use diesel_proto::http1::{ClientEvent, ConnectionState, ServerEvent, ServerState};
///
/// let mut state = ConnectionState::new();
/// state.client(ClientEvent::WholeRequest)?;
/// assert_eq!(state.server, ServerState::SendResponse);
/// state.server(ServerEvent::WholeResponse)?;
/// assert_eq!(state, ConnectionState::new());
/// assert!(state.server(ServerEvent::Data).is_err());
/// # Ok::<(), diesel_proto::http1::OutOfOrder>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionState {
    /// The client.
    pub client: ClientState,
    /// The server.
    pub server: ServerState,
    /// Whether the connection persists after this exchange. Once false, it stays false until the
    /// connection is closed.
    pub keep_alive: bool,
}

impl ConnectionState {
    /// A new connection.
    pub const fn new() -> Self {
        ConnectionState { client: ClientState::Idle, server: ServerState::Idle, keep_alive: true }
    }

    /// Applies an event of the client.
    ///
    /// # Errors
    ///
    /// If the event may not happen now; nothing has changed. A request may begin only when the
    /// server is idle.
    #[inline]
    pub fn client(&mut self, event: ClientEvent) -> Result<(), OutOfOrder> {
        self.client = self.client_may(event)?;
        self.advance();
        Ok(())
    }

    /// The state of the client after an event, without applying it.
    ///
    /// # Errors
    ///
    /// As for [`client`](Self::client).
    #[inline]
    pub fn client_may(&self, event: ClientEvent) -> Result<ClientState, OutOfOrder> {
        let begins = matches!(event, ClientEvent::Request | ClientEvent::WholeRequest);
        match self.client.after(event) {
            Some(next) if !begins || self.server == ServerState::Idle => Ok(next),
            _ => Err(OutOfOrder { state: *self }),
        }
    }

    /// Applies an event of the server.
    ///
    /// # Errors
    ///
    /// If the event may not happen now; nothing has changed. To switch protocols, the request must
    /// be complete.
    #[inline]
    pub fn server(&mut self, event: ServerEvent) -> Result<(), OutOfOrder> {
        self.server = self.may(event)?;
        self.advance();
        Ok(())
    }

    /// The state of the server after an event, without applying it.
    ///
    /// # Errors
    ///
    /// As for [`server`](Self::server).
    #[inline]
    pub fn may(&self, event: ServerEvent) -> Result<ServerState, OutOfOrder> {
        match self.server.after(event) {
            Some(ServerState::Switched) if self.client != ClientState::Done => {}
            Some(next) => return Ok(next),
            None => {}
        }
        Err(OutOfOrder { state: *self })
    }

    /// Ends persistence: no exchange follows this one. Between exchanges, the connection must be
    /// closed.
    pub fn give_up(&mut self) {
        self.keep_alive = false;
        self.advance();
    }

    /// Applies the moves that depend on both peers. At most one arm of the `match` applies after an
    /// event.
    #[inline]
    fn advance(&mut self) {
        // A request that begins, or is invalid, must be answered.
        if let (ClientState::Sending | ClientState::Done | ClientState::Failed, ServerState::Idle) =
            (self.client, self.server)
        {
            self.server = ServerState::SendResponse;
        }
        if self.client == ClientState::Failed || self.server == ServerState::Failed {
            self.keep_alive = false;
        }
        (self.client, self.server) = match (self.client, self.server, self.keep_alive) {
            (ClientState::Done, ServerState::Done, true) => (ClientState::Idle, ServerState::Idle),
            (ClientState::Closed, ServerState::Idle, _) => {
                (ClientState::Closed, ServerState::MustClose)
            }
            (client, ServerState::Done, false) => (client, ServerState::MustClose),
            (ClientState::Idle, ServerState::Idle, false) => {
                (ClientState::Idle, ServerState::MustClose)
            }
            (ClientState::Done, ServerState::Switched, _) => {
                (ClientState::Switched, ServerState::Switched)
            }
            (client, server, _) => (client, server),
        };
    }
}

impl Default for ConnectionState {
    fn default() -> Self {
        ConnectionState::new()
    }
}

/// An event that may not happen in this state. Nothing was changed, nothing was sent.
///
/// ```
/// use diesel_proto::http1::{ConnectionState, ServerEvent};
///
/// let mut state = ConnectionState::new();
/// let error = state.server(ServerEvent::Response).unwrap_err();
/// assert_eq!(error.state, state);
/// assert_eq!(error.to_string(), "not allowed now: the client is Idle, the server is Idle");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder {
    /// The states at that time.
    pub state: ConnectionState,
}

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectionState { client, server, .. } = self.state;
        write!(f, "not allowed now: the client is {client:?}, the server is {server:?}")
    }
}

impl core::error::Error for OutOfOrder {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    /// Formats a row for each state, with the events that leave it.
    fn table<S: fmt::Debug + Copy, E: fmt::Debug + Copy>(
        states: &[S],
        events: &[E],
        after: impl Fn(S, E) -> Option<S>,
    ) -> String {
        let mut text = String::new();
        for &state in states {
            let moves: Vec<String> = events
                .iter()
                .filter_map(|&event| after(state, event).map(|to| format!("{event:?} → {to:?}")))
                .collect();
            text += &format!("//! | {state:?} | {} |\n", moves.join(", "));
        }
        text
    }

    #[test]
    fn the_diagram_in_the_documentation_is_made_from_the_tables() {
        let documentation = include_str!("../mod.rs");
        for table in [
            table(&ClientState::ALL, &ClientEvent::ALL, ClientState::after),
            table(&ServerState::ALL, &ServerEvent::ALL, ServerState::after),
        ] {
            assert!(documentation.contains(&table), "put this into mod.rs:\n{table}");
        }
    }

    #[test]
    fn an_event_that_may_not_happen_changes_nothing() {
        for client in ClientState::ALL {
            for server in ServerState::ALL {
                for keep_alive in [false, true] {
                    let state = ConnectionState { client, server, keep_alive };
                    for event in ServerEvent::ALL {
                        let mut after = state;
                        if after.server(event).is_err() {
                            assert_eq!(after, state);
                        }
                    }
                    for event in ClientEvent::ALL {
                        let mut after = state;
                        if after.client(event).is_err() {
                            assert_eq!(after, state);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_exchange_ends_when_both_are_done_in_either_order() {
        let mut state = ConnectionState::new();
        for _ in 0..2 {
            state.client(ClientEvent::Request).unwrap();
            assert_eq!(state.server, ServerState::SendResponse);
            state.client(ClientEvent::End).unwrap();
            state.server(ServerEvent::Response).unwrap();
            state.server(ServerEvent::End).unwrap();
            assert_eq!(state, ConnectionState::new());
        }
        state.client(ClientEvent::Request).unwrap();
        state.server(ServerEvent::Response).unwrap();
        state.server(ServerEvent::End).unwrap();
        assert_eq!((state.client, state.server), (ClientState::Sending, ServerState::Done));
        state.client(ClientEvent::End).unwrap();
        assert_eq!(state, ConnectionState::new());
    }

    #[test]
    fn a_request_begins_only_when_the_server_is_idle() {
        for server in ServerState::ALL {
            let mut state = ConnectionState { server, ..ConnectionState::new() };
            let begins = state.client(ClientEvent::WholeRequest).is_ok();
            assert_eq!(begins, server == ServerState::Idle, "{server:?}");
        }
    }

    #[test]
    fn after_a_violation_of_the_server_nothing_follows() {
        let mut state = ConnectionState::new();
        state.client(ClientEvent::Request).unwrap();
        state.server(ServerEvent::Violation).unwrap();
        assert_eq!((state.server, state.keep_alive), (ServerState::Failed, false));
        for event in ServerEvent::ALL {
            assert!(state.server(event).is_err(), "{event:?}");
        }
    }

    #[test]
    fn once_given_up_the_connection_closes_after_the_answer() {
        let mut state = ConnectionState::new();
        state.client(ClientEvent::Request).unwrap();
        state.give_up();
        state.client(ClientEvent::End).unwrap();
        state.server(ServerEvent::Response).unwrap();
        state.server(ServerEvent::End).unwrap();
        assert_eq!(state.server, ServerState::MustClose);
        assert!(state.client(ClientEvent::Request).is_err());

        let mut idle = ConnectionState::new();
        idle.give_up();
        assert_eq!(idle.server, ServerState::MustClose);
        let error = idle.server(ServerEvent::Response).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not allowed now: the client is Idle, the server is MustClose"
        );
    }

    #[test]
    fn after_a_violation_only_an_error_response_is_allowed() {
        let mut state = ConnectionState::new();
        state.client(ClientEvent::Violation).unwrap();
        assert_eq!(state.server, ServerState::SendResponse);
        state.server(ServerEvent::Response).unwrap();
        state.server(ServerEvent::End).unwrap();
        assert_eq!(state.server, ServerState::MustClose);
    }

    #[test]
    fn switching_needs_the_whole_request() {
        let mut state = ConnectionState::new();
        state.client(ClientEvent::Request).unwrap();
        assert!(state.server(ServerEvent::Switch).is_err());
        state.client(ClientEvent::End).unwrap();
        state.server(ServerEvent::Switch).unwrap();
        assert_eq!((state.client, state.server), (ClientState::Switched, ServerState::Switched));
    }
}
