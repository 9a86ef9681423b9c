//! A group chat in the browser, by long-polling: rooms, and who is here.
//!
//! ```text
//! $ cargo run --release --example comet
//! listening on 127.0.0.1:8083
//! ```
//!
//! A browser asks for news, and the answer waits until there are some. When the browser goes away, the
//! handler that waits for it is dropped, and with it the guard that says who is here.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use diesel_driver::http1::{IntoResponse, Request, Response, Status};
use diesel_driver::web::{Html, InvalidRoute, Json, Path, Query, Router, Routes, State, get, post};
use diesel_driver::{Application, Ctx, Error, Event, first};
use diesel_examples::{Failure, address, command_line, print_line};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("comet.html");

/// How long an answer without news is held back: less than proxies wait.
const HOLD: Duration = Duration::from_secs(25);

/// How long a browser has for asking again before it counts as gone.
const GRACE: Duration = Duration::from_millis(500);

/// The most rooms, people in a room, and messages that are kept for those who come later.
const MOST: usize = 100;

/// The longest name and the longest message, in bytes.
const LONGEST: [usize; 2] = [40, 2000];

#[derive(Clone, Serialize)]
struct Message {
    /// `None` if the room itself speaks.
    from: Option<String>,
    text: String,
}

struct Person {
    name: String,
    /// How many of its requests wait for news.
    polls: usize,
}

struct Room {
    /// By the random ids that their browsers chose.
    people: BTreeMap<String, Person>,
    messages: VecDeque<Message>,
    /// The number of the next message.
    next: u64,
    news: Event<()>,
}

impl Room {
    fn shared(news: Event<()>) -> SharedRoom {
        let (people, messages) = (BTreeMap::new(), VecDeque::new());
        Rc::new(RefCell::new(Room { people, messages, next: 0, news }))
    }

    fn say(&mut self, from: Option<String>, text: String) {
        self.messages.push_back(Message { from, text });
        if self.messages.len() > MOST {
            self.messages.pop_front();
        }
        self.next += 1;
        self.news.fire(());
    }

    fn since(&self, number: u64) -> Option<News> {
        // A number from before the room was empty counts for nothing.
        let new = self.next.checked_sub(number).unwrap_or(self.next) as usize;
        let old = self.messages.len().saturating_sub(new);
        let messages: Vec<_> = self.messages.iter().skip(old).cloned().collect();
        let mut here: Vec<_> = self.people.values().map(|person| person.name.clone()).collect();
        here.sort();
        (!messages.is_empty()).then_some(News { next: self.next, here, messages })
    }
}

/// What handlers share.
type Rooms = Rc<RefCell<BTreeMap<String, SharedRoom>>>;
type SharedRoom = Rc<RefCell<Room>>;

#[derive(Deserialize)]
struct Asked {
    id: String,
    name: String,
    since: u64,
}

#[derive(Serialize)]
struct News {
    next: u64,
    here: Vec<String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Said {
    id: String,
    text: String,
}

enum Trouble {
    Full,
    TooLong,
    NotHere,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        match self {
            Trouble::Full => (Status::SERVICE_UNAVAILABLE, "it is full\n").into_response(),
            Trouble::TooLong => (Status::CONTENT_TOO_LARGE, "that is too long\n").into_response(),
            Trouble::NotHere => (Status::FORBIDDEN, "you are not in this room\n").into_response(),
        }
    }
}

/// Somebody is in a room for as long as one of these lives, and a little longer.
struct Presence {
    rooms: Rooms,
    room: SharedRoom,
    /// The name of the room.
    named: String,
    id: String,
    ctx: Ctx,
}

impl Presence {
    fn enter(rooms: &Rooms, named: String, asked: &Asked, ctx: Ctx) -> Result<Self, Trouble> {
        let name = asked.name.trim();
        if name.is_empty() || [name, &named, &asked.id].iter().any(|it| it.len() > LONGEST[0]) {
            return Err(Trouble::TooLong);
        }
        let all = &mut *rooms.borrow_mut();
        if !all.contains_key(&named) && all.len() >= MOST {
            return Err(Trouble::Full);
        }
        let room = all.entry(named.clone()).or_insert_with(|| Room::shared(ctx.event())).clone();
        let at = &mut *room.borrow_mut();
        if !at.people.contains_key(&asked.id) {
            if at.people.len() >= MOST {
                return Err(Trouble::Full);
            }
            at.people.insert(asked.id.clone(), Person { name: name.into(), polls: 0 });
            at.say(None, format!("{name} is here"));
        }
        at.people.entry(asked.id.clone()).and_modify(|person| person.polls += 1);
        let (rooms, room, id) = (rooms.clone(), room.clone(), asked.id.clone());
        Ok(Presence { rooms, room, named, id, ctx })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let people = &mut self.room.borrow_mut().people;
        people.entry(self.id.clone()).and_modify(|person| person.polls -= 1);
        let (rooms, room, named) = (self.rooms.clone(), self.room.clone(), self.named.clone());
        let (id, ctx) = (self.id.clone(), self.ctx.clone());
        // If it cannot be spawned, the server is shutting down.
        let _ = self.ctx.spawn(async move {
            ctx.sleep(GRACE).await?;
            let at = &mut *room.borrow_mut();
            if at.people.get(&id).is_some_and(|person| person.polls == 0)
                && let Some(person) = at.people.remove(&id)
            {
                at.say(None, format!("{} left", person.name));
                if at.people.is_empty() {
                    rooms.borrow_mut().remove(&named);
                }
            }
            Ok::<(), Error>(())
        });
    }
}

async fn news(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Result<Json<News>, Trouble> {
    let presence = Presence::enter(&rooms, room, &asked, request.ctx())?;
    let since = || presence.room.borrow().since(asked.since);
    let mut fired = presence.room.borrow().news.subscribe();
    if let Some(news) = since() {
        return Ok(Json(news));
    }
    first((fired.wait(), request.ctx().sleep(HOLD), request.closed())).await;
    let nothing = News { next: asked.since, here: Vec::new(), messages: Vec::new() };
    Ok(Json(since().unwrap_or(nothing)))
}

fn say(
    State(rooms): State<Rooms>,
    Path(room): Path<String>,
    Json(said): Json<Said>,
) -> Result<Status, Trouble> {
    if said.text.len() > LONGEST[1] {
        return Err(Trouble::TooLong);
    }
    let room = rooms.borrow().get(&room).ok_or(Trouble::NotHere)?.clone();
    let room = &mut *room.borrow_mut();
    let name = room.people.get(&said.id).ok_or(Trouble::NotHere)?.name.clone();
    room.say(Some(name), said.text);
    Ok(Status::NO_CONTENT)
}

/// The application.
pub fn routes() -> Result<Routes, InvalidRoute> {
    Router::new()
        .route("/", get(|| Html(PAGE)))
        .route("/rooms/{room}/news", get(news))
        .route("/rooms/{room}/messages", post(say))
        .with_state(Rooms::default())
}

fn main() -> Result<(), Failure> {
    let [listen] = command_line(
        "A group chat in the browser, by long-polling.",
        [address("listen", "127.0.0.1:8083", "address to listen on; port 0: any free port")],
    );
    let mut app = Application::new();
    let service = app.add_service(routes()?, listen)?;
    print_line(&format!("listening on {}", app.local_addr(service)?));
    Ok(app.run()?)
}
