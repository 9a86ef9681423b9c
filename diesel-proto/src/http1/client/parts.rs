//! [`RequestParts`]: what a request is made of, until it is sent.
//!
//! It must never know what all requests of a client share.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use bytes::Bytes;

use super::config::{ClientConfig, ClientTimeouts};
use super::upload::WriteBody;
use super::url::Url;
use crate::http1::message::BodyLength;
use crate::http1::syntax::{Headers, ResponseHead};

/// User code that sees interim responses.
pub(super) type Interim = Box<dyn FnMut(ResponseHead<'_>)>;

pub(super) struct RequestParts {
    pub(super) method: Cow<'static, str>,
    pub(super) url: Url,
    /// The request target, instead of that of the URL.
    pub(super) target: Option<Box<str>>,
    /// The value of Host, instead of that of the URL.
    pub(super) host: Option<Box<str>>,
    pub(super) headers: Headers,
    pub(super) body: RequestBody,
    pub(super) expects_continue: bool,
    /// The protocols that the server may switch to.
    pub(super) upgrade: Option<Box<str>>,
    pub(super) timeouts: ClientTimeouts,
    pub(super) redirects: u32,
    pub(super) interim: Option<Interim>,
}

pub(super) enum RequestBody {
    /// Nothing, if it is empty.
    Whole(Bytes),
    Stream(BodyLength, Box<WriteBody>),
    /// It was a stream, and is gone.
    Gone,
}

impl RequestBody {
    pub(super) fn length(&self) -> BodyLength {
        match self {
            RequestBody::Whole(body) => BodyLength::Exactly(body.len() as u64),
            RequestBody::Stream(length, _) => *length,
            RequestBody::Gone => BodyLength::Exactly(0),
        }
    }
}

impl RequestParts {
    pub(super) fn new(method: Cow<'static, str>, url: Url, config: &ClientConfig) -> Self {
        RequestParts {
            method,
            url,
            target: None,
            host: None,
            headers: Headers::new(),
            body: RequestBody::Whole(Bytes::new()),
            expects_continue: false,
            upgrade: None,
            timeouts: config.timeouts,
            redirects: config.redirects,
            interim: None,
        }
    }

    /// As new, in the memory of this one.
    pub(super) fn renew(&mut self, method: Cow<'static, str>, url: Url, config: &ClientConfig) {
        let mut headers = core::mem::take(&mut self.headers);
        headers.clear();
        *self = RequestParts { headers, ..RequestParts::new(method, url, config) };
    }
}
