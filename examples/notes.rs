//! Notes, kept in memory: an API in JSON, and a page with a form.
//!
//! ```text
//! $ cargo run --release --example notes
//! listening on 127.0.0.1:8090
//!
//! $ curl http://localhost:8090/api/notes --json '{"title":"milk","text":"two litres"}'
//! {"id":1,"title":"milk","text":"two litres"}
//! $ curl http://localhost:8090/api/notes?q=milk
//! $ curl -X DELETE http://localhost:8090/api/notes/1
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use diesel_driver::Application;
use diesel_driver::http1::{IntoResponse, Response, Status};
use diesel_driver::web::{
    Form, Html, InvalidRoute, Json, Path, Query, Redirect, Router, Routes, State, get,
};
use diesel_examples::{Failure, address, command_line, print_line};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize)]
struct Note {
    id: u64,
    #[serde(flatten)]
    draft: Draft,
}

#[derive(Clone, Serialize, Deserialize)]
struct Draft {
    title: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

enum Trouble {
    NoSuchNote(u64),
    NoTitle,
    TooMany,
    TooLong,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Trouble::NoSuchNote(id) => (Status::NOT_FOUND, format!("there is no note {id}\n")),
            Trouble::NoTitle => (Status::UNPROCESSABLE_CONTENT, "a note has a title\n".into()),
            Trouble::TooLong => {
                (Status::CONTENT_TOO_LARGE, format!("a note has at most {LONGEST} bytes\n"))
            }
            Trouble::TooMany => (Status::CONFLICT, "delete a note first\n".into()),
        }
        .into_response()
    }
}

/// The most notes, and the most bytes of one: together, the memory that strangers can fill.
const MOST: usize = 1000;
const LONGEST: usize = 4096;

/// All notes, by their number.
#[derive(Default)]
pub struct Store {
    notes: BTreeMap<u64, Note>,
    last: u64,
}

impl Store {
    fn add(&mut self, draft: Draft) -> Result<Note, Trouble> {
        if draft.title.trim().is_empty() {
            return Err(Trouble::NoTitle);
        }
        if draft.title.len() + draft.text.len() > LONGEST {
            return Err(Trouble::TooLong);
        }
        if self.notes.len() >= MOST {
            return Err(Trouble::TooMany);
        }
        self.last += 1;
        let note = Note { id: self.last, draft };
        self.notes.insert(note.id, note.clone());
        Ok(note)
    }
}

/// What handlers share.
pub type Notes = Rc<RefCell<Store>>;

fn list(State(notes): State<Notes>, Query(search): Query<Search>) -> Json<Vec<Note>> {
    let notes = notes.borrow();
    Json(
        notes.notes.values().filter(|note| note.draft.title.contains(&search.q)).cloned().collect(),
    )
}

fn add(
    State(notes): State<Notes>,
    Json(draft): Json<Draft>,
) -> Result<(Status, Json<Note>), Trouble> {
    let note = notes.borrow_mut().add(draft)?;
    Ok((Status::CREATED, Json(note)))
}

fn note(State(notes): State<Notes>, Path(id): Path<u64>) -> Result<Json<Note>, Trouble> {
    let notes = notes.borrow();
    notes.notes.get(&id).cloned().map(Json).ok_or(Trouble::NoSuchNote(id))
}

fn remove(State(notes): State<Notes>, Path(id): Path<u64>) -> Result<Status, Trouble> {
    let removed = notes.borrow_mut().notes.remove(&id);
    removed.map(|_| Status::NO_CONTENT).ok_or(Trouble::NoSuchNote(id))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn page(State(notes): State<Notes>) -> Html<String> {
    let line =
        |note: &Note| format!("<li>{}: {}", escaped(&note.draft.title), escaped(&note.draft.text));
    let lines: Vec<String> = notes.borrow().notes.values().map(line).collect();
    Html(format!(
        "<!doctype html><title>Notes</title><ul>{}</ul>\
         <form method=post><input name=title><input name=text><button>Add</button></form>",
        lines.join("")
    ))
}

fn add_by_form(State(notes): State<Notes>, Form(draft): Form<Draft>) -> Result<Redirect, Trouble> {
    notes.borrow_mut().add(draft)?;
    Ok(Redirect::see_other("/"))
}

/// The application.
pub fn routes(notes: Notes) -> Result<Routes, InvalidRoute> {
    let api = Router::new()
        .route("/notes", get(list).post(add))
        .route("/notes/{id}", get(note).delete(remove));
    Router::new().route("/", get(page).post(add_by_form)).nest("/api", api).with_state(notes)
}

fn main() -> Result<(), Failure> {
    let listen = address("listen", "127.0.0.1:8090", "address to listen on; port 0: any free port");
    let [listen] = command_line("Keeps notes.", [listen]);
    let mut app = Application::new();
    let service = app.add_service(routes(Notes::default())?, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
