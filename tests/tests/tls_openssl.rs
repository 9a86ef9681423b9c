//! The other side is OpenSSL: `s_server` for a client's layer, `s_client` for key updates. Where it
//! is missing, the tests say so and pass.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use diesel_driver::{Application, Ctx, Error};
use diesel_proto::tls::rustls::RootCertStore;
use diesel_proto::tls::rustls::pki_types::CertificateDer;
use diesel_proto::tls::rustls::pki_types::pem::PemObject;
use diesel_proto::tls::{Connector, ServerName};
use diesel_proto::{CertificateFault, TlsError};
use diesel_tests::Program;

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../diesel-proto/tests/certificates/", $name))
    };
}

fn certificate(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../diesel-proto/tests/certificates");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A running `openssl`, which is killed when this is dropped.
struct OpenSsl(Child);

impl OpenSsl {
    fn start(arguments: &[&str]) -> Option<OpenSsl> {
        let mut command = Command::new("openssl");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => Some(OpenSsl(child)),
            Err(error) => {
                println!("skipped: openssl: {error}");
                None
            }
        }
    }

    /// A server that answers each line reversed, and ends in order after `CLOSE`.
    fn serve(certificate_: &str, arguments: &[&str]) -> Option<(OpenSsl, SocketAddr)> {
        let cert = certificate(&format!("{certificate_}.pem"));
        let key = certificate(&format!("{certificate_}.key"));
        let common = ["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", &cert, "-key", &key];
        let mut server = OpenSsl::start(&[&common, arguments].concat())?;
        let mut output = BufReader::new(server.0.stdout.take().unwrap());
        let line = line_with(&mut output, "ACCEPT ");
        let address = line.trim().strip_prefix("ACCEPT ").and_then(|it| it.parse().ok());
        // What it says later does not stop it.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Some((server, address.unwrap_or_else(|| panic!("{line:?}"))))
    }

    fn input(&mut self) -> &mut ChildStdin {
        self.0.stdin.as_mut().unwrap()
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first line that contains `text`.
fn line_with(output: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    loop {
        let from = all.len();
        assert!(output.read_line(&mut all).unwrap() > 0, "no {text:?} in {all:?}");
        if all[from..].contains(text) {
            return all.split_off(from);
        }
    }
}

fn trusting(authority: &[u8]) -> Connector {
    Connector::from_pem(authority).unwrap()
}

fn known() -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem!("authority.pem")).unwrap()).unwrap();
    let builder = Connector::builder(roots);
    builder.identity_pem(pem!("client.pem"), pem!("client.key")).unwrap().build().unwrap()
}

/// Connects, and runs `body` on the connection.
fn call<T: 'static>(
    address: SocketAddr,
    connector: Connector,
    name: &'static str,
    body: impl AsyncFn(&mut diesel_driver::Conn) -> Result<T, Error> + 'static,
) -> Result<T, Error> {
    let result = Rc::new(RefCell::new(None));
    let mut app = Application::new();
    app.handle_signals(false);
    let told = Rc::clone(&result);
    app.add_loop(async move |ctx: Ctx| {
        let connector = connector.clone();
        let call = async {
            let name = ServerName::try_from(name).unwrap();
            let connect = ctx.connect(address);
            let connect = connect.layer(move |ctx, inner| connector.layer(name, ctx, inner));
            let mut conn = connect.await?;
            body(&mut conn).await
        };
        let result = ctx.timeout(Duration::from_secs(20), call).await;
        told.replace(Some(result.and_then(|result| result)));
        ctx.halt();
        Ok::<(), Error>(())
    })
    .unwrap();
    app.run().unwrap();
    let result = result.borrow_mut().take();
    result.expect("the loop has ended")
}

/// Says something, and reads the answer and the end.
async fn says(conn: &mut diesel_driver::Conn) -> Result<String, Error> {
    conn.write("hello\n").await?;
    let answer = conn.until_eol().await?.trimmed().to_string();
    conn.write("CLOSE\n").await?;
    match conn.some().await {
        Err(Error::Closed) => Ok(answer),
        Err(error) => Err(error),
        Ok(more) => panic!("{more:?}"),
    }
}

#[test]
fn a_client_talks_to_each_version_and_the_end_is_an_end() {
    for version in ["-tls1_3", "-tls1_2"] {
        let Some((_server, address)) = OpenSsl::serve("server", &[version]) else { return };
        let connector = trusting(pem!("authority.pem"));
        // The second time, the session is resumed.
        for _ in 0..2 {
            let answer = call(address, connector.clone(), "localhost", says);
            assert_eq!(answer.unwrap(), "olleh", "{version}");
        }
    }
}

#[test]
fn a_server_that_is_killed_is_not_one_that_ends() {
    for version in ["-tls1_3", "-tls1_2"] {
        let Some((server, address)) = OpenSsl::serve("server", &[version]) else { return };
        let server = Rc::new(RefCell::new(Some(server)));
        let cut = call(address, trusting(pem!("authority.pem")), "localhost", async move |conn| {
            conn.write("hello\n").await?;
            assert_eq!(conn.until_eol().await?.trimmed(), "olleh");
            // The kernel ends its stream, without a close_notify.
            server.borrow_mut().take();
            conn.some().await.map(|bytes| bytes.to_vec())
        });
        let is_cut = matches!(cut, Err(Error::Tls(TlsError::Truncated) | Error::Reset));
        assert!(is_cut, "{version}: {cut:?}");
    }
}

#[test]
fn certificates_of_servers_are_checked() {
    let fault = |served: &str, authority: &[u8], name| {
        let (_server, address) = OpenSsl::serve(served, &[])?;
        match call(address, trusting(authority), name, says) {
            Err(Error::Tls(error)) => Some(error),
            other => panic!("{other:?}"),
        }
    };
    let authority = pem!("authority.pem");
    let Some(other_name) = fault("server", authority, "c.example") else { return };
    assert_eq!(other_name, TlsError::Certificate(CertificateFault::OtherName));
    // It was valid in January of 2024.
    let expired = fault("brief", authority, "a.example");
    assert_eq!(expired, Some(TlsError::Certificate(CertificateFault::Expired)));
    let unknown = fault("server", pem!("stranger.pem"), "localhost");
    assert_eq!(unknown, Some(TlsError::Certificate(CertificateFault::UnknownIssuer)));
    // It is for clients.
    let purpose = fault("client", authority, "localhost");
    assert!(matches!(purpose, Some(TlsError::Certificate(_))), "{purpose:?}");
}

#[test]
fn a_client_shows_its_certificate_if_asked() {
    let authority = certificate("authority.pem");
    for version in ["-tls1_3", "-tls1_2"] {
        let asks = ["-Verify", "1", "-verify_return_error", "-CAfile", &authority, version];
        let Some((_server, address)) = OpenSsl::serve("server", &asks) else { return };
        assert_eq!(call(address, known(), "localhost", says).unwrap(), "olleh");
        // With TLS 1.3 the handshake of a client is complete before its certificate is judged.
        let unknown = call(address, trusting(pem!("authority.pem")), "localhost", says);
        let alert = if version == "-tls1_3" { 116 } else { 40 };
        let is_refused =
            matches!(unknown, Err(Error::Tls(TlsError::Alert(number))) if number == alert);
        assert!(is_refused, "{version}: {unknown:?}");
    }
}

#[test]
fn old_versions_and_plain_text_are_refused() {
    let old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    let Some((_server, address)) = OpenSsl::serve("server", &old) else { return };
    let refused = call(address, trusting(pem!("authority.pem")), "localhost", says);
    let is_named =
        matches!(refused, Err(Error::Tls(TlsError::Alert(70 | 40) | TlsError::Incompatible)));
    assert!(is_named, "{refused:?}");
    let (_echo, address) = Program::serve("http", &[]);
    let plain = call(address, trusting(pem!("authority.pem")), "localhost", says);
    assert!(matches!(plain, Err(Error::Tls(TlsError::NotTls))), "{plain:?}");
}

#[test]
fn s_client_changes_its_keys_and_asks_for_ours() {
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    let (_echo, address) = Program::serve("echo", &["--tls-cert", &cert, "--tls-key", &key]);
    let address = address.to_string();
    let Some(mut client) = OpenSsl::start(&["s_client", "-tls1_3", "-connect", &address]) else {
        return;
    };
    let mut output = BufReader::new(client.0.stdout.take().unwrap());
    let mut errors = BufReader::new(client.0.stderr.take().unwrap());
    for (n, update) in ["K", "k", "K", "K", "k"].into_iter().enumerate() {
        writeln!(client.input(), "message {n}").unwrap();
        line_with(&mut output, &format!("you said: message {n}"));
        writeln!(client.input(), "{update}").unwrap();
        line_with(&mut errors, "KEYUPDATE");
    }
    writeln!(client.input(), "quit").unwrap();
    // It says this if it got a close_notify, too.
    line_with(&mut output, "closed");
    assert!(client.0.wait().unwrap().success());
}

/// It is told that there is no renegotiation, and gives up; others are served.
#[test]
fn s_client_cannot_renegotiate() {
    let (cert, key) = (certificate("server.pem"), certificate("server.key"));
    let (_echo, address) = Program::serve("echo", &["--tls-cert", &cert, "--tls-key", &key]);
    let address = address.to_string();
    for _ in 0..2 {
        let Some(mut client) = OpenSsl::start(&["s_client", "-tls1_2", "-connect", &address])
        else {
            return;
        };
        let mut output = BufReader::new(client.0.stdout.take().unwrap());
        let mut errors = BufReader::new(client.0.stderr.take().unwrap());
        writeln!(client.input(), "hello").unwrap();
        line_with(&mut output, "you said: hello");
        writeln!(client.input(), "R").unwrap();
        line_with(&mut errors, "RENEGOTIATING");
        line_with(&mut errors, "no renegotiation");
    }
}
