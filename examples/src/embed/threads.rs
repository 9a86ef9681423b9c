//! A thread for each connection: accepting up to a limit, and stopping by a signal.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::{Failure, GRACE, wait_for_stop};

/// A thread cannot wait for its socket and for a signal: it looks for the signal this often.
pub const TICK: Duration = Duration::from_millis(250);
/// How many clients there may be. A hub has such a limit; here it is up to the embedder.
const MAX_CONNECTIONS: usize = 1000;

static STOPPING: AtomicBool = AtomicBool::new(false);
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether the signal to stop has come: connections finish what they have begun, and end.
pub fn is_stopping() -> bool {
    STOPPING.load(SeqCst)
}

/// Serves each connection in a thread of its own, until SIGTERM or SIGINT has come and they have
/// ended, or [`GRACE`] has passed: the end of the process resets those that are left.
///
/// # Errors
///
/// If the system has no descriptors left for the signal.
pub fn serve(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> Result<(), Failure> + Send + Sync + 'static,
) -> Result<(), Failure> {
    listener.set_nonblocking(false)?;
    thread::spawn(move || accept(&listener, &Arc::new(serve)));
    wait_for_stop()?;
    STOPPING.store(true, SeqCst);
    let start = Instant::now();
    while CONNECTIONS.load(SeqCst) > 0 && start.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn accept<F>(listener: &TcpListener, serve: &Arc<F>)
where
    F: Fn(TcpStream) -> Result<(), Failure> + Send + Sync + 'static,
{
    loop {
        // At the limit, and while there are no descriptors, clients wait in the backlog.
        match listener.accept().ok().filter(|_| !is_stopping()) {
            Some((socket, _)) => {
                CONNECTIONS.fetch_add(1, SeqCst);
                let (counted, serve) = (Counted, Arc::clone(serve));
                thread::spawn(move || {
                    let _ = serve(socket); // An error is about this connection alone.
                    drop(counted);
                });
            }
            None => thread::sleep(TICK),
        }
        while CONNECTIONS.load(SeqCst) >= MAX_CONNECTIONS {
            thread::sleep(TICK);
        }
    }
}

/// However a thread ends, by a panic as well, it is counted off.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        CONNECTIONS.fetch_sub(1, SeqCst);
    }
}
