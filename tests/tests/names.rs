//! Names and jobs over the driver: the system's resolver, threads, and real sockets.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use diesel_driver::fiber::join_all;
use diesel_driver::{
    Application, Config, Conn, Ctx, Error, JobError, NameConfig, Reason, ResolveErrorKind, Target,
};

/// Runs `body` with this many threads.
fn run<T: 'static>(
    threads: usize,
    config: Config,
    body: impl AsyncFnOnce(Ctx) -> Result<T, Error> + 'static,
) -> T {
    let mut app = Application::with_config(config);
    app.handle_signals(false);
    app.blocking_threads(threads);
    app.run_until(body).unwrap()
}

/// The port of a server that answers each line that it gets.
fn echo() -> u16 {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut app = Application::new();
        app.handle_signals(false);
        let echo = async |mut conn: Conn| loop {
            let line = conn.until_eol().await?;
            conn.write(line).await?;
        };
        let service = app.add_service(echo, "127.0.0.1:0").unwrap();
        sender.send(app.local_addr(service).unwrap().port()).unwrap();
        app.run()
    });
    receiver.recv().unwrap()
}

#[test]
fn localhost_is_connected_to_without_a_thread() {
    let port = echo();
    let line = run(0, Config::default(), async move |ctx| {
        let mut conn = ctx.connect(("localhost", port)).await?;
        conn.write("hello\n").await?;
        Ok(conn.until_eol().await?.trimmed().to_string())
    });
    assert_eq!(line, "hello");
}

/// A name that the system knows without asking a server, if there is one.
#[test]
fn a_name_of_this_machine_is_resolved_by_the_system() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter(|line| line.starts_with("127.0."));
    let mut names = lines.flat_map(|line| line.split_whitespace().skip(1));
    let usable = |name: &&str| match Target::new(name, 80) {
        Ok(Target::Name(name, _)) => !name.is_localhost(),
        _ => false,
    };
    let Some(name) = names.find(usable).map(str::to_string) else {
        eprintln!("/etc/hosts has no name of this machine but localhost");
        return;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Resolved; nothing listens there (or another program, since).
    let error = run(4, Config::default(), async move |ctx| {
        let connected = ctx.connect((name, port)).await;
        Ok(connected.err().filter(|error| !matches!(error, Error::Connect(_))))
    });
    assert!(error.is_none(), "{error:?}");
}

/// The system may have a server that answers, or none: in any case, there is an error in time.
#[test]
fn a_name_that_does_not_exist_is_an_error_in_time() {
    let names = NameConfig { resolve: Duration::from_secs(5), ..NameConfig::default() };
    let start = Instant::now();
    let error = run(4, Config { names, ..Config::default() }, async |ctx: Ctx| {
        // RFC 6761, section 6.4: such a name never exists.
        Ok(ctx.connect("nowhere.invalid:80").await.unwrap_err())
    });
    let Error::Resolve(error) = error else { panic!("{error:?}") };
    let expected = [
        ResolveErrorKind::NotFound,
        ResolveErrorKind::Temporary,
        ResolveErrorKind::ServerFailed,
        ResolveErrorKind::TimedOut,
    ];
    assert!(expected.contains(&error.kind), "{error}");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn jobs_run_in_threads_and_return_what_they_returned() {
    let here = std::thread::current().id();
    let results = run(2, Config::default(), async move |ctx| {
        let job = ctx.unblock(|| (std::thread::current().id(), 6 * 7));
        let panics = ctx.unblock(|| -> u8 { std::panic::resume_unwind(Box::new("on purpose")) });
        Ok((job.await?, panics.await.unwrap_err(), ctx.unblock(|| "after").await?))
    });
    let ((thread, value), panicked, after) = results;
    assert!(thread != here);
    assert_eq!((value, after), (42, "after"));
    assert!(matches!(panicked, Error::Job(JobError::Panicked)), "{panicked:?}");
}

#[test]
fn without_threads_there_are_neither_names_nor_jobs() {
    let (name, job) = run(0, Config::default(), async |ctx: Ctx| {
        let name = ctx.connect("example.com:80").await.unwrap_err();
        Ok((name, ctx.unblock(|| ()).await.unwrap_err()))
    });
    assert!(matches!(name, Error::Resolve(error) if error.kind == ResolveErrorKind::Unsupported));
    assert!(matches!(job, Error::Job(JobError::Unsupported)));
}

/// Jobs that hang hold all threads. What is queued behind them fails at its deadline and is never
/// run, connections are made meanwhile, and the application ends although the threads still hang.
#[test]
fn a_pool_full_of_hanging_jobs_delays_nothing_else() {
    let (release, hangs) = mpsc::channel::<()>();
    let (hangs, began) = (Arc::new(Mutex::new(hangs)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&began);
    let hang = move || {
        let (hangs, count) = (Arc::clone(&hangs), Arc::clone(&count));
        move || {
            count.fetch_add(1, SeqCst);
            hangs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
        }
    };
    let names = NameConfig { resolve: Duration::from_millis(300), ..NameConfig::default() };
    let (start, count) = (Instant::now(), Arc::clone(&began));
    let errors = run(2, Config { names, ..Config::default() }, async move |ctx| {
        for _ in 0..2 {
            let (job, hang) = (ctx.clone(), hang());
            ctx.spawn(async move { job.unblock(hang).await })?;
        }
        while count.load(SeqCst) < 2 {
            ctx.sleep(Duration::from_millis(1)).await?;
        }
        let queued = (0..8).map(|_| ctx.timeout(Duration::from_millis(200), ctx.unblock(hang())));
        let mut errors: Vec<_> =
            join_all(queued).await.into_iter().map(|it| it.unwrap_err().timed_out()).collect();
        let port = echo();
        ctx.connect(("localhost", port)).await?;
        errors.push(ctx.connect("example.com:80").await.unwrap_err().timed_out());
        Ok(errors)
    });
    let mut expected = vec![Some(Reason::Application("timeout")); 8];
    expected.push(Some(Reason::Resolve));
    assert_eq!(errors, expected);
    assert_eq!(began.load(SeqCst), 2);
    // The threads still hang: `run` did not wait for them.
    assert!(start.elapsed() < Duration::from_secs(20));
    drop(release);
}

/// A thousand at once: each has its own answer, with few threads.
#[test]
fn a_thousand_jobs_share_a_few_threads() {
    let sum = run(3, Config::default(), async |ctx: Ctx| {
        let handles: Vec<_> = (0..1000_u64)
            .map(|n| {
                let job = ctx.clone();
                ctx.spawn(async move { job.unblock(move || n).await })
            })
            .collect::<Result<_, _>>()?;
        let mut sum = 0;
        for handle in handles {
            sum += handle.await??;
        }
        Ok(sum)
    });
    assert_eq!(sum, 499_500);
}
