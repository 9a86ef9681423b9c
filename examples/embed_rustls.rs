//! HTTP over TLS, for programs that have a TLS of their own: an endpoint over rustls over a blocking
//! socket, a thread for each connection. (`diesel_proto::tls` is a layer for any loop; this shows
//! what it takes without.) Numbers are lines of the contract of `diesel_proto::Endpoint`.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use diesel_examples::embed::{self, Clock, Failure, LISTEN, threads};
use diesel_examples::handlers::hello;
use diesel_examples::{TLS_CERT, TLS_KEY, command_line};
use diesel_proto::http1::{Service, Standalone};
use diesel_proto::machine::{EndpointIo, Interest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

/// Ends our side, so that the client can tell the end from a cut: an alert, then the end of TCP.
fn shut_down(tls: &mut TlsStream) {
    tls.conn.send_close_notify();
    let _ = tls.flush(); // This fails if the peer is gone.
    let _ = tls.sock.shutdown(Shutdown::Write);
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>) -> Result<(), Failure> {
    let clock = Clock::start();
    let now = || clock.now();
    let Some(http) = Standalone::new(Service::new(hello)) else { return Ok(()) };
    socket.set_nodelay(true)?;
    // 1: the handshake is part of what the first deadline of the machine is for.
    let mut io = EndpointIo::new(http.machine(socket.peer_addr()?.into()), now());
    let mut tls = StreamOwned::new(ServerConnection::new(config)?, socket);
    let mut scratch = [0; 16 << 10];
    loop {
        io.expired(now()); // 4
        if threads::is_stopping() {
            io.endpoint().shutdown(now());
        }
        io.endpoint().drain_notices().for_each(|notice| embed::log(&notice)); // 9
        if let Some(end) = io.end() {
            if !end.is_abort() {
                shut_down(&mut tls);
            }
            embed::close(Some(tls.sock), end); // 8
            return Ok(());
        }
        if io.must_shut_down() {
            shut_down(&mut tls); // 7
        }
        let deadline = io.next_deadline().map_or(threads::TICK, |deadline| deadline.at - now());
        let wait = Some(deadline.clamp(Duration::from_millis(1), threads::TICK));
        // Either direction of TLS may need both directions of the socket.
        tls.sock.set_write_timeout(wait)?;
        tls.sock.set_read_timeout(wait)?;
        match io.wants() {
            Interest { writable: true, .. } => _ = io.write(now, &mut tls), // 5
            Interest { readable: true, .. } => {
                http.time_of_day(clock.unix_seconds());
                io.read(now, &mut tls, &mut scratch); // 2, 3
            }
            _ => thread::sleep(deadline.min(threads::TICK)),
        }
    }
}

fn config(cert: &str, key: &str) -> Result<Arc<ServerConfig>, Failure> {
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| format!("{cert}: {error}"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{key}: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(chain, private);
    Ok(Arc::new(config.map_err(|error| format!("{cert}, {key}: {error}"))?))
}

fn main() -> Result<(), Failure> {
    let about = "HTTP over TLS, by rustls around an endpoint, with a thread for each connection.";
    let [listen, cert, key] = command_line(about, [LISTEN, TLS_CERT, TLS_KEY]);
    let (Some(cert), Some(key)) = (cert.path(), key.path()) else {
        return Err("--tls-cert and --tls-key are needed".into());
    };
    let config = config(cert, key)?;
    let listener = embed::listen_on(&listen)?;
    threads::serve(listener, move |socket| serve(socket, Arc::clone(&config)))
}
