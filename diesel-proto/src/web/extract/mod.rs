//! What handlers take as parameters: made from the head of a request, its body, or the application.
//!
//! ```text
//!   path         Path: the parameters of the path; path_values: the deserializer
//!   query        Query: the query
//!   form, json   Form, Json: bodies; content_type: which type a body has
//!   body         Bytes, String: bodies of any type
//!   state        State, Extension: what the application has, what middleware attached
//!   rejection    why one cannot be made: the response
//! ```
//!
//! They must never know routes.

mod body;
mod content_type;
mod form;
#[cfg(feature = "json")]
mod json;
mod path;
mod path_values;
mod query;
mod rejection;
mod state;

pub use form::Form;
#[cfg(feature = "json")]
pub use json::Json;
pub use path::Path;
pub use query::Query;
pub use rejection::Rejection;
pub use state::{Extension, FromState, State};
