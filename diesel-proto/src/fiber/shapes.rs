//! What can be a handler or a loop, by its shape.
//!
//! These traits are bounds with a message. If a function has another shape, the compiler tells
//! which shape is required, instead of which bound of an `AsyncFn` inside which conversion does not
//! hold.
//!
//! The compiler shows the message only if there is more than one candidate implementation: for a
//! single one it shows which of its bounds fails. So there are two of each, distinguished by
//! `Kind`, which is inferred: the second one of [`ConnHandler`] and [`LoopBody`] applies to
//! nothing, and that of [`IntoService`] is in the hub.

use super::{Conn, Ctx};
use crate::hub::{IntoService, Service};
use crate::machine::Error;

/// A handler of connections: `async fn(Conn) -> Result<(), Error>`, or an async closure that owns
/// or borrows what it captured. `Kind` is inferred.
///
/// ```
/// use diesel_proto::{Conn, ConnHandler, Error, Service};
///
/// async fn greet(mut conn: Conn) -> Result<(), Error> {
///     conn.write("hello\r\n").await
/// }
///
/// fn named<H: ConnHandler<K> + 'static, K>(handler: H) -> Service {
///     Service::new(handler).named("greeter")
/// }
///
/// named(greet);
/// named(async |mut conn| conn.write("hello\r\n").await);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of connections",
    label = "not an `async fn(Conn) -> Result<(), Error>`",
    note = "a handler is an `async fn(Conn) -> Result<(), Error>`, or an async closure: \
            `async |mut conn: Conn| {{ ..; Ok(()) }}`",
    note = "it takes the `Conn` itself, not a reference, and its last expression is `Ok(())`"
)]
pub trait ConnHandler<Kind>: AsyncFn(Conn) -> Result<(), Error> {}

impl<H> ConnHandler<kind::HandlerKind> for H where H: AsyncFn(Conn) -> Result<(), Error> {}
impl<H> ConnHandler<kind::Nothing> for H where H: kind::NoHandler {}

/// A loop: `async fn(Ctx) -> Result<(), Error>`, or an async closure. `Kind` is inferred.
///
/// ```
/// use core::time::Duration;
/// use diesel_proto::{Ctx, Error, Hub};
///
/// async fn tick(ctx: Ctx) -> Result<(), Error> {
///     loop {
///         ctx.sleep(Duration::from_secs(1)).await?;
///     }
/// }
///
/// let mut hub = Hub::default();
/// let fiber = hub.add_loop(tick)?;
/// assert_eq!(fiber.index(), 0);
/// # Ok::<(), diesel_proto::Limit>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loop",
    label = "not an `async fn(Ctx) -> Result<(), Error>`",
    note = "a loop is an `async fn(Ctx) -> Result<(), Error>`, or an async closure: \
            `async |ctx: Ctx| {{ ..; Ok(()) }}`",
    note = "what needs a `Conn` is a handler: `add_service`; or it connects: `ctx.connect(address)`"
)]
pub trait LoopBody<Kind>: AsyncFnOnce(Ctx) -> Result<(), Error> {}

impl<F> LoopBody<kind::HandlerKind> for F where F: AsyncFnOnce(Ctx) -> Result<(), Error> {}
impl<F> LoopBody<kind::Nothing> for F where F: kind::NoLoop {}

impl<H> IntoService<kind::HandlerKind> for H
where
    H: AsyncFn(Conn) -> Result<(), Error> + 'static,
{
    fn into_service(self) -> Service {
        Service::new(self)
    }
}

/// Which implementation of a trait is meant.
mod kind {
    use crate::fiber::{Conn, Ctx};
    use crate::machine::Error;

    #[derive(Debug)]
    pub enum HandlerKind {}
    #[derive(Debug)]
    pub enum Nothing {}

    /// Implemented by nothing.
    pub trait NoHandler: AsyncFn(Conn) -> Result<(), Error> {}
    pub trait NoLoop: AsyncFnOnce(Ctx) -> Result<(), Error> {}
}
