//! Bodies of any type: [`Bytes`] and [`String`].
//!
//! It must never know routes.

use alloc::string::String;

use bytes::Bytes;

use super::rejection::Rejection;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

/// The whole body. One that is longer than the limit of the route is answered with 413.
impl<S> FromRequest<S> for Bytes {
    type Error = Rejection;
    const WAITS: Waits = Waits::ForBody;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        request.collect_body().await.map_err(Rejection::Body)?;
        Ok(request.take_content().into())
    }
}

/// The whole body. One that is longer than the limit of the route is answered with 413, one that is
/// not UTF-8 with 400.
impl<S> FromRequest<S> for String {
    type Error = Rejection;
    const WAITS: Waits = Waits::ForBody;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        request.collect_body().await.map_err(Rejection::Body)?;
        String::from_utf8(request.take_content()).map_err(|error| Rejection::Syntax {
            fault: alloc::format!("not UTF-8 from byte {}", error.utf8_error().valid_up_to())
                .into(),
        })
    }
}
