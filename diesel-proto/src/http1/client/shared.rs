//! [`ClientShared`]: what all clones of a client, its calls and its connections share: settings, the
//! pool, and spare memory.
//!
//! It must never know requests.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::config::ClientConfig;
use super::parts::RequestParts;
use super::pool::Pool;
use super::proxy::Proxies;
use super::url::Url;
use crate::buf::Blocks;
use crate::fiber::Ctx;
use crate::http1::connection::ClientConnectionConfig;
use crate::http1::syntax::{FieldSpans, FieldsView, Headers};
use crate::machine::Address;

/// The most spare objects of each kind.
const KEEP: usize = 64;
/// An object with more memory than this is not kept.
const KEEP_BYTES: usize = 64 << 10;

pub(super) struct ClientShared {
    pub(super) ctx: Ctx,
    pub(super) config: ClientConfig,
    pub(super) protocol: Arc<ClientConnectionConfig>,
    /// Sent with each request that has no such field.
    pub(super) headers: Headers,
    /// Addresses of hosts that are not looked up: by the host and the port in a URL.
    pub(super) hosts: BTreeMap<Box<str>, Address>,
    pub(super) proxies: Proxies,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::tls::Connector>,
    /// `Some`: gzip is asked for, and decoded to at most this many bytes.
    #[cfg(feature = "gzip")]
    pub(super) gzip: Option<u64>,
    #[cfg(feature = "cookies")]
    pub(super) cookies: Option<RefCell<super::jar::Jar>>,
    pub(super) pool: Pool,
    pub(super) is_closed: Cell<bool>,
    #[allow(clippy::vec_box, reason = "the boxes are what is spared")]
    spans: RefCell<Vec<Box<FieldSpans>>>,
    #[allow(clippy::vec_box, reason = "the boxes are what is spared")]
    parts: RefCell<Vec<Box<RequestParts>>>,
    blocks: RefCell<Blocks>,
}

impl ClientShared {
    pub(super) fn new(ctx: Ctx, config: ClientConfig) -> Self {
        let protocol =
            ClientConnectionConfig { limits: config.limits, ..ClientConnectionConfig::default() };
        ClientShared {
            ctx,
            config,
            protocol: Arc::new(protocol),
            headers: Headers::new(),
            hosts: BTreeMap::new(),
            proxies: Proxies::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "gzip")]
            gzip: None,
            #[cfg(feature = "cookies")]
            cookies: None,
            pool: Pool::default(),
            is_closed: Cell::new(false),
            spans: RefCell::default(),
            parts: RefCell::default(),
            blocks: RefCell::default(),
        }
    }

    pub(super) fn set_config(&mut self, config: ClientConfig) {
        let protocol = ClientConnectionConfig { limits: config.limits, ..*self.protocol };
        (self.config, self.protocol) = (config, Arc::new(protocol));
    }

    /// Memory for the head of a response.
    pub(super) fn lend_spans(&self) -> Box<FieldSpans> {
        self.spans.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_back_spans(&self, spans: Box<FieldSpans>) {
        let spare = &mut *self.spans.borrow_mut();
        if spare.len() < KEEP && spans.capacity() <= KEEP_BYTES {
            spare.push(spans);
        }
    }

    /// A request to be built.
    pub(super) fn lend_parts(&self, method: Cow<'static, str>, url: Url) -> Box<RequestParts> {
        let spare = self.parts.borrow_mut().pop();
        match spare {
            Some(mut parts) => {
                parts.renew(method, url, &self.config);
                parts
            }
            None => Box::new(RequestParts::new(method, url, &self.config)),
        }
    }

    /// Keeps the memory of a request, but nothing that belongs to it.
    pub(super) fn give_back_parts(&self, mut parts: Box<RequestParts>) {
        let url = parts.url.take();
        parts.renew(Cow::Borrowed(""), url, &self.config);
        let spare = &mut *self.parts.borrow_mut();
        if spare.len() < KEEP {
            spare.push(parts);
        }
    }

    /// Memory for heads that arrive in pieces.
    pub(super) fn with_blocks<R>(&self, with: impl FnOnce(&mut Blocks) -> R) -> R {
        let mut blocks = core::mem::take(&mut *self.blocks.borrow_mut());
        let result = with(&mut blocks);
        *self.blocks.borrow_mut() = blocks;
        result
    }
}

#[cfg(feature = "cookies")]
impl ClientShared {
    /// The value of Cookie in a request with these fields. What the caller gives stands alone.
    pub(super) fn cookie_field(&self, url: &Url, headers: &Headers) -> Option<String> {
        let jar = self.cookies.as_ref().filter(|_| headers.get("cookie").is_none())?;
        jar.borrow_mut().field(url, super::jar::JarTime::of(&self.ctx))
    }

    /// Keeps the cookies of a response. Those that are refused are none.
    pub(super) fn keep_cookies(&self, url: &Url, fields: FieldsView<'_>) {
        let Some(jar) = &self.cookies else { return };
        for cookie in fields.get_all("set-cookie") {
            let _ = jar.borrow_mut().store(url, cookie, super::jar::JarTime::of(&self.ctx));
        }
    }
}

#[cfg(not(feature = "cookies"))]
impl ClientShared {
    pub(super) fn cookie_field(&self, _: &Url, _: &Headers) -> Option<String> {
        None
    }

    pub(super) fn keep_cookies(&self, _: &Url, _: FieldsView<'_>) {}
}
