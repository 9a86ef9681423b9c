//! SIGINT and SIGTERM before, while and after an application runs. Each test starts this program
//! again as a process, which runs the ignored test at the end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel_driver::Application;
use rustix::process::{Pid, Signal, kill_process};

/// A process that reports what it does, line by line.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the process. A shell runs `before` first.
    fn start(plan: &str, before: &str) -> Process {
        let this = std::env::current_exe().unwrap();
        // Where the tests run in the background of a shell, SIGINT is ignored, and would be here.
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM", "sh", "-c"])
            .arg(format!("{before} exec \"$0\" \"$@\""))
            .arg(this)
            .args(["--exact", "process", "--ignored", "--nocapture"])
            .env("PLAN", plan)
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Process { child, output }
    }

    /// Waits until it prints this.
    fn says(&mut self, what: &str) {
        let mut line = String::new();
        // The first line may follow output of the test harness.
        while !line.trim_end().ends_with(what) {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it never says {what}");
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The signal that ended it, if one did.
    fn ended_by(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().signal()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // This fails if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const BOTH: [Signal; 2] = [Signal::TERM, Signal::INT];

#[test]
fn after_an_application_has_run_they_end_the_process_as_before() {
    for signal in BOTH {
        let mut process = Process::start("halt, wait", "");
        process.says("waits");
        process.signal(signal);
        assert_eq!(process.ended_by(), Some(signal.as_raw()));
    }
}

#[test]
fn the_next_application_is_ended_in_order_and_then_the_process() {
    for signal in BOTH {
        let mut process = Process::start("halt, serve, serve, wait", "");
        for _ in 0..2 {
            process.says("serves");
            process.signal(signal);
            process.says("has served");
        }
        process.says("waits");
        process.signal(signal);
        assert_eq!(process.ended_by(), Some(signal.as_raw()));
    }
}

#[test]
fn one_that_was_ignored_is_ignored_again() {
    let mut process = Process::start("halt, wait", "trap '' TERM;");
    process.says("waits");
    process.signal(Signal::TERM);
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    assert_eq!(process.ended_by(), Some(Signal::INT.as_raw()));
}

#[test]
fn one_that_the_program_handles_itself_is_left_to_it() {
    let mut process = Process::start("handle, halt, wait", "");
    process.says("waits");
    process.signal(Signal::TERM);
    process.says("handled");
    process.signal(Signal::INT);
    assert_eq!(process.ended_by(), Some(Signal::INT.as_raw()));
}

#[test]
fn an_application_that_leaves_them_alone_changes_nothing() {
    let mut process = Process::start("leave", "");
    process.says("serves");
    process.signal(Signal::TERM);
    assert_eq!(process.ended_by(), Some(Signal::TERM.as_raw()));
}

#[test]
#[ignore = "what the other tests start"]
fn process() {
    let Ok(plan) = std::env::var("PLAN") else { return };
    let handled = Arc::new(AtomicBool::new(false));
    for step in plan.split(", ") {
        let mut app = Application::new();
        match step {
            "handle" => {
                let signal = signal_hook::consts::SIGTERM;
                signal_hook::flag::register(signal, Arc::clone(&handled)).unwrap();
            }
            "halt" => {
                app.halt_handle().halt();
                app.run().unwrap();
            }
            "serve" | "leave" => {
                app.handle_signals(step == "serve");
                app.add_loop(async |ctx| {
                    println!("serves");
                    ctx.sleep(Duration::from_secs(20)).await
                })
                .unwrap();
                app.run().unwrap();
                println!("has served");
            }
            _ => {
                println!("waits");
                let start = Instant::now();
                while start.elapsed() < Duration::from_secs(20) {
                    if handled.swap(false, Ordering::SeqCst) {
                        println!("handled");
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}
