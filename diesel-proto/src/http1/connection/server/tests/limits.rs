//! What a connection shows in `Debug`, buffers and limits.

use super::*;

#[test]
fn what_is_shown_is_where_things_are_and_no_bytes() {
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET /secret HTTP/1.1\r\n", &[]);
    assert_eq!(
        format!("{:?}", ctx.connection),
        "SharedServerConnection { state: ConnectionState { client: Idle, server: Idle, keep_alive: true }, \
         taken: 22, rejection: None, .. }"
    );
}

#[test]
fn what_is_held_is_let_go() {
    let mut ctx = Session::new(ConnectionConfig::default(), never);
    ctx.feed(b"GET / HTTP/1.1\r\nHo", &[]);
    assert_eq!(ctx.connection.held(), 18);
    ctx.feed(b"st: x\r\n\r\n", &[]);
    ctx.respond(Status::OK, BodyLength::Exactly(0)).unwrap();
    ctx.feed(b"", &[]);
    assert_eq!(ctx.connection.held(), 0);
}

#[test]
fn it_is_small_and_can_be_sent() {
    fn assert_send<T: Send>() {}
    assert_send::<SharedServerConnection>();
    assert!(size_of::<SharedServerConnection>() <= 160, "{}", size_of::<SharedServerConnection>());
}

/// Memory that was used for other heads must not change the result.
#[test]
fn a_head_that_comes_again_means_what_it_meant() {
    let requests: [&[u8]; 8] = [
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nDigest: y\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    let read = |spans: &mut FieldSpans, request: &[u8]| {
        let mut connection = SharedServerConnection::new(Arc::default());
        let mut blocks = Blocks::new();
        let mut log = String::new();
        let mut rest = request;
        loop {
            let (taken, event) = connection.receive(rest, spans, &mut blocks).unwrap();
            rest = &rest[taken..];
            match event {
                Some(event) => log += &format!("{event:?} "),
                None => return (log, rest.len(), connection.state()),
            }
        }
    };
    let mut used = FieldSpans::new();
    for before in requests {
        for request in requests {
            let fresh = read(&mut FieldSpans::new(), request);
            read(&mut used, before);
            assert_eq!(read(&mut used, request), fresh);
            assert_eq!(read(&mut used, request), fresh);
        }
    }
}

#[test]
fn a_head_that_comes_again_is_held_to_the_limits_of_each_connection() {
    let head = b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    let mut spans = FieldSpans::new();
    let mut refused = |limits: Limits| {
        let mut connection = SharedServerConnection::new(Arc::new(ConnectionConfig {
            limits,
            ..ConnectionConfig::default()
        }));
        connection.receive(head, &mut spans, &mut Blocks::new()).err().map(|refused| refused.rule)
    };
    let limits = Limits::default();
    let shorter = Limits { request_line: 16, ..limits };
    let smaller = Limits { header_bytes: 16, ..limits };
    let fewer = Limits { header_count: 1, ..limits };
    for (narrow, rule) in [
        (shorter, Rule::RequestLineTooLong),
        (smaller, Rule::HeaderTooLarge),
        (fewer, Rule::TooManyFields),
    ] {
        assert_eq!(refused(limits), None);
        assert_eq!(refused(narrow), Some(rule));
    }
}

/// RFC 9112, 6.1; RFC 9110, 15.2. A regression: the response was chunked.
#[test]
fn a_refused_head_that_is_not_http11_gets_no_chunks_and_no_interim_response() {
    fn in_chunks(input: &str, cuts: &[usize]) -> String {
        let mut ctx = Session::new(ConnectionConfig::default(), never);
        let mut spans = FieldSpans::new();
        let mut from = 0;
        for &end in cuts.iter().chain([&input.len()]) {
            let piece = &input.as_bytes()[from..end];
            match ctx.connection.receive(piece, &mut spans, &mut ctx.blocks) {
                Ok((taken, _)) => from += taken,
                Err(_) => break,
            }
        }
        assert!(ctx.connection.rejection().is_some());
        let headers = Headers::new();
        ctx.command(|it, out| it.inform(Status::EARLY_HINTS, &headers, out)).unwrap();
        ctx.respond(Status::BAD_REQUEST, BodyLength::Unknown).unwrap();
        ctx.command(|connection, out| connection.data(b"no", out)).unwrap();
        ctx.command(|connection, out| connection.end(&headers, out)).unwrap();
        ctx.sent()
    }
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n";
    let until_close = format!("{head}\r\nno");
    let chunked = format!("{hints}{head}Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    for (input, expected) in [
        ("GET / HTTP/1.0\r\nHost: a,b\r\n\r\n", &until_close),
        ("GET / HTTP/1.0\r\nA : b\r\n", &until_close),
        ("G(T / HTTP/1.1\r\n", &until_close),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", &chunked),
        ("GET / HTTP/1.1\r\nA : b\r\n", &chunked),
    ] {
        for at in 0..=input.len() {
            assert_eq!(in_chunks(input, &[at]), *expected, "{input:?} cut at {at}");
        }
    }
}

/// A regression: all received bytes were buffered, without a limit, until they were validated; and
/// refused bytes were kept until the connection was closed.
#[test]
fn no_more_is_held_than_the_limits_and_nothing_of_what_is_refused() {
    let limits =
        Limits { request_line: 20, header_bytes: 20, trailer_bytes: 10, ..Limits::default() };
    let config = ConnectionConfig { limits, ..ConnectionConfig::default() };
    let held = |input: &str, cut: usize| {
        let mut ctx = Session::new(config.clone(), never);
        ctx.feed(&input.as_bytes()[..cut], &[]);
        assert!(ctx.connection.held() > 0);
        ctx.feed(&input.as_bytes()[cut..], &[]);
        (ctx.connection.held(), ctx.connection.rejection().map(|rejection| rejection.rule))
    };
    let much = "x".repeat(1000);
    let long_line = format!("GET /{much}");
    assert_eq!(held(&long_line, 4), (0, Some(Rule::RequestLineTooLong)));
    let long_field = format!("GET / HTTP/1.1\r\nHost: {much}");
    assert_eq!(held(&long_field, 4), (0, Some(Rule::HeaderTooLarge)));
    let wrong = format!("GET / HTTP/1.1\r\nA : b\r\n{much}");
    assert_eq!(held(&wrong, 4), (0, Some(Rule::BlankBeforeColon)));
    let right = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{much}");
    assert_eq!(held(&right, 4), (0, None));

    let mut ctx = Session::new(config, never);
    ctx.feed(b"GET / HT", &[]);
    ctx.eof();
    assert_eq!(ctx.connection.held(), 0);

    let limits = Limits { trailer_bytes: 10, ..Limits::default() };
    let mut ctx = Session::new(ConnectionConfig { limits, ..ConnectionConfig::default() }, never);
    ctx.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", &[]);
    ctx.feed(b"A: b", &[]);
    assert_eq!(ctx.connection.held(), 4);
    ctx.feed(much.as_bytes(), &[]);
    assert_eq!(ctx.connection.held(), 0);
    assert_eq!(ctx.connection.rejection().unwrap().rule, Rule::TrailersTooLarge);
}

/// The reference for the two fast paths is `respond`, `data` and `end` in turn.
#[test]
fn a_whole_response_is_what_its_parts_are() {
    let requests: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let fields = |names: &[&str]| {
        let mut headers = Headers::new();
        names.iter().for_each(|name| headers.add(name, "a").unwrap());
        headers
    };
    let headers = [&[][..], &["X"], &["Date"], &["Upgrade"], &["X", "Connection"]].map(fields);
    let statuses = [100, 200, 204, 304, 404, 426, 599].map(|code| Status::new(code).unwrap());
    let dates = [Some(HttpDate::from_unix(0)), None, Some(HttpDate::from_unix(1))];
    // One cache for all: what it remembers of another response must not show.
    let mut head_cache = HeadCache::default();
    let mut sent_in_all = 0;
    for (request, headers) in requests.iter().flat_map(|it| headers.iter().map(move |h| (it, h))) {
        for (status, date) in statuses.iter().flat_map(|it| dates.iter().map(move |d| (*it, d))) {
            for (content_type, content) in [
                (None, ""),
                (None, "hello"),
                (Some(ContentType::TEXT), "hello"),
                (None, "good day"),
            ] {
                let response_head = OutgoingHead { status, content_type, headers };
                let (date, content) = (date.as_ref(), content.as_bytes());
                let length = BodyLength::Exactly(content.len() as u64);
                head_cache.refresh(date.map(HttpDate::unix));
                let run = |respond: &mut dyn FnMut(
                    &mut SharedServerConnection,
                    &mut MessageOutput<'_>,
                )
                    -> Result<(), LocalProtocolError>| {
                    let mut ctx = Session::new(ConnectionConfig::default(), never);
                    ctx.feed(request, &[]);
                    let result = ctx.command(|connection, out| respond(connection, out));
                    (result, ctx.sent(), ctx.connection.state())
                };
                let parts = run(&mut |connection, out| {
                    connection.respond_with(&response_head, length, date, out)?;
                    connection.data(content, out)?;
                    connection.end(&Headers::new(), out)
                });
                for _ in 0..2 {
                    let words = run(&mut |connection, out| {
                        connection.respond_with_text(&response_head, content, &mut head_cache, out)
                    });
                    assert_eq!(words, parts);
                }
                if content_type.is_none() {
                    let whole = run(&mut |connection, out| {
                        connection.respond_whole(status, headers, content, date, out)
                    });
                    assert_eq!(whole, parts);
                }
                sent_in_all += parts.1.len();
            }
        }
    }
    assert!(sent_in_all > 50_000, "{sent_in_all}");
}

/// Found by fuzzing: the client got `100 Continue` for a body that had been refused.
#[test]
fn a_refused_request_gets_no_100_continue() {
    let limits = Limits { body: 4, ..Limits::default() };
    let mut ctx = Session::new(ConnectionConfig { limits, ..ConnectionConfig::default() }, never);
    let head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut spans = FieldSpans::new();
    let received = ctx.connection.receive(head, &mut spans, &mut ctx.blocks);
    assert_eq!(received.unwrap_err().rule, Rule::BodyTooLarge);
    ctx.command(|connection, out| connection.ask_for_body(out));
    assert_eq!(ctx.sent(), "");
    ctx.command(|connection, out| connection.reject(None, out));
    assert!(ctx.sent().starts_with("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"));
}
