//! [`Form`]: a form that a browser sent, as a body or as a query.
//!
//! It must never know routes.

use alloc::string::ToString;

use serde::de::DeserializeOwned;

use super::content_type::media_type;
use super::query;
use super::rejection::Rejection;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

const FORM: &str = "application/x-www-form-urlencoded";

/// A form, as a struct or a map: the body, of the type `application/x-www-form-urlencoded`; for GET
/// and HEAD, the query. Names are treated as by [`Query`](super::Query).
///
/// Another type is answered with 415, a form that cannot be converted with 422 (in a query: 400), and
/// a body that is longer than the limit of the route with 413. (Forms with files are
/// `multipart/form-data`: they are not read.)
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Form, Router, post};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct LogIn {
///     name: String,
///     remember: Option<String>,
/// }
///
/// let log_in = post(|Form(form): Form<LogIn>| format!("{}, {}", form.name, form.remember.is_some()));
/// let routes = Router::new().route("/", log_in).build()?;
/// let answer = Oneshot::post("/").form("name=Ada+L.&remember=on").send(&routes);
/// assert_eq!(answer.text(), "Ada L., true");
/// assert_eq!(Oneshot::post("/").form("nom=Ada").send(&routes).status.code(), 422);
/// assert_eq!(Oneshot::post("/").body("name=Ada").send(&routes).status.code(), 415);
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(
    /// The value.
    pub T,
);

impl<S, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Error = Rejection;
    const WAITS: Waits = Waits::ForBody;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        if matches!(request.method(), "GET" | "HEAD") {
            return query::read(request).map(Form);
        }
        if !media_type(request).eq_ignore_ascii_case(FORM) {
            return Err(Rejection::MediaType { expected: FORM });
        }
        let content = request.collect_body().await.map_err(Rejection::Body)?;
        serde_html_form::from_bytes(content)
            .map(Form)
            .map_err(|error| Rejection::Content { fault: error.to_string().into() })
    }
}
