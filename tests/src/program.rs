//! Example programs as real processes.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

pub use rustix::process::Signal;

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running example, which is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts the example `name`.
    pub fn start(name: &str, arguments: &[&str]) -> Program {
        let mut child = Command::new(executable(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Program { child, output }
    }

    /// Starts the example `name` with a standard output whose other end is closed.
    pub fn start_unread(name: &str, arguments: &[&str]) -> Child {
        // Closed before it starts, so that even its first line has no reader.
        let (output, reader) = UnixStream::pair().expect("there are descriptors");
        drop(reader);
        Command::new(executable(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(output))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    /// Starts the example `name`, with pipes for its input and output.
    pub fn talk(name: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new(executable(name));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    /// Runs the example `name` to its end, and returns what it printed, and how it exited.
    pub fn run(name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(executable(name));
        command.args(arguments).stdin(Stdio::null());
        command.output().unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    /// Starts an example that listens, on any free port.
    pub fn serve(name: &str, arguments: &[&str]) -> (Program, SocketAddr) {
        let listen = ["--listen", "127.0.0.1:0"];
        let mut program = Program::start(name, &[&listen, arguments].concat());
        let line = program.line();
        let address = line.strip_prefix("listening on ").and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{name} says {line:?}"));
        (program, address)
    }

    /// The next line that it prints, without the line end; empty if it prints no more.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its output is text");
        line.trim_end().to_string()
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, which).expect("it has not been waited for");
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end. What it printed that was not read yet, what it printed on standard
    /// error, and its exit code (`None`: a signal ended it).
    pub fn finish(mut self) -> (String, String, Option<i32>) {
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).expect("its output is text");
        let stderr = self.child.stderr.take();
        stderr.expect("it is piped").read_to_string(&mut errors).expect("its errors are text");
        let status: ExitStatus = self.child.wait().expect("it can be waited for");
        (output, errors, status.code())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection whose reads fail rather than wait for ever.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream.set_nodelay(true).expect("it is a socket");
    stream
}

/// The executable of an example, which is built first.
///
/// Cargo sets the paths of a package's own binaries for its tests, but not those of examples, so
/// this queries cargo.
fn executable(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Builds all examples, in the profile and the target folder of this test, and returns where they
/// are. Of the whole workspace, as `cargo test --workspace` has just done: then there is nothing to
/// build, since the dependencies have the same features.
fn build() -> PathBuf {
    // target/PROFILE/deps/TEST
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile_folder = test.ancestors().nth(2).expect("cargo lays tests out like this");
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let target = profile_folder.parent().expect("cargo lays profiles out like this");
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells this test of its own package would count as a change to build scripts.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo
        .args(["build", "--quiet", "--workspace", "--examples"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the examples do not build");
    profile_folder.join("examples")
}
