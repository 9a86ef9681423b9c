//! The compiler's message for a handler or a loop of the wrong shape names the right shape, in a
//! few lines. `rustc` checks small programs against the libraries of this build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The candidates for the library of this build, the newest first: each set of features has its
/// own.
fn libraries(deps: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(deps)
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libdiesel_driver-") && name.ends_with(".rlib")
        })
        .collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|it| it.modified()).ok());
    found.reverse();
    found
}

/// Compiles a function with this body. The error is the output of `rustc`.
fn check(deps: &Path, library: &Path, name: &str, body: &str) -> Result<(), String> {
    let program = format!(
        "#![allow(unused)]
        use diesel_driver::{{Application, Conn, Ctx, Error, Hub, Service, http1}};
        use diesel_driver::http1::{{Request, Response}};
        fn check(mut app: Application, mut hub: Hub) {{ {body} }}
        fn main() {{}}"
    );
    let folder = std::env::temp_dir().join(format!("diesel-diagnostics-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let source = folder.join(format!("{name}.rs"));
    fs::write(&source, program).unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition", "2024", "--emit", "metadata", "--color", "never", "--out-dir"])
        .arg(&folder)
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("diesel_driver={}", library.display()))
        .arg(&source)
        .output()
        .expect("rustc is where cargo is");
    fs::remove_dir_all(&folder).unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

const RIGHT: &str = r#"
    async fn handler(mut conn: Conn) -> Result<(), Error> { conn.write("a").await }
    async fn body(ctx: Ctx) -> Result<(), Error> { ctx.sleep(Default::default()).await }
    async fn answer(request: Request) -> Response { Response::text("a") }
    let text = String::new();
    hub.add_service(handler);
    hub.add_service(Service::new(handler));
    hub.add_service(Service::new(async |mut conn| conn.write("a").await));
    hub.add_service(async move |mut conn: Conn| conn.write(text.clone()).await);
    hub.add_service(http1::Service::new(answer));
    hub.add_service(http1::Service::new(|_: Request| "a"));
    hub.add_loop(body);
    hub.add_loop(async |ctx| ctx.sleep(Default::default()).await);
    app.add_service(handler, "127.0.0.1:0");
    app.add_service(http1::Service::new(answer), "127.0.0.1:0");
    app.add_loop(body);
"#;

const NO_SERVICE: &str = "is neither a service nor a handler of connections";
const NO_HANDLER: &str = "is not a handler of connections";
const NO_LOOP: &str = "is not a loop";
const NO_ANSWER: &str = "is not a handler of requests";
const HANDLER: &str = "a handler is an `async fn(Conn) -> Result<(), Error>`, or an async closure";

const WRONG: [(&str, &str, &str); 15] = [
    ("fn f(_: Conn) -> Result<(), Error> { Ok(()) } hub.add_service(f);", NO_SERVICE, HANDLER),
    ("async fn f(_: Conn) {} hub.add_service(f);", NO_SERVICE, HANDLER),
    (
        "async fn f(_: &mut Conn) -> Result<(), Error> { Ok(()) } hub.add_service(f);",
        NO_SERVICE,
        HANDLER,
    ),
    (
        "async fn f(_: Conn, _: u8) -> Result<(), Error> { Ok(()) } app.add_service(f, \"a:1\");",
        NO_SERVICE,
        HANDLER,
    ),
    (
        "async fn f(_: Request) -> Response { panic!() } app.add_service(f, \"a:1\");",
        NO_SERVICE,
        "`http1::Service::new(handler)`",
    ),
    ("app.add_service(async |_: Conn| {}, \"a:1\");", NO_SERVICE, HANDLER),
    ("fn f(_: Conn) -> Result<(), Error> { Ok(()) } Service::new(f);", NO_HANDLER, HANDLER),
    ("async fn f(_: Conn) -> std::io::Result<()> { Ok(()) } Service::new(f);", NO_HANDLER, HANDLER),
    ("async fn f(_: Ctx) -> Result<(), Error> { Ok(()) } Service::new(f);", NO_HANDLER, HANDLER),
    (
        "async fn f(_: Conn) -> Result<(), Error> { Ok(()) } app.add_loop(f);",
        NO_LOOP,
        "`async fn(Ctx) -> Result<(), Error>`",
    ),
    ("async fn f(_: Ctx) {} hub.add_loop(f);", NO_LOOP, "`async fn(Ctx) -> Result<(), Error>`"),
    ("async fn f(_: Request) {} http1::Service::new(f);", NO_ANSWER, "see `IntoResponse`"),
    (
        "fn f(_: &Request) -> Response { panic!() } http1::Service::new(f);",
        NO_ANSWER,
        "see `IntoResponse`",
    ),
    ("fn f(_: Request) -> u8 { 1 } http1::Service::new(f);", NO_ANSWER, "see `IntoResponse`"),
    (
        "async fn f(_: Conn) -> Result<(), Error> { Ok(()) } http1::Service::new(f);",
        NO_ANSWER,
        "see `IntoResponse`",
    ),
];

#[test]
fn a_handler_of_the_wrong_shape_gets_a_diagnostic_with_the_right_one() {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let fits = |library: &PathBuf| check(&deps, library, "right", RIGHT);
    let libraries = libraries(&deps);
    let library = libraries.iter().find(|library| fits(library).is_ok());
    let library = library.unwrap_or_else(|| panic!("{:?}", libraries.first().map(fits)));
    for (n, (body, message, note)) in WRONG.iter().enumerate() {
        let said = check(&deps, library, &format!("wrong_{n}"), body).expect_err(body);
        let first = said.lines().find(|line| line.starts_with("error")).unwrap_or_default();
        assert!(first.ends_with(message), "{body}\n{said}");
        assert!(said.contains(note), "{body}\n{said}");
        assert!(said.lines().count() <= 30, "a wall of {} lines:\n{said}", said.lines().count());
    }
}
