//! Waits for the first of several tokens.
//!
//! The future of a group is as large as its members. (An `async fn` would hold each of them twice: as
//! its argument, and pinned.)

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Waits for the first of two to eight futures, given as a tuple; the others are dropped.
///
/// They are polled in the order written: if several are ready, the one written first wins. Tokens
/// are cancel-safe: they lose nothing when they are dropped. At most one of them can wait for the
/// same connection: each borrows its [`Conn`](super::conn::Conn).
///
/// ```
/// # use core::time::Duration;
/// # use diesel_proto::*;
/// async fn patient(mut conn: Conn) -> Result<(), Error> {
///     let ctx = conn.ctx();
///     loop {
///         match first((conn.until_eol(), ctx.sleep(Duration::from_secs(3)))).await {
///             First2::A(line) => conn.write(("you said: ", line?)).await?,
///             First2::B(_) => conn.write("timeout!\r\n").await?,
///         }
///     }
/// }
/// # Hub::default().add_service(patient);
/// ```
///
/// Two waits for one connection do not compile:
///
/// ```compile_fail,E0499
/// # use diesel_proto::*;
/// async fn greedy(mut conn: Conn) -> Result<(), Error> {
///     first((conn.until_eol(), conn.bytes(2))).await;
///     Ok(())
/// }
/// # Hub::default().add_service(greedy);
/// ```
///
/// One wait after the other does:
///
/// ```
/// # use diesel_proto::*;
/// async fn modest(mut conn: Conn) -> Result<(), Error> {
///     (conn.until_eol().await?, conn.bytes(2).await?);
///     Ok(())
/// }
/// # Hub::default().add_service(modest);
/// ```
pub fn first<G: Group>(group: G) -> impl Future<Output = G::Output> {
    group.first()
}

/// A tuple of two to eight futures.
///
/// Example: see [`first`].
pub trait Group: sealed::Sealed {
    /// Which future was first, with its output.
    type Output;

    #[doc(hidden)]
    fn first(self) -> impl Future<Output = Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! group {
    ($name:ident: $($future:ident $variable:ident $ordinal:literal),+) => {
        /// Which future of a group was first, with its output.
        ///
        /// Example: see [`first`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name<$($future),+> {
            $(
                #[doc = concat!("The ", $ordinal, " of the group.")]
                $future($future),
            )+
        }

        impl<$($future: Future),+> sealed::Sealed for ($($future,)+) {}

        impl<$($future: Future),+> Group for ($($future,)+) {
            type Output = $name<$($future::Output),+>;

            fn first(self) -> impl Future<Output = Self::Output> {
                pin_project! {
                    struct Waiting<$($future),+> { $(#[pin] $variable: $future,)+ }
                }

                impl<$($future: Future),+> Future for Waiting<$($future),+> {
                    type Output = $name<$($future::Output),+>;

                    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                        let members = self.project();
                        $(
                            if let Poll::Ready(output) = members.$variable.poll(cx) {
                                return Poll::Ready($name::$future(output));
                            }
                        )+
                        Poll::Pending
                    }
                }

                let ($($variable,)+) = self;
                Waiting { $($variable),+ }
            }
        }
    };
}

group!(First2: A a "first", B b "second");
group!(First3: A a "first", B b "second", C c "third");
group!(First4: A a "first", B b "second", C c "third", D d "fourth");
group!(First5: A a "first", B b "second", C c "third", D d "fourth", E e "fifth");
group!(First6: A a "first", B b "second", C c "third", D d "fourth", E e "fifth", F f "sixth");
group!(First7: A a "first", B b "second", C c "third", D d "fourth", E e "fifth", F f "sixth",
    G g "seventh");
group!(First8: A a "first", B b "second", C c "third", D d "fourth", E e "fifth", F f "sixth",
    G g "seventh", H h "eighth");

#[cfg(test)]
mod tests {
    use core::future::ready;
    use core::time::Duration;

    use super::*;
    use crate::hub::Hub;

    /// Groups within groups hold each future once.
    #[test]
    fn a_group_is_as_large_as_its_members() {
        let ctx = Hub::default().ctx();
        let large = || ready([0_u64; 100]);
        let (one, two) = (size_of_val(&large()), size_of_val(&ctx.sleep(Duration::ZERO)));
        assert_eq!(size_of_val(&first((large(), ctx.sleep(Duration::ZERO)))), one + two);
        assert_eq!(size_of_val(&first((large(), first((large(), large()))))), 3 * one);
        assert_eq!(size_of_val(&ctx.timeout(Duration::ZERO, large())), one + two);
    }
}
