//! Ends a loop that does not end itself: unwinds it, without a call of the hook for panics. Without
//! std that cannot be caught, so it is a panic.

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
use alloc::boxed::Box;
use core::fmt::Display;
#[cfg(feature = "std")]
use std::panic::{self, AssertUnwindSafe};

#[cfg(feature = "std")]
struct GivenUp;

/// Leaves what [`until`] runs.
#[cfg(feature = "std")]
pub(super) fn because(_: impl Display) -> ! {
    panic::resume_unwind(Box::new(GivenUp))
}

#[cfg(not(feature = "std"))]
pub(super) fn because(why: impl Display) -> ! {
    panic!("{why}")
}

/// Runs this, to its end or until it is left. Its panics are passed on.
#[cfg(feature = "std")]
pub(super) fn until(run: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(run))
        && !payload.is::<GivenUp>()
    {
        panic::resume_unwind(payload);
    }
}

#[cfg(not(feature = "std"))]
pub(super) fn until(run: impl FnOnce()) {
    run();
}
