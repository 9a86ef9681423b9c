use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::fiber::{Conn, Ctx};
use crate::hub::Service;
use crate::machine::Error;

fn echo() -> Hub {
    let mut hub = Hub::default();
    let service = Service::new(async |mut conn: Conn| {
        loop {
            let line = conn.until_eol().await?;
            if line.trimmed() == "quit" {
                return Ok(());
            }
            conn.write(line).await?;
        }
    });
    hub.add_service(service.named("echo").idle(Duration::from_secs(3)));
    hub.add_service(Service::new(async |mut conn: Conn| conn.write("hello").await).named("greet"));
    hub
}

/// The report of a script that fails.
fn mismatch(text: &str) -> Mismatch {
    Script::parse(text).unwrap().play(echo).unwrap_err()
}

#[test]
fn a_session_comes_true_at_every_cut() {
    let script = Script::parse(
        r"
        # A comment, and an empty line.

        ann> one\r\n
        ann< one\r\n
        ann> two\r\nthree\r\n
        ann< two\r\n
        ann< thr
        ann< ee\r\n
        bob > \xff\x00 \\\t\n
        bob < \xff\0 \\\t\n
        ann <
        ann open
        +2.999s
        ann open
        +1ms
        ann closed: timed out: the peer sent nothing
        bob closed
        ",
    )
    .unwrap();
    // 23 bytes have 22 places to cut; and the three other modes.
    assert_eq!(script.sent(), 23);
    assert_eq!(script.play_at_every_cut(echo).unwrap(), 22 + 3);
}

#[test]
fn a_script_has_lines_for_connect_end_reset_and_late_reads() {
    let script = Script::parse(
        r"
        ann connects
        bob connects to greet
        bob< hello
        bob closed: done
        ann stops reading
        ann> late\n
        +1s
        ann reads again
        ann< late\n
        ann ends
        ann closed: the peer closed
        cat> half a li
        cat resets
        eve> half a li
        eve closes
        dan> last\n
        dan< last\n
        shut down within 5s
        dan closed: shut down
        halted
        ",
    )
    .unwrap();
    script.play(echo).unwrap();
}

#[test]
fn a_script_answers_or_refuses_outgoing_connections() {
    let script = Script::parse(
        r"
        srv accepts 10.0.0.1:80
        srv< hello\r\n
        srv> hi\r\n
        srv closed: done
        other refuses 10.0.0.1:81
        halted
        ",
    )
    .unwrap();
    let played = script.play_at_every_cut(|| {
        let mut hub = Hub::default();
        hub.add_loop(async |ctx: Ctx| {
            let address = |port| core::net::SocketAddr::from(([10, 0, 0, 1], port));
            let mut conn = ctx.connect(address(80)).await?;
            conn.write("hello\r\n").await?;
            assert_eq!(conn.until_eol().await?.trimmed(), "hi");
            drop(conn);
            assert!(ctx.connect(address(81)).await.is_err());
            ctx.halt();
            Ok(())
        })
        .unwrap();
        hub
    });
    assert_eq!(played.unwrap(), 1 + 3 + 2);
}

#[test]
fn what_does_not_come_is_marked() {
    let said = mismatch("ann> one\\n\nann< one\\n\nann> two\\n\nann< too\\n\n+1s").to_string();
    let expected = "the script fails in line 4, at 0ns, with nothing cut:
    1  ann> one\\n
    2  ann< one\\n
    3  ann> two\\n
>   4  ann< too\\n
       but: ann has got \"two\\n\"
    5  +1s
";
    assert_eq!(said, expected);
}

#[test]
fn what_comes_unseen_is_named() {
    for (text, line) in [
        // Before time passes, before anything is sent, before the end.
        ("ann> x\\n\n+1s", 2),
        ("ann> x\\n\nbob> y\\n", 2),
        ("ann> x\\n", 2),
    ] {
        let mismatch = mismatch(text);
        assert_eq!(mismatch.line, line, "{mismatch}");
        assert!(mismatch.instead.starts_with("ann has also got \"x\\n\""), "{mismatch}");
        assert!(mismatch.to_string().contains(&format!(">   {line}  ")), "{mismatch}");
    }
}

#[test]
fn a_mismatch_is_reported_with_what_happened() {
    for (text, instead) in [
        ("ann connects\nann< x", "ann has got nothing"),
        ("ann> quit\\n\nann< x", "ann has got nothing, and the other side has ended"),
        ("ann connects\nann closed", "ann is still open"),
        ("ann> quit\\n\nann open", "ann has seen the other side end"),
        ("ann> quit\\n\nann closed: the peer closed", "closed: done"),
        ("ann connects to chat", "there is no such service"),
        ("ann connects\nann connects", "ann is connected already"),
        ("ann connects\nhalted", "the application still runs"),
        ("srv accepts 10.0.0.1:80", "no connection to 10.0.0.1:80 waits"),
        ("srv refuses 10.0.0.1:80", "no connection to 10.0.0.1:80 waits"),
        ("ann> x\\n\nann<", "ann has got \"x\\n\""),
    ] {
        assert_eq!(mismatch(text).instead, instead, "{text}");
    }
}

#[test]
fn a_handler_that_depends_on_the_cut_is_found() {
    let script = Script::parse("ann> ab\nann< 2").unwrap();
    let careless = || {
        let mut hub = Hub::default();
        hub.add_service(async |mut conn: Conn| {
            loop {
                let n = conn.some().await?.len();
                conn.write(format!("{n}")).await?;
            }
        });
        hub
    };
    script.play(careless).unwrap();
    let mismatch = script.play_at_every_cut(careless).unwrap_err();
    assert_eq!(mismatch.instead, "ann has got \"11\"");
    assert!(mismatch.to_string().contains("cut in two before byte 1"), "{mismatch}");
}

#[test]
#[should_panic(expected = "but: ann has got nothing")]
fn an_assertion_shows_the_script() {
    assert_plays("ann connects\nann< x", echo);
}

#[test]
fn a_line_that_is_none_is_named() {
    use Problem::*;
    for (line, problem) in [
        ("hello", NotALine),
        ("ann says hi", NotALine),
        ("> hi", NotAName),
        ("(3 s)", NotAName),
        ("ann> \\q", NotAnEscape),
        ("ann> \\", NotAnEscape),
        ("ann> \\x1", NotAnEscape),
        ("ann< \\xg0", NotAnEscape),
        ("srv accepts localhost:80", NotAnAddress),
        ("srv refuses 10.0.0.1", NotAnAddress),
        ("+3", NotATime),
        ("+s", NotATime),
        ("+1.2.3s", NotATime),
        ("+-1s", NotATime),
        ("+99999999999h", NotATime),
        ("+0.1234567890s", NotATime),
        ("shut down within a while", NotATime),
    ] {
        let error = Script::parse(&format!("ann> hi\n\n  {line}\n")).unwrap_err();
        assert_eq!((error.line, error.problem), (3, problem), "{line}");
        assert!(error.to_string().starts_with(&format!("line 3 of the script, `{line}`")));
    }
}

#[test]
fn times_are_exact() {
    let times: Vec<_> = ["+1.5s", "+250ms", "+2m", "+1h", "+0.000001ms"]
        .map(|line| Script::parse(line).unwrap().lines.remove(0).step)
        .into();
    let nanos = [1_500_000_000, 250_000_000, 120_000_000_000, 3_600_000_000_000, 1];
    assert_eq!(times, nanos.map(|nanos| ScriptStep::Passes(Duration::from_nanos(nanos))));
}

#[test]
fn it_is_written_as_it_was_read() {
    let text = "ann> hi\n  # no more\n";
    assert_eq!(Script::parse(text).unwrap().to_string(), String::from(text));
}

/// `?` works with its errors in a test.
#[test]
fn its_errors_are_errors() {
    fn play() -> Result<(), alloc::boxed::Box<dyn core::error::Error>> {
        Script::parse("ann connects")?.play(echo)?;
        Ok(())
    }
    play().unwrap();
    let _: Error = Script::parse("?").map_err(Error::application).unwrap_err();
}
