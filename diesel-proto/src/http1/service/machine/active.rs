//! [`Active`]: what a connection holds while it is not idle.
//!
//! It must never know how a request is answered.

use alloc::sync::Arc;

use super::super::request::Request;
use super::super::successor::MakeSuccessor;
use super::access::AccessEntry;
use super::watch::Clocks;
use super::work::Work;
use crate::buf::Buffer;
use crate::http1::connection::{ConnectionConfig, SharedServerConnection};
use crate::hub::Poller;

/// The state of a connection that is not idle.
pub(in crate::http1) struct Active {
    pub(super) connection: SharedServerConnection,
    pub(super) task: RequestTask,
    pub(super) entry: Option<AccessEntry>,
    pub(super) clocks: Clocks,
    /// The position in the queue at which the last complete response ends.
    pub(super) complete: u64,
    /// Bytes that arrived, and cannot be read yet.
    pub(super) ahead: Buffer,
    /// The successor, which gets the stream after this step.
    pub(super) next: Option<MakeSuccessor>,
    /// For the next handler or stream: kept from one to the next within a step.
    pub(super) poller: Option<Poller>,
    /// How many bytes of bodies are charged to this connection.
    pub(super) charged: usize,
}

/// The request in progress.
#[derive(Default)]
pub(super) enum RequestTask {
    #[default]
    Nothing,
    /// Its body is collected, for a plain handler.
    Collecting(Request),
    /// An `async` handler answers, or a stream writes a body.
    Work(Work),
}

impl Active {
    pub(in crate::http1) fn new(config: Arc<ConnectionConfig>) -> Self {
        let connection = SharedServerConnection::new(config);
        Active {
            connection,
            task: RequestTask::Nothing,
            entry: None,
            clocks: Clocks::default(),
            complete: 0,
            ahead: Buffer::new(),
            next: None,
            poller: None,
            charged: 0,
        }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        let task = match &self.task {
            RequestTask::Nothing => 0,
            RequestTask::Collecting(request) => request.content().len(),
            RequestTask::Work(work) => work.held(),
        };
        self.connection.held().saturating_add(task).saturating_add(self.ahead.len())
    }

    /// Bytes of bodies that are held, and unread bytes that may belong to one.
    pub(super) fn held_bodies(&self) -> usize {
        let body = match &self.task {
            RequestTask::Nothing => 0,
            RequestTask::Collecting(request) => request.content().len(),
            RequestTask::Work(work) => work.held_body(),
        };
        body.saturating_add(self.ahead.len())
    }
}
