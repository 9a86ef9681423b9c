//! Writes lines to the program's logger, or to standard error if the program has set none.
//!
//! This crate installs no logger. A process has only one, and if a library set it, the program
//! could not. So each line checks whether there is a logger, and one that is set while an
//! application runs gets the lines that follow.

use std::fmt;
use std::io::{self, Write};

use log::{Level, LevelFilter, Metadata};

pub(super) struct LogOutput {
    /// Whether to print to standard error if there is no logger.
    pub(super) prints: bool,
}

impl LogOutput {
    /// Whether a line of this target and level is written at all.
    pub(super) fn wants(&self, target: &str, level: Level) -> bool {
        log::log_enabled!(target: target, level) || self.prints(level)
    }

    pub(super) fn put(&self, target: &str, level: Level, words: fmt::Arguments<'_>) {
        if self.prints(level) {
            // If standard error is closed, the line is lost. `eprintln` would panic.
            let _ = writeln!(io::stderr().lock(), "{level} {target}: {words}");
        } else {
            log::log!(target: target, level, "{words}");
        }
    }

    fn prints(&self, level: Level) -> bool {
        self.prints && level <= Level::Warn && !has_logger()
    }
}

/// Whether the program set a logger. A logger that was set is enabled for some level; the default
/// one of `log` is enabled for none.
fn has_logger() -> bool {
    let error = Metadata::builder().level(Level::Error).target(super::OWN).build();
    log::max_level() != LevelFilter::Off || log::logger().enabled(&error)
}
