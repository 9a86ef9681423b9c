//! Where lines go: to the program's logger, or to standard error if it has none.
//!
//! No logger is installed here. A process has one, and it is the program's: were it set by a library,
//! the program could not set it any more. So whether there is one is looked at for each line, and one
//! that is set while an application runs gets what follows.

use std::fmt;
use std::io::{self, Write};

use log::{Level, LevelFilter, Metadata};

pub(super) struct LogOutput {
    /// Whether to print without a logger.
    pub(super) prints: bool,
}

impl LogOutput {
    /// Whether a line of this target and level goes anywhere.
    pub(super) fn wants(&self, target: &str, level: Level) -> bool {
        log::log_enabled!(target: target, level) || self.prints(level)
    }

    pub(super) fn put(&self, target: &str, level: Level, words: fmt::Arguments<'_>) {
        if self.prints(level) {
            // Where standard error is closed, nobody reads it. `eprintln` would panic.
            let _ = writeln!(io::stderr().lock(), "{level} {target}: {words}");
        } else {
            log::log!(target: target, level, "{words}");
        }
    }

    fn prints(&self, level: Level) -> bool {
        self.prints && level <= Level::Warn && !has_logger()
    }
}

/// Whether the program set a logger. One that is set has a level, or it gets nothing; the one that is
/// there before is not enabled for anything.
fn has_logger() -> bool {
    let error = Metadata::builder().level(Level::Error).target(super::OWN).build();
    log::max_level() != LevelFilter::Off || log::logger().enabled(&error)
}
