//! Files, as a hub sees them: what it asks its embedder for, when it closes a file, and what becomes
//! of tokens that are dropped.

#[path = "../harness/mod.rs"]
mod harness;
mod opening;
mod sending;

use std::cell::RefCell;
use std::rc::Rc;

use diesel_proto::fiber::File;
use diesel_proto::hub::{Input, Outcome};
use diesel_proto::machine::{
    DirEntry, EntryKind, FileAnswer, FileInfo, FileRequest, FileTime, Nested,
};
use diesel_proto::*;
use harness::{World, config, seconds};

const INFO: FileInfo =
    FileInfo { len: 1000, modified: FileTime { seconds: 7, nanoseconds: 0 }, number: 3 };
const OPENED: Result<FileAnswer, FileErrorKind> =
    Ok(FileAnswer::Opened { info: INFO, content: None });

type Noted = Rc<RefCell<Vec<String>>>;

/// A world with one fiber, which has a directory, and what it notes.
fn looping<F>(config: Config, body: F) -> (World, Noted)
where
    F: AsyncFnOnce(Ctx, DirectoryId, Noted) -> Result<(), Error> + 'static,
{
    let mut hub = Hub::new(config);
    let directory = hub.add_directory();
    let noted = Noted::default();
    let notes = Rc::clone(&noted);
    hub.add_loop(async move |ctx: Ctx| body(ctx, directory, notes).await).unwrap();
    let mut world = World::of(hub);
    world.turn();
    (world, noted)
}

/// A world with a connection to this handler.
fn serving(
    handler: impl AsyncFn(Conn, DirectoryId) -> Result<(), Error> + 'static,
    layer: impl FnOnce(Service) -> Service,
) -> (World, ConnId) {
    let mut hub = Hub::default();
    let directory = hub.add_directory();
    let service = Service::new(async move |conn: Conn| handler(conn, directory).await);
    let service = hub.add_service(layer(service));
    let mut world = World::of(hub);
    let conn = world.accept(service);
    world.turn();
    (world, conn)
}

/// What was asked for so far.
fn asked(world: &World) -> Vec<(JobId, FileRequest)> {
    let asked = world.log.iter().filter_map(|action| match action {
        Action::File(job, request) => Some((*job, request.clone())),
        _ => None,
    });
    asked.collect()
}

fn last(world: &World) -> JobId {
    asked(world).last().expect("it asks for a file").0
}

/// The files that were closed, and what was cancelled, in order.
fn ended(world: &World) -> Vec<String> {
    let ended = world.log.iter().filter_map(|action| match action {
        Action::CloseFile(file) => Some(format!("close {}", file.index())),
        Action::Cancel(job) => Some(format!("cancel {}", job.index())),
        _ => None,
    });
    ended.collect()
}

/// Answers the last question. Returns whether that was awaited.
fn answers(world: &mut World, answer: Result<FileAnswer, FileErrorKind>) -> bool {
    let job = last(world);
    let is_awaited = world.hub.file_answered(world.now, job, answer);
    world.turn();
    is_awaited
}

fn region(world: &World, conn: ConnId) -> Option<(u64, u64)> {
    world.hub.file_region(conn).map(|region| (region.offset, region.len))
}
