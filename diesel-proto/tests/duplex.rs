//! `Duplex`, a machine's end of a stream to a fiber: when the machine is woken, and what is held.

mod harness;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;

use diesel_proto::*;
use harness::*;

type Act = Box<dyn FnOnce(&mut Duplex, &MachineCtx, &mut Actions<'_>)>;

/// What the test has the machine do in its next step, and how often the machine was woken
/// otherwise.
#[derive(Clone, Default)]
struct Script {
    act: Rc<RefCell<Option<Act>>>,
    wakes: Rc<Cell<u32>>,
    handles: Rc<RefCell<Option<(Reader, Writer)>>>,
}

/// Does in a step what the test says, and nothing else.
struct Scripted {
    ctx: MachineCtx,
    duplex: Duplex,
    script: Script,
}

impl Machine for Scripted {
    fn step(&mut self, _: Instant, input: Input<'_>, actions: &mut Actions<'_>) -> usize {
        match (input, self.script.act.take()) {
            (_, Some(act)) => act(&mut self.duplex, &self.ctx, actions),
            (Input::Wake, None) => self.script.wakes.set(self.script.wakes.get() + 1),
            (Input::Drained, None) => self.duplex.move_output(actions),
            _ => {}
        }
        0
    }
}

/// A connection whose machine does what the test says.
struct Stage {
    world: World,
    conn: ConnId,
    script: Script,
}

impl Stage {
    fn new(config: ServiceConfig) -> Self {
        let script = Script::default();
        let (shared, config) = (script.clone(), Rc::new(config));
        let (world, conn) = World::serving(Service::machine_with(move |ctx| {
            let duplex = ctx.duplex(&config);
            *shared.handles.borrow_mut() = Some((duplex.reader(), duplex.writer()));
            Scripted { ctx, duplex, script: shared.clone() }
        }));
        Stage { world, conn, script }
    }

    fn handles(&self) -> (Reader, Writer) {
        self.script.handles.take().unwrap()
    }

    /// The machine does this in a step, and everything that follows from it happens.
    fn does<R: 'static>(
        &mut self,
        act: impl FnOnce(&mut Duplex, &MachineCtx, &mut Actions<'_>) -> R + 'static,
    ) -> R {
        let result = Rc::new(Cell::new(None));
        let returned = Rc::clone(&result);
        *self.script.act.borrow_mut() = Some(Box::new(move |duplex, ctx, actions| {
            returned.set(Some(act(duplex, ctx, actions)))
        }));
        self.world.hub.wake(self.world.now, self.conn);
        self.world.turn();
        result.take().unwrap()
    }

    fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.world.hub.ctx().spawn(future).unwrap();
        self.world.turn();
    }

    /// How often the machine was woken since the test last asked.
    fn wakes(&self) -> u32 {
        self.script.wakes.take()
    }
}

fn read_ahead(bytes: usize) -> ServiceConfig {
    settings(|it| it.read_ahead = bytes)
}

#[test]
fn bytes_are_welcome_while_few_are_held_and_the_machine_is_woken_once_they_are_again() {
    let mut stage = Stage::new(read_ahead(4));
    let (mut reader, _writer) = stage.handles();
    assert!(stage.does(|duplex, _, _| {
        duplex.received(b"abc");
        duplex.wants_input()
    }));
    assert!(!stage.does(|duplex, _, _| {
        duplex.received(b"d");
        duplex.wants_input()
    }));
    assert_eq!(stage.wakes(), 0);
    let diary = Diary::default();
    let note = diary.clone();
    stage.spawn(async move {
        assert_eq!(&*reader.bytes(2).await.unwrap(), b"ab");
        // A token waits for more than `read_ahead`: input is wanted all the same.
        assert_eq!(&*reader.bytes(8).await.unwrap(), b"cdefghij");
        note.note("read");
        pending().await
    });
    assert_eq!(stage.wakes(), 1);
    assert!(stage.does(|duplex, _, _| {
        duplex.received(b"efghi");
        duplex.unread() == 7 && !duplex.wants_input()
    }));
    // Its fiber was polled, and waits again.
    assert_eq!(stage.wakes(), 1);
    assert!(stage.does(|duplex, _, _| duplex.wants_input()));
    stage.does(|duplex, _, _| duplex.received(b"j"));
    assert_eq!(diary.read(), ["read"]);
    assert!(stage.does(|duplex, _, _| duplex.unread() == 0 && duplex.wants_input()));
}

#[test]
fn a_machine_is_woken_for_what_is_taken_only_if_bytes_were_not_welcome_or_held_back() {
    for (holds_back, expected) in [(false, 0), (true, 1)] {
        let mut stage = Stage::new(read_ahead(4));
        let (mut reader, _writer) = stage.handles();
        stage.does(move |duplex, _, _| {
            duplex.received(b"abc");
            assert!(duplex.wants_input());
            if holds_back {
                duplex.hold_back();
            }
        });
        stage.spawn(async move {
            assert_eq!(&*reader.bytes(3).await.unwrap(), b"abc");
            pending().await
        });
        assert_eq!(stage.wakes(), expected, "{holds_back}");
    }
}

#[test]
fn for_a_reader_that_is_gone_nothing_is_welcome_or_kept() {
    let mut stage = Stage::new(read_ahead(100));
    let (reader, writer) = stage.handles();
    let looks = |duplex: &mut Duplex| (duplex.reader_is_gone(), duplex.unread());
    let before = stage.does(move |duplex, _, _| {
        duplex.received(b"abc");
        looks(duplex)
    });
    assert_eq!(before, (false, 3));
    drop(reader);
    stage.world.turn();
    assert_eq!(stage.wakes(), 1);
    // The writer is still there: it is the reader alone that counts.
    let after = stage.does(move |duplex, _, _| {
        assert!(!duplex.wants_input());
        let cleared = duplex.unread();
        duplex.received(b"late");
        (cleared, looks(duplex))
    });
    assert_eq!(after, (0, (true, 0)));
    drop(writer);
}

#[test]
fn what_arrives_after_the_end_of_the_stream_is_not_kept() {
    let mut stage = Stage::new(read_ahead(100));
    let (_reader, _writer) = stage.handles();
    let held = stage.does(|duplex, _, _| {
        duplex.break_off(Cause::Done);
        duplex.received(b"late");
        (duplex.unread(), duplex.held(), duplex.reader_is_gone())
    });
    assert_eq!(held, (0, 0, false));
}

#[test]
fn a_machine_is_woken_once_for_all_writes_until_it_looks() {
    let looks: [fn(&mut Duplex, &mut Actions<'_>); 3] = [
        |duplex, _| _ = duplex.wants_input(),
        |duplex, actions| duplex.move_output(actions),
        |duplex, _| duplex.take_pieces(|_, _| Ok::<_, Infallible>(())).unwrap(),
    ];
    for look in looks {
        let mut stage = Stage::new(ServiceConfig::default());
        let (_reader, mut writer) = stage.handles();
        let again: Event<()> = stage.world.hub.event();
        let mut news = again.subscribe();
        stage.spawn(async move {
            loop {
                writer.write("abc").await.unwrap();
                news.wait().await.unwrap();
            }
        });
        assert_eq!(stage.wakes(), 1);
        again.fire(());
        stage.world.turn();
        assert_eq!(stage.wakes(), 0, "it has not looked yet");
        stage.does(move |duplex, _, actions| look(duplex, actions));
        again.fire(());
        stage.world.turn();
        assert_eq!(stage.wakes(), 1, "it has looked");
        // One that polls the fiber itself, and looks afterwards.
        stage.does(move |duplex, _, actions| {
            look(duplex, actions);
            duplex.look_later();
        });
        again.fire(());
        stage.world.turn();
        assert_eq!(stage.wakes(), 0, "it looks later");
    }
}

#[test]
fn what_is_moved_is_sent_and_a_flush_waits_for_that() {
    let mut stage = Stage::new(ServiceConfig::default());
    let (_reader, mut writer) = stage.handles();
    let diary = Diary::default();
    let note = diary.clone();
    stage.world.takes_only(stage.conn, 4);
    stage.spawn(async move {
        writer.write("hello").await.unwrap();
        writer.flush().await.unwrap();
        note.note("sent");
    });
    assert_eq!((stage.world.receives(stage.conn), diary.read()), (String::new(), vec![]));
    stage.does(|duplex, _, actions| duplex.move_output(actions));
    assert_eq!((stage.world.receives(stage.conn), diary.read()), ("hell".to_owned(), vec![]));
    stage.world.takes(stage.conn, 1);
    assert_eq!(diary.read(), ["sent"]);
    assert_eq!(stage.world.receives(stage.conn), "o");
}

/// The lengths of all writes since the last time. They are dropped.
fn pieces(duplex: &Duplex, blocks: &mut Blocks) -> Vec<u64> {
    let mut lengths = Vec::new();
    let taken = duplex.take_pieces(|pipeline, len| {
        pipeline.advance(len, blocks);
        lengths.push(len);
        Ok::<_, Infallible>(())
    });
    taken.unwrap();
    lengths
}

#[test]
fn each_write_is_a_piece_but_those_of_nothing() {
    let mut stage = Stage::new(ServiceConfig::default());
    let (_reader, mut writer) = stage.handles();
    stage.does(|duplex, _, _| duplex.keep_pieces());
    stage.spawn(async move {
        writer.write("").await.unwrap();
        writer.write("abc").await.unwrap();
        writer.write("").await.unwrap();
        writer.write(format_args!("")).await.unwrap();
        writer.write(format_args!("{}", 12)).await.unwrap();
    });
    let lengths = stage.does(|duplex, _, actions| pieces(duplex, actions.blocks()));
    assert_eq!(lengths, [3, 2]);
}

#[test]
fn a_writer_waits_for_room_after_1024_pieces_however_short_they_are() {
    let mut stage = Stage::new(ServiceConfig::default());
    let (_reader, mut writer) = stage.handles();
    stage.does(|duplex, _, _| duplex.keep_pieces());
    stage.spawn(async move {
        for _ in 0..1500 {
            writer.write("x").await.unwrap();
        }
    });
    for expected in [1024, 476] {
        let lengths = stage.does(|duplex, _, actions| {
            let lengths = pieces(duplex, actions.blocks());
            assert_eq!(duplex.sent_below(0), 0);
            lengths
        });
        assert_eq!(lengths.len(), expected);
        assert!(lengths.iter().all(|&len| len == 1));
    }
}

/// Queues are reused, with nothing left in them.
#[test]
fn the_pieces_of_a_stream_that_was_broken_off_are_not_those_of_the_next() {
    let mut stage = Stage::new(ServiceConfig::default());
    let (reader, mut writer) = stage.handles();
    stage.does(|duplex, _, _| duplex.keep_pieces());
    stage.spawn(async move {
        writer.write("old").await.unwrap();
        writer.write("older").await.unwrap();
    });
    stage.does(|duplex, _, _| duplex.break_off(Cause::Done));
    drop(reader);
    let writer = stage.does(|duplex, ctx, _| {
        assert!(duplex.renew(ctx));
        duplex.keep_pieces();
        duplex.writer()
    });
    stage.spawn(async move {
        let mut writer = writer;
        writer.write("n").await.unwrap();
    });
    let lengths = stage.does(|duplex, _, actions| pieces(duplex, actions.blocks()));
    assert_eq!(lengths, [1]);
}

#[test]
fn a_stream_is_renewed_once_no_handle_of_before_is_held_and_nothing_is_left_in_it() {
    let mut stage = Stage::new(ServiceConfig::default());
    let (reader, mut writer) = stage.handles();
    stage.does(|duplex, _, _| {
        duplex.keep_pieces();
        duplex.received(b"old");
        duplex.eof();
    });
    stage.spawn(async move { writer.write("old").await.unwrap() });
    let (renewed, unread) = stage.does(|duplex, ctx, _| (duplex.renew(ctx), duplex.unread()));
    assert_eq!((renewed, unread), (false, 3), "the reader is held");
    drop(reader);
    stage.world.turn();
    let mut reader = stage.does(|duplex, ctx, _| {
        assert_eq!(duplex.held(), 6);
        assert!(duplex.renew(ctx));
        assert_eq!((duplex.held(), duplex.reader_is_gone()), (0, false));
        duplex.reader()
    });
    stage.wakes();
    let mut writer = stage.does(|duplex, _, _| duplex.writer());
    let diary = Diary::default();
    let note = diary.clone();
    stage.spawn(async move {
        writer.write("new").await.unwrap();
        note.note(format!("{:?}", reader.until_eol().await.map(|it| it.to_vec())));
    });
    assert_eq!(stage.wakes(), 1);
    let lengths = stage.does(|duplex, _, actions| {
        duplex.received(b"new\n");
        pieces(duplex, actions.blocks())
    });
    assert!(lengths.is_empty(), "it keeps no pieces");
    assert_eq!(diary.read(), [format!("{:?}", Ok::<_, Error>(b"new\n".to_vec()))]);
}

#[test]
fn a_stream_is_not_renewed_for_a_machine_of_another_hub() {
    let (mut stage, mut other) = (Stage::new(read_ahead(4)), Stage::new(read_ahead(4)));
    drop((stage.handles(), other.handles()));
    let swapped = stage.does(|duplex, ctx, _| {
        let spare = ctx.duplex(&read_ahead(4).into());
        std::mem::replace(duplex, spare)
    });
    let renewed = other.does(move |own, ctx, _| {
        let mut swapped = swapped;
        (swapped.renew(ctx), own.renew(ctx))
    });
    assert_eq!(renewed, (false, true));
}

/// What a handler's own close leaves unread is dropped: the reading half gets nothing more.
#[test]
fn after_a_cut_the_reading_half_gets_nothing_of_what_was_there() {
    let diary = Diary::default();
    let note = diary.clone();
    let (mut world, conn) = World::serving(Service::new(async move |mut conn: Conn| {
        conn.bytes(1).await?;
        let (ctx, (mut reader, writer)) = (conn.ctx(), conn.split());
        writer.cut();
        ctx.sleep(seconds(0)).await?;
        note.note(format!("{:?}", reader.bytes(1).await.map(|it| it.to_vec())));
        Ok(())
    }));
    world.sends(conn, "abc");
    assert_eq!(diary.read(), ["Err(Closed)"]);
    assert_eq!(world.closed(conn), Some(Cause::Failed));
}

#[test]
fn reading_goes_on_for_a_reader_that_is_gone_so_that_the_end_is_seen() {
    let shelf: Rc<RefCell<Option<Writer>>> = Rc::default();
    let kept = Rc::clone(&shelf);
    let service = Service::new(async move |mut conn: Conn| {
        conn.bytes(1).await?;
        conn.ctx().sleep(seconds(1)).await?;
        let (_reader, writer) = conn.split();
        *kept.borrow_mut() = Some(writer);
        Ok(())
    });
    let (mut world, conn) = World::serving(service.config(settings(|it| it.read_ahead = 4)));
    world.sends(conn, "a");
    world.sends(conn, "bcdefgh");
    assert!(world.paused(conn));
    world.waits(seconds(1));
    assert!(!world.paused(conn));
    world.sends(conn, "more than is ever held");
    assert!(!world.paused(conn));
    world.ends(conn);
    assert_eq!(world.closed(conn), None, "the writer is held");
    drop(shelf.take());
    world.turn();
    assert_eq!(world.closed(conn), Some(Cause::PeerClosed));
}
