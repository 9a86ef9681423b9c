//! What the server sends, and when it may.

use super::*;

/// Answers as the target asks: `/STATUS/LENGTH`, `/200/chunked`.
fn as_asked(ctx: &mut Session, what: &str) {
    if what != "complete" {
        return;
    }
    let target = ctx.target.clone();
    let mut parts = target.split('/').skip(1);
    let status = Status::new(parts.next().unwrap().parse().unwrap()).unwrap();
    let length = match parts.next().unwrap().parse() {
        Ok(n) => BodyLength::Exactly(n),
        Err(_) => BodyLength::Unknown,
    };
    ctx.respond(status, length).unwrap();
    ctx.command(|connection, out| connection.data(b"hel", out)).ok();
    ctx.command(|connection, out| connection.data(b"", out)).ok();
    ctx.command(|connection, out| connection.data(b"lo", out)).ok();
    let mut trailers = Headers::new();
    if length == BodyLength::Unknown {
        trailers.add("Digest", "x").unwrap();
    }
    ctx.command(|connection, out| connection.end(&trailers, out)).unwrap();
}

#[test]
fn a_response_is_delimited_in_one_way() {
    let sent = |request: &str| plain(&format!("{request}\r\n\r\n"), as_asked).1;
    let http11 =
        |method: &str, target: &str| sent(&format!("{method} {target} HTTP/1.1\r\nHost: x"));
    assert_eq!(http11("GET", "/200/5"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(
        http11("GET", "/200/chunked"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nhel\r\n2\r\nlo\r\n0\r\nDigest: x\r\n\r\n"
    );
    assert_eq!(http11("HEAD", "/200/5"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(
        http11("HEAD", "/200/chunked"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(http11("GET", "/204/0"), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(http11("GET", "/205/0"), "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(http11("GET", "/304/0"), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_eq!(http11("GET", "/304/5"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(http11("GET", "/299/0"), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        sent("GET /200/chunked HTTP/1.0\r\nConnection: keep-alive"),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
    );
}

#[test]
fn a_command_that_is_refused_changes_nothing() {
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
    let mut framing = Headers::new();
    framing.add("Content-Length", "5").unwrap();
    let none = Headers::new();
    let before = ctx.connection.state();

    let respond = |ctx: &mut Session, status, headers: &Headers, n| {
        let length = BodyLength::Exactly(n);
        ctx.command(|connection, out| connection.respond(status, headers, length, None, out))
    };
    assert_eq!(respond(&mut ctx, Status::OK, &framing, 0), Err(LocalProtocolError::FramingField));
    assert_eq!(
        respond(&mut ctx, Status::CONTINUE, &none, 0),
        Err(LocalProtocolError::Status(Status::CONTINUE))
    );
    let refused = respond(&mut ctx, Status::NO_CONTENT, &none, 1);
    assert_eq!(refused, Err(LocalProtocolError::ContentForbidden(Status::NO_CONTENT)));
    let refused = ctx.command(|connection, out| connection.switch(&none, "x", None, out));
    assert_eq!(refused, Err(LocalProtocolError::Status(Status::SWITCHING_PROTOCOLS)));
    let refused = ctx.command(|connection, out| connection.data(b"x", out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    let refused = ctx.command(|connection, out| connection.end(&none, out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    assert_eq!(ctx.connection.state(), before);
    assert_eq!(ctx.sent(), "");

    respond(&mut ctx, Status::OK, &none, 3).unwrap();
    let refused = ctx.command(|connection, out| connection.data(b"four", out));
    assert_eq!(refused, Err(LocalProtocolError::TooLong(3)));
    let refused = ctx.command(|connection, out| connection.end(&none, out));
    assert_eq!(refused, Err(LocalProtocolError::TooShort(3)));
    ctx.command(|connection, out| connection.data(b"six", out)).unwrap();
    let mut trailers = Headers::new();
    trailers.add("Digest", "x").unwrap();
    let refused = ctx.command(|connection, out| connection.end(&trailers, out));
    assert_eq!(refused, Err(LocalProtocolError::TrailersForbidden));
    ctx.command(|connection, out| connection.end(&none, out)).unwrap();
    assert!(ctx.connection.is_idle());
    assert!(respond(&mut ctx, Status::OK, &none, 0).is_err());
    // The rest of the announced length of a response that has ended does not matter.
    let refused = ctx.command(|connection, out| connection.data(b"x", out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    let refused = ctx.command(|connection, out| connection.end(&trailers, out));
    assert!(matches!(refused, Err(LocalProtocolError::Order(_))));
    assert_eq!(ctx.sent(), format!("{OK}3\r\n\r\nsix"));
}

#[test]
fn a_misuse_says_what_is_wrong() {
    for (local_error, text) in [
        (
            LocalProtocolError::Status(Status::CONTINUE),
            "100 Continue cannot be sent by this command",
        ),
        (LocalProtocolError::ContentForbidden(Status::NO_CONTENT), "204 No Content has no body"),
        (
            LocalProtocolError::TooLong(3),
            "more data than announced: 3 bytes are left of the announced length",
        ),
        (LocalProtocolError::TrailersForbidden, "trailers need a chunked body"),
    ] {
        assert_eq!(local_error.to_string(), text);
    }
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    let early = ctx.respond(Status::OK, BodyLength::Unknown).unwrap_err();
    assert_eq!(early.to_string(), "not allowed now: the client is Idle, the server is Idle");
}

/// RFC 9112, 6.1 and 6.2: no coding twice, no coding with a length, and neither in 1xx and 204.
#[test]
fn framing_is_never_written_by_the_application() {
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    for name in ["Content-Length", "transfer-encoding", "Connection", "Keep-Alive", "TE"] {
        let mut fields = Headers::new();
        fields.add(name, "5").unwrap();
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        ctx.feed(head, &[]);
        let before = ctx.connection.state();
        let refused = [
            ctx.command(|c, out| c.inform(Status::EARLY_HINTS, &fields, out)),
            ctx.command(|c, out| c.switch(&fields, "echo", None, out)),
            ctx.command(|c, out| c.respond(Status::OK, &fields, BodyLength::Unknown, None, out)),
        ];
        assert_eq!(refused, [const { Err(LocalProtocolError::FramingField) }; 3], "{name}");
        assert_eq!((ctx.sent().as_str(), ctx.connection.state()), ("", before));
        ctx.respond(Status::OK, BodyLength::Unknown).unwrap();
        let refused = ctx.command(|connection, out| connection.end(&fields, out));
        assert_eq!(refused, Err(LocalProtocolError::FramingField), "{name}");
    }
}

#[test]
fn continue_is_sent_when_the_body_is_asked_for() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    ctx.feed(head, &[]);
    ctx.command(|connection, out| connection.ask_for_body(out));
    ctx.command(|connection, out| connection.ask_for_body(out));
    assert_eq!(ctx.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    ctx.feed(b"hi", &[]);
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    assert!(!ctx.sent().contains("close"));

    let mut refused = Session::new(ConnectionConfig::default(), never);
    refused.feed(head, &[]);
    refused.respond(Status::FORBIDDEN, BodyLength::Exactly(0)).unwrap();
    refused.command(|connection, out| connection.ask_for_body(out));
    assert!(refused.sent().contains("Connection: close"), "the next bytes may be a body");
    assert!(!refused.sent().contains("100"));
}

#[test]
fn interim_responses_come_before_the_final_one() {
    let early = |ctx: &mut Session| {
        let mut links = Headers::new();
        links.add("Link", "</a.css>; rel=preload").unwrap();
        ctx.command(|connection, out| connection.inform(Status::EARLY_HINTS, &links, out))
    };
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    assert!(matches!(early(&mut ctx), Err(LocalProtocolError::Order(_))));
    ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
    early(&mut ctx).unwrap();
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    assert!(early(&mut ctx).is_err());
    assert_eq!(
        ctx.sent(),
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n{OK}0\r\n\r\n")
    );
    let mut old = Session::new(ConnectionConfig::default(), never);
    old.feed(b"GET / HTTP/1.0\r\n\r\n", &[]);
    early(&mut old).unwrap();
    assert_eq!(old.sent(), "", "RFC 9110, 15.2");
    for status in [Status::OK, Status::NOT_FOUND, Status::SWITCHING_PROTOCOLS] {
        let refused = old.command(|c, out| c.inform(status, &Headers::new(), out));
        assert_eq!(refused, Err(LocalProtocolError::Status(status)));
    }
}

/// RFC 9110, 10.1.1: the client waits for a 100 only, and only once.
#[test]
fn only_100_tells_the_client_to_go_on() {
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    for (status, sent) in [
        (Status::CONTINUE, "HTTP/1.1 100 Continue\r\n\r\n"),
        (Status::EARLY_HINTS, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        ctx.feed(head, &[]);
        ctx.command(|connection, out| connection.inform(status, &Headers::new(), out)).unwrap();
        ctx.command(|connection, out| connection.ask_for_body(out));
        assert_eq!(ctx.sent(), sent);
    }
}

#[test]
fn what_follows_an_upgrade_is_left_for_the_new_protocol() {
    let mut ctx = Session::new(ConnectionConfig::default(), |ctx, what| {
        if what == "complete" {
            ctx.command(|c, out| c.switch(&Headers::new(), "echo", None, out)).unwrap();
        }
    });
    let head =
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nnew words";
    assert_eq!(ctx.feed(head, &[]), b"new words".len());
    assert!(ctx.connection.is_switched());
    assert_eq!(
        ctx.sent(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    );
}

#[test]
fn a_protocol_that_was_not_asked_for_is_not_spoken() {
    let switch = |protocol: &str| {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\
                    Upgrade: chat/2, IRC/6.9\r\nUpgrade: echo\r\n\r\n";
        ctx.feed(head.as_bytes(), &[]);
        let switched = ctx.command(|c, out| c.switch(&Headers::new(), protocol, None, out));
        match switched {
            Ok(()) => Ok(ctx.sent()),
            Err(refused) => {
                assert_eq!((ctx.sent().as_str(), ctx.connection.is_switched()), ("", false));
                Err(refused)
            }
        }
    };
    for protocol in ["chat/2", "irc/6.9", "ECHO", "irc/6.9, echo"] {
        let sent = switch(protocol).unwrap();
        assert!(sent.contains(&format!("\r\nUpgrade: {protocol}\r\n")), "{sent}");
    }
    for protocol in ["", ",", "echo,", "chat", "chat/2/2", "h2c", "echo\r\nA: b", "echo, h2c"] {
        assert_eq!(switch(protocol), Err(LocalProtocolError::Protocol), "{protocol:?}");
    }
}

/// RFC 9110, 6.6.1.
#[test]
fn each_answer_has_the_date_once() {
    let date = HttpDate::from_unix(784_111_777);
    let line = format!("Date: {date}\r\n");
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    for own in ["", "Mon, 07 Nov 1994 08:49:37 GMT"] {
        let mut fields = Headers::new();
        if !own.is_empty() {
            fields.add("date", own).unwrap();
        }
        ctx.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[]);
        let length = BodyLength::Exactly(0);
        ctx.command(|c, out| c.respond(Status::OK, &fields, length, Some(&date), out)).unwrap();
        ctx.command(|connection, out| connection.end(&Headers::new(), out)).unwrap();
    }
    let sent = ctx.sent();
    let head = "HTTP/1.1 200 OK\r\n";
    let own = "date: Mon, 07 Nov 1994 08:49:37 GMT\r\n";
    let rest = "Content-Length: 0\r\n\r\n";
    assert_eq!(sent, format!("{head}{line}{rest}{head}{own}{rest}"));

    let mut refused = Session::new(ConnectionConfig::default(), never);
    let mut spans = FieldSpans::new();
    refused.connection.receive(b"GET\r\n", &mut spans, &mut refused.blocks).unwrap_err();
    refused.command(|connection, out| connection.reject(Some(&date), out));
    assert_eq!(refused.sent().matches(&line).count(), 1);
}

/// RFC 9110, 7.8 and 15.5.22.
#[test]
fn upgrade_may_list_protocols_and_426_lists_them() {
    let respond = |request: &[u8], status, upgrade: Option<&str>| {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        ctx.feed(request, &[]);
        let mut fields = Headers::new();
        upgrade.into_iter().for_each(|protocol| fields.add("upgrade", protocol).unwrap());
        let length = BodyLength::Exactly(0);
        ctx.command(|c, out| c.respond(status, &fields, length, None, out)).unwrap();
        let sent = ctx.sent();
        sent.split_once("\r\n").unwrap().1.trim_end().to_string()
    };
    let new = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(respond(new, Status::OK, None), "Content-Length: 0");
    assert_eq!(
        respond(new, Status::OK, Some("h2c")),
        "Connection: upgrade\r\nupgrade: h2c\r\nContent-Length: 0"
    );
    assert_eq!(
        respond(new, Status::UPGRADE_REQUIRED, Some("websocket")),
        "Connection: upgrade\r\nupgrade: websocket\r\nContent-Length: 0"
    );
    assert_eq!(
        respond(new, Status::UPGRADE_REQUIRED, None),
        "Connection: upgrade\r\nUpgrade: HTTP/1.1\r\nContent-Length: 0"
    );
    let old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(
        respond(old, Status::UPGRADE_REQUIRED, None),
        "Connection: keep-alive, upgrade\r\nUpgrade: HTTP/1.1\r\nContent-Length: 0"
    );
    let last = b"GET / HTTP/1.0\r\n\r\n";
    assert_eq!(
        respond(last, Status::OK, Some("a")),
        "Connection: close, upgrade\r\nupgrade: a\r\nContent-Length: 0"
    );
}

/// RFC 9110, 7.8, whether or not the client has waited for it.
#[test]
fn a_100_continue_precedes_101_switching_protocols() {
    let switched = |fields: &str, asks: bool| {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n";
        ctx.feed(format!("{head}{fields}\r\n").as_bytes(), &[]);
        if asks {
            ctx.command(|connection, out| connection.ask_for_body(out));
        }
        ctx.feed(b"hi", &[]);
        ctx.command(|c, out| c.switch(&Headers::new(), "echo", None, out)).unwrap();
        let statuses = ctx.sent();
        statuses
            .lines()
            .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let both: Vec<String> = ["100 Continue", "101 Switching Protocols"].map(String::from).into();
    assert_eq!(switched("Content-Length: 2\r\nExpect: 100-continue\r\n", true), both);
    assert_eq!(switched("Content-Length: 2\r\nExpect: 100-continue\r\n", false), both);
    assert_eq!(switched("Expect: 100-continue\r\n", false), both);
    assert_eq!(switched("Content-Length: 2\r\n", true), both[1..]);
}

#[test]
fn a_tunnel_is_opened_with_200_and_no_length() {
    let config = ConnectionConfig { tunnels: true, ..ConnectionConfig::default() };
    let mut ctx = Session::new(config.clone(), |ctx, what| {
        if what == "complete" {
            assert!(ctx.respond(Status::OK, BodyLength::Exactly(0)).is_err());
            ctx.command(|c, out| c.switch(&Headers::new(), "", None, out)).unwrap();
        }
    });
    let head = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n\x16\x03";
    assert_eq!(ctx.feed(head, &[]), 2);
    assert_eq!(ctx.sent(), "HTTP/1.1 200 OK\r\n\r\n");

    let mut dated = Session::new(config, never);
    dated.feed(head, &[]);
    let date = HttpDate::from_unix(0);
    dated.command(|c, out| c.switch(&Headers::new(), "", Some(&date), out)).unwrap();
    assert_eq!(dated.sent(), format!("HTTP/1.1 200 OK\r\nDate: {date}\r\n\r\n"));
}

#[test]
fn head_and_body_timeouts_are_answered_with_408() {
    let timed_out = |input: &[u8]| {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        ctx.feed(input, &[]);
        let rule = ctx.connection.timed_out().map(|rejection| rejection.rule);
        ctx.command(|connection, out| connection.reject(None, out));
        (rule, ctx.sent().get(..12).map(String::from), ctx.connection.must_close())
    };
    let answered = Some(String::from("HTTP/1.1 408"));
    assert_eq!(timed_out(b"GET"), (Some(Rule::HeadTimeout), answered.clone(), true));
    assert_eq!(timed_out(b""), (None, None, true));
    assert_eq!(timed_out(b"\r\n"), (None, None, true));
    let body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1";
    assert_eq!(timed_out(body), (Some(Rule::BodyTimeout), answered, true));
}

#[test]
fn giving_up_lets_what_has_begun_finish() {
    let mut idle = Session::new(ConnectionConfig::default(), when_complete);
    idle.connection.give_up();
    assert!(idle.connection.must_close() && !idle.connection.is_idle());

    let mut begun = Session::new(ConnectionConfig::default(), when_complete);
    begun.feed(b"GET /a HTTP/1.1\r\n", &[]);
    assert!(begun.connection.is_in_head() && !begun.connection.is_idle());
    begun.connection.give_up();
    assert!(!begun.connection.must_close());
    begun.feed(b"Host: x\r\n\r\n", &[]);
    assert!(begun.sent().contains("Connection: close"));
    assert!(begun.connection.must_close());
}
