//! Passes HTTP requests on to other servers, and their responses back.
//!
//! ```text
//! $ cargo run --release --example reverse_proxy -- --to localhost:8089 --to localhost:8090
//! listening on 127.0.0.1:8088
//!
//! $ curl http://localhost:8088/get         # the servers take turns
//! ```

use diesel_driver::Application;
use diesel_driver::http1::{Limits, Request, Service};
use diesel_driver::web::ReverseProxy;
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, addresses, command_line, networks, print_line, switch,
    tls_acceptor,
};

/// Passes on all requests, with bodies of any length: they are sent as they arrive.
pub fn service(proxy: ReverseProxy) -> Service {
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    let forward = async move |request: Request| proxy.forward(request).await;
    Service::new(forward).named("reverse_proxy").limits(limits)
}

fn main() -> Result<(), Failure> {
    let [to, listen, trust, upstream_host, cert, key] = command_line(
        "Passes HTTP requests on to other servers.",
        [
            addresses("to", "a server; several take turns"),
            address("listen", "127.0.0.1:8088", "address to listen on; port 0: any free port"),
            networks(
                "trust",
                "a proxy in front of this one; what others say of clients is dropped",
            ),
            switch("upstream-host", "ask with the Host of the server, not that of the client"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut app = Application::new();
    let mut proxy = ReverseProxy::to(to.each().map(|server| format!("http://{server}")))?
        .upstream_host(upstream_host.is_on());
    for trusted in trust.each() {
        proxy = proxy.trust(trusted.parse()?);
    }
    let mut service = diesel_driver::Service::from(service(proxy.build(&app.ctx())));
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
