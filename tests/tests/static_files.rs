//! The program `static_files`, as a process, with curl.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
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
