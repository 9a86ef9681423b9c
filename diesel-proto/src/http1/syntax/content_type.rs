//! Values of `Content-Type` that a response can have without a field in its headers.

use core::ptr;

/// A static `Content-Type` value, checked beforehand. It allocates nothing.
#[derive(Clone, Copy, Debug, Eq)]
pub(in crate::http1) struct ContentType(&'static str);

impl ContentType {
    pub(in crate::http1) const fn new(value: &'static str) -> Self {
        ContentType(value)
    }

    pub(in crate::http1) const TEXT: ContentType = ContentType("text/plain; charset=utf-8");
    pub(in crate::http1) const HTML: ContentType = ContentType("text/html; charset=utf-8");

    pub(in crate::http1) const fn as_str(self) -> &'static str {
        self.0
    }
}

impl PartialEq for ContentType {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Usually both are the same constant, so compare the pointers first.
        ptr::eq(self.0, other.0) || self.0 == other.0
    }
}
