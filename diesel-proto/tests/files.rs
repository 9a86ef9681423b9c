//! Files, as a hub sees them: what it asks its embedder for, when it closes a file, and what becomes
//! of tokens that are dropped.

mod harness;

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

#[test]
fn a_file_is_opened_read_and_closed() {
    let (mut world, noted) = looping(Config::default(), async |ctx, files, noted| {
        let file = ctx.open(files, "a/b.txt").await?;
        noted.borrow_mut().push(format!("{} {:?}", file.len(), file.modified()));
        assert!(file.content().is_none() && !file.is_empty());
        for offset in [10, 990, 2000] {
            let read = file.read_at(offset, 20).await?;
            noted.borrow_mut().push(format!("{}", read.len()));
        }
        drop(file);
        ctx.sleep(seconds(1)).await
    });
    let [(_, FileRequest::Open { file, directory, path, follow_links, inline })] =
        &asked(&world)[..]
    else {
        panic!("{:?}", world.log)
    };
    assert_eq!((directory.index(), &path[..], *follow_links), (0, &b"a/b.txt"[..], false));
    assert_eq!((file.index(), *inline), (0, 16 << 10));
    let file = *file;
    assert!(answers(&mut world, OPENED));
    for (offset, len) in [(10, 20), (990, 10)] {
        let request = FileRequest::Read { file, offset, len };
        assert_eq!(asked(&world).last().unwrap().1, request);
        assert!(ended(&world).is_empty());
        assert!(answers(&mut world, Ok(FileAnswer::Read(vec![b'x'; 30].into()))));
    }
    // It got no more than it asked for, and asked for nothing behind the end.
    assert_eq!(*noted.borrow(), ["1000 FileTime { seconds: 7, nanoseconds: 0 }", "20", "10", "0"]);
    assert_eq!(ended(&world), ["close 0"]);
}

#[test]
fn a_short_file_is_in_memory_and_not_open() {
    let (mut world, noted) = looping(Config::default(), async |ctx, files, noted| {
        let file = ctx.open(files, "short").inline(5).await?;
        let part = file.read_at(1, 3).await?;
        let rest = file.read_at(4, usize::MAX).await?;
        noted.borrow_mut().push(format!("{:?} {part:?} {rest:?}", file.content()));
        assert!(file.read_at(9, 9).await?.is_empty());
        Ok(())
    });
    let info = FileInfo { len: 5, ..INFO };
    assert!(answers(&mut world, Ok(FileAnswer::Opened { info, content: Some("hello".into()) })));
    assert_eq!(*noted.borrow(), ["Some(b\"hello\") b\"ell\" b\"o\""]);
    assert_eq!(ended(&world), [""; 0]);
    assert_eq!(asked(&world).len(), 1);
}

#[test]
fn a_directory_is_listed() {
    let entry = |name: &str, kind| DirEntry {
        name: name.as_bytes().into(),
        kind,
        len: 3,
        modified: FileTime::default(),
    };
    let (mut world, noted) = looping(Config::default(), async |ctx, files, noted| {
        let entries = ctx.list(files, "").limit(2).follow_links(true).await?;
        noted.borrow_mut().extend(entries.iter().map(|entry| format!("{:?}", entry.kind)));
        let error = ctx.list(files, "more").await.unwrap_err();
        noted.borrow_mut().push(error.to_string());
        Ok(())
    });
    let [(_, FileRequest::List { path, limit, follow_links, .. })] = &asked(&world)[..] else {
        panic!("{:?}", world.log)
    };
    assert_eq!((path.len(), *limit, *follow_links), (0, 2, true));
    let entries = vec![entry("a", EntryKind::Directory), entry("b", EntryKind::File)];
    assert!(answers(&mut world, Ok(FileAnswer::Listed(entries))));
    assert!(answers(&mut world, Err(FileErrorKind::TooManyEntries)));
    let told = ["Directory", "File", "the directory has too many entries"];
    assert_eq!(*noted.borrow(), told);
}

#[test]
fn a_path_that_is_no_sequence_of_names_is_not_asked_for() {
    let (world, noted) = looping(Config::default(), async |ctx, files, noted| {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "a\0", &"x".repeat(5000)]
        {
            let error = ctx.open(files, path).await.unwrap_err();
            noted.borrow_mut().push(error.to_string());
        }
        assert!(ctx.list(files, "..").await.is_err());
        Ok(())
    });
    assert_eq!(asked(&world), []);
    let (invalid, escapes, long) = (
        FileErrorKind::InvalidPath.to_string(),
        FileErrorKind::Escapes.to_string(),
        FileErrorKind::NameTooLong.to_string(),
    );
    let expected = [&invalid, &invalid, &escapes, &escapes, &invalid, &invalid, &invalid, &long];
    assert!(noted.borrow().iter().eq(expected), "{noted:?}");
}

/// Each await of a handler that opens a file, reads it, and lists a directory.
#[test]
fn a_token_that_is_dropped_takes_back_what_it_asked_for() {
    // Dropped while it opens: nothing is open, and a late answer is not awaited.
    let (mut world, _) = looping(Config::default(), async |ctx, files, _| {
        let open = ctx.open(files, "a");
        assert!(matches!(first((open, ctx.sleep(seconds(1)))).await, First2::B(Ok(()))));
        core::future::pending().await
    });
    world.waits(seconds(1));
    assert_eq!(ended(&world), ["cancel 0"]);
    assert!(!answers(&mut world, OPENED));
    assert_eq!(ended(&world), ["cancel 0"]);

    // Answered, and dropped before it sees that.
    let (mut world, _) = looping(Config::default(), async |ctx, files, _| {
        let open = ctx.open(files, "a");
        assert!(matches!(first((ctx.sleep(seconds(1)), open)).await, First2::A(Ok(()))));
        core::future::pending().await
    });
    world.now += seconds(1);
    assert!(answers(&mut world, OPENED));
    assert_eq!(ended(&world), ["close 0"]);

    // Dropped while it reads: the file stays open for the next read.
    let (mut world, _) = looping(Config::default(), async |ctx, files, _| {
        let file = ctx.open(files, "a").await?;
        let read = file.read_at(0, 10);
        assert!(matches!(first((read, ctx.sleep(seconds(1)))).await, First2::B(Ok(()))));
        assert_eq!(file.read_at(0, 10).await?, "again");
        core::future::pending().await
    });
    assert!(answers(&mut world, OPENED));
    world.waits(seconds(1));
    assert_eq!(ended(&world), ["cancel 0"]);
    assert!(answers(&mut world, Ok(FileAnswer::Read("again".into()))));
    assert_eq!(ended(&world), ["cancel 0"]);

    // A fiber that is dropped closes what it has open.
    let (mut world, _) = looping(Config::default(), async |ctx, files, _| {
        let handle = ctx.spawn({
            let ctx = ctx.clone();
            async move {
                let file = ctx.open(files, "a").await?;
                ctx.sleep(seconds(9)).await?;
                Ok::<File, Error>(file)
            }
        })?;
        ctx.sleep(seconds(1)).await?;
        handle.abort();
        core::future::pending().await
    });
    assert!(answers(&mut world, OPENED));
    assert_eq!(ended(&world), [""; 0]);
    world.waits(seconds(1));
    assert_eq!(ended(&world), ["close 0"]);
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let (mut world, _) = looping(Config::default(), async |ctx, files, _| {
        drop(ctx.open(files, "a").await?);
        core::future::pending().await
    });
    assert!(!answers(&mut world, Ok(FileAnswer::Read("x".into()))));
    let job = last(&world);
    world.hub.completed(world.now, job, hub::JobOutcome::of(1));
    world.hub.resolved(world.now, job, Ok(vec![]));
    assert!(world.hub.take_job(job).is_none());
    assert!(answers(&mut world, OPENED));
    assert!(!answers(&mut world, OPENED), "it is stale");
    assert_eq!(ended(&world), ["close 0"]);

    let (mut other, _) =
        looping(Config::default(), async |ctx, files, _| ctx.open(files, "a").await.map(drop));
    assert!(!other.hub.file_answered(other.now, job, OPENED));
    other.turn();
    assert_eq!(other.notices(), [Notice::OtherHubJob(job)]);
}

#[test]
fn a_directory_of_another_hub_is_refused() {
    let foreign = Hub::default().add_directory();
    let (world, noted) = looping(Config::default(), async move |ctx, _, noted| {
        let opened = ctx.open(foreign, "a").await;
        noted.borrow_mut().push(format!("{:?}", opened.unwrap_err()));
        let listed = ctx.list(foreign, "").await;
        noted.borrow_mut().push(format!("{:?}", listed.unwrap_err()));
        Ok(())
    });
    assert_eq!(*noted.borrow(), ["OtherHub", "OtherHub"]);
    assert_eq!(asked(&world), []);
}

#[test]
fn limits_hold_to_the_file_and_the_request() {
    let limited = config(|config| (config.max_files, config.max_jobs) = (2, 0));
    let (mut world, noted) = looping(limited, async |ctx, files, noted| {
        let (first, second) = (ctx.open(files, "a").await?, ctx.open(files, "b").await?);
        let error = ctx.open(files, "c").await.unwrap_err();
        noted.borrow_mut().push(error.to_string());
        drop(first);
        let third = ctx.open(files, "c").await?;
        drop((second, third));
        Ok(())
    });
    for _ in 0..3 {
        assert!(answers(&mut world, OPENED));
    }
    assert_eq!(*noted.borrow(), ["at the limit of 2 open files (Config::max_files)"]);
    assert_eq!(ended(&world), ["close 0", "close 1", "close 0"]);
    assert_eq!(world.hub.counters().limit_files, 1);
    assert_eq!(world.notices(), [Notice::LimitReached(Limit::Files(2))]);

    // Requests for files do not count as jobs, nor the other way round.
    let limited = config(|config| (config.max_file_requests, config.max_jobs) = (2, 1));
    let (mut world, noted) = looping(limited, async |ctx, files, noted| {
        let tokens = ["a", "b", "c"].map(|path| {
            let (ctx, noted) = (ctx.clone(), Rc::clone(&noted));
            async move {
                let opened = ctx.open(files, path).await;
                noted.borrow_mut().push(opened.map_or_else(|it| it.to_string(), |_| path.into()));
            }
        });
        let job = ctx.unblock(|| ());
        let [a, b, c] = tokens;
        let all = core::pin::pin!(fiber::join_all([
            Box::pin(a) as std::pin::Pin<Box<dyn Future<Output = ()>>>,
            Box::pin(b),
            Box::pin(c),
            Box::pin(async { _ = job.await }),
        ]));
        all.await;
        Ok(())
    });
    let refused = "at the limit of 2 requests for files (Config::max_file_requests)";
    assert_eq!(*noted.borrow(), [refused]);
    assert!(world.log.iter().any(|action| matches!(action, Action::Job(_))));
    for (job, _) in asked(&world) {
        assert!(world.hub.file_answered(world.now, job, Err(FileErrorKind::NotFound)));
    }
    world.turn();
    let not_found = "there is no such file";
    assert_eq!(*noted.borrow(), [refused, not_found, not_found]);
}

#[test]
fn a_file_is_sent_as_one_region_and_the_token_waits_until_that_is_sent() {
    let (mut world, conn) = serving(
        async |mut conn, files| {
            let file = conn.ctx().open(files, "a").await?;
            conn.write("head ").await?;
            conn.write_file(&file, 100..).await?;
            conn.write("tail").await
        },
        |service| service,
    );
    assert!(answers(&mut world, OPENED));
    assert_eq!(world.receives(conn), "head ");
    assert_eq!(region(&world, conn), Some((100, 900)));
    assert_eq!(world.hub.sent(world.now, conn, 899), 1);
    world.turn();
    assert_eq!((ended(&world), region(&world, conn)), (vec![], Some((999, 1))));
    assert_eq!(world.hub.sent(world.now, conn, 1), 0);
    world.turn();
    assert_eq!((world.receives(conn), ended(&world)), ("tail".into(), vec!["close 0".into()]));
}

#[test]
fn a_range_is_that_part_of_it_that_is_in_the_file() {
    for (from, to, expected) in [
        (0, 1000, Some((0, 1000))),
        (999, 5000, Some((999, 1))),
        (10, 10, None),
        (1000, 2000, None),
        (u64::MAX - 1, u64::MAX, None),
        (20, 10, None),
    ] {
        let (mut world, conn) = serving(
            async move |mut conn, files| {
                let file = conn.ctx().open(files, "a").await?;
                conn.write_file(&file, from..to).await?;
                conn.half_close();
                core::future::pending().await
            },
            |service| service,
        );
        assert!(answers(&mut world, OPENED));
        assert_eq!(region(&world, conn), expected);
        assert_eq!(world.half_closed(conn), expected.is_none());
    }
}

#[test]
fn a_file_stays_open_until_a_region_that_was_given_up_is_sent() {
    let (mut world, conn) = serving(
        async |mut conn, files| {
            let file = conn.ctx().open(files, "a").await?;
            let ctx = conn.ctx();
            assert!(ctx.timeout(seconds(1), conn.write_file(&file, ..)).await.is_err());
            drop(file);
            conn.write("!").await
        },
        |service| service,
    );
    assert!(answers(&mut world, OPENED));
    world.hub.sent(world.now, conn, 300);
    world.waits(seconds(1));
    assert_eq!((ended(&world), region(&world, conn)), (vec![], Some((300, 700))));
    world.hub.sent(world.now, conn, 700);
    world.turn();
    assert_eq!(ended(&world), [""; 0], "the rest is queued");
    world.takes(conn, 10);
    assert_eq!(world.receives(conn), "!");
    world.turn();
    assert_eq!(ended(&world), ["close 0"]);
}

#[test]
fn a_file_that_was_given_up_is_closed_with_its_connection() {
    let (mut world, conn) = serving(
        async |mut conn, files| {
            let file = conn.ctx().open(files, "a").await?;
            _ = first((conn.write_file(&file, ..), async {})).await;
            drop(file);
            core::future::pending().await
        },
        |service| service,
    );
    assert!(answers(&mut world, OPENED));
    assert_eq!((ended(&world), region(&world, conn)), (vec![], Some((0, 1000))));
    world.resets(conn);
    assert_eq!(ended(&world), ["close 0"]);
}

#[test]
fn a_region_that_cannot_be_read_on_aborts_the_connection() {
    let failed = Rc::new(RefCell::new(None));
    let noted = Rc::clone(&failed);
    let (mut world, conn) = serving(
        async move |mut conn, files| {
            let file = conn.ctx().open(files, "a").await?;
            *noted.borrow_mut() = conn.write_file(&file, ..).await.err();
            Ok(())
        },
        |service| service,
    );
    assert!(answers(&mut world, OPENED));
    world.hub.sent(world.now, conn, 10);
    world.hub.region_failed(world.now, conn, FileErrorKind::Shrunk);
    world.turn();
    let shrunk = FileErrorKind::Shrunk;
    assert!(world.log.contains(&Action::Abort(conn, Cause::File(shrunk))));
    assert!(matches!(*failed.borrow(), Some(Error::File(FileErrorKind::Shrunk))));
    assert_eq!(ended(&world), ["close 0"]);
    // It is stale.
    world.hub.region_failed(world.now, conn, shrunk);
    assert!(!world.step());
}

/// A layer that sends each byte twice.
struct Twice<M>(Nested<M>);

impl<M: Machine> Machine for Twice<M> {
    fn step(
        &mut self,
        now: Instant,
        input: diesel_proto::Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle_framed(None, actions, |bytes, actions| {
            bytes.iter().for_each(|byte| actions.send(&[*byte, *byte]));
        });
        taken
    }
}

/// A layer that changes nothing.
struct Shares<M>(Nested<M>);

impl<M: Machine> Machine for Shares<M> {
    fn step(
        &mut self,
        now: Instant,
        input: diesel_proto::Input<'_>,
        actions: &mut Actions<'_>,
    ) -> usize {
        let taken = self.0.pass_on(now, input, actions);
        self.0.settle(None, actions);
        taken
    }
}

async fn send_all(mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
    let file = conn.ctx().open(files, "a").await?;
    conn.write_file(&file, 2..).await
}

#[test]
fn inside_a_layer_that_frames_files_are_read_and_sent_as_bytes() {
    for layer in [
        (|service: Service| service.layer(|_, inner| Twice(Nested::framing(inner))))
            as fn(Service) -> Service,
        |service| {
            service
                .layer(|_, inner| Shares(Nested::sharing(inner)))
                .layer(|_, inner| Twice(Nested::framing(inner)))
        },
    ] {
        let (mut world, conn) = serving(send_all, layer);
        assert!(answers(&mut world, OPENED));
        for (at, n) in [(2, 500), (502, 498)] {
            let Some((_, FileRequest::Read { offset, len, .. })) = asked(&world).pop() else {
                panic!("{:?}", world.log)
            };
            assert_eq!((offset, u64::from(len)), (at, 1000 - at));
            assert!(answers(&mut world, Ok(FileAnswer::Read(vec![b'x'; n].into()))));
        }
        assert_eq!(world.receives(conn).len(), 2 * 998);
        assert_eq!(ended(&world), ["close 0"]);
        assert!(world.half_closed(conn));
    }
    let (mut world, conn) =
        serving(send_all, |service| service.layer(|_, inner| Shares(Nested::sharing(inner))));
    assert!(answers(&mut world, OPENED));
    assert_eq!(region(&world, conn), Some((2, 998)));
}

#[test]
fn a_file_that_is_read_and_has_become_too_short_cuts_the_connection() {
    let (mut world, conn) =
        serving(send_all, |service| service.layer(|_, inner| Twice(Nested::framing(inner))));
    assert!(answers(&mut world, OPENED));
    assert!(answers(&mut world, Ok(FileAnswer::Read("abc".into()))));
    assert!(answers(&mut world, Ok(FileAnswer::Read("".into()))));
    assert_eq!(world.receives(conn), "aabbcc");
    let cut = Action::Abort(conn, Cause::File(FileErrorKind::Shrunk));
    assert!(world.log.contains(&cut), "{:?}", world.log);
    assert_eq!(ended(&world), ["close 0"]);
}

#[test]
fn a_shutdown_ends_waits_for_files_but_not_what_is_sent() {
    let (mut world, noted) = looping(Config::default(), async |ctx, files, noted| {
        let error = ctx.open(files, "a").await.unwrap_err();
        noted.borrow_mut().push(error.to_string());
        let error = ctx.open(files, "b").await.unwrap_err();
        noted.borrow_mut().push(error.to_string());
        Ok(())
    });
    world.hub.drain(world.now, world.now + seconds(5));
    world.turn();
    assert_eq!(*noted.borrow(), ["shutting down", "shutting down"]);
    assert_eq!((ended(&world), asked(&world).len()), (vec!["cancel 0".to_string()], 1));
    assert!(world.halted());

    // As a region, and as bytes.
    let (mut world, conn) = serving(send_all, |service| service);
    assert!(answers(&mut world, OPENED));
    world.hub.drain(world.now, world.now + seconds(5));
    world.turn();
    assert_eq!(region(&world, conn), Some((2, 998)));
    world.hub.sent(world.now, conn, 998);
    world.turn();
    assert_eq!(ended(&world), ["close 0"]);

    let (mut world, conn) =
        serving(send_all, |service| service.layer(|_, inner| Twice(Nested::framing(inner))));
    assert!(answers(&mut world, OPENED));
    world.hub.drain(world.now, world.now + seconds(5));
    world.turn();
    assert!(answers(&mut world, Ok(FileAnswer::Read(vec![b'x'; 500].into()))));
    assert!(answers(&mut world, Ok(FileAnswer::Read(vec![b'x'; 498].into()))));
    assert_eq!(world.receives(conn).len(), 2 * 998);
}

#[test]
fn a_recording_with_files_is_replayed_to_the_same_actions() {
    async fn serve(mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
        loop {
            let line = conn.until_eol().await?;
            match conn.ctx().open(files, line.without_eol()).await {
                Ok(file) => conn.write_file(&file, ..).await?,
                Err(error) => conn.write(format_args!("{error}\n")).await?,
            }
        }
    }
    fn hub() -> (Hub, ServiceId) {
        let mut hub = Hub::default();
        let files = hub.add_directory();
        let service = hub.add_service(async move |conn: Conn| serve(conn, files).await);
        (hub, service)
    }
    let (mut live, service) = hub();
    let (now, mut recording, mut actions) = (Instant::ORIGIN, Vec::new(), Vec::new());
    let mut handle = |hub: &mut Hub, input: Input<'static>| {
        recording.push(input.clone());
        hub.handle(now, input, &mut actions)
    };
    let accepted = handle(&mut live, Input::Accept { service, peer: Address::Unnamed });
    let Outcome::Accepted(Ok(conn)) = accepted else { panic!("{accepted:?}") };
    handle(&mut live, Input::Received { conn, bytes: b"none\nsome\n".into() });
    handle(&mut live, Input::Run);
    for answer in [Err(FileErrorKind::NotFound), OPENED] {
        let asked = actions.iter().rev().find_map(|action| match action {
            Action::File(job, _) => Some(*job),
            _ => None,
        });
        let input = Input::FileAnswered { job: asked.unwrap(), answer };
        assert_eq!(live.handle(now, input.clone(), &mut actions), Outcome::Awaited(true));
        live.handle(now, Input::Run, &mut actions);
        recording.extend([input, Input::Run]);
    }
    for input in [Input::RegionFailed { conn, why: FileErrorKind::Shrunk }, Input::Run] {
        recording.push(input.clone());
        live.handle(now, input, &mut actions);
    }
    let (mut replayed, _) = hub();
    let mut again = Vec::new();
    for input in recording {
        let input = input.into_owned().for_hub(&replayed);
        replayed.handle(now, input, &mut again);
    }
    assert!(actions.contains(&Action::Abort(conn, Cause::File(FileErrorKind::Shrunk))));
    assert_eq!(actions, again);
}
