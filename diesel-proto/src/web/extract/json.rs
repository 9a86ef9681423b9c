//! [`Json`]: bodies of requests and of responses.
//!
//! It must never know routes.

use alloc::string::ToString;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::content_type::media_type;
use super::rejection::Rejection;
use crate::http1::{IntoResponse, Request, Response};
use crate::machine::Error;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

/// A body in JSON: as a parameter of a handler that of the request, as what it returns that of the
/// response. Feature `json`.
///
/// The type of the request has to be `application/json`, or end with `+json`: otherwise the answer is
/// 415. What is not JSON is answered with 400, JSON that cannot be converted with 422, both with line
/// and column, and a body that is longer than the limit of the route with 413. A value that JSON
/// cannot hold (a map whose keys are no strings) makes a [failed](Response::failed) response.
///
/// ```
/// use diesel_proto::http1::Status;
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Json, Router, post};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// fn mirror(Json(Point { x, y }): Json<Point>) -> (Status, Json<Point>) {
///     (Status::CREATED, Json(Point { x: -x, y }))
/// }
///
/// let routes = Router::new().route("/", post(mirror)).build()?;
/// let answer = Oneshot::post("/").json(&Point { x: 1, y: 2 }).send(&routes);
/// assert_eq!((answer.status, answer.text()), (Status::CREATED, r#"{"x":-1,"y":2}"#));
///
/// let json = Oneshot::post("/").header("Content-Type", "application/json");
/// assert_eq!(
///     json.body(r#"{"x":1}"#).send(&routes).text(),
///     "the body is not as expected: missing field `y` at line 1 column 7\n"
/// );
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

impl<S, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Error = Rejection;
    const WAITS: Waits = Waits::ForBody;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        if !is_json(request) {
            return Err(Rejection::MediaType { expected: "application/json" });
        }
        let content = request.collect_body().await.map_err(Rejection::Body)?;
        serde_json::from_slice(content).map(Json).map_err(|error| {
            let fault = error.to_string().into();
            match error.classify() {
                Category::Data => Rejection::Content { fault },
                Category::Syntax | Category::Eof | Category::Io => Rejection::Syntax { fault },
            }
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => Response::bytes(json).content_type("application/json"),
            Err(error) => Response::failed(Error::application(error)),
        }
    }
}

fn is_json(request: &Request) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let media_type = media_type(request).as_bytes();
    let suffix = media_type.len().checked_sub(SUFFIX.len()).and_then(|at| media_type.get(at..));
    media_type.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(SUFFIX))
}
