use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::process::{Metadata, ProcessId};

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn postgres() -> Metadata {
    Metadata {
        executable: "postgres".into(),
        path: Some("/usr/lib/postgresql/16/bin/postgres".into()),
        command: Some("postgres: writer".into()),
        parent_pid: Some(1),
        user_id: Some(114),
        owner: Some("postgres".into()),
        cgroup: Some("/system.slice/postgresql@16.service".into()),
        unit: Some("postgresql@16.service".into()),
        container_id: Some(CONTAINER.into()),
        ..Metadata::default()
    }
}

fn ask(expression: &str, metadata: &Metadata) -> Option<Captures> {
    let expression: Expression = expression.parse().unwrap();
    expression.matches(&Facts {
        id: ProcessId {
            pid: 4242,
            start_ticks: 7,
        },
        metadata,
        age_ns: Some(300_000_000_000),
        rss: Some(1 << 30),
        cpu: Some(0.5),
        args: &|| Some("postgres -D /var/lib/postgresql"),
    })
}

#[test]
fn every_field_and_operator_says_what_is_true() {
    let metadata = postgres();
    for (expression, expected) in [
        ("executable == 'postgres'", true),
        ("executable == 'postgre'", false),
        ("executable != 'postgres'", false),
        ("executable != 'nginx'", true),
        ("executable =~ 'gres'", true),
        ("executable =~ '^gres'", false),
        ("executable !~ '^post'", false),
        ("executable !~ 'POST'", true),
        ("executable =~ '(?i)POST'", true),
        ("executable in ('nginx', 'postgres')", true),
        ("executable in ('nginx', 'post')", false),
        ("path =~ '/16/bin/'", true),
        ("command == 'postgres: writer'", true),
        ("args =~ '-D /var'", true),
        ("args == 'postgres -D /var/lib/postgresql'", true),
        ("user == 'postgres'", true),
        ("user == '114'", false),
        ("cgroup =~ '^/system.slice/'", true),
        ("unit == 'postgresql@16.service'", true),
        ("container == '0123456789ab'", true),
        ("container == '0123456789AB'", true),
        ("container == '0123456789ac'", false),
        ("container != '0123456789ac'", true),
        ("container in ('ffffffffffff', '0123456789ab')", true),
        ("container =~ '^0123'", true),
        ("age > 299s", true),
        ("age > 5m", false),
        ("age < 5m1s", true),
        ("rss == 1GiB", true),
        ("rss > 1GB", true),
        ("rss < 1GiB", false),
        ("cpu == 50%", true),
        ("cpu > 0.49", true),
        ("cpu < 0.5", false),
        ("pid == 4242", true),
        ("pid != 4242", false),
        ("pid in (1, 4242)", true),
        ("parent == 1", true),
        ("parent > 1", false),
    ] {
        assert_eq!(
            ask(expression, &metadata).is_some(),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn and_binds_stronger_than_or_and_not_strongest() {
    let metadata = postgres();
    let (yes, no) = ("pid == 4242", "pid == 1");
    for (expression, expected) in [
        (format!("{yes} or {yes} and {no}"), true),
        (format!("({yes} or {yes}) and {no}"), false),
        (format!("not {no} and {no}"), false),
        (format!("not ({no} and {no})"), true),
        (format!("not not {yes}"), true),
        (format!("{no} or {no} or {yes}"), true),
        (format!("{yes} and {yes} and {no}"), false),
    ] {
        assert_eq!(
            ask(&expression, &metadata).is_some(),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn a_value_that_is_not_there_matches_nothing_and_not_of_that_holds() {
    let nothing = Metadata::default();
    let comparisons = [
        "executable",
        "path",
        "command",
        "user",
        "cgroup",
        "unit",
        "container",
    ]
    .map(|field| {
        let of = |rest: &str| format!("{field} {rest}");
        [
            of("== '0123456789ab'"),
            of("!= '0123456789ab'"),
            of("=~ ''"),
            of("!~ 'x'"),
            of("in ('0123456789ab')"),
        ]
    });
    let numbers = [
        "parent == 0",
        "parent != 0",
        "parent < 1",
        "parent > 0",
        "parent in (0)",
    ];
    let numbers = numbers.map(str::to_owned);
    for expression in comparisons.iter().flatten().chain(&numbers) {
        assert_eq!(ask(expression, &nothing), None, "{expression}");
        let not = format!("not {expression}");
        assert!(ask(&not, &nothing).is_some(), "{not}");
    }
}

#[test]
fn who_has_no_name_is_known_by_number() {
    let mut metadata = postgres();
    metadata.owner = None;
    assert!(ask("user == '114'", &metadata).is_some());
}

#[test]
fn what_named_groups_matched_is_told_of_what_made_it_hold() {
    let metadata = postgres();
    let told = |expression: &str| {
        let captures = ask(expression, &metadata);
        captures.map(|captures| {
            let words: Vec<_> = captures
                .iter()
                .map(|(name, text)| format!("{name}={text}"))
                .collect();
            words.join(" ")
        })
    };
    for (expression, expected) in [
        (
            r"path =~ '/(?P<version>\d+)/(?<folder>\w+)'",
            Some("version=16 folder=bin"),
        ),
        ("executable =~ 'post(gres)'", Some("")),
        ("executable =~ '(?P<a>nginx)|post'", Some("")),
        (
            "executable =~ '(?P<a>post)' and user =~ '(?P<b>p)'",
            Some("a=post b=p"),
        ),
        ("executable =~ '(?P<a>post)' and pid == 1", None),
        (
            "(executable =~ '(?P<a>post)' and pid == 1) or user =~ '(?P<b>p)'",
            Some("b=p"),
        ),
        (
            "executable =~ '(?P<a>post)' or user =~ '(?P<b>p)'",
            Some("a=post"),
        ),
        ("not executable =~ '(?P<a>nginx)'", Some("")),
        ("not not executable =~ '(?P<a>post)'", Some("")),
        (
            "executable =~ '(?P<a>post)' and user =~ '(?P<a>gres)'",
            Some("a=post"),
        ),
    ] {
        assert_eq!(told(expression).as_deref(), expected, "{expression}");
    }
}

#[test]
fn what_a_group_matched_is_not_longer_than_256_characters() {
    let mut metadata = postgres();
    metadata.executable = "é".repeat(300);
    let captures = ask("executable =~ '(?P<all>.*)'", &metadata).unwrap();
    assert_eq!(captures, [("all".to_owned(), "é".repeat(256))]);
}

#[test]
fn the_command_line_is_read_only_when_it_is_asked_for() {
    let metadata = postgres();
    let reads = Cell::new(0);
    let read = |expression: &str| {
        reads.set(0);
        let expression: Expression = expression.parse().unwrap();
        expression.matches(&Facts {
            id: ProcessId {
                pid: 1,
                start_ticks: 1,
            },
            metadata: &metadata,
            age_ns: None,
            rss: None,
            cpu: None,
            args: &|| {
                reads.set(reads.get() + 1);
                None
            },
        });
        reads.get()
    };
    assert_eq!(read("executable == 'postgres' or args =~ 'x'"), 0);
    assert_eq!(read("executable == 'nginx' and args =~ 'x'"), 0);
    assert_eq!(read("executable == 'nginx' or args =~ 'x'"), 1);
}

#[test]
fn age_rss_and_cpu_change_by_themselves() {
    for (expression, changes, cpu) in [
        (
            "executable == 'a' and pid == 1 and parent == 1",
            false,
            false,
        ),
        (
            "executable == 'a' and (pid == 1 or not age > 1m)",
            true,
            false,
        ),
        ("rss > 1", true, false),
        ("not (user == 'x' and cpu > 1)", true, true),
    ] {
        let expression: Expression = expression.parse().unwrap();
        assert_eq!(
            (expression.changes(), expression.asks_for_cpu()),
            (changes, cpu)
        );
    }
}

#[test]
fn units_and_containers_are_named_as_their_tools_name_them() {
    let metadata = Metadata {
        unit: Some("session-3.scope".into()),
        container_id: Some(CONTAINER.into()),
        ..Metadata::default()
    };
    let facts = Facts {
        id: ProcessId {
            pid: 1,
            start_ticks: 1,
        },
        metadata: &metadata,
        age_ns: None,
        rss: None,
        cpu: None,
        args: &|| None,
    };
    let unit = |name: &str| Expression::of_unit(name).unwrap();
    assert!(unit("session-3.scope").matches(&facts).is_some());
    assert_eq!(unit("nginx").source(), "unit == \"nginx.service\"");
    let why = Expression::of_unit("a.slice").unwrap_err();
    assert!(why.contains(r#"'cgroup =~ "/a\.slice/"'"#), "{why}");
    for wrong in ["", "a b", "a/b", "a\"b"] {
        let why = Expression::of_unit(wrong).unwrap_err();
        assert!(why.contains("is no unit"), "{why}");
    }
    for id in [CONTAINER, &CONTAINER[..12], &CONTAINER[..40].to_uppercase()] {
        let container = Expression::of_container(id).unwrap();
        assert!(container.matches(&facts).is_some(), "{id}");
    }
    let longer = format!("{CONTAINER}0");
    for wrong in ["", &CONTAINER[..11], "web", "0123456789ag", &longer] {
        let why = Expression::of_container(wrong).unwrap_err();
        assert!(why.contains("12 to 64 hexadecimal digits"), "{why}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_known_of_a_process_panics(executable: String, command: Option<String>) {
        let metadata = Metadata { executable, command, ..Metadata::default() };
        ask(r"executable =~ '(?P<x>\w*)\W(?P<y>.*)' or not command !~ '^.{3}(?P<z>.)'", &metadata);
    }
}
