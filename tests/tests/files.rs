//! Files over real sockets: cached and cold, of any kind, beneath their directory, and to clients of
//! any kind.
//!
//! The caches of the system belong to everybody, so that a test can only make it likely that a file is
//! cold. What is asserted holds either way.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use diesel_driver::tls::{Acceptor, Connector};
use diesel_driver::{Application, Config, Conn, DirectoryId, Error, Service};
use diesel_tests::{Folder, Running, logged};
use rustix::fs::{Advice, fadvise};

/// Drops a file from the page cache, as far as the system likes.
fn chill(path: &PathBuf) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

/// Bytes whose place shows: they repeat after 64,769 bytes, which is no multiple of a page.
fn pattern(n: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..253 * 256).map(|n| (n / 253) as u8 ^ n as u8).chain([7]).collect();
    let mut bytes = period.repeat(n / period.len() + 1);
    bytes.truncate(n);
    bytes
}

/// Answers each line with the file of that name, its length before, or with the error. `@` before the
/// name: links are followed; `?`: it is listed; `<`: it is read, not sent.
async fn serve(mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
    while let Ok(line) = conn.until_eol().await {
        let line = line.without_eol();
        let ctx = conn.ctx();
        if let Some(path) = line.strip_prefix(b"?") {
            let listed = ctx.list(files, path).limit(5).await;
            match listed {
                Ok(entries) => {
                    let names = entries.iter().map(|entry| {
                        let name = String::from_utf8_lossy(&entry.name);
                        format!("{name} {:?} {} ", entry.kind, entry.len)
                    });
                    conn.write((names.collect::<String>(), "\n")).await?;
                }
                Err(error) => conn.write(format_args!("{error}\n")).await?,
            }
            continue;
        }
        let (follow, path) = match line.strip_prefix(b"@") {
            Some(path) => (true, path),
            None => (false, line),
        };
        let (sends, path) = match path.strip_prefix(b"<") {
            Some(path) => (false, path),
            None => (true, path),
        };
        match ctx.open(files, path).follow_links(follow).inline(100).await {
            Ok(file) => {
                conn.write(format_args!("{}\n", file.len())).await?;
                let mut at = 0;
                while !sends && at < file.len() {
                    let bytes = file.read_at(at, 300_000).await?;
                    assert!(!bytes.is_empty());
                    at += bytes.len() as u64;
                    conn.write(bytes).await?;
                }
                if sends {
                    conn.write_file(&file, ..).await?;
                }
            }
            Err(error) => conn.write(format_args!("{error}\n")).await?,
        }
    }
    Ok(())
}

fn start(folder: &Folder, layer: impl FnOnce(Service) -> Service + Send + 'static) -> Running {
    start_with(folder, |_| {}, layer)
}

fn start_with(
    folder: &Folder,
    change: impl FnOnce(&mut Application) + Send + 'static,
    layer: impl FnOnce(Service) -> Service + Send + 'static,
) -> Running {
    let path = folder.root().to_owned();
    Running::start(Config::default(), move |app| {
        change(app);
        let files = app.add_directory(path)?;
        let service = Service::new(async move |conn: Conn| serve(conn, files).await);
        app.add_service(layer(service), "127.0.0.1:0")
    })
}

fn visit(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, line: &str) {
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Reads a line.
fn line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line[..line.len() - 1]).into_owned()
}

fn answer(stream: &mut TcpStream, name: &str) -> String {
    ask(stream, name);
    line(stream)
}

fn body(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut body = vec![0; n];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Gets a file whole.
fn get(stream: &mut TcpStream, name: &str, content: &[u8]) {
    assert_eq!(answer(stream, name), content.len().to_string(), "{name}");
    assert!(body(stream, content.len()) == content, "{name}");
}

#[test]
fn files_of_any_length_arrive_whole_cached_and_cold() {
    let folder = Folder::new();
    for length in [0, 1, 100, 101, 4096, 65_536, 300_000, 5_000_000] {
        folder.file(&format!("a/{length}"), &pattern(length));
    }
    let running = start(&folder, |service| service);
    let mut stream = visit(running.address);
    for cold in [false, true] {
        for length in [0, 1, 100, 101, 4096, 65_536, 300_000, 5_000_000] {
            let (name, content) = (format!("a/{length}"), pattern(length));
            for name in [&name, &format!("<{name}"), &format!("@{name}")] {
                if cold {
                    chill(&folder.path(&format!("a/{length}")));
                }
                get(&mut stream, name, &content);
            }
        }
    }
}

#[test]
fn what_is_cached_needs_no_threads_and_what_is_not_says_so() {
    let folder = Folder::new();
    folder.file("warm", &pattern(200_000));
    let running = start_with(&folder, |app| app.file_threads(0), |service| service);
    let mut stream = visit(running.address);
    get(&mut stream, "warm", &pattern(200_000));
    get(&mut stream, "<warm", &pattern(200_000));
    assert_eq!(answer(&mut stream, "?"), "files are not supported here");
}

#[test]
fn only_regular_files_beneath_the_directory_are_opened() {
    let folder = Folder::new();
    let outside = Folder::new();
    outside.file("secret", b"secret");
    folder.file("dir/file", b"inside");
    folder.file("denied", b"denied");
    fs::set_permissions(folder.path("denied"), fs::Permissions::from_mode(0o0)).unwrap();
    symlink("dir/file", folder.path("link")).unwrap();
    symlink("dir", folder.path("dirlink")).unwrap();
    symlink(outside.path("secret"), folder.path("absolute")).unwrap();
    symlink(
        format!("../{}/secret", outside.root().file_name().unwrap().display()),
        folder.path("up"),
    )
    .unwrap();
    symlink("loop", folder.path("loop")).unwrap();
    symlink("/proc/self/fd/0", folder.path("magic")).unwrap();
    let made = Command::new("mkfifo").arg(folder.path("fifo")).status();
    let has_fifo = made.is_ok_and(|status| status.success());
    std::os::unix::net::UnixListener::bind(folder.path("socket")).unwrap();

    let running = start(&folder, |service| service);
    let mut stream = visit(running.address);
    get(&mut stream, "dir/file", b"inside");
    get(&mut stream, "@link", b"inside");
    get(&mut stream, "@dirlink/file", b"inside");
    let (none, escapes) =
        ("there is no such file", "the path leads out of the directory, or through a link");
    let (regular, directory) = ("it is not a regular file", "it is a directory, not a file");
    let cases = [
        ("none", none),
        ("dir/file/more", none),
        ("dir", directory),
        ("link", escapes),
        ("dirlink/file", escapes),
        ("@absolute", escapes),
        ("@up", escapes),
        ("@loop", escapes),
        ("@magic", escapes),
        ("../etc/passwd", escapes),
        ("dir/../../x", escapes),
        ("socket", regular),
        ("", "the path is not a sequence of names"),
        ("/etc/passwd", "the path is not a sequence of names"),
    ];
    for (name, why) in cases {
        assert_eq!(answer(&mut stream, name), why, "{name}");
    }
    assert_eq!(answer(&mut stream, &"x".repeat(300)), "the path of the file is too long");
    if has_fifo {
        // It blocks nobody, although there is no writer.
        assert_eq!(answer(&mut stream, "fifo"), regular);
    }
    // The superuser may read everything.
    let denied = answer(&mut stream, "denied");
    match denied.as_str() {
        "6" => assert_eq!(body(&mut stream, 6), b"denied"),
        _ => assert_eq!(denied, "access to the file is denied"),
    }
    assert_eq!(answer(&mut stream, "?dir"), "file File 6 ");
    assert_eq!(answer(&mut stream, "?none"), none);
    assert_eq!(answer(&mut stream, "?denied"), "it is not a directory");
    assert_eq!(answer(&mut stream, "?"), "the directory has too many entries");
}

#[test]
fn a_directory_that_is_none_is_refused_when_it_is_added() {
    let folder = Folder::new();
    let file = folder.file("file", b"x");
    let mut app = Application::new();
    assert_eq!(app.add_directory(&file).unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(app.add_directory(folder.path("none")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(app.add_directory(folder.root()).unwrap().index(), 0);
    // It stays the same directory under another name.
    assert_eq!(app.add_directory(folder.root()).unwrap().index(), 1);
}

/// The peak of the memory of this process, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_gigabyte_is_sent_without_being_in_memory() {
    let folder = Folder::new();
    let length = 1 << 30;
    File::create(folder.path("huge")).unwrap().set_len(length).unwrap();
    let running = start(&folder, |service| service);
    let mut stream = visit(running.address);
    let before = peak();
    assert_eq!(answer(&mut stream, "huge"), length.to_string());
    let (mut left, mut bytes, zeros) = (length, vec![1; 1 << 20], vec![0; 1 << 20]);
    while left > 0 {
        let n = stream.read(&mut bytes).unwrap();
        assert!(n > 0 && bytes[..n] == zeros[..n]);
        left -= n as u64;
    }
    // Other tests of this process run meanwhile.
    let grown = peak() - before;
    assert!(grown < 100 << 10, "{grown} KiB");
}

/// How a client sees the end of a stream, and how many bytes it got before.
fn to_end(stream: &mut TcpStream) -> (usize, Option<ErrorKind>) {
    let (mut n, mut bytes) = (0, vec![0; 1 << 20]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return (n, None),
            Ok(more) => n += more,
            Err(error) => return (n, Some(error.kind())),
        }
    }
}

#[test]
fn a_client_sees_that_a_file_shrank_while_it_was_sent() {
    logged::install();
    let folder = Folder::new();
    let running = start(&folder, |service| service);
    let path = folder.file("large", &pattern(40 << 20));
    let mut stream = visit(running.address);
    assert_eq!(answer(&mut stream, "large"), (40 << 20).to_string());
    File::options().write(true).open(path).unwrap().set_len(100).unwrap();
    let (n, end) = to_end(&mut stream);
    assert!(n < 40 << 20);
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    let lines = logged::lines("diesel");
    assert!(lines.iter().any(|line| line.contains("of a file are missing")), "{lines:?}");
}

#[test]
fn a_client_that_stalls_holds_up_nobody_and_goes_on_later() {
    let folder = Folder::new();
    folder.file("large", &pattern(30 << 20));
    folder.file("small", b"small");
    let running = start(&folder, |service| service);
    let mut stalls = visit(running.address);
    assert_eq!(answer(&mut stalls, "large"), (30 << 20).to_string());
    for _ in 0..3 {
        chill(&folder.path("large"));
        let mut other = visit(running.address);
        get(&mut other, "small", b"small");
        get(&mut other, "large", &pattern(30 << 20));
    }
    assert!(body(&mut stalls, 30 << 20) == pattern(30 << 20));
    get(&mut stalls, "small", b"small");
}

#[test]
fn two_hundred_clients_get_one_file() {
    let folder = Folder::new();
    let content = pattern(1 << 20);
    folder.file("one", &content);
    chill(&folder.path("one"));
    let running = start(&folder, |service| service);
    let mut streams: Vec<_> = (0..200).map(|_| visit(running.address)).collect();
    for stream in &mut streams {
        ask(stream, "one");
    }
    for stream in &mut streams {
        assert_eq!(line(stream), content.len().to_string());
        assert!(body(stream, content.len()) == content);
    }
}

#[test]
fn clients_that_leave_during_a_download_are_no_trouble() {
    let folder = Folder::new();
    folder.file("large", &pattern(30 << 20));
    let running = start(&folder, |service| service);
    for n in 0..40 {
        if n % 2 == 0 {
            chill(&folder.path("large"));
        }
        let mut stream = visit(running.address);
        ask(&mut stream, "large");
        let _ = stream.read(&mut vec![0; 1000 * n]);
        if n % 3 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    get(&mut visit(running.address), "large", &pattern(30 << 20));
}

fn certificate(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    fs::read(folder.join("../diesel-proto/tests/certificates").join(name)).unwrap()
}

#[test]
fn through_tls_a_file_is_read_and_encrypted() {
    let folder = Folder::new();
    let content = pattern(3_000_000);
    folder.file("secret", &content);
    chill(&folder.path("secret"));
    let running = start(&folder, |service| {
        let (chain, key) = (certificate("server.pem"), certificate("server.key"));
        let acceptor = Acceptor::from_pem(&chain, &key).unwrap();
        service.layer(move |ctx, inner| acceptor.layer(ctx, inner))
    });
    let address = running.address;
    let mut app = Application::new();
    app.handle_signals(false);
    let connector = Connector::from_pem(&certificate("authority.pem")).unwrap();
    let got = app.run_until(async move |ctx| {
        let name: diesel_driver::tls::ServerName<'static> = "localhost".try_into().unwrap();
        let connect = ctx.connect(address);
        let mut conn =
            connect.layer(move |ctx, inner| connector.layer(name.clone(), ctx, inner)).await?;
        conn.write("secret\n").await?;
        let length = conn.until_eol().await?.trimmed().parse()?;
        Ok(conn.bytes(length).limit(1 << 30).await?.to_vec())
    });
    assert!(got.unwrap() == content);
}

#[test]
fn a_download_ends_within_the_grace_period_of_a_shutdown() {
    let folder = Folder::new();
    folder.file("large", &pattern(30 << 20));
    let running = start(&folder, |service| service);
    let mut stream = visit(running.address);
    assert_eq!(answer(&mut stream, "large"), (30 << 20).to_string());
    let stopping = thread::spawn(move || drop(running));
    assert!(body(&mut stream, 30 << 20) == pattern(30 << 20));
    assert_eq!(to_end(&mut stream), (0, None));
    drop(stream);
    stopping.join().unwrap();
}

#[test]
fn a_resolver_or_a_job_that_hangs_does_not_hold_up_files() {
    static HUNG: Mutex<()> = Mutex::new(());
    let hung = HUNG.lock().unwrap();
    let folder = Folder::new();
    folder.file("file", &pattern(200_000));
    chill(&folder.path("file"));
    let running = start_with(
        &folder,
        |app| {
            app.blocking_threads(1);
            app.add_loop(async |ctx| {
                for _ in 0..3 {
                    let ctx = ctx.clone();
                    ctx.clone().spawn(async move { ctx.unblock(|| drop(HUNG.lock())).await })?;
                }
                Ok(())
            })
            .unwrap();
        },
        |service| service,
    );
    let start = Instant::now();
    let mut stream = visit(running.address);
    get(&mut stream, "file", &pattern(200_000));
    assert_eq!(answer(&mut stream, "?"), "file File 200000 ");
    assert!(start.elapsed() < Duration::from_secs(10));
    drop(hung);
}
