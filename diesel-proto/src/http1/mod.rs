//! HTTP/1.1, the server's side.

mod fields;
mod limits;
mod rule;
mod status;
mod syntax;

pub use fields::{FieldSpans, FieldsView};
pub use limits::{Deadlines, Limits};
pub use rule::{Rejection, Rule};
pub use status::Status;
