//! The laws of layers: what is inside TLS is as it is without.

use diesel_proto::LineEcho;
use diesel_proto::testkit::Stimulus;
use diesel_proto::testkit::layer_laws::LayerLaws;

use super::harness::*;
use super::joined::Joined;

#[test]
fn the_layer_keeps_the_laws_of_layers() {
    let (acceptor, connector) = (acceptor(), connector());
    LayerLaws::of(|inner| Joined::new(&acceptor, &connector, inner))
        .few_cuts()
        .sessions(20)
        .assert();
}

#[test]
fn it_keeps_them_around_a_machine_that_gives_way() {
    let (acceptor, connector) = (acceptor_of(TLS12), connector_of(TLS12));
    let echo = || {
        LineEcho::default().on_upgrade(|actions| actions.upgrade(LineEcho::default().max_line(12)))
    };
    let session = [
        Stimulus::bytes("hello\r\nUPGR"),
        Stimulus::bytes("ADE\r\nworld\r\nlonger than twelve\r\n"),
        Stimulus::Wake,
        Stimulus::Eof,
    ];
    LayerLaws::around(echo, |inner| Joined::new(&acceptor, &connector, inner)).assert_on(&session);
}
