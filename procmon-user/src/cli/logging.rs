//! procmon's own words: on stderr, and in a file or by OTLP if that is
//! configured.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use env_logger::{Builder, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::failure::Failure;
use crate::config::{Levels, Loaded};
use crate::export::otlp::{OwnLog, Said};
use crate::export::report::printable;
use crate::export::sink::{Place, Sink, SinkError};
use crate::proc::clock::now_unix_ns;

/// The variable that sets how much is said: error, warn, info (the default),
/// debug or trace, also by module as env_logger has it. It beats the file.
const VARIABLE: &str = "PROCMON_LOG";
/// The library and the kernel programs, by the targets of their records.
const LIBRARY: &str = "procmon";
const PROGRAMS: &str = "procmon_ebpf";
/// The part that the kernel programs belong to.
const KERNEL: &str = "kernel";

/// Where procmon's words go.
#[derive(Clone)]
pub struct Logs(Arc<Targets>);

struct Targets {
    stderr: RwLock<Logger>,
    file: Mutex<Option<Sink>>,
    /// What is sent by OTLP.
    own: Mutex<Option<OwnLog>>,
}

impl Logs {
    /// Starts logging to stderr. Libraries speak up only when something is wrong
    /// with them.
    pub fn start() -> Self {
        let targets = Arc::new(Targets {
            stderr: RwLock::new(logger(&Levels::default())),
            file: Mutex::new(None),
            own: Mutex::new(None),
        });
        let logs = Self(Arc::clone(&targets));
        // Nobody else has set one: this is the first that a command does.
        if log::set_boxed_logger(Box::new(Shared(targets))).is_ok() {
            logs.set_levels(&Levels::default());
        }
        logs
    }

    /// Takes over what is configured: how much is said, and a file for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, loaded: &Loaded) -> Result<(), Failure> {
        let logging = &loaded.config.logging;
        self.set_levels(&logging.levels);
        if logging.file.as_ref().is_some_and(|file| file.is_stdout()) {
            return Err(Failure::Usage(format!(
                "{} - is refused: what procmon says stands on stderr anyway; give it a file",
                loaded.named("logging.file")
            )));
        }
        *lock(&self.0.file) = logging.place().map(open).transpose()?;
        *lock(&self.0.own) = logging.goes_to_otlp().then(OwnLog::default);
        Ok(())
    }

    /// What is to be sent by OTLP, if that is configured.
    pub fn own(&self) -> Option<OwnLog> {
        lock(&self.0.own).clone()
    }

    /// Nobody sends it.
    pub fn forget_own(&self) {
        *lock(&self.0.own) = None;
    }

    fn set_levels(&self, levels: &Levels) {
        let logger = logger(levels);
        log::set_max_level(logger.filter());
        *self
            .0
            .stderr
            .write()
            .unwrap_or_else(PoisonError::into_inner) = logger;
    }
}

fn open(place: Place) -> Result<Sink, SinkError> {
    // The log cannot tell of its own troubles.
    Sink::open_saying(&place, "lines of the log", |level, text| {
        let word = level.as_str().to_lowercase();
        let _ = writeln!(io::stderr(), "procmon: {word}: {text}");
    })
}

/// What all threads log to.
struct Shared(Arc<Targets>);

impl Log for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let stderr = self.0.stderr.read().unwrap_or_else(PoisonError::into_inner);
        stderr.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let stderr = self.0.stderr.read().unwrap_or_else(PoisonError::into_inner);
        if !stderr.matches(record) {
            return;
        }
        stderr.log(record);
        if let Some(own) = &*lock(&self.0.own)
            && OwnLog::takes(record.target())
        {
            own.say(Said {
                at_unix_ns: now_unix_ns(),
                level: record.level(),
                part: part(record.target()).into_owned(),
                words: words(record),
            });
        }
        if let Some(sink) = &mut *lock(&self.0.file) {
            write_line(sink.begin_record(), record);
            sink.end_record();
            // A pipe whose reader has gone: nobody is left to tell.
            let _ = sink.flush();
        }
    }

    fn flush(&self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A logger to stderr that says so much.
fn logger(levels: &Levels) -> Logger {
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Error);
    let mut of = |target: &str, level| {
        builder.filter_module(target, level);
    };
    let variable = std::env::var(VARIABLE).ok();
    let all = variable.as_ref().and_then(|text| text.parse().ok());
    of(LIBRARY, all.unwrap_or(levels.default.0));
    if all.is_none() {
        for (module, level) in &levels.modules {
            of(&format!("{LIBRARY}::{module}"), level.0);
            if *module == KERNEL {
                of(PROGRAMS, level.0);
            }
        }
    }
    if let (None, Some(filters)) = (all, variable) {
        builder.parse_filters(&filters);
    }
    builder.format(|out, record| match record.level() {
        Level::Info => writeln!(out, "procmon: {}", words(record)),
        Level::Warn => writeln!(out, "procmon: warning: {}", words(record)),
        Level::Error => writeln!(out, "procmon: error: {}", words(record)),
        level => writeln!(
            out,
            "procmon: {}: {}: {}",
            level.as_str().to_lowercase(),
            record.target(),
            words(record)
        ),
    });
    builder.build()
}

/// What a record says. What others have named cannot forge a line.
fn words(record: &Record<'_>) -> String {
    printable(&record.args().to_string()).into_owned()
}

/// A line of the file: time, level, part of procmon, words.
fn write_line(out: &mut Vec<u8>, record: &Record<'_>) {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    let (level, part) = (record.level(), part(record.target()));
    let _ = writeln!(out, "{time} {level:<5} {part}: {}", words(record));
}

/// The part of procmon that a record comes from; other targets as they are.
fn part(target: &str) -> Cow<'_, str> {
    if target.split("::").next() == Some(PROGRAMS) {
        return KERNEL.into();
    }
    let module = target
        .strip_prefix(LIBRARY)
        .and_then(|rest| rest.strip_prefix("::"))
        .and_then(|rest| rest.split("::").next());
    module.map_or_else(|| printable(target), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level as Said;

    fn enabled(logger: &Logger, target: &str, level: Level) -> bool {
        logger.enabled(&Metadata::builder().target(target).level(level).build())
    }

    #[test]
    fn a_part_is_named_short_and_takes_the_kernel_programs_with_it() {
        let levels = Levels {
            default: Said(LevelFilter::Warn),
            modules: [("kernel", Said(LevelFilter::Debug))].into(),
        };
        let logger = logger(&levels);
        for (target, level, said) in [
            ("procmon::kernel::load", Level::Debug, true),
            ("procmon_ebpf::count", Level::Debug, true),
            ("procmon::kernel", Level::Trace, false),
            ("procmon::export::sink", Level::Warn, true),
            ("procmon::export::sink", Level::Info, false),
            ("hyper_util::client", Level::Warn, false),
            ("hyper_util::client", Level::Error, true),
        ] {
            assert_eq!(enabled(&logger, target, level), said, "{target} {level}");
        }
        assert_eq!(logger.filter(), LevelFilter::Debug);
    }

    #[test]
    fn a_line_has_a_time_a_level_and_a_part_and_stays_one_line() {
        for (target, name) in [
            ("procmon::collector::ends", "collector"),
            ("procmon_ebpf", "kernel"),
            ("h2", "h2"),
        ] {
            let mut line = Vec::new();
            let record = Record::builder()
                .level(Level::Warn)
                .target(target)
                .args(format_args!("two\nlines"))
                .build();
            write_line(&mut line, &record);
            let line = String::from_utf8(line).unwrap();
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
            assert_eq!(rest, format!("WARN  {name}: two\\nlines\n"));
        }
    }
}
