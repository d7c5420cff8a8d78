use super::*;
use crate::config::tree;

fn read(text: &str) -> Result<RuleList, Vec<String>> {
    let at = |line, column| Origin::File {
        file: "f".into(),
        line,
        column,
    };
    let rules = RuleList::read(&tree::parse(text, &at).unwrap());
    rules.map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

fn mistakes(text: &str) -> Vec<String> {
    read(text).expect_err("a mistake")
}

#[test]
fn all_of_a_rule_is_read_and_shown_as_it_would_be_read_again() {
    let text = "- match: 'executable == \"postgres\"'\n\
               \x20 target: orders-db\n\
               \x20 task_id: 42\n\
               \x20 attributes: {team: 'a: b', tier: 1}\n\
               - {match: 'pid > 1', name: rest, target: }\n";
    let rules = read(text).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let wanted = [
        RuleSpec {
            condition: "executable == \"postgres\"".to_owned(),
            target: some("orders-db"),
            task_id: some("42"),
            attributes: [("team", "a: b"), ("tier", "1")].map(pair).into(),
            ..RuleSpec::default()
        },
        RuleSpec {
            condition: "pid > 1".to_owned(),
            name: some("rest"),
            ..RuleSpec::default()
        },
    ];
    assert_eq!(rules.0, wanted);
    assert_eq!(read(&rules.show()), Ok(rules));
}

#[test]
fn a_mistake_in_an_expression_points_at_its_place_in_the_file() {
    for (text, place) in [
        ("- match: 'executable = \"x\"'", "f:1:22: "),
        ("- match: pid == 1 or nothing == 2", "f:1:22: "),
        ("- target: x\n  match: \"é == 1\"", "f:2:11: "),
        // What is folded or escaped has the place of the whole.
        ("- match: |\n    pid ==\n    ?\n", "f:2:5: "),
        ("- match: 'user == ''x'' ?'", "f:1:10: "),
    ] {
        let mistakes = mistakes(text);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let start = format!("{place}rule 1: match: ");
        assert!(mistakes[0].starts_with(&start), "{text}: {mistakes:?}");
        assert!(mistakes[0].trim_end().ends_with('^'), "{mistakes:?}");
    }
}

#[test]
fn all_mistakes_of_all_rules_are_told() {
    let found = mistakes(
        "- {macth: x}\n\
         - {match: pid, target: [x], profile: batch}\n\
         - word\n\
         - {match: pid == 1, target: ''}\n\
         - {match: pid == 1, attributes: {process.pid: 1}}\n",
    );
    let wanted = [
        "f:1:4: rule 1: macth: unknown key \"macth\": did you mean `match`?",
        "f:1:3: rule 1: match is missing",
        "f:2:24: rule 2: target: a list is not a text",
        "f:2:29: rule 2: profile: not in this version",
        "f:3:3: rule 3: a single value is no rule",
        "f:4:29: rule 4: target is empty",
        "f:5:34: rule 5: attributes: \"process.pid\" is one that procmon fills in",
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.starts_with(wanted), "{found}\n{wanted}");
    }
}

#[test]
fn rules_are_a_list() {
    assert!(mistakes("match: pid == 1")[0].contains("keys and values is not a list of rules"));
    assert_eq!(read("[]"), Ok(RuleList::default()));
}

#[test]
fn a_variable_has_rules_as_yaml() {
    let variable = |text: &str| Node::text(Origin::Variable("V".into()), text.to_owned());
    let rules = RuleList::read(&variable("[{match: pid == 1, target: init}]")).unwrap();
    assert_eq!(rules.0[0].target.as_deref(), Some("init"));
    let mistakes = RuleList::read(&variable("[{match: pid = 1}]")).unwrap_err();
    assert!(mistakes[0].to_string().starts_with("V: rule 1: match: "));
}
