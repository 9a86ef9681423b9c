//! [`FromRequest`]: what a handler's parameter has to be able to do.
//!
//! It must never know routes.

use core::convert::Infallible;
use core::future::Future;

use super::routed_request::RoutedRequest;
use crate::http1::{FieldsView, Headers, IntoResponse};

/// A type that a handler can have as a parameter: it is made from the request. `S` is the state of
/// the application.
///
/// Given: [`Path`](super::Path), [`Query`](super::Query), [`Form`](super::Form),
/// `Json` (feature `json`), [`State`](super::State), [`Extension`](super::Extension),
/// `Cookies` (feature `cookies`), the [`Headers`] of the request, its body as
/// [`Bytes`](bytes::Bytes) or [`String`](alloc::string::String), and `Result<T, T::Error>` for any
/// of them, for a handler that answers the error itself.
///
/// Parameters are made in order. The first that cannot be made is the response, and the handler is
/// not called.
///
/// ```
/// use diesel_proto::http1::Status;
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{FromRequest, RoutedRequest, Router, Waits, get};
///
/// struct User(String);
///
/// impl<S> FromRequest<S> for User {
///     type Error = (Status, &'static str);
///     const WAITS: Waits = Waits::Never;
///
///     async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Self::Error> {
///         match request.header_str("X-User") {
///             Some(user) => Ok(User(user.into())),
///             None => Err((Status::UNAUTHORIZED, "who are you?")),
///         }
///     }
/// }
///
/// let routes = Router::new().route("/", get(|User(name): User| name)).build()?;
/// let answer = Oneshot::get("/").header("X-User", "ada").send(&routes);
/// assert_eq!((answer.status, answer.text()), (Status::OK, "ada"));
/// assert_eq!(Oneshot::get("/").send(&routes).status, Status::UNAUTHORIZED);
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a request",
    note = "parameters of handlers are `Path<T>`, `Query<T>`, `Form<T>`, `Json<T>`, `State<T>`, `Headers`, \
            the body as `String` or `bytes::Bytes`, .., or types that implement `FromRequest`; the `Request` \
            itself is the last parameter"
)]
pub trait FromRequest<S>: Sized {
    /// The response if it cannot be made.
    type Error: IntoResponse;

    /// What [`from_request`](Self::from_request) may wait for. The default is always right; a more
    /// precise one saves a plain handler an allocation.
    const WAITS: Waits = Waits::ForAnything;

    /// Makes it from a request.
    ///
    /// # Errors
    ///
    /// If the request does not have what is needed.
    fn from_request(
        request: &mut RoutedRequest,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Error>>;
}

/// What an extractor waits for.
///
/// Example: see [`FromRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waits {
    /// Nothing: it looks at the head of the request alone.
    Never,
    /// The body of the request.
    ForBody,
    /// Anything.
    ForAnything,
}

impl Waits {
    /// Whether an extractor waits for this request, if its body is complete or not.
    pub(super) fn applies(self, body_is_at_end: bool) -> bool {
        self == Waits::ForAnything || self == Waits::ForBody && !body_is_at_end
    }

    pub(super) const fn or(self, other: Waits) -> Waits {
        if self as u8 >= other as u8 { self } else { other }
    }
}

/// The handler answers the error itself.
impl<S, T: FromRequest<S>> FromRequest<S> for Result<T, T::Error> {
    type Error = Infallible;
    const WAITS: Waits = T::WAITS;

    async fn from_request(request: &mut RoutedRequest, state: &S) -> Result<Self, Infallible> {
        Ok(T::from_request(request, state).await)
    }
}

/// A copy of all fields. To look at some, take the [`Request`](crate::http1::Request) itself.
impl<S> FromRequest<S> for Headers {
    type Error = Infallible;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Infallible> {
        let fields: FieldsView<'_> = request.headers();
        Ok(Headers::from(fields))
    }
}
