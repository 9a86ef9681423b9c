//! Responses with a meaning: [`Html`] and [`Redirect`].
//!
//! It must never know requests.

use alloc::borrow::Cow;

use crate::http1::{IntoResponse, Response, Status};

/// A page in HTML. What is untrusted in it has to be escaped by the application.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Html, Router, get};
///
/// let routes = Router::new().route("/", get(|| Html("<!doctype html><title>Notes</title>"))).build()?;
/// let page = Oneshot::get("/").send(&routes);
/// assert_eq!(page.headers.get_str("Content-Type"), Some("text/html; charset=utf-8"));
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Html<T>(
    /// The text.
    pub T,
);

impl<T: Into<Cow<'static, str>>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response::html(self.0)
    }
}

/// Sends the client elsewhere (RFC 9110, 15.4). The target is a URI reference; one that cannot be a
/// field makes a 500.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Redirect, Router, post};
///
/// let routes = Router::new().route("/notes", post(|| Redirect::see_other("/notes/7"))).build()?;
/// let answer = Oneshot::post("/notes").send(&routes);
/// assert_eq!((answer.status.code(), answer.headers.get_str("Location")), (303, Some("/notes/7")));
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: Status,
    location: Cow<'static, str>,
}

macro_rules! redirects {
    ($($(#[$doc:meta])* $name:ident $status:ident)*) => {
        impl Redirect {
            $(
                $(#[$doc])*
                pub fn $name(location: impl Into<Cow<'static, str>>) -> Self {
                    Redirect { status: Status::$status, location: location.into() }
                }
            )*
        }
    };
}

redirects! {
    /// 303: to a page that is got with GET. The usual answer to a form.
    see_other SEE_OTHER
    /// 307: for this time, with the same method and body.
    temporary TEMPORARY_REDIRECT
    /// 308: for ever, with the same method and body.
    permanent PERMANENT_REDIRECT
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        Response::new(self.status).header("Location", &*self.location)
    }
}
