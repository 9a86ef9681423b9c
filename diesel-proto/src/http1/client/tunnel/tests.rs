//! The answers of proxies, at every cut, and the laws of machines and of layers.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::http1::syntax::Rule;
use crate::machine::{End, Endpoint, LineEcho};
use crate::testkit::Stimulus;
use crate::testkit::laws::Laws;
use crate::testkit::layer_laws::LayerLaws;

const NOW: Instant = Instant::ORIGIN;
const WITHIN: Duration = Duration::from_secs(300);
const ASKED: &[u8] = b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\
    User-Agent: x/1\r\nProxy-Authorization: Basic dTpw\r\n\r\n";
const OPENED: &[u8] = b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\n\
    Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";

fn proxy() -> Address {
    core::net::SocketAddr::from(([10, 0, 0, 9], 3128)).into()
}

fn tunnel<M: Machine>(inner: M) -> (Tunnel<M>, TunnelReport) {
    let (url, report) = (Url::parse("https://[::1]/x").unwrap(), TunnelReport::default());
    let named = Proxy::parse("u:p@proxy.example:3128").unwrap();
    let config = Arc::default();
    let request = TunnelRequest::new(&url, &named, Some(b"x/1"), WITHIN, &config, &report).unwrap();
    (Tunnel::new(request, proxy(), inner), report)
}

fn echo() -> LineEcho {
    LineEcho::default()
}

/// What is sent, how the stream ended, and how far the tunnel got, if `bytes` arrive and then `then`
/// happens; the same at every cut.
fn at_every_cut(
    bytes: &[u8],
    then: impl Fn(&mut Endpoint<Tunnel<LineEcho>>),
) -> (Vec<u8>, Option<End>, TunnelProgress) {
    let run = |at: usize| {
        let (tunnel, report) = tunnel(echo());
        assert_eq!(report.get(), TunnelProgress::None);
        let mut endpoint = Endpoint::new(tunnel, NOW);
        let mut sent = endpoint.take_outgoing(NOW);
        for part in [&bytes[..at], &bytes[at..]] {
            if endpoint.end().is_none() {
                assert_eq!(endpoint.received(NOW, part), part.len());
            }
        }
        if endpoint.end().is_none() {
            then(&mut endpoint);
        }
        sent.extend(endpoint.take_outgoing(NOW));
        (sent, endpoint.end(), report.get())
    };
    let whole = run(0);
    (1..=bytes.len()).for_each(|at| assert_eq!(run(at), whole, "cut at {at}"));
    whole
}

#[test]
fn what_is_behind_the_head_is_for_the_inner_machine() {
    let bytes = [OPENED, b"hello\r\nHTTP/1.1 200 OK\r\n\r\n"].concat();
    let (sent, end, progress) = at_every_cut(&bytes, |endpoint| {
        assert_eq!(endpoint.next_deadline(), None);
    });
    let echoed = b"you said: hello\r\nyou said: HTTP/1.1 200 OK\r\nyou said: \r\n";
    assert_eq!(sent, [ASKED, echoed].concat());
    assert_eq!((end, progress), (None, TunnelProgress::Open(proxy())));
}

#[test]
fn each_way_to_fail_is_told() {
    let status = |code| TunnelFailure::Refused(Status::new(code).unwrap());
    let refused = |code| (End::Abort(Cause::Failed), Some(status(code)));
    for (bytes, (end, failure)) in [
        ("HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\n", refused(407)),
        ("HTTP/1.1 103 \r\n\r\nHTTP/1.0 502 Bad Gateway\r\n\r\n", refused(502)),
        ("HTTP/1.1 302 \r\nLocation: /\r\nContent-Length: 0\r\n\r\n", refused(302)),
    ] {
        let (sent, ended, progress) = at_every_cut(bytes.as_bytes(), |_| ());
        assert_eq!((sent.as_slice(), ended), (ASKED, Some(end)), "{bytes}");
        assert_eq!(progress, TunnelProgress::Failed(proxy(), failure.unwrap()));
    }
    let (_, end, progress) = at_every_cut(b"SSH-2.0-x\r\n", |_| ());
    assert_eq!(end.map(End::cause), Some(Cause::Protocol("the answer of a proxy to CONNECT")));
    let TunnelProgress::Failed(_, TunnelFailure::Rejected(rejection)) = progress else {
        panic!("{progress:?}");
    };
    assert_eq!(rejection.rule, Rule::VersionSyntax);
    for (then, cause, failure) in [
        (
            &(|endpoint: &mut Endpoint<_>| endpoint.eof(NOW)) as &dyn Fn(&mut Endpoint<_>),
            Cause::PeerClosed,
            Some(TunnelFailure::Broken),
        ),
        (&|endpoint| endpoint.reset(NOW), Cause::Reset, Some(TunnelFailure::Broken)),
        (&|endpoint| endpoint.shutdown(NOW), Cause::Shutdown, None),
        (
            &|endpoint| endpoint.expired(NOW + WITHIN),
            Cause::TimedOut(Reason::Head),
            Some(TunnelFailure::TimedOut),
        ),
    ] {
        let (sent, end, progress) = at_every_cut(b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 20", |endpoint| {
            let deadline = endpoint.next_deadline().unwrap();
            assert_eq!((deadline.at, deadline.reason), (NOW + WITHIN, Reason::Head));
            then(endpoint);
        });
        assert_eq!((sent.as_slice(), end.map(End::cause)), (ASKED, Some(cause)));
        assert_eq!(
            progress,
            match failure {
                Some(failure) => TunnelProgress::Failed(proxy(), failure),
                None => TunnelProgress::Asked(proxy()),
            }
        );
    }
}

#[test]
fn it_keeps_the_laws_of_machines() {
    let laws = Laws::of(|| tunnel(echo()).0).max_held(64 << 10);
    let opened = core::str::from_utf8(OPENED).unwrap().to_string();
    for bytes in [
        opened.clone() + "hello\r\nquit\r\n",
        "HTTP/1.1 407 \r\nContent-Length: 2\r\n\r\nno".into(),
        "HTTP/1.1 200 OK\n".into(),
        "HTTP/1.1 20".into(),
    ] {
        for end in [
            Stimulus::Eof,
            Stimulus::Reset,
            Stimulus::Shutdown,
            Stimulus::WriteFailed,
            Stimulus::Wait(2 * WITHIN),
        ] {
            laws.assert(&[Stimulus::Wake, Stimulus::bytes(&bytes), Stimulus::Wake, end]);
        }
    }
    // Nothing arrives.
    laws.assert(&[Stimulus::Blocked, Stimulus::Wait(2 * WITHIN)]);
    laws.assert(&[
        Stimulus::Blocked,
        Stimulus::bytes(OPENED),
        Stimulus::bytes("a\r\n"),
        Stimulus::Writable,
    ]);
}

#[test]
fn it_keeps_the_laws_of_layers() {
    LayerLaws::of(|inner| tunnel(inner).0)
        .preamble(OPENED)
        .framed_by(<[u8]>::to_vec, |sent| sent.strip_prefix(ASKED).unwrap_or(sent).to_vec())
        .own_deadlines()
        .max_held(64 << 10)
        .assert();
}
