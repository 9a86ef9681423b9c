//! A hook that catches panics, where there is std.

extern crate std;

use alloc::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::PollHook;

/// A hook that catches panics of user code: a panic ends its fiber or connection only. The panic
/// hook of the program has reported it already, and the hub counts it in
/// [`Counters`](super::Counters). Needs feature `std`.
///
/// ```
/// use diesel_proto::{Conn, Error, Hub, hub};
///
/// let mut hub = Hub::default();
/// hub.set_poll_hook(hub::catch_panics());
/// ```
pub fn catch_panics() -> PollHook {
    Box::new(|_task, run| {
        caught(run);
    })
}

/// Runs user code; `None` if it panicked.
pub(super) fn caught<R>(run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // The payload is user code as well: its drop may panic.
            if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                core::mem::forget(another);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fiber::Ctx;
    use crate::hub::Hub;
    use crate::machine::Error;
    use crate::time::Instant;
    use alloc::vec::Vec;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("the drop of a payload");
        }
    }

    #[test]
    fn a_panic_ends_its_fiber_only_even_if_its_payload_panics_again() {
        let mut hub = Hub::default();
        hub.set_poll_hook(catch_panics());
        let event = hub.event::<u8>();
        let mut heard = event.subscribe();
        hub.add_loop(async |_: Ctx| -> Result<(), Error> {
            std::panic::resume_unwind(Box::new(PanicsWhenDropped))
        })
        .unwrap();
        hub.add_loop(async move |_: Ctx| {
            event.fire(7);
            Ok(())
        })
        .unwrap();
        hub.run(Instant::ORIGIN, &mut Vec::new());
        assert_eq!(hub.counters().panics, 1);
        assert!(matches!(heard.try_next(), Ok(Some(7))));
    }
}
