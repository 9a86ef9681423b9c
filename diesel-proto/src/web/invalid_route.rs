//! [`InvalidRoute`]: why a router cannot be built.
//!
//! It must never know requests.

use alloc::boxed::Box;
use core::fmt;

/// Why a [`Router`](super::Router) cannot be built: an error of the application, found at start-up.
///
/// ```
/// use diesel_proto::web::{InvalidRoute, Router, get};
///
/// let error = Router::new().route("/{id}", get(|| "a")).route("/{name}", get(|| "b")).build();
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "the route /{name} matches the same paths as the route /{id}"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRoute {
    /// The path does not begin with `/`.
    NotAbsolute {
        /// The path.
        path: Box<str>,
    },
    /// A parameter in the path has no name, or one of its braces is missing.
    Parameter {
        /// The path.
        path: Box<str>,
    },
    /// A part of the path between two `/` has two parameters.
    TwoParameters {
        /// The path.
        path: Box<str>,
    },
    /// Two parameters of the path have the same name.
    RepeatedName {
        /// The path.
        path: Box<str>,
        /// The name.
        name: Box<str>,
    },
    /// A parameter with `*` is not at the end of the path, or in the prefix of a nested router.
    CatchAll {
        /// The path.
        path: Box<str>,
    },
    /// Two routes match the same paths, and neither is more specific.
    Conflict {
        /// The path of the second.
        path: Box<str>,
        /// The path of the first.
        with: Box<str>,
    },
    /// A path has two handlers for a method.
    TwoHandlers {
        /// The path.
        path: Box<str>,
        /// The method, or `any`.
        method: Box<str>,
    },
    /// A method is not a token (RFC 9110, 9.1).
    Method {
        /// The path.
        path: Box<str>,
        /// The method.
        method: Box<str>,
    },
    /// A router is nested at `/` or at nothing, or the prefix ends with `/`.
    Prefix {
        /// The prefix.
        prefix: Box<str>,
    },
    /// Two fallbacks are for the same paths.
    TwoFallbacks {
        /// The prefix of the paths.
        prefix: Box<str>,
    },
}

impl fmt::Display for InvalidRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidRoute::NotAbsolute { path } => {
                write!(f, "the path of the route {path:?} does not begin with a slash")
            }
            InvalidRoute::Parameter { path } => write!(
                f,
                "a parameter of the route {path} has no name, or a brace is missing (write a brace of \
                 the path itself twice)"
            ),
            InvalidRoute::TwoParameters { path } => {
                write!(f, "a part of the route {path} between two slashes has two parameters")
            }
            InvalidRoute::RepeatedName { path, name } => {
                write!(f, "the route {path} has two parameters named {name}")
            }
            InvalidRoute::CatchAll { path } => {
                write!(f, "a parameter with * is not at the end of the route {path}")
            }
            InvalidRoute::Conflict { path, with } => {
                write!(f, "the route {path} matches the same paths as the route {with}")
            }
            InvalidRoute::TwoHandlers { path, method } => {
                write!(f, "the route {path} has two handlers for {method}")
            }
            InvalidRoute::Method { path, method } => {
                write!(
                    f,
                    "the method {method:?} of the route {path} is not a token (RFC 9110, 9.1)"
                )
            }
            InvalidRoute::Prefix { prefix } => write!(
                f,
                "a router cannot be nested at {prefix:?}: a prefix begins with a slash and ends \
                 without one (use merge for routers side by side)"
            ),
            InvalidRoute::TwoFallbacks { prefix } => {
                write!(f, "there are two fallbacks for the paths below {prefix:?}")
            }
        }
    }
}

impl core::error::Error for InvalidRoute {}
