//! [`State`] and [`Extension`]: values that are not in the request of the client.
//!
//! It must never know routes.

use alloc::format;
use core::any::type_name;
use core::convert::Infallible;

use super::rejection::Rejection;
use crate::machine::Error;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

/// The state of the application, or a part of it: a copy of what was given to
/// [`Router::with_state`](crate::web::Router::with_state). A hub runs in one thread, so that an `Rc`
/// shares it, and a `Cell` or a `RefCell` makes it mutable. (A borrow must not be held across an
/// `.await`.)
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{FromState, Router, State, get};
///
/// #[derive(Clone)]
/// struct App {
///     hits: Rc<Cell<u32>>,
///     name: &'static str,
/// }
///
/// /// A part of the state, for handlers that need nothing else.
/// #[derive(Clone)]
/// struct Hits(Rc<Cell<u32>>);
///
/// impl FromState<App> for Hits {
///     fn from_state(app: &App) -> Self {
///         Hits(Rc::clone(&app.hits))
///     }
/// }
///
/// fn count(State(Hits(hits)): State<Hits>) -> String {
///     hits.set(hits.get() + 1);
///     format!("hit {}", hits.get())
/// }
///
/// let app = App { hits: Rc::default(), name: "notes" };
/// let routes = Router::new()
///     .route("/", get(count))
///     .route("/name", get(|State(app): State<App>| app.name))
///     .with_state(app)?;
/// assert_eq!(Oneshot::get("/").send(&routes).text(), "hit 1");
/// assert_eq!(Oneshot::get("/").send(&routes).text(), "hit 2");
/// assert_eq!(Oneshot::get("/name").send(&routes).text(), "notes");
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(
    /// The value.
    pub T,
);

/// How a handler's [`State`] is made from the state of the application: a copy of it, or a part.
///
/// Example: see [`State`].
pub trait FromState<S> {
    /// Makes it from the state of the application.
    fn from_state(state: &S) -> Self;
}

/// A copy of the whole.
impl<S: Clone> FromState<S> for S {
    fn from_state(state: &S) -> Self {
        state.clone()
    }
}

impl<S, T: FromState<S>> FromRequest<S> for State<T> {
    type Error = Infallible;
    const WAITS: Waits = Waits::Never;

    async fn from_request(_: &mut RoutedRequest, state: &S) -> Result<Self, Infallible> {
        Ok(State(T::from_state(state)))
    }
}

/// A copy of a value that middleware [attached](crate::http1::Request::insert) to the request. If
/// there is none, the application is wrong: 500, and a notice.
///
/// ```
/// use diesel_proto::http1::{IntoResponse, Request, Response, Status};
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Extension, Next, Router, get};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// async fn log_in(mut request: Request, next: Next) -> Result<Response, Status> {
///     let user = request.header_str("X-User").ok_or(Status::UNAUTHORIZED)?;
///     let user = User(user.to_owned());
///     request.insert(user);
///     Ok(next.run(request).await)
/// }
///
/// let whoami = get(|Extension(User(name)): Extension<User>| name);
/// let routes = Router::new().route("/", whoami).layer(log_in).build()?;
/// assert_eq!(Oneshot::get("/").header("X-User", "ada").send(&routes).text(), "ada");
/// assert_eq!(Oneshot::get("/").send(&routes).status.code(), 401);
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(
    /// The value.
    pub T,
);

impl<S, T: Clone + 'static> FromRequest<S> for Extension<T> {
    type Error = Rejection;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        request.extension::<T>().cloned().map(Extension).ok_or_else(|| {
            let text = format!("no middleware attached a {} to the request", type_name::<T>());
            Rejection::Application(Error::application(text))
        })
    }
}
