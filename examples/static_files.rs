//! Serves the files of a directory.
//!
//! ```text
//! $ cargo run --release --example static_files -- www --listing
//! listening on 127.0.0.1:8080
//!
//! $ curl -r 0-99 http://localhost:8080/big.iso
//! $ curl --compressed http://localhost:8080/app.js    # sends app.js.gz, if that exists
//! ```

use diesel_driver::Application;
use diesel_driver::http1::{Request, Service};
use diesel_driver::web::Files;
use diesel_examples::{
    Failure, TLS_CERT, TLS_KEY, address, command_line, operand, print_line, switch, tls_acceptor,
};

fn main() -> Result<(), Failure> {
    let [folder, listing, dot_files, links, listen, cert, key] = command_line(
        "Serves the files of a directory.",
        [
            operand("DIR", "the directory"),
            switch("listing", "list directories that have no index.html"),
            switch("dot-files", "serve names that begin with a dot"),
            switch("links", "follow symbolic links, within the directory"),
            address("listen", "127.0.0.1:8080", "address to listen on; port 0: any free port"),
            TLS_CERT,
            TLS_KEY,
        ],
    );
    let mut app = Application::new();
    let directory = app.add_directory(folder.as_str());
    let files = Files::new(directory.map_err(|error| format!("{}: {error}", folder.as_str()))?)
        .listing(listing.is_on())
        .dot_files(dot_files.is_on())
        .follow_links(links.is_on())
        .precompressed(true);
    let serve = async move |request: Request| files.serve(&request).await;
    let mut service = diesel_driver::Service::from(Service::new(serve).named("static_files"));
    if let Some(acceptor) = tls_acceptor(&cert, &key)? {
        service = service.layer(move |ctx, inner| acceptor.layer(ctx, inner));
    }
    let service = app.add_service(service, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
