//! The example `crawler` as a process, over a small site.

use std::collections::BTreeMap;
use std::path::Path;

use diesel_driver::Config;
use diesel_driver::http1::{Request, Response, Service, Status};
use diesel_tests::{Folder, Program, Running};

fn site(request: Request) -> Response {
    let html = |text: &str| {
        Response::bytes(text.to_owned()).header("Content-Type", "text/html; charset=utf-8")
    };
    let path = request.path().to_owned();
    match path.as_str() {
        "/robots.txt" => {
            Response::text("User-agent: *\nDisallow: /private\nAllow: /private/open\n")
        }
        "/" => html(
            "<a href=a/b.html>b</a> <a href='/a/../a/b.html#top'>again</a> <img src='i.png?v=1&amp;w=2'>\
             <a href=/..%2f..%2fescape>x</a> <a href='/%2e%2e/%2e%2e/up'>y</a> <a href=\"//other.test/\">o</a>\
             <a href=/private/secret>s</a> <a href=/private/open>p</a> <a href=mailto:a@b.c>m</a>\
             <a href=/gone>g</a> <a href=/moved>r</a> <!-- <a href=/comment>c</a> -->",
        ),
        "/a/b.html" => html("<a href=../>up</a> <a href=c>c</a>"),
        "/moved" => Response::new(Status::FOUND).header("Location", "/a/target"),
        "/gone" | "/private/secret" | "/comment" => Response::new(Status::NOT_FOUND),
        _ => Response::text("leaf"),
    }
}

fn files(folder: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect()
}

#[test]
fn a_site_is_copied_once_and_within_its_folder() {
    let server =
        Running::start(Config::default(), |app| app.add_service(Service::new(site), "127.0.0.1:0"));
    let folder = Folder::new();
    let copy = folder.path("copy");
    let url = format!("http://{}/", server.address);
    let program = Program::start("crawler", &[&url, copy.to_str().unwrap()]);
    let (output, errors, code) = program.finish();
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains(" pages, 1 failed, "), "{output}");
    assert!(errors.contains("/gone: ") && errors.contains("404"), "{errors}");
    let names: Vec<_> = files(&copy).into_keys().collect();
    let expected = [
        "..%2F..%2Fescape",
        "a,b.html",
        "a,c",
        "a,target",
        "i.png@v=1&w=2",
        "index.html",
        "private,open",
        "up",
    ];
    assert_eq!(names, expected);
    assert_eq!(files(folder.root()).into_keys().collect::<Vec<_>>(), ["copy"]);

    // The folder is not empty now.
    let (_, errors, code) = Program::start("crawler", &[&url, copy.to_str().unwrap()]).finish();
    assert_eq!(code, Some(1));
    assert!(errors.contains("copy"), "{errors}");
}

#[test]
fn a_site_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let copy = folder.root().to_str().unwrap();
    let (_, errors, code) = Program::start("crawler", &["http://127.0.0.1:1/", copy]).finish();
    assert_eq!((code, errors.contains("127.0.0.1:1")), (Some(1), true), "{errors}");
    let (_, errors, code) = Program::start("crawler", &["ftp://localhost/", copy]).finish();
    assert_eq!((code, errors.contains("scheme")), (Some(1), true), "{errors}");
    assert_eq!(Program::start("crawler", &[]).finish().2, Some(2));
}
