//! A server at its file descriptor limit: the connection that has been idle for longest is closed,
//! and the new one is served at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use diesel_tests::{Program, Signal, connect};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Sets the file descriptor limit of a program.
fn limited(program: &Program, descriptors: u64) {
    let id = Pid::from_raw(program.id() as i32);
    let limit = Rlimit { current: Some(descriptors), maximum: Some(descriptors) };
    prlimit(id, Resource::Nofile, limit).unwrap();
}

fn get(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut bytes = [0; 1024];
    while !answer.ends_with(b"Hello, World!") {
        match stream.read(&mut bytes)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(&bytes[..n]),
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

fn serve() -> (Program, SocketAddr) {
    let (program, address) = Program::serve("http", &[]);
    limited(&program, 64);
    (program, address)
}

#[test]
fn newcomers_are_served_at_once_though_idle_connections_hold_all_descriptors() {
    let (program, address) = serve();
    let mut idle = Vec::new();
    for n in 0..150 {
        let mut client = connect(address);
        let start = Instant::now();
        get(&mut client).unwrap_or_else(|error| panic!("client {n}: {error}"));
        // No pause and no deadline was needed: those take 0.1, 10 or 75 seconds.
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "client {n} waited {took:?}");
        idle.push(client);
    }
    // The youngest connections are still open, the oldest were closed.
    let (eldest, youngest) = (&mut idle[0].try_clone().unwrap(), &mut idle[149]);
    assert_eq!(eldest.read(&mut [0; 9]).unwrap(), 0, "closed in order");
    get(youngest).unwrap();
    program.signal(Signal::TERM);
    let (_, errors, code) = program.finish();
    assert_eq!(code, Some(0), "{errors}");
}

#[test]
fn requests_that_are_under_way_are_not_cut_for_newcomers() {
    let (_program, address) = serve();
    let mut busy: Vec<_> = (0..40)
        .map(|_| {
            let mut client = connect(address);
            client.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
            client
        })
        .collect();
    for _ in 0..60 {
        let _ = get(&mut connect(address)).unwrap();
    }
    for client in &mut busy {
        client.write_all(b"st: a\r\n\r\n").unwrap();
        let mut answer = [0; 15];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
}
