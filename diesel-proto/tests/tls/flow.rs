//! Back-pressure, the size of records, keys that change, memory.

use core::time::Duration;

use super::harness::*;

const MB: usize = 1 << 20;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 251 + i) as u8).collect()
}

#[test]
fn ten_megabytes_go_each_way_at_once_through_little_room() {
    let mut pair = Pair::open();
    pair.piece = 10_000;
    let (there, back) = (pattern(10 * MB), pattern(10 * MB - 1));
    pair.client.does(NOW, [Do::Send(there.clone()), Do::Close]);
    pair.server.does(NOW, [Do::Send(back.clone()), Do::HalfClose]);
    // What is not encrypted yet is queued by reference.
    let mut slices: [&[u8]; 64] = [&[]; 64];
    let n = pair.server.endpoint.outgoing(&mut slices);
    let queued: usize = slices[..n].iter().map(|slice| slice.len()).sum();
    assert!((256 << 10..=(256 + 17) << 10).contains(&queued), "{queued}");
    assert_eq!(queued as u64, pair.server.endpoint.queued());
    pair.runs(NOW);
    assert!(pair.server.got() == there, "{}", pair.server.got().len());
    // The client had closed: it takes nothing more.
    assert!(back.starts_with(&pair.client.got()));
    assert!(pair.server.seen.borrow().ended);

    let mut pair = Pair::open();
    pair.server.does(NOW, [Do::Send(back.clone()), Do::Close]);
    pair.client.does(NOW, [Do::Send(there.clone()), Do::HalfClose]);
    pair.runs(NOW);
    assert!(pair.client.got() == back && pair.client.seen.borrow().ended);
}

#[test]
fn a_machine_that_pauses_stops_the_peer_and_loses_nothing() {
    for piece in [1, 100, usize::MAX] {
        let mut pair = Pair::open();
        pair.piece = piece;
        pair.server.does(NOW, [Do::Pause]);
        assert!(!pair.server.endpoint.wants_input());
        let lines: Vec<_> = (0..50).map(|i| format!("line {i}\n").into_bytes()).collect();
        for line in &lines {
            pair.client.sends(NOW, line.clone());
        }
        pair.client.does(NOW, [Do::Close]);
        pair.runs(NOW);
        assert_eq!(pair.server.got(), b"");
        assert!(!pair.server.is_over());
        pair.server.does(NOW, [Do::Resume]);
        pair.runs(NOW);
        assert_eq!(pair.server.got(), lines.concat());
        assert!(pair.server.seen.borrow().ended);
    }
}

/// Many records in one read: none is decrypted while the machine has paused.
#[test]
fn a_machine_that_pauses_at_each_record_gets_one_at_a_time() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    server.seen.borrow_mut().sips = true;
    let message = pattern(10 * (16 << 10));
    bare.sends(&message);
    let records = bare.takes();
    server.receives(NOW, &records);
    for n in 1..=10 {
        assert!(server.got() == message[..n * (16 << 10)], "{n}: {}", server.got().len());
        server.does(NOW, [Do::Resume]);
    }
    assert_eq!((server.endpoint.held(), server.cut()), (0, None));
}

#[test]
fn a_machine_hears_that_its_output_is_sent_when_it_is() {
    let mut pair = Pair::open();
    pair.server.does(NOW, [Do::Send(pattern(MB)), Do::NotifyBelow(1)]);
    let mut sent = 0;
    while !pair.server.seen.borrow().drained {
        assert!(pair.server.endpoint.queued() > 0);
        let n = pair.server.endpoint.queued().min(5000);
        pair.server.endpoint.sent(NOW, n);
        sent += n;
    }
    assert_eq!(pair.server.endpoint.queued(), 0);
    assert!(sent > MB as u64);
}

#[test]
fn the_first_records_are_small_and_the_later_ones_large() {
    let mut pair = Pair::open();
    pair.runs(NOW);
    pair.server.sends(NOW, pattern(50_000));
    let sizes = record_sizes(&pair.takes(false));
    let small = sizes.iter().take_while(|&&size| size <= 1400).count();
    assert_eq!(small, 10, "{sizes:?}");
    assert!(sizes[10] > 16 << 10);
    let later = NOW + Duration::from_millis(1500);
    pair.server.sends(later, pattern(50_000));
    assert!(record_sizes(&pair.server.endpoint.take_outgoing(later))[9] <= 1400);
    // Parts that are queued apart, one of them by reference, share a record.
    pair.server.does(later, [Do::Send(b"head".to_vec()), Do::Send(pattern(10_000))]);
    assert_eq!(record_sizes(&pair.server.endpoint.take_outgoing(later)).len(), 1);
}

#[test]
fn a_peer_may_change_its_keys_and_ask_for_ours() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    for _ in 0..5 {
        bare.tls.refresh_traffic_keys().unwrap();
        bare.sends(b"x");
        bare.runs(NOW, &mut server);
        server.sends(NOW, "y");
        bare.runs(NOW, &mut server);
    }
    assert_eq!((server.got(), bare.got), (b"xxxxx".to_vec(), b"yyyyy".to_vec()));
}

#[test]
fn what_is_held_is_told_and_given_back() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    assert_eq!(server.endpoint.held(), 0);
    bare.sends(b"a message");
    let record = bare.takes();
    for (i, byte) in record.iter().enumerate() {
        assert_eq!(server.endpoint.held(), i);
        server.receives(NOW, &[*byte]);
    }
    assert_eq!((server.endpoint.held(), server.got()), (0, b"a message".to_vec()));
}

/// Many records in one read cost no more than each alone.
#[test]
fn records_of_one_byte_are_records() {
    let mut server = Side::server(&acceptor(), NOW);
    let mut bare = Bare::client(&connector());
    bare.runs(NOW, &mut server);
    let message = pattern(5000);
    message.iter().for_each(|byte| bare.sends(&[*byte]));
    let records = bare.takes();
    server.receives(NOW, &records);
    assert_eq!(server.got(), message);
}
