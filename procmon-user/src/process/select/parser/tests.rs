use proptest::prelude::*;

use super::*;
use crate::process::select::Expression;

fn error(source: &str) -> ExpressionError {
    match parse(source) {
        Ok(condition) => panic!("{source}: no mistake: {condition:?}"),
        Err(error) => error,
    }
}

#[test]
fn a_match_expression_with_a_mistake_the_message_points_at_the_place() {
    for (source, place, said) in [
        ("", "", "empty"),
        (
            r#"exe == "a""#,
            "exe",
            "no field `exe`: did you mean `executable`?",
        ),
        (
            r#"zzz == "a""#,
            "zzz",
            "there are executable, path, command",
        ),
        (
            r#""executable" == "a""#,
            r#""executable""#,
            "without quotes: `executable`",
        ),
        (
            "executable == postgres",
            "postgres",
            "in quotes, as in `\"postgres\"`",
        ),
        (
            "executable",
            "",
            "expected `==`, `!=`, `=~`, `!~`, `<`, `>` or `in`, not the end",
        ),
        (
            "executable ==",
            "",
            "expected a string in quotes, not the end",
        ),
        (
            "executable == 'a",
            "'a",
            "this string has no end: ' is missing",
        ),
        ("executable = 'a'", "=", "write `==`"),
        (
            "executable < 'a'",
            "<",
            "`executable` is text, which `<` does not compare",
        ),
        (
            "pid =~ '1'",
            "=~",
            "`pid` is a number, which `=~` does not compare",
        ),
        (
            "rss > 1G",
            "1G",
            "expected a size, as in 500MB, 1GiB or 4096, not `1G`",
        ),
        (
            "age > 5",
            "5",
            "expected a time with its unit, as in 30s, 5m or 2h, not `5`",
        ),
        ("cpu > fast", "fast", "expected a number of cores"),
        ("pid == (1)", "(", "expected a process id"),
        ("pid in 1", "1", "as in `in (\"a\", \"b\")`"),
        (
            "pid in ()",
            ")",
            "expected a process id, as in 4242, not `)`",
        ),
        ("pid in (1 2)", "2", "expected `,` or `)`, not `2`"),
        (
            "pid in (1,",
            "",
            "expected a process id, as in 4242, not the end",
        ),
        ("user in ('a'", "(", "this `(` is never closed"),
        ("user not in ('a')", "not", "`not` stands before the field"),
        ("(pid == 1", "(", "this `(` is never closed"),
        ("pid == 1)", ")", "this `)` closes nothing"),
        (
            "pid == 1 pid == 2",
            "pid",
            "expected `and`, `or` or the end, not `pid`",
        ),
        (
            "(pid == 1 pid == 2)",
            "pid",
            "expected `and`, `or` or `)`, not `pid`",
        ),
        ("pid == 1 AND pid == 2", "AND", "write `and` small"),
        (
            "pid == 1 and",
            "",
            "expected a field, `not` or `(`, not the end",
        ),
        (
            "pid == 1 or or",
            "or",
            "expected a field, `not` or `(`, not `or`",
        ),
        ("args =~ 'a(b'", "(", "unclosed group"),
        ("args !~ 'x*{5,2}'", "{5,2}", "invalid repetition"),
        (
            r"args =~ 'é\p{Nope}'",
            r"\p{Nope}",
            "Unicode property not found",
        ),
        (r"args =~ '(\w{9}){99}'", r"'(\w{9}){99}'", "size limit"),
        ("container == 'abc'", "'abc'", "12 to 64 hexadecimal digits"),
        (
            "container in ('0123456789abcdef', 'xyz')",
            "'xyz'",
            "12 to 64 hexadecimal digits",
        ),
        ("pid == 1 # one", "#", "`#` has no meaning here"),
    ] {
        let error = error(source);
        assert_eq!(&source[error.place()], place, "{source}: {error}");
        assert!(error.what().contains(said), "{source}: {error}");
        assert!(error.what().len() < 200, "{source}: {error}");
    }
}

#[test]
fn the_message_shows_the_line_and_carets_below_the_place() {
    let shown = error("rss > 1GiB and exe == 'x'").to_string();
    let expected = "no field `exe`: did you mean `executable`?\n  \
                      rss > 1GiB and exe == 'x'\n  \
                      \u{20}              ^^^";
    assert_eq!(shown, expected);
}

#[test]
fn what_is_right_is_read() {
    for source in [
        "executable == 'postgres'",
        "not(pid==1)and(rss<1KiB or cpu>50%)",
        "user in ('a', \"b\",'c')",
        "pid in (1,2,3) or parent == 1",
        "age > 1h30m and age < '2h 5m'",
        r#"args =~ "^(?P<app>\S+) '" and path !~ '/usr/.*'"#,
        "executable\n==\n'a'\n",
        "container == '0123456789AB' and unit != 'a.service'",
        "not not not pid == 1",
    ] {
        assert!(parse(source).is_ok(), "{source}: {}", error(source));
    }
}

#[test]
fn great_depth_is_refused_and_not_great_length() {
    let deep =
        |open: &str, close: &str, n| format!("{}pid == 1{}", open.repeat(n), close.repeat(n));
    for (open, close) in [("(", ")"), ("not ", ""), ("not (", ")")] {
        let levels = open.split_whitespace().count();
        assert!(
            parse(&deep(open, close, DEEPEST / levels)).is_ok(),
            "{open}"
        );
        let error = error(&deep(open, close, DEEPEST / levels + 1));
        assert!(error.what().contains("more than 64"), "{error}");
    }
    for source in [
        deep("(", ")", 100_000),
        "not ".repeat(100_000),
        "(".repeat(100_000),
    ] {
        let error = error(&source);
        assert!(error.what().contains("at most 16384 bytes"), "{error}");
        assert!(error.to_string().len() < 200);
    }
    let long = vec!["pid == 1"; 1_000].join(" or ");
    assert!(parse(&long).is_ok());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Err(error) = text.parse::<Expression>() {
            let _ = error.to_string();
        }
    }

    /// Of words that mean something most expressions are read far.
    #[test]
    fn no_words_panic(words in proptest::collection::vec(prop::sample::select(vec![
        "executable", "container", "rss", "cpu", "age", "pid", "==", "!=", "=~", "!~", "<", ">",
        "in", "and", "or", "not", "(", ")", ",", "'a'", "\"(?P<x>.)\"", "'[é'", "'0123456789ab'",
        "1GiB", "5m", "50%", "7", "\n", "é", "=", "'",
    ]), 0..24)) {
        let source = words.join(" ");
        if let Err(error) = source.parse::<Expression>() {
            prop_assert!(source.get(error.place()).is_some(), "{source}");
            let text = error.to_string();
            let pointed = text.lines().last().unwrap().contains('^');
            prop_assert!(pointed || source.trim().is_empty(), "{text}");
        }
    }
}
