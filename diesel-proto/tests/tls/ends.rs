//! How a stream ends: in order, half, cut, by an alert.

use diesel_proto::tls::rustls::{AlertDescription, Error};
use diesel_proto::{Cause, CertificateFault, End, TlsError};

use super::harness::*;

#[test]
fn each_side_ends_in_order_and_the_other_may_go_on() {
    let mut pair = Pair::open();
    pair.client.does(NOW, [Do::Send(b"all".to_vec()), Do::HalfClose]);
    pair.runs(NOW);
    assert_eq!(pair.server.got(), b"all");
    assert!(pair.server.seen.borrow().ended);
    pair.server.does(NOW, [Do::Send(b"answer".to_vec()), Do::Close]);
    pair.runs(NOW);
    assert_eq!(pair.client.got(), b"answer");
    assert!(pair.client.seen.borrow().ended);
    assert_eq!(pair.server.endpoint.end(), Some(End::Close(Cause::Done)));
    assert_eq!((pair.client.cut(), pair.server.cut()), (None, None));
}

/// A peer that ends its side by `close_notify` alone, and keeps the stream open.
#[test]
fn close_notify_is_an_end_without_the_end_of_the_stream_and_what_follows_is_ignored() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    bare.sends(b"all");
    bare.tls.send_close_notify();
    bare.runs(NOW, &mut server);
    assert!(server.seen.borrow().ended && server.got() == b"all");
    server.receives(NOW, b"whatever this is");
    assert_eq!(server.endpoint.held(), 0);
    server.endpoint.eof(NOW);
    assert_eq!((server.cut(), server.endpoint.end()), (None, None));
    server.does(NOW, [Do::Send(b"answer".to_vec()), Do::Close]);
    assert!(bare.receives(&server.endpoint.take_outgoing(NOW)).unwrap().peer_has_closed());
    assert_eq!(bare.got, b"answer");
    assert_eq!(server.endpoint.end(), Some(End::Close(Cause::Done)));
}

#[test]
fn an_end_without_close_notify_is_a_cut() {
    let mut pair = Pair::open();
    pair.server.sends(NOW, "lost");
    pair.server.endpoint.eof(NOW);
    let truncated = Cause::Tls(TlsError::Truncated);
    assert_eq!(pair.server.cut(), Some(truncated));
    assert_eq!(pair.server.endpoint.end(), Some(End::Abort(truncated)));
    assert_eq!(pair.server.endpoint.take_outgoing(NOW), b"");
}

/// It wrote its last before the stream ended: that is sent.
#[test]
fn a_machine_that_has_closed_is_not_cut_by_the_end() {
    let mut pair = Pair::open();
    pair.server.does(NOW, [Do::Send(vec![b'x'; 1 << 20]), Do::Close]);
    pair.server.endpoint.eof(NOW);
    pair.runs(NOW);
    assert_eq!(pair.client.got().len(), 1 << 20);
    assert!(pair.client.seen.borrow().ended);
    assert_eq!(pair.server.endpoint.end(), Some(End::Close(Cause::Done)));
}

#[test]
fn an_abort_and_a_cut_are_not_an_end() {
    for (todo, arrives) in [(Do::Abort, &b""[..]), (Do::Cut, b"part of it")] {
        let mut server = Side::server(&acceptor(), NOW);
        let mut bare = Bare::client(&connector());
        bare.runs(NOW, &mut server);
        server.does(NOW, [Do::Send(b"part of it".to_vec()), todo]);
        let state = bare.receives(&server.endpoint.take_outgoing(NOW)).unwrap();
        assert!(!state.peer_has_closed());
        assert_eq!(bare.got, arrives);
        assert_eq!(server.endpoint.end(), Some(End::Abort(Cause::Failed)));
        assert_eq!(server.cut(), None);
    }
}

#[test]
fn a_reset_and_a_failed_write_reach_the_machine_inside() {
    let mut pair = Pair::open();
    pair.client.endpoint.reset(NOW);
    assert_eq!(pair.client.cut(), Some(Cause::Reset));
    pair.server.endpoint.write_failed(NOW);
    assert!(pair.server.seen.borrow().write_failed);
    pair.server.sends(NOW, "lost");
    assert_eq!(pair.server.endpoint.take_outgoing(NOW), b"");
    assert_eq!(pair.server.endpoint.held(), 0);
}

#[test]
fn a_shutdown_is_passed_on_after_the_handshake() {
    let mut pair = Pair::open();
    pair.server.endpoint.shutdown(NOW);
    assert!(pair.server.seen.borrow().shut_down);
    assert_eq!(pair.server.endpoint.end(), None);
}

#[test]
fn a_broken_record_is_answered_by_an_alert_after_what_was_said_before() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    bare.sends(b"whole");
    let whole = bare.takes();
    bare.sends(b"broken");
    let mut broken = bare.takes();
    *broken.last_mut().unwrap() ^= 1;
    server.sends(NOW, "answer");
    server.receives(NOW, &[whole, broken].concat());
    assert_eq!(server.got(), b"whole");
    let cause = Cause::Tls(TlsError::Decrypt);
    assert_eq!(server.cut(), Some(cause));
    let error = bare.receives(&server.endpoint.take_outgoing(NOW)).unwrap_err();
    assert_eq!(error, Error::AlertReceived(AlertDescription::BadRecordMac));
    assert_eq!(bare.got, b"answer");
    assert_eq!(server.endpoint.end(), Some(End::Close(cause)));
}

#[test]
fn an_alert_that_arrives_is_the_cause() {
    // The client does not know the authority.
    let stranger = connector_trusting(STRANGER);
    let mut pair = Pair::new(&acceptor(), &stranger);
    pair.runs(NOW);
    let fault = TlsError::Certificate(CertificateFault::UnknownIssuer);
    assert_eq!(pair.client.cut(), Some(Cause::Tls(fault)));
    assert_eq!(pair.client.endpoint.end(), Some(End::Close(Cause::Tls(fault))));
    assert_eq!(pair.server.cut(), Some(Cause::Tls(TlsError::Alert(48))));
    assert_eq!(pair.server.endpoint.end(), Some(End::Abort(Cause::Tls(TlsError::Alert(48)))));
    assert_eq!(TlsError::Alert(48).to_string(), "TLS: the peer sent the alert unknown_ca (48)");
}
