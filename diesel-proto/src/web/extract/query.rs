//! [`Query`]: the query.
//!
//! It must never know routes.

use alloc::string::ToString;

use serde::de::DeserializeOwned;

use super::rejection::Rejection;
use crate::http1::Request;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

/// The query, as a struct or a map: `?q=a+b&tag=x&tag=y`. A name that occurs several times is a
/// `Vec`; one that may be missing an `Option`, or a field with a default. Without a query, it is read
/// from the empty text. Bytes that are not UTF-8 become U+FFFD, as the URL Standard (5.1) says.
///
/// A query that cannot be converted is answered with 400.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Query, Router, get};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Search {
///     q: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// let search = get(|Query(Search { q, page, tag }): Query<Search>| format!("{q}, {page:?}, {tag:?}"));
/// let routes = Router::new().route("/", search).build()?;
/// let found = Oneshot::get("/?q=a+b%21&tag=x&tag=y").send(&routes);
/// assert_eq!(found.text(), "a b!, None, [\"x\", \"y\"]");
/// assert_eq!(
///     Oneshot::get("/?page=2").send(&routes).text(),
///     "the query is not as expected: missing field `q`\n"
/// );
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(
    /// The value.
    pub T,
);

impl<S, T: DeserializeOwned> FromRequest<S> for Query<T> {
    type Error = Rejection;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        read(request).map(Query)
    }
}

pub(super) fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Rejection> {
    serde_html_form::from_str(request.query().unwrap_or_default())
        .map_err(|error| Rejection::Query { fault: error.to_string().into() })
}
