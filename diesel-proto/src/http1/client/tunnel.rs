//! [`Tunnel`]: asks a proxy for a connection to a server (CONNECT), which is then that of an inner
//! machine (RFC 9110, 9.3.6).
//!
//! ```text
//!   start ─▶ CONNECT ─▶ 2xx: the inner machine starts, and has the stream
//!                 └─▶ another status, a violation, the end, or too late: the inner machine is cut
//! ```
//!
//! Rules of this file:
//!
//! - Nothing of the inner machine is sent before the proxy has made the connection.
//! - Bytes behind the head of a 2xx are the first ones of the tunnel, in whichever read they arrive:
//!   the inner machine gets them. TLS refuses them, since its server does not speak first; they are
//!   never taken for what was sent within TLS.
//! - How far it got is told by a [`TunnelReport`].
//!
//! It must never know what goes through the tunnel.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use core::cell::Cell;
use core::time::Duration;

use super::proxy::Proxy;
use super::url::Url;
use crate::http1::connection::{ClientConnectionConfig, ResponsePart, SharedClientConnection};
use crate::http1::message::{MessageOutput, RequestLine, RequestOptions};
use crate::http1::syntax::{FieldSpans, Headers, InvalidField, Rejection, Status};
use crate::machine::{Actions, Address, Cause, Input, Machine, Nested, Reason};
use crate::time::Instant;

/// How far a tunnel got, for the fiber that connects.
pub(super) type TunnelReport = Rc<Cell<TunnelProgress>>;

/// With the address of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum TunnelProgress {
    /// There is no connection to a proxy.
    #[default]
    None,
    Asked(Address),
    Open(Address),
    Failed(Address, TunnelFailure),
}

/// Why there is no tunnel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TunnelFailure {
    /// The proxy answered with this status.
    Refused(Status),
    /// The proxy broke a rule of HTTP.
    Rejected(Rejection),
    /// The stream ended or broke first.
    Broken,
    TimedOut,
}

/// What a proxy is asked.
pub(super) struct TunnelRequest {
    /// Host and port.
    target: String,
    headers: Headers,
    within: Duration,
    config: Arc<ClientConnectionConfig>,
    report: TunnelReport,
}

impl TunnelRequest {
    pub(super) fn new(
        url: &Url,
        proxy: &Proxy,
        user_agent: Option<&[u8]>,
        within: Duration,
        config: &Arc<ClientConnectionConfig>,
        report: &TunnelReport,
    ) -> Result<Self, InvalidField> {
        let mut headers = Headers::new();
        if let Some(user_agent) = user_agent {
            headers.add("User-Agent", user_agent)?;
        }
        if let Some(authorization) = proxy.authorization() {
            headers.add("Proxy-Authorization", authorization)?;
        }
        Ok(TunnelRequest {
            target: alloc::format!("{}:{}", url.host(), url.port()),
            headers,
            within,
            config: Arc::clone(config),
            report: Rc::clone(report),
        })
    }
}

pub(super) struct Tunnel<M> {
    stage: TunnelStage,
    /// The proxy.
    peer: Address,
    inner: Nested<M>,
}

enum TunnelStage {
    New(TunnelRequest),
    Asked(Box<Asked>),
    Open,
    Failed,
}

/// While the answer of the proxy is awaited.
struct Asked {
    protocol: SharedClientConnection,
    spans: FieldSpans,
    report: TunnelReport,
}

impl<M: Machine> Tunnel<M> {
    pub(super) fn new(request: TunnelRequest, peer: Address, inner: M) -> Self {
        Tunnel { stage: TunnelStage::New(request), peer, inner: Nested::sharing(inner) }
    }

    fn ask(&mut self, now: Instant, actions: &mut Actions<'_>) {
        let TunnelStage::New(request) = core::mem::replace(&mut self.stage, TunnelStage::Failed)
        else {
            return;
        };
        let mut protocol = SharedClientConnection::new(request.config);
        let (pipeline, blocks) = actions.queue();
        let out = &mut MessageOutput::new(pipeline, blocks);
        let sent = RequestLine::new("CONNECT", &request.target, "").ok().and_then(|line| {
            let options = RequestOptions::default();
            protocol.request_whole(&line, &request.headers, b"", &options, out).ok()
        });
        if sent.is_none() {
            // Host and port are those of a URL, so they are valid.
            self.inner.cut(now, Cause::Failed, actions);
            return;
        }
        request.report.set(TunnelProgress::Asked(self.peer));
        actions.set_deadline(now + request.within, Reason::Head);
        let (spans, report) = (FieldSpans::new(), request.report);
        self.stage = TunnelStage::Asked(Box::new(Asked { protocol, spans, report }));
    }

    /// Reads the answer of the proxy. What is behind it is for the inner machine.
    fn receive(&mut self, now: Instant, bytes: &[u8], actions: &mut Actions<'_>) -> usize {
        let mut at = 0;
        while let TunnelStage::Asked(asked) = &mut self.stage {
            let rest = bytes.get(at..).unwrap_or_default();
            let Asked { protocol, spans, .. } = &mut **asked;
            let (n, part) = match protocol.receive(rest, spans, actions.blocks()) {
                Ok(received) => received,
                Err(rejection) => {
                    let cause = Cause::Protocol("the answer of a proxy to CONNECT");
                    self.fail(now, Some(TunnelFailure::Rejected(rejection)), cause, actions);
                    return bytes.len();
                }
            };
            at += n;
            match part {
                Some(ResponsePart::Switched(_)) => {
                    asked.report.set(TunnelProgress::Open(self.peer));
                    self.stage = TunnelStage::Open;
                    self.inner.pass_on(now, Input::Start, actions);
                    let rest = bytes.get(at..).unwrap_or_default();
                    if !rest.is_empty() {
                        at += self.inner.pass_on(now, Input::Bytes(rest), actions);
                    }
                    self.inner.settle(None, actions);
                    return at;
                }
                Some(ResponsePart::Response(head) | ResponsePart::WholeResponse(head)) => {
                    let refused = TunnelFailure::Refused(head.status());
                    self.fail(now, Some(refused), Cause::Failed, actions);
                    return bytes.len();
                }
                // An interim response.
                Some(_) => {}
                None => return at,
            }
        }
        bytes.len()
    }

    /// There is no tunnel. Without a `failure`, the cause says all.
    fn fail(
        &mut self,
        now: Instant,
        failure: Option<TunnelFailure>,
        cause: Cause,
        actions: &mut Actions<'_>,
    ) {
        let stage = core::mem::replace(&mut self.stage, TunnelStage::Failed);
        if let (TunnelStage::Asked(asked), Some(failure)) = (stage, failure) {
            asked.report.set(TunnelProgress::Failed(self.peer, failure));
        }
        self.inner.cut(now, cause, actions);
    }
}

impl<M: Machine> Machine for Tunnel<M> {
    fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match (&self.stage, input) {
            (TunnelStage::Open, input) => {
                let taken = self.inner.pass_on(now, input, actions);
                self.inner.settle(None, actions);
                return taken;
            }
            (TunnelStage::Failed, Input::Bytes(bytes)) => return bytes.len(),
            (TunnelStage::Failed, _) => {}
            (_, Input::Start) => self.ask(now, actions),
            (_, Input::Bytes(bytes)) => return self.receive(now, bytes, actions),
            (_, Input::Deadline) => {
                let cause = Cause::TimedOut(Reason::Head);
                self.fail(now, Some(TunnelFailure::TimedOut), cause, actions);
            }
            (_, Input::Eof) => {
                self.fail(now, Some(TunnelFailure::Broken), Cause::PeerClosed, actions);
            }
            (_, Input::Cut(cause)) => {
                self.fail(now, Some(TunnelFailure::Broken), cause, actions);
            }
            (_, Input::Shutdown) => self.fail(now, None, Cause::Shutdown, actions),
            // `WriteFailed`, `Drained`, `Wake`: the answer shows whether the request arrived.
            _ => {}
        }
        0
    }

    fn held(&self) -> usize {
        let held = match &self.stage {
            TunnelStage::Asked(asked) => asked.protocol.held(),
            _ => 0,
        };
        self.inner.held() + held
    }

    fn scanned(&self) -> u64 {
        self.inner.scanned()
    }
}

#[cfg(all(test, feature = "testkit"))]
mod tests;
