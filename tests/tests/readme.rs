//! The README's program and its test, word for word: a test compares them.

use std::time::Duration;

use diesel_driver::{Application, Conn, Error, Service};

async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        conn.write(("you said: ", line)).await?;
    }
}

fn service() -> Service {
    Service::new(echo).idle(Duration::from_secs(60))
}

fn main() -> std::io::Result<()> {
    let mut app = Application::new();
    app.add_service(service(), "127.0.0.1:7050")?;
    app.run()
}

use diesel_proto::{Hub, testkit::script};

#[test]
fn a_client_that_is_silent_for_a_minute_is_disconnected() {
    let session = r"
        ann> hello\r\n
        ann< you said: hello\r\n
        +60s
        ann closed: timed out: the peer sent nothing
    ";
    script::assert_plays(session, || {
        let mut hub = Hub::default();
        hub.add_service(service());
        hub
    });
}

#[test]
fn the_readme_has_this_program_and_this_test() {
    let source = include_str!("readme.rs");
    let (_, source) = source.split_once("\n\n").unwrap();
    let (source, _) = source.split_once("\n#[test]\nfn the_readme_has").unwrap();
    let (program, test) = source.split_once("\nuse diesel_proto").unwrap();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(program), "README.md has another program");
    assert!(readme.contains(&format!("use diesel_proto{test}")), "README.md has another test");
}
