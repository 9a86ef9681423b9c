//! Checks the laws of machines on handlers in a hub.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use diesel_proto::testkit::HubMachine;
use diesel_proto::testkit::laws::Laws;
use diesel_proto::{Hub, Service, ServiceConfig};

use super::handlers::{self, gossip, obedient};
use super::stimuli::stimuli;

/// The handler, and its limits.
#[derive(Arbitrary, Clone, Debug)]
struct Setting {
    gossip: bool,
    read_limit: u8,
    high_water: u16,
    low_water: u16,
    idle: Option<u8>,
    linger: u8,
    tokens: u8,
    polls: u8,
    /// The limit of bytes that are queued below the hub, and that are read ahead.
    room: u16,
    seed: u8,
}

/// Takes a setting, then the stimuli.
pub fn fiber(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let stimuli = stimuli(&mut input, &handlers::WORDS);
    Laws::of(|| served(&setting))
        .seed(setting.seed.into())
        .few_cuts()
        .early_deadlines()
        .assert(&stimuli);
}

fn served(setting: &Setting) -> HubMachine {
    let mut hub = Hub::new({
        let mut config = diesel_proto::Config::default();
        config.tokens_per_pass = setting.tokens.into();
        config.polls_per_run = setting.polls.into();
        config
    });
    let mut config = ServiceConfig::default();
    config.read_limit = setting.read_limit.into();
    config.read_ahead = setting.room.into();
    config.high_water = setting.high_water.into();
    config.low_water = setting.low_water.into();
    config.idle = setting.idle.map(|n| Duration::from_millis(100 + 100 * u64::from(n)));
    config.linger = Duration::from_millis(100 * u64::from(setting.linger));
    let service = match setting.gossip {
        true => Service::new(gossip),
        false => Service::new(obedient),
    };
    let service = hub.add_service(service.config(config));
    HubMachine::new(hub, service).room(u64::from(setting.room).max(8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel_proto::testkit::Stimulus;

    /// A fuzzer seldom finds the whole path: from the handler to a machine, and to the next one.
    #[test]
    fn a_handler_and_the_machines_that_follow_it_keep_the_laws() {
        let setting = Setting::arbitrary(&mut Unstructured::new(&[0; 64])).unwrap();
        let setting = Setting { read_limit: 50, high_water: 100, low_water: 10, ..setting };
        let way = "hello\ncount 3\nabc\nupgrade\nhello\nUPGRADE\nas it comes";
        for end in [Stimulus::Eof, Stimulus::Shutdown, Stimulus::Wait(Duration::from_secs(8))] {
            let laws = Laws::of(|| served(&setting)).early_deadlines();
            laws.assert(&[Stimulus::bytes(way), end, Stimulus::bytes("more"), Stimulus::Eof]);
        }
    }
}
