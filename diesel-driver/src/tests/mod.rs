//! How an application handles system calls that fail.
//!
//! A test makes calls of its application fail by sending a line to one of its connections: handlers
//! run on the same thread as these calls.

mod connecting;
mod listening;
mod one_connection;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::fault::{self, Call};
use crate::{Application, Config, Conn, Ctx, Error, HaltHandle, Service, Shed};

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// An application on its own thread. Dropping it halts it, and asserts that it ends without an
/// error.
struct Running {
    address: SocketAddr,
    handle: HaltHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start() -> Running {
        Running::with(Config::default())
    }

    fn with(config: Config) -> Running {
        Running::shedding(config, Shed::default())
    }

    /// An application that closes idle connections to make room.
    fn shedding(config: Config, shed: Shed) -> Running {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut app = Application::with_config(config);
            app.handle_signals(false);
            let service = Service::new(obedient).shed(shed);
            let service = app.add_service(service, "127.0.0.1:0")?;
            let address = app.local_addr(service)?;
            sender.send((address, app.halt_handle())).map_err(io::Error::other)?;
            app.run()
        });
        let (address, handle) = receiver.recv().unwrap();
        Running { address, handle, thread: Some(thread) }
    }

    fn visit(&self) -> Visitor {
        Visitor(BufReader::new(self.connect()))
    }

    /// A connection whose reads fail rather than block for ever.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits for `run` to end, and returns its result.
    fn outcome(mut self) -> io::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.halt();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
    }
}

/// Executes the commands of its peer, line by line.
async fn obedient(mut conn: Conn) -> Result<(), Error> {
    let ctx = conn.ctx();
    loop {
        let line = conn.until_eol().await?.trimmed().to_string();
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words[..] {
            ["fail", call, errno, times] => {
                // The answer must not meet the failure.
                conn.write("it will\n").await?;
                conn.flush().await?;
                fault::plan(call_named(call), number(errno) as i32, number(times));
                continue;
            }
            ["failed", call] => (!fault::is_planned(call_named(call))).to_string(),
            ["send", length] => {
                conn.write(vec![b'x'; number(length)]).await?;
                continue;
            }
            ["sleep", millis] => {
                ctx.sleep(Duration::from_millis(number(millis) as u64)).await?;
                "good morning".to_string()
            }
            ["half-close"] => {
                conn.half_close();
                continue;
            }
            ["connect", address] => connect(&ctx, address).await,
            _ => format!("you said: {line}"),
        };
        conn.write((answer, "\n")).await?;
    }
}

async fn connect(ctx: &Ctx, address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    match ctx.connect(address).await {
        Ok(_) => "connected".to_string(),
        Err(error) => error.to_string(),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

fn call_named(name: &str) -> Call {
    const ALL: [Call; 12] = [
        Call::Accept,
        Call::Connect,
        Call::Socket,
        Call::Nonblocking,
        Call::Tune,
        Call::Outcome,
        Call::Watch,
        Call::Rewatch,
        Call::Unwatch,
        Call::Receive,
        Call::Send,
        Call::Shutdown,
    ];
    ALL.into_iter().find(|call| format!("{call:?}") == name).unwrap()
}

/// A peer of [`obedient`].
struct Visitor(BufReader<TcpStream>);

impl Visitor {
    fn send(&mut self, line: &str) {
        // This fails if the connection is cut: the next read shows it.
        let _ = writeln!(self.0.get_mut(), "{line}");
    }

    /// The answer to a line; empty if the connection ended instead.
    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        let mut answer = String::new();
        match self.0.read_line(&mut answer) {
            Ok(_) => answer.trim_end().to_string(),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{line}");
                String::new()
            }
        }
    }

    fn plan(&mut self, call: Call, errno: i32, times: usize) {
        assert_eq!(self.ask(&format!("fail {call:?} {errno} {times}")), "it will");
    }

    fn has_failed(&mut self, call: Call) -> bool {
        self.ask(&format!("failed {call:?}")) == "true"
    }

    fn is_served(&mut self) -> bool {
        self.ask("hello") == "you said: hello"
    }

    /// Whether the connection ends, in any way.
    fn is_cut(&mut self) -> bool {
        match self.0.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
