//! What a client is told when its request cannot be passed on: 502, 503 or 504, and why.
//!
//! Rules of this file:
//!
//! - The text names the phase and the rule, never an address, a name or a certificate. The notice has
//!   the error as it is.
//!
//! It must never know which upstream failed.

use alloc::format;
use alloc::string::{String, ToString};

use crate::http1::{ClientError, InvalidRequest, Response, Status, Timeout};
use crate::machine::{ConnectErrorKind, Error};

/// The response that explains this error.
pub(super) fn response_to(error: ClientError) -> Response {
    let (status, reason) = reason_of(&error);
    explained(status, &reason).reporting(Error::from(error))
}

/// A response of the proxy itself.
pub(super) fn explained(status: Status, reason: &str) -> Response {
    Response::text(format!("{status}: {reason}\n")).status(status)
}

fn reason_of(error: &ClientError) -> (Status, String) {
    let within = |what: &str| match error.at() {
        Some(at) => format!("{}: {what}", at.phase),
        None => what.to_string(),
    };
    match error {
        ClientError::Queue(..) | ClientError::TimedOut(_, Timeout::Queue, _) => {
            (Status::SERVICE_UNAVAILABLE, within("too many requests wait"))
        }
        ClientError::Shutdown => (Status::SERVICE_UNAVAILABLE, "shutting down".into()),
        ClientError::TimedOut(..) => (Status::GATEWAY_TIMEOUT, within("timed out")),
        ClientError::Connect(_, Error::Limit(_)) => {
            (Status::SERVICE_UNAVAILABLE, within("too many connections"))
        }
        ClientError::Connect(_, error) => (Status::BAD_GATEWAY, within(unreached(error))),
        ClientError::Broken(_, error) => (
            Status::BAD_GATEWAY,
            within(match error {
                Error::Reset => "the connection was reset",
                Error::Tls(_) => "an error of TLS",
                _ => "the connection ended",
            }),
        ),
        ClientError::Response(_, rejection) => {
            let rule = rejection.rule;
            let (text, section) = (rule.text(), rule.section());
            (Status::BAD_GATEWAY, within(&format!("{text} ({section})")))
        }
        ClientError::Upload(_) => (Status::BAD_REQUEST, "the body of the request ended".into()),
        // RFC 9110, 9.3.8, for example: TRACE has no content.
        ClientError::Request(InvalidRequest::Forbidden(_) | InvalidRequest::Line(_)) => {
            (Status::BAD_REQUEST, "the request cannot be passed on".into())
        }
        _ => (Status::BAD_GATEWAY, "the request cannot be passed on".into()),
    }
}

fn unreached(error: &Error) -> &'static str {
    match error {
        Error::Connect(error) => match error.kind {
            ConnectErrorKind::Refused => "refused",
            ConnectErrorKind::Reset => "reset",
            ConnectErrorKind::Unreachable => "no route",
            _ => "failed",
        },
        Error::Tls(_) => "an error of TLS",
        Error::Reset => "reset",
        _ => "failed",
    }
}

/// Whether nothing of the request was sent.
pub(super) fn is_unsent(error: &ClientError) -> bool {
    use crate::http1::Phase;
    match error {
        ClientError::Connect(..) => true,
        ClientError::TimedOut(at, ..) => {
            matches!(at.phase, Phase::Resolve | Phase::Connect | Phase::Tls)
        }
        _ => false,
    }
}

/// Whether the upstream may have had the request, but no byte of a response arrived.
pub(super) fn is_unanswered(error: &ClientError) -> bool {
    use crate::http1::Phase;
    matches!(error, ClientError::Broken(at, _) if matches!(at.phase, Phase::Send | Phase::Head))
}
