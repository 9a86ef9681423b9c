//! Files in the simulated network: from a map, on disks that are slow, or that never answer.

use std::time::Duration;

use diesel_proto::testkit::net::{
    FakeFile, FileMap, Happened, HostId, LinkOptions, Network, Peer, PeerState,
};
use diesel_proto::*;

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Sends each file that the peer names, a line with its length before, or why there is none.
async fn serve(mut conn: Conn, files: DirectoryId) -> Result<(), Error> {
    loop {
        let path = conn.until_eol().await?;
        let opened = conn.ctx().open(files, path.without_eol()).inline(10);
        match conn.ctx().timeout(millis(1000), opened).await {
            Ok(Ok(file)) => {
                conn.write(format_args!("{}\n", file.len())).await?;
                conn.write_file(&file, ..).await?;
            }
            Ok(Err(error)) | Err(error) => conn.write(format_args!("{error}\n")).await?,
        }
    }
}

fn large(n: usize) -> FakeFile {
    (0..n).map(|n| (n / 7) as u8).collect::<Vec<_>>().into()
}

/// A network with a host that serves files, and a peer of it.
fn network(files: impl Into<FileMap>) -> (Network, HostId, Peer) {
    let mut hub = Hub::default();
    let directory = hub.add_directory();
    let service = hub.add_service(async move |conn: Conn| serve(conn, directory).await);
    let mut network = Network::new(7);
    let host = network.host(hub, &[(service, "10.9.9.9:80".parse().unwrap())]).unwrap();
    network.files(host, directory, files);
    let peer = network.connect_to(host, service);
    (network, host, peer)
}

fn text(network: &mut Network, peer: Peer) -> String {
    let n = network.got(peer).len();
    String::from_utf8_lossy(&network.take_got(peer, n)).into_owned()
}

#[test]
fn files_are_sent_whole_however_little_the_link_takes_at_a_time() {
    let (mut network, host, peer) =
        network([("a/large", large(300_000)), ("short", "hello".into()), ("empty", "".into())]);
    network.link(LinkOptions { latency: millis(1)..=millis(9), ..LinkOptions::default() });
    network.send(peer, "a/large\nshort\nempty\na\nb\n");
    network.run_until_idle().unwrap();
    let got = network.take_got(peer, 7 + 300_000);
    assert_eq!((&got[..7], &got[7..]), (&b"300000\n"[..], &large(300_000).content[..]));
    let rest = "5\nhello0\nit is a directory, not a file\nthere is no such file\n";
    assert_eq!(text(&mut network, peer), rest);
    assert_eq!(network.open_files(host), 0);
}

#[test]
fn a_slow_disk_delays_one_connection_and_no_other() {
    let (mut network, host, peer) =
        network([("slow", large(200_000).after(millis(100))), ("fast", "hello".into())]);
    let other = network.connect("10.9.9.9:80".parse().unwrap());
    network.send(peer, "slow\n");
    network.send(other, "fast\n");
    network.run_for(millis(150)).unwrap();
    assert_eq!(text(&mut network, other), "5\nhello");
    // It is open, and its first part is being read.
    assert_eq!((text(&mut network, peer), network.open_files(host)), ("200000\n".into(), 1));
    network.run_for(millis(100)).unwrap();
    assert_eq!(network.got(peer).len(), 64 << 10);
    // Opened, and read in four parts.
    network.run_for(millis(249)).unwrap();
    assert!(network.got(peer).len() < 200_000);
    network.run_for(millis(1)).unwrap();
    assert_eq!(network.got(peer), &large(200_000).content[..]);
    assert_eq!(network.open_files(host), 0);
}

#[test]
fn a_disk_that_never_answers_costs_a_timeout_and_a_late_answer_opens_nothing() {
    let (mut network, host, peer) =
        network([("never", large(99).never()), ("late", large(99).after(millis(1500)))]);
    network.send(peer, "never\nlate\n");
    network.run_for(millis(2400)).unwrap();
    assert_eq!(text(&mut network, peer), "timed out: timeout\ntimed out: timeout\n");
    network.run_for(millis(500)).unwrap();
    assert_eq!(network.open_files(host), 0);
}

#[test]
fn a_connection_that_ends_while_a_disk_hangs_closes_its_file() {
    let (mut network, host, peer) = network([("slow", large(200_000).after(millis(500)))]);
    network.send(peer, "slow\n");
    network.run_for(millis(600)).unwrap();
    assert_eq!((text(&mut network, peer), network.open_files(host)), ("200000\n".into(), 1));
    network.reset(peer);
    network.run_for(millis(100)).unwrap();
    assert_eq!(network.open_files(host), 0);
    // The part that was being read arrives in vain.
    network.run_until_idle().unwrap();
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_resets_the_connection() {
    let (mut network, host, peer) = network([("cut", large(200_000).shrinks_to(150_000))]);
    network.watch(|happening| {
        if let Happened::Closed(cause) = happening.what {
            panic!("a clean close: {cause}");
        }
    });
    network.send(peer, "cut\n");
    network.run_until_idle().unwrap();
    assert_eq!(network.got(peer).len(), 7 + 150_000);
    assert_eq!(network.peer_state(peer), PeerState::Reset);
    assert_eq!(network.open_files(host), 0);
}

#[test]
fn a_drain_lets_a_download_end_within_the_grace_period() {
    for (grace, whole) in [(500, true), (150, false)] {
        let (mut network, host, peer) = network([("slow", large(200_000).after(millis(50)))]);
        network.send(peer, "slow\n");
        network.run_for(millis(60)).unwrap();
        network.drain(host, millis(grace));
        network.run_until_idle().unwrap();
        assert_eq!(network.got(peer).len() == 7 + 200_000, whole);
        assert_eq!(network.peer_state(peer) == PeerState::Reset, !whole);
        assert!(network.has_halted(host));
    }
}

#[test]
fn a_directory_is_what_paths_have_in_common() {
    let mut hub = Hub::default();
    let directory = hub.add_directory();
    hub.add_loop(async move |ctx: Ctx| {
        let names = |entries: Vec<machine::DirEntry>| {
            let names = entries.iter().map(|entry| {
                format!("{} {:?} {}", String::from_utf8_lossy(&entry.name), entry.kind, entry.len)
            });
            names.collect::<Vec<_>>()
        };
        let root = names(ctx.list(directory, "").await?);
        assert_eq!(root, ["a Directory 0", "b File 5"]);
        assert_eq!(names(ctx.list(directory, "a").await?), ["c Directory 0", "d File 0"]);
        assert_eq!(names(ctx.list(directory, "a/c").limit(1).await?), ["e File 2"]);
        for (path, limit, why) in [
            ("a", 1, FileErrorKind::TooManyEntries),
            ("b", 9, FileErrorKind::NotDirectory),
            ("x", 9, FileErrorKind::NotFound),
        ] {
            let error = ctx.list(directory, path).limit(limit).await.unwrap_err();
            assert!(matches!(error, Error::File(kind) if kind == why), "{error}");
        }
        ctx.halt();
        Ok(())
    })
    .unwrap();
    let mut network = Network::new(7);
    let host = network.lone_host(hub);
    let files = [("b", "hello".into()), ("a/d", "".into()), ("a/c/e", FakeFile::from("hi"))];
    network.files(host, directory, files);
    network.run_until_idle().unwrap();
    assert!(network.has_halted(host));
}
