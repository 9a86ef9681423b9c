//! Waits for the first of several tokens.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

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
pub async fn first<G: Group>(group: G) -> G::Output {
    group.first().await
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

            async fn first(self) -> Self::Output {
                let ($($variable,)+) = self;
                $(let mut $variable = pin!($variable);)+
                poll_fn(move |cx| {
                    $(
                        if let Poll::Ready(output) = $variable.as_mut().poll(cx) {
                            return Poll::Ready($name::$future(output));
                        }
                    )+
                    Poll::Pending
                })
                .await
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
