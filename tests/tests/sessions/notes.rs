//! `notes`: an API in JSON, and a page with a form.

use diesel_driver::http1::Status;
use diesel_driver::web::Routes;
use diesel_proto::testkit::Oneshot;
use serde_json::{Value, json};

use crate::programs::notes::routes;

fn served() -> Routes {
    routes(Default::default()).unwrap()
}

#[test]
fn notes_are_added_found_and_removed() {
    let app = served();
    let milk = json!({ "title": "milk", "text": "two litres" });
    let added = Oneshot::post("/api/notes").json(&milk).send(&app);
    assert_eq!(added.status, Status::CREATED);
    assert_eq!(added.text(), r#"{"id":1,"title":"milk","text":"two litres"}"#);
    Oneshot::post("/api/notes").json(&json!({ "title": "bread" })).send(&app);
    let titles = |target: &str| {
        let notes: Vec<Value> = Oneshot::get(target).send(&app).json();
        notes.iter().map(|note| note["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles("/api/notes"), ["milk", "bread"]);
    assert_eq!(titles("/api/notes?q=br"), ["bread"]);
    assert_eq!(Oneshot::get("/api/notes/1").send(&app).body, added.body);
    assert_eq!(Oneshot::delete("/api/notes/1").send(&app).status, Status::NO_CONTENT);
    assert_eq!(titles("/api/notes"), ["bread"]);
    let gone = Oneshot::get("/api/notes/1").send(&app);
    assert_eq!((gone.status, gone.text()), (Status::NOT_FOUND, "there is no note 1\n"));
}

#[test]
fn what_is_wrong_is_said() {
    let app = served();
    let post = || Oneshot::post("/api/notes");
    for (request, status, text) in [
        (post().json(&json!({ "title": " " })), 422, "a note has a title\n"),
        (
            post().json(&json!({ "title": "t", "text": "x".repeat(4096) })),
            413,
            "a note has at most 4096 bytes\n",
        ),
        (
            post().json(&json!({ "text": "" })),
            422,
            "the body is not as expected: missing field `title` at line 1 column 11\n",
        ),
        (post().body("{}"), 415, "the body must have the Content-Type application/json\n"),
        (
            Oneshot::get("/api/notes/one"),
            400,
            "the parameter id of the path is \"one\": invalid digit found in string\n",
        ),
        (Oneshot::delete("/api/notes/7"), 404, "there is no note 7\n"),
        (Oneshot::put("/api/notes/7"), 405, "405 Method Not Allowed\n"),
        (Oneshot::get("/api"), 404, "404 Not Found\n"),
    ] {
        let answer = request.send(&app);
        assert_eq!((answer.status.code(), answer.text()), (status, text));
    }
    for _ in 0..1000 {
        post().json(&json!({ "title": "more" })).send(&app);
    }
    let full = post().json(&json!({ "title": "more" })).send(&app);
    assert_eq!((full.status, full.text()), (Status::CONFLICT, "delete a note first\n"));
}

#[test]
fn a_browser_adds_notes_with_a_form_and_sees_them_as_text() {
    let app = served();
    let added = Oneshot::post("/").form("title=a+%3Cb%3E&text=%22%26%22").send(&app);
    assert_eq!((added.status.code(), added.headers.get_str("Location")), (303, Some("/")));
    let page = Oneshot::get("/").send(&app);
    assert_eq!(page.headers.get_str("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<li>a &lt;b>: &quot;&amp;&quot;</ul>"), "{}", page.text());
}
