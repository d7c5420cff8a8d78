//! Expressions and names that choose nobody because they are wrong: status 2, and where.

use procmon_tests::Procmon;

use crate::support::*;

fn matching(expression: &str) -> Procmon {
    Procmon::new("run").args(["--match", expression])
}

#[test]
fn a_match_expression_with_a_mistake_the_message_points_at_the_place() {
    for (expression, said) in [
        (
            "rss > 1GiB and exe == 'x'",
            "--match: no field `exe`: did you mean `executable`?\n  \
             rss > 1GiB and exe == 'x'\n                 ^^^\n",
        ),
        (
            "executable == postgres",
            "not `postgres`\n  executable == postgres\n                ^^^^^^^^\n",
        ),
        (
            "args =~ 'a(b'",
            "unclosed group\n  args =~ 'a(b'\n            ^\n",
        ),
        (
            "pid == 1\nor (age > 5)",
            "not `5` (line 2)\n  or (age > 5)\n            ^\n",
        ),
        ("(pid == 1", "never closed\n  (pid == 1\n  ^\n"),
        ("", "--match: empty: write a condition"),
    ] {
        assert_refused(&matching(expression), 2, &[said]);
    }
    // The one of many.
    let two = matching("pid == 1").args(["--match", "pid = 2"]);
    assert_refused(&two, 2, &["write `==`\n  pid = 2\n      ^\n"]);
}

#[test]
fn a_hundred_thousand_parentheses_are_refused() {
    for expression in ["(".repeat(100_000), "not ".repeat(25_000)] {
        assert_refused(&matching(&expression), 2, &["at most 16384 bytes"]);
    }
    let deep = format!("{}pid == 1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_refused(&matching(&deep), 2, &["more than 64 parentheses", "^"]);
}

#[test]
fn a_container_id_that_is_too_short_or_no_id_says_what_one_is() {
    for id in ["", "0123456789a", "web", "0123456789xyz"] {
        let run = Procmon::new("run").arg(format!("--container={id}"));
        assert_refused(&run, 2, &["--container", "12 to 64 hexadecimal digits"]);
    }
}

#[test]
fn a_unit_that_is_none_is_refused() {
    for (unit, said) in [("a b", "is no unit"), ("user.slice", "--match 'cgroup")] {
        let run = Procmon::new("run").args(["--unit", unit]);
        assert_refused(&run, 2, &["--unit", said]);
    }
}

#[test]
fn ways_to_choose_exclude_each_other() {
    let ways = [
        ["--pid", "1"],
        ["--match", "pid == 1"],
        ["--unit", "a"],
        ["--container", "0123456789ab"],
    ];
    for (at, one) in ways.iter().enumerate() {
        for other in &ways[at + 1..] {
            let both = Procmon::new("run").args(one).args(other);
            assert_refused(&both, 2, &[one[0], other[0]]);
        }
        let all = Procmon::new("run").arg("--all").args(one);
        assert_refused(&all, 2, &["--all", one[0]]);
    }
    for more in ["--children", "--kernel-threads"] {
        assert_refused(&matching("pid == 1").arg(more), 2, &["--match", more]);
    }
}
