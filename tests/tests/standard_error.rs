//! The standard error of a program without a logger. The programs are tests of this file, which are
//! ignored unless they are run as processes.

use std::process::Command;
use std::time::Duration;

use diesel_driver::{Application, Conn, Ctx, Error, Service};
use diesel_tests::logged;

/// The lines that a program prints to standard error, without those of the test harness.
fn printed_by(program: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", program])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stderr).unwrap();
    lines.lines().map(String::from).collect()
}

/// Failing handlers and loops, and peers that send too much; `first` runs when the application
/// does.
fn failing(first: impl AsyncFnOnce(&Ctx) + 'static, prepare: impl FnOnce(&mut Application)) {
    let mut app = Application::new();
    app.handle_signals(false);
    prepare(&mut app);
    let fails = Service::new(async |_: Conn| Err("no room".into())).named("rooms");
    let fails = app.add_service(fails, "127.0.0.1:0").unwrap();
    let fails = app.local_addr(fails).unwrap();
    let reads = Service::new(async |mut conn: Conn| {
        loop {
            conn.until_eol().await?;
        }
    });
    let reads = app.add_service(reads.named("lines"), "127.0.0.1:0").unwrap();
    let reads = app.local_addr(reads).unwrap();
    app.add_loop(async move |ctx| {
        first(&ctx).await;
        for _ in 0..10 {
            ctx.connect(fails).await?.to_end(100).await?;
        }
        let mut much = ctx.connect(reads).await?;
        much.write(vec![b'x'; 1 << 20]).await?;
        let _ = much.to_end(100).await;
        ctx.halt();
        Err("gone".into())
    })
    .unwrap();
    app.run().unwrap();
}

#[test]
#[ignore = "a program"]
fn without_a_logger() {
    failing(async |_| {}, |_| {});
}

#[test]
fn a_program_without_a_logger_prints_warnings_and_errors() {
    let lines = printed_by("without_a_logger");
    let [first, rest @ ..] = &lines[..] else { panic!("nothing") };
    assert!(first.starts_with("ERROR rooms: the handler for 127.0.0.1:"), "{lines:?}");
    assert!(first.ends_with(" failed: no room"), "{lines:?}");
    assert!(rest.contains(&"ERROR diesel: a loop failed: gone".to_string()), "{lines:?}");
    // Repeats are counted; a fault of the peer is not a warning.
    let repeated = rest.iter().filter(|line| line.contains(" more like this in ")).count();
    assert_eq!((repeated, lines.len()), (1, 3), "{lines:?}");
}

#[test]
#[ignore = "a program"]
fn with_a_logger() {
    logged::install();
    failing(async |_| {}, |_| {});
    assert!(!logged::lines("rooms").is_empty());
}

#[test]
fn a_program_with_a_logger_prints_nothing() {
    assert_eq!(printed_by("with_a_logger"), [""; 0]);
}

#[test]
#[ignore = "a program"]
fn with_a_later_logger() {
    let install = async |ctx: &Ctx| {
        ctx.sleep(Duration::from_millis(1)).await.unwrap();
        logged::install();
    };
    failing(install, |_| {});
    assert!(!logged::lines("rooms").is_empty());
}

#[test]
fn a_program_may_set_its_logger_while_it_runs() {
    assert_eq!(printed_by("with_a_later_logger"), [""; 0]);
}

#[test]
#[ignore = "a program"]
fn in_silence() {
    failing(async |_| {}, |app| app.print_errors(false));
}

#[test]
fn a_program_may_ask_for_silence() {
    assert_eq!(printed_by("in_silence"), [""; 0]);
}

#[test]
#[ignore = "a program"]
fn with_a_loop_that_never_had_a_server() {
    let mut app = Application::new();
    let ctx = app.ctx();
    app.add_loop(async |ctx: Ctx| {
        let mut conn = ctx.connect(std::net::SocketAddr::from(([127, 0, 0, 1], 1))).await?;
        conn.until_eol().await?;
        Ok(())
    })
    .unwrap();
    app.add_loop(async move |_: Ctx| {
        ctx.sleep(Duration::from_millis(100)).await?;
        ctx.halt();
        Err(Error::Closed)
    })
    .unwrap();
    app.run().unwrap();
}

#[test]
fn a_client_program_says_that_its_loop_failed() {
    let lines = printed_by("with_a_loop_that_never_had_a_server");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("ERROR diesel: a loop failed: cannot connect to 127.0.0.1:1: "));
    assert_eq!(lines[1], "ERROR diesel: a loop failed: the connection is closed");
}
