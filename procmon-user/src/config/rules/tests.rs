use super::super::tests::{good, load_with, mistakes};

fn shown(text: &str) -> String {
    use super::Value as _;
    good(text).select.rules.show()
}

#[test]
fn rules_are_read_in_their_order_and_shown_as_they_can_be_read_again() {
    let text = "select:\n  rules:\n  - match: executable == \"postgres\"\n    target: orders-db\n    \
                task_id: 42\n  - {match: 'pid == 1', name: init, attributes: {team: a b}}\n";
    let shown = shown(text);
    assert_eq!(
        shown,
        r#"[{match: "executable == \"postgres\"", target: orders-db, task_id: 42}, {match: "pid == 1", name: init, attributes: {team: "a b"}}]"#
    );
    let again = format!("select: {{rules: {shown}}}");
    assert_eq!(good(&again).select, good(text).select);
    assert_eq!(good(text).rules().conditions().count(), 2);
}

#[test]
fn a_match_expression_with_a_mistake_is_told_by_its_line_and_column() {
    for (text, said) in [
        (
            "select:\n  rules:\n  - match: 'é == 1 or exe == 1'\n",
            "procmon.yaml:3:13: select.rules: match: no field `é`",
        ),
        (
            "select:\n  rules:\n  - match: pid == 1 or exe == 1\n",
            "procmon.yaml:3:24: select.rules: match: no field `exe`: did you mean `executable`?",
        ),
        (
            "select:\n  rules:\n  - match: |\n      pid == 1\n      or exe == 1\n",
            "no field `exe`: did you mean `executable`? (line 2)\n  or exe == 1\n     ^^^",
        ),
        (
            "select: {rules: [{match: ''}]}",
            "procmon.yaml:1:27: select.rules: match: empty",
        ),
        (
            "select: {rules: [{target: a}]}",
            "procmon.yaml:1:18: select.rules: a rule needs `match: EXPRESSION`",
        ),
        (
            "select: {rules: [{match: pid == 1, traget: a}]}",
            "unknown key \"traget\": did you mean `target`?",
        ),
        (
            "select: {rules: [{match: pid == 1, profile: a}]}",
            "procmon.yaml:1:36: select.rules: `profile` is not in this version",
        ),
        (
            "select: {rules: [{match: pid == 1, target: ''}]}",
            "procmon.yaml:1:44: select.rules: target is empty",
        ),
        (
            "select: {rules: [{match: pid == 1, attributes: {a: b, host.name: x}}]}",
            "procmon.yaml:1:55: select.rules: attributes: \"host.name\" is one that procmon fills in",
        ),
        (
            "select: {rules: [{match: pid == 1, attributes: a}]}",
            "procmon.yaml:1:48: select.rules: attributes: a single value is not keys and values",
        ),
        (
            "select: {rules: [{match: [a]}]}",
            "procmon.yaml:1:26: select.rules: a list is not a text",
        ),
        (
            "select: {rules: [a]}",
            "procmon.yaml:1:18: select.rules: a single value is no rule",
        ),
        (
            "select: {rules: a}",
            "procmon.yaml:1:17: select.rules: a single value is not a list",
        ),
    ] {
        let mistakes = mistakes(text);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].contains(said), "{text}: {}", mistakes[0]);
    }
}

#[test]
fn each_rule_with_a_mistake_is_told() {
    let text = "select:\n  rules:\n  - match: a\n  - match: pid == 1\n  - {match: b, x: y}\n";
    assert_eq!(mistakes(text).len(), 2);
}

#[test]
fn rules_do_not_stand_in_a_variable() {
    let variables = [("PROCMON_SELECT_RULES", "pid == 1")];
    let error = load_with("", &variables).unwrap_err().to_string();
    assert!(
        error.contains("PROCMON_SELECT_RULES") && error.contains("a list in the file"),
        "{error}"
    );
}
