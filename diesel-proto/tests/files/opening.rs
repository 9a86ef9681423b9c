//! What a hub asks its embedder for: to open, read and list.

use super::*;

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
