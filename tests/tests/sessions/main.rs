//! The sessions of every example, in virtual time and without sockets, at every two-way cut of what
//! is sent.

mod bytes_or_timeout;
mod chat;
mod clocker;
mod combined;
mod echo;
mod echo_client;
mod echo_timeout;
mod fire;
mod laws;
mod oops;
mod programs;
mod proxy;
mod sleep_server;
mod telnet;

use std::cell::RefCell;
use std::rc::Rc;

/// What loops say, instead of printing it. A clone hears the same.
#[derive(Clone, Debug, Default)]
struct Said(Rc<RefCell<Vec<String>>>);

impl Said {
    fn say(&self) -> impl Fn(&str) + 'static {
        let said = Rc::clone(&self.0);
        move |text| said.borrow_mut().push(text.to_string())
    }

    /// What was said since the last time.
    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}
