//! What an expression can ask of a process.

use std::time::Duration;

use crate::nearest::nearest;
use crate::size::{self, decimal};

/// A field of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A word.
    Text(TextField),
    /// A number.
    Number(NumberField),
}

/// A field that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Base name of the executable.
    Executable,
    /// Path of the executable.
    Path,
    /// argv[0].
    Command,
    /// The whole command line, one blank between two arguments.
    Args,
    /// The owner's name; the user id in digits where it has no name.
    User,
    /// Path of the cgroup.
    Cgroup,
    /// systemd unit.
    Unit,
    /// Container id.
    Container,
}

/// A field that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberField {
    /// Time since its start, seconds.
    Age,
    /// Resident set, bytes.
    Rss,
    /// CPU use since the last tick, cores.
    Cpu,
    /// Process id.
    Pid,
    /// Parent's process id at birth.
    Parent,
}

/// Every field by its name.
pub(super) const FIELDS: [(&str, Field); 13] = [
    ("executable", Field::Text(TextField::Executable)),
    ("path", Field::Text(TextField::Path)),
    ("command", Field::Text(TextField::Command)),
    ("args", Field::Text(TextField::Args)),
    ("user", Field::Text(TextField::User)),
    ("cgroup", Field::Text(TextField::Cgroup)),
    ("unit", Field::Text(TextField::Unit)),
    ("container", Field::Text(TextField::Container)),
    ("age", Field::Number(NumberField::Age)),
    ("rss", Field::Number(NumberField::Rss)),
    ("cpu", Field::Number(NumberField::Cpu)),
    ("pid", Field::Number(NumberField::Pid)),
    ("parent", Field::Number(NumberField::Parent)),
];

/// Names that other tools give these fields.
const ALIASES: [(&str, &str); 17] = [
    ("exe", "executable"),
    ("name", "executable"),
    ("comm", "executable"),
    ("process", "executable"),
    ("argv", "args"),
    ("cmdline", "args"),
    ("cmd", "command"),
    ("owner", "user"),
    ("uid", "user"),
    ("username", "user"),
    ("service", "unit"),
    ("container_id", "container"),
    ("docker", "container"),
    ("ppid", "parent"),
    ("uptime", "age"),
    ("memory", "rss"),
    ("mem", "rss"),
];

/// The field of this name, or the name of the one that may have been meant.
pub(super) fn find(name: &str) -> Result<Field, Option<&'static str>> {
    if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Ok(*field);
    }
    let name = name.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    Err(alias
        .map(|(_, field)| *field)
        .or_else(|| nearest(&name, FIELDS.map(|(known, _)| known))))
}

impl Field {
    /// Whether it may change without an execve.
    pub(super) fn changes(self) -> bool {
        use NumberField::{Age, Cpu, Rss};
        matches!(self, Self::Number(Age | Rss | Cpu))
    }
}

impl NumberField {
    /// Reads a value of this field; else what was expected.
    pub(super) fn parse(self, text: &str) -> Result<f64, &'static str> {
        match self {
            Self::Age => humantime::parse_duration(text)
                .as_ref()
                .map(Duration::as_secs_f64)
                .map_err(|_| "a time with its unit, as in 30s, 5m or 2h"),
            Self::Rss => size::bytes(text).ok_or("a size, as in 500MB, 1GiB or 4096"),
            Self::Cpu => cores(text).ok_or("a number of cores, as in 0.5, or 50% of one"),
            Self::Pid | Self::Parent => {
                let number = text.parse::<u32>().map(f64::from);
                number.map_err(|_| "a process id, as in 4242")
            }
        }
    }
}

fn cores(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => decimal(percent).map(|percent| percent / 100.0),
        None => decimal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        for (field, text, value) in [
            (NumberField::Rss, "1GiB", 1_073_741_824.0),
            (NumberField::Age, "5m", 300.0),
            (NumberField::Age, "1h30m", 5_400.0),
            (NumberField::Age, "250ms", 0.25),
            (NumberField::Cpu, "150%", 1.5),
            (NumberField::Cpu, "0.25", 0.25),
            (NumberField::Pid, "4294967295", 4_294_967_295.0),
        ] {
            assert_eq!(field.parse(text), Ok(value), "{field:?} {text}");
        }
    }

    #[test]
    fn other_values_are_told_what_was_expected() {
        for (field, texts, said) in [
            (NumberField::Rss, &["", "1G"][..], "1GiB"),
            (NumberField::Age, &["", "5", "m", "-5m", "soon"], "unit"),
            (NumberField::Cpu, &["", "%", "1GHz", "nan", "inf"], "cores"),
            (
                NumberField::Pid,
                &["", "1.5", "4294967296", "-1"],
                "process id",
            ),
        ] {
            for text in texts {
                let expected = field.parse(text).unwrap_err();
                assert!(expected.contains(said), "{field:?} {text}: {expected}");
            }
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_finds_the_right_one() {
        for (name, right) in [
            ("exe", Some("executable")),
            ("Executable", Some("executable")),
            ("exectuable", Some("executable")),
            ("contaner", Some("container")),
            ("cmdline", Some("args")),
            ("ppid", Some("parent")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(find(name), Err(right), "{name}");
        }
        assert_eq!(find("rss"), Ok(Field::Number(NumberField::Rss)));
    }
}
