//! The program `static_files`, as a process, with curl.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::process::Command;

use diesel_tests::{Folder, Program, connect};

fn serve(folder: &Path, arguments: &[&str]) -> (Program, SocketAddr) {
    let arguments = [&[folder.to_str().unwrap()], arguments].concat();
    Program::serve("static_files", &arguments)
}

/// The standard output of curl, and its exit code; `None` if there is no curl.
fn curl(arguments: &[&str]) -> Option<(Vec<u8>, i32)> {
    let output = Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output();
    match output {
        Ok(output) => Some((output.stdout, output.status.code().unwrap())),
        Err(error) => {
            println!("skipped: curl: {error}");
            None
        }
    }
}

#[test]
fn curl_resumes_revalidates_and_decompresses() {
    let folder = Folder::new();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(folder.path("big.bin"), &content).unwrap();
    fs::write(folder.path("page.html"), "<p>plain").unwrap();
    let zipped = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xb3\x29\xb0\xab\xca\x2c\x28\x48\x4d\x01\x00\x03\xa1\x00\x29\x09\x00\x00\x00";
    fs::write(folder.path("page.html.gz"), zipped).unwrap();
    let (_program, address) = serve(folder.root(), &["--listing"]);
    let url = |path: &str| format!("http://{address}/{path}");

    // -C: the rest of a file, after a part of it that is there already.
    let part = folder.path("part");
    fs::write(&part, &content[..100_000]).unwrap();
    let part = part.to_str().unwrap();
    let Some((_, code)) = curl(&["-C", "-", "-o", part, &url("big.bin")]) else { return };
    assert!(code == 0 && fs::read(part).unwrap() == content);

    let status = ["-o", "/dev/null", "-w", "%{http_code} %{content_type}"];
    let ask = |more: &[&str], path: &str| {
        let (output, code) = curl(&[&status[..], more, &[&url(path)]].concat()).unwrap();
        assert_eq!(code, 0);
        String::from_utf8(output).unwrap()
    };
    assert_eq!(ask(&[], "big.bin"), "200 application/octet-stream");
    assert_eq!(ask(&["-r", "5-9"], "big.bin"), "206 application/octet-stream");
    assert!(ask(&["-r", "5-9,-3"], "big.bin").starts_with("206 multipart/byteranges; boundary="));
    assert_eq!(ask(&["-r", "300000-"], "big.bin"), "416 text/plain; charset=utf-8");
    assert_eq!(ask(&["-z", "1 Jan 2037"], "big.bin"), "304 ");
    assert_eq!(ask(&["-z", "1 Jan 2000"], "big.bin"), "200 application/octet-stream");
    assert_eq!(ask(&["-I"], "page.html"), "200 text/html; charset=utf-8");
    assert_eq!(ask(&[], ""), "200 text/html; charset=utf-8");
    assert_eq!(ask(&["--path-as-is"], "../../etc/passwd"), "404 text/plain; charset=utf-8");
    assert_eq!(ask(&["-X", "PUT"], "page.html"), "405 text/plain; charset=utf-8");
    assert_eq!(curl(&[&url("page.html")]).unwrap().0, b"<p>plain");
    let (decoded, code) = curl(&["--compressed", &url("page.html")]).unwrap();
    assert_eq!((&decoded[..], code), (&b"<p>zipped"[..], 0));
    let (raw, _) = curl(&["-H", "Accept-Encoding: gzip", &url("page.html")]).unwrap();
    assert_eq!(raw, zipped);
}

/// Every way up that is known to have worked somewhere: dots and separators in encodings that some
/// decoder resolves, twice encoded, overlong in UTF-8, as full-width characters, with parameters or
/// NUL behind them.
#[test]
fn no_spelling_of_a_path_leads_out_of_the_directory() {
    const DOTS: [&str; 16] = [
        "..",
        ".",
        "...",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%25%32%65%25%32%65",
        "..;",
        "..;a=b",
        "..%00",
        "..%20",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%ef%bc%8e%ef%bc%8e",
        "%u002e%u002e",
    ];
    const SEPARATORS: [&str; 14] = [
        "/",
        "//",
        "/./",
        "%2f",
        "%2F",
        "%252f",
        "%5c",
        "%255c",
        "\\",
        "/%5c",
        "%c0%af",
        "%e0%80%af",
        "%ef%bc%8f",
        "%u2215",
    ];
    let outer = Folder::new();
    outer.file("secret", b"that is the secret");
    outer.file("www/secret.txt", b"open");
    outer.file("www/dir/page.html", b"open");
    outer.file("www2/secret", b"that is the secret");
    let (_program, address) = serve(&outer.path("www"), &["--listing", "--dot-files", "--links"]);
    let mut tried = 0;
    for (dots, separator) in DOTS.iter().flat_map(|dots| SEPARATORS.map(|it| (dots, it))) {
        for prefix in ["/", "/dir/", "/dir/page.html/", "/none/", separator] {
            let paths = (1..=3).flat_map(|depth| {
                let up = format!("{prefix}{}", format!("{dots}{separator}").repeat(depth));
                let root =
                    outer.path("secret").to_str().unwrap().trim_start_matches('/').to_owned();
                ["secret", "www2/secret", &root].map(|file| format!("{up}{file}"))
            });
            let mut stream = connect(address);
            let mut requests = String::new();
            let mut n = 0;
            for path in paths {
                requests.push_str(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
                n += 1;
            }
            stream.write_all(requests.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answers = Vec::new();
            // A target that is none ends the connection: what follows it resets it.
            let _ = stream.read_to_end(&mut answers);
            let answers = String::from_utf8_lossy(&answers);
            assert!(answers.starts_with("HTTP/1.1 "), "{requests}");
            assert!(!answers.contains("that is the secret"), "{requests}{answers}");
            assert!(!answers.contains("www2"), "{requests}{answers}");
            assert!(!answers.contains("HTTP/1.1 5"), "{requests}{answers}");
            tried += n;
        }
    }
    assert!(tried > 5_000, "{tried}");
}

/// 1 GiB, of which nothing is on a disk.
#[test]
fn a_large_file_takes_little_memory() {
    let folder = Folder::new();
    File::create(folder.path("large")).unwrap().set_len(1 << 30).unwrap();
    let (program, address) = serve(folder.root(), &[]);
    let mut stream = connect(address);
    stream.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
    let (mut total, mut scratch) = (0, vec![0; 1 << 20]);
    loop {
        match stream.read(&mut scratch).unwrap() {
            0 => break,
            n => total += n,
        }
    }
    assert!(total > 1 << 30, "{total}");
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak memory: {kilobytes} kB");
    assert!(kilobytes < 32 << 10, "{kilobytes} kB");
}

#[test]
fn a_folder_that_is_none_is_named() {
    let output = Program::run("static_files", &["/nowhere/at/all"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("/nowhere/at/all: "), "{error}");
    let output = Program::run("static_files", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("DIR is missing"));
}
