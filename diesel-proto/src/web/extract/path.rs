//! [`Path`]: the parameters of the path.
//!
//! It must never know routes.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use super::path_values::{PathError, PathValues};
use super::rejection::Rejection;
use crate::machine::Error;
use crate::web::from_request::{FromRequest, Waits};
use crate::web::routed_request::RoutedRequest;

/// The parameters of the path, decoded: `%2F` in a value is a `/` in a [`String`](alloc::string::String),
/// which may have any character, ends of lines and NUL included.
///
/// `T` is a single value, if there is one parameter; a tuple, in the order of the path; or a struct or
/// a map, by name. Values are numbers, `bool`, `char`, strings, `Option` of these, and enums without
/// content.
///
/// A value that cannot be converted, that its type refuses, or that is not UTF-8, is answered with 400.
/// If the number of parameters is another one than that of the values, the application is wrong: 500,
/// and a notice.
///
/// ```
/// use diesel_proto::testkit::Oneshot;
/// use diesel_proto::web::{Path, Router, get};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Line {
///     book: String,
///     page: u32,
/// }
///
/// let by_name = get(|Path(line): Path<Line>| format!("{}, p. {}", line.book, line.page));
/// let by_place = get(|Path((book, page)): Path<(String, u32)>| format!("{book} at {page}"));
/// let routes = Router::new()
///     .route("/books/{book}/{page}", by_name)
///     .route("/{book}/{page}", by_place)
///     .build()?;
/// assert_eq!(Oneshot::get("/books/A%2FB/7").send(&routes).text(), "A/B, p. 7");
/// assert_eq!(Oneshot::get("/a%20b/7").send(&routes).text(), "a b at 7");
/// # Ok::<(), diesel_proto::web::InvalidRoute>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(
    /// The value.
    pub T,
);

impl<S, T: DeserializeOwned> FromRequest<S> for Path<T> {
    type Error = Rejection;
    const WAITS: Waits = Waits::Never;

    async fn from_request(request: &mut RoutedRequest, _: &S) -> Result<Self, Rejection> {
        read(request).map(Path)
    }
}

fn read<T: DeserializeOwned>(request: &RoutedRequest) -> Result<T, Rejection> {
    let decoded = request.params().map(|(name, value)| match value {
        Ok(value) => Ok((name, value)),
        Err(bytes) => Err(Rejection::Path {
            fault: format!(
                "the parameter {name} of the path is \"{}\", which is not UTF-8",
                bytes.escape_ascii()
            )
            .into(),
        }),
    });
    let values: Vec<(&str, Cow<'_, str>)> = decoded.collect::<Result<_, _>>()?;
    T::deserialize(PathValues::new(&values)).map_err(|error| match error {
        PathError::Value(fault) => Rejection::Path { fault },
        PathError::Shape(fault) => {
            let route = request.route().unwrap_or("(fallback)");
            let text =
                format!("the handler of the route {route} takes a Path that does not fit: {fault}");
            Rejection::Application(Error::application(text))
        }
    })
}
