//! Events: the messages that a subscription gets, and the error when it falls behind.

mod harness;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use diesel_proto::*;

fn all<T: Clone + 'static>(subscription: &mut Subscription<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(value) = subscription.try_next().unwrap() {
        all.push(value);
    }
    all
}

#[test]
fn a_subscription_gets_all_that_is_fired_after_it_was_made() {
    let event = Hub::default().event();
    event.fire(1);
    let mut early = event.subscribe();
    event.fire(2);
    let mut late = event.subscribe();
    event.fire(3);
    assert_eq!(all(&mut early), [2, 3]);
    assert_eq!(all(&mut late), [3]);
}

#[test]
fn what_is_fired_through_a_subscription_reaches_all_others() {
    let event = Hub::default().event();
    let (mut ann, mut bob) = (event.subscribe(), event.subscribe());
    ann.fire("from ann");
    bob.fire("from bob");
    event.fire("from nobody");
    assert_eq!(all(&mut ann), ["from bob", "from nobody"]);
    assert_eq!(all(&mut bob), ["from ann", "from nobody"]);
}

#[test]
fn a_lagging_subscription_gets_the_count_and_continues_with_the_oldest_left() {
    let event = Hub::default().ctx().event_with_capacity(3);
    let (mut slow, mut quick) = (event.subscribe(), event.subscribe());
    for n in 1..=5 {
        event.fire(n);
        assert_eq!(quick.try_next().unwrap(), Some(n));
    }
    assert!(matches!(slow.try_next(), Err(Error::Lagged(2))));
    assert_eq!(all(&mut slow), [3, 4, 5]);
}

/// All others may read a message, which is dropped then, before its sender waits for the next one.
#[test]
fn a_sender_does_not_miss_its_own_messages() {
    let event = Hub::default().event();
    let (mut ann, mut bob) = (event.subscribe(), event.subscribe());
    ann.fire(1);
    assert_eq!(all(&mut bob), [1]);
    assert_eq!(ann.try_next().unwrap(), None);
    ann.fire(2);
    bob.fire(3);
    assert_eq!(all(&mut bob), [2]);
    assert_eq!(all(&mut ann), [3]);
}

/// Nor do they count among those it missed.
#[test]
fn a_senders_own_messages_are_not_counted_as_missed() {
    let event = Hub::default().ctx().event_with_capacity(2);
    let (mut ann, _bob) = (event.subscribe(), event.subscribe());
    event.fire(1);
    ann.fire(2);
    event.fire(3);
    ann.fire(4);
    event.fire(5);
    // 1 and 3 are gone, 2 and 4 are her own.
    assert!(matches!(ann.try_next(), Err(Error::Lagged(2))));
    assert_eq!(all(&mut ann), [5]);
}

/// A dropped subscription counts as having read its unread messages, but never its own.
#[test]
fn a_sender_that_leaves_takes_nothing_from_the_others() {
    let event = Hub::default().event();
    let (ann, mut bob, mut carl) = (event.subscribe(), event.subscribe(), event.subscribe());
    ann.fire(1);
    event.fire(2);
    drop(ann);
    let mut dave = event.subscribe();
    assert_eq!(all(&mut bob), [1, 2]);
    assert_eq!(all(&mut carl), [1, 2]);
    assert_eq!(all(&mut dave), [0; 0]);
}

/// Each value is dropped when the last subscription has read it, or is dropped.
#[test]
fn messages_without_a_subscriber_are_not_kept() {
    let value = Rc::new(());
    let event = Hub::default().event();
    event.fire(Rc::clone(&value));
    assert_eq!(Rc::strong_count(&value), 1);

    let (mut one, other) = (event.subscribe(), event.subscribe());
    one.fire(Rc::clone(&value));
    event.fire(Rc::clone(&value));
    assert_eq!(Rc::strong_count(&value), 3);
    assert_eq!(all(&mut one).len(), 1);
    assert_eq!(Rc::strong_count(&value), 3, "the other has read neither");
    drop(other);
    assert_eq!(Rc::strong_count(&value), 1);

    // A reused index keeps nothing of the old subscription.
    one.fire(Rc::clone(&value));
    let mut new = event.subscribe();
    assert_eq!(all(&mut new).len(), 0);
    assert_eq!(event.subscribers(), 2);
}

/// A value's own code runs while nothing is borrowed: it may use the event that carries it.
#[test]
fn values_may_fire_the_event_that_carries_them() {
    #[derive(Default)]
    struct Bell {
        event: RefCell<Option<Event<Ring>>>,
        rings: Cell<u32>,
    }
    struct Ring(Rc<Bell>);
    impl Ring {
        fn ring(&self) {
            let rings = self.0.rings.get();
            if rings < 100 {
                self.0.rings.set(rings + 1);
                let event = self.0.event.borrow().clone();
                event.unwrap().fire(Ring(Rc::clone(&self.0)));
            }
        }
    }
    impl Clone for Ring {
        fn clone(&self) -> Self {
            self.ring();
            Ring(Rc::clone(&self.0))
        }
    }
    impl Drop for Ring {
        fn drop(&mut self) {
            self.ring();
        }
    }

    let hub = Hub::default();
    let event = hub.ctx().event_with_capacity(2);
    let bell = Rc::new(Bell::default());
    *bell.event.borrow_mut() = Some(event.clone());
    let (mut one, mut other) = (event.subscribe(), event.subscribe());
    for _ in 0..5 {
        event.fire(Ring(Rc::clone(&bell)));
        let _ = one.try_next();
        let _ = other.try_next();
    }
    drop((one, other));
    drop(event.subscribe());
    assert!(bell.rings.get() > 5);
    *bell.event.borrow_mut() = None;
}
