//! A logger that stores its lines.

use std::sync::{Mutex, MutexGuard, Once};

use log::{Level, Log, Metadata, Record};

struct Logged(Mutex<Vec<Line>>);

struct Line {
    target: String,
    level: Level,
    text: String,
}

static LOGGED: Logged = Logged(Mutex::new(Vec::new()));

impl Logged {
    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Log for Logged {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.lock().push(Line {
            target: record.target().to_string(),
            level: record.level(),
            text: record.args().to_string(),
        });
    }

    fn flush(&self) {}
}

/// Installs the logger, which stores all lines from now on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGED).expect("there is no other logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// The lines with this target, oldest first, as level and text.
pub fn lines(target: &str) -> Vec<String> {
    let lines = LOGGED.lock();
    let lines = lines.iter().filter(|line| line.target == target);
    lines.map(|line| format!("{} {}", line.level, line.text)).collect()
}
