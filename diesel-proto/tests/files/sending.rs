//! Files that are sent: as regions, or inside a layer as bytes; when one is closed; shutdown and replay.

use super::*;

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
