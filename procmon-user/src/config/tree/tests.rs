use proptest::prelude::*;

use super::*;

fn at(line: usize, column: usize) -> Origin {
    Origin::File {
        file: "f".into(),
        line,
        column,
    }
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse(text, &at).expect_err("a mistake");
    mistakes.iter().map(ToString::to_string).collect()
}

/// The tree as JSON with every text's place: `text@line:column`.
fn shown(node: &Node) -> String {
    let Origin::File { line, column, .. } = node.origin else {
        panic!("{node:?}");
    };
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Text { text, .. } => format!("{text}@{line}:{column}"),
        Content::List(items) => {
            let items: Vec<_> = items.iter().map(|item| shown(item)).collect();
            format!("[{}]", items.join(" "))
        }
        Content::Map(entries) => {
            let entry = |(name, node): &(Name, Rc<Node>)| format!("{} {}", name.text, shown(node));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[test]
fn every_value_knows_its_line_and_column() {
    let text = "a: 1\n# words\nb:\n  c: [x, 'y']\n  d: ~\ne: {f: \"g\"}\n";
    let tree = shown(&parse(text, &at).unwrap());
    assert_eq!(tree, "{a 1@1:4, b {c [x@4:7 y@4:10], d null}, e {f g@6:8}}");
}

#[test]
fn json_is_yaml() {
    let tree = shown(&parse(r#"{"a": {"b": [1, null]}}"#, &at).unwrap());
    assert_eq!(tree, "{a {b [1@1:14 null]}}");
}

#[test]
fn nothing_is_null_with_and_without_a_mark_or_comments() {
    for text in [
        "",
        "\n",
        "# words\n",
        "---\n",
        "\u{feff}",
        "~",
        "\u{feff}# words",
    ] {
        assert_eq!(shown(&parse(text, &at).unwrap()), "null", "{text:?}");
    }
}

#[test]
fn all_keys_that_are_there_twice_are_told_with_the_first_ones_place() {
    assert_eq!(
        mistakes("a: 1\nb: {c: 1, c: 2}\na: 2\n"),
        [
            r#"f:2:11: "c" is there twice, first at f:2:5"#,
            r#"f:3:1: "a" is there twice, first at f:1:1"#,
        ]
    );
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    for (text, place) in [("a: [1\nb: 2\n", "f:2:"), ("a: 'x", "f:1:")] {
        let mistakes = mistakes(text);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let mistake = &mistakes[0];
        assert!(
            mistake.starts_with(place) && mistake.contains("no YAML"),
            "{mistake}"
        );
    }
}

#[test]
fn a_second_document_a_tag_and_a_key_that_is_no_word_are_refused() {
    for (text, said) in [
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: !!int 1", "tags"),
        ("[a, b]: 1", "a key is a word, not a list"),
        ("~: 1", "a key is a word, not nothing"),
    ] {
        let mistakes = mistakes(text);
        assert!(mistakes[0].contains(said), "{mistakes:?}");
    }
}

#[test]
fn aliases_share_what_they_name() {
    let tree = shown(&parse("a: &x [1]\nb: *x\n", &at).unwrap());
    assert_eq!(tree, "{a [1@1:8], b [1@1:8]}");
    assert!(mistakes("a: &x [*x]")[0].contains("within what it is the name of"));
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{items}]\n");
    }
    let mistakes = mistakes(&text);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(
        mistakes[0].starts_with("f:5:") && mistakes[0].contains("aliases"),
        "{mistakes:?}"
    );
}

#[test]
fn as_many_values_as_there_may_be_are_counted_right() {
    // The list itself, and its key.
    let list = |items: usize| format!("a: [{}]", vec!["x"; items].join(","));
    assert!(parse(&list(MOST_VALUES - 3), &at).is_ok());
    assert!(mistakes(&list(MOST_VALUES))[0].contains("100000 values"));
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(DEEPEST), &at).is_ok());
    assert!(mistakes(&nested(DEEPEST + 1))[0].contains("within one another"));
    // The parser has a bound of its own for what stands in one line.
    assert!(mistakes(&nested(100_000))[0].contains("recursion limit"));
    let blocks = "- ".repeat(100_000);
    assert!(mistakes(&blocks)[0].contains("within one another"));
}

#[test]
fn where_a_text_begins_is_known_when_it_stands_there_as_it_is() {
    for (text, wanted) in [
        ("plain text", Some(0)),
        ("'quoted'", Some(1)),
        ("\"quoted\"", Some(1)),
        ("'it''s'", None),
        (r#""\x41""#, None),
        ("|\n  block\n", None),
        ("two\n lines", None),
    ] {
        let node = parse(text, &at).unwrap();
        let Content::Text { verbatim, .. } = node.content else {
            panic!("{node:?}");
        };
        assert_eq!(verbatim, wanted, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([\\[\\]{},:&*!|>'\"#%@`?\n\t -]|[ab~]|\\PC){0,60}") {
        let _ = parse(&text, &at);
    }
}
