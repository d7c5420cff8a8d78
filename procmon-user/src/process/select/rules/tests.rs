use super::*;
use crate::process::{Metadata, ProcessId};

fn specs(json: serde_json::Value) -> Vec<RuleSpec> {
    serde_json::from_value(json).unwrap()
}

fn first_match(rules: &Rules, executable: &str) -> Option<Matched> {
    let metadata = Metadata {
        executable: executable.into(),
        ..Metadata::default()
    };
    rules.first_match(&Facts {
        id: ProcessId {
            pid: 1,
            start_ticks: 1,
        },
        metadata: &metadata,
        age_ns: None,
        rss: None,
        cpu: None,
        args: &|| None,
    })
}

#[test]
fn the_first_rule_that_holds_wins() {
    let rules = Rules::new(specs(serde_json::json!([
        {"match": "executable == 'postgres'", "target": "orders-db", "task_id": "42"},
        {"match": "executable =~ '^(?P<first>.)'", "name": "rest", "attributes": {"team": "a"}},
        {"match": "executable == 'nginx'", "target": "web"},
    ])));
    let rules = rules.unwrap();
    assert_eq!(
        first_match(&rules, "postgres"),
        Some(Matched {
            rule: 0,
            name: "orders-db".into(),
            target: Some("orders-db".into()),
            task_id: Some("42".into()),
            attributes: Vec::new(),
        })
    );
    let nginx = first_match(&rules, "nginx").unwrap();
    assert_eq!((nginx.rule, &*nginx.name, nginx.target), (1, "rest", None));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        nginx.attributes,
        [pair("team", "a"), pair("procmon.match.first", "n")]
    );
    assert_eq!(first_match(&rules, ""), None);
}

#[test]
fn a_rule_without_a_name_or_target_is_called_by_its_expression() {
    let condition = "executable == 'a'";
    let spec = RuleSpec {
        condition: condition.into(),
        ..RuleSpec::default()
    };
    let rules = Rules::new(vec![spec]).unwrap();
    assert_eq!(first_match(&rules, "a").unwrap().name, condition);
}

#[test]
fn a_rule_with_a_mistake_is_told_by_its_number() {
    for (rule, said) in [
        (
            serde_json::json!({"match": "exe == 'a'"}),
            "rule 2: match: no field `exe`",
        ),
        (
            serde_json::json!({"match": "pid == 1", "target": ""}),
            "rule 2: target is empty",
        ),
        (
            serde_json::json!({"match": "pid == 1", "task_id": ""}),
            "rule 2: task_id is empty",
        ),
        (
            serde_json::json!({"match": "pid == 1", "attributes": {"process.pid": "1"}}),
            "rule 2: attributes: \"process.pid\" is one that procmon fills in",
        ),
        (
            serde_json::json!({"match": "pid == 1", "attributes": {"service.name": "x"}}),
            "\"service.name\" is what `target` sets",
        ),
    ] {
        let rules = specs(serde_json::json!([{"match": "pid == 1"}, rule]));
        let error = Rules::new(rules).unwrap_err();
        assert_eq!(error.number, 2);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn attributes_of_two_matches_are_one_list_without_a_key_twice() {
    let matched = |attributes: &[(&str, &str)]| Matched {
        rule: 0,
        name: "a".into(),
        target: None,
        task_id: None,
        attributes: attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let both = matched(&[("x", "1")]).with_attributes_of(matched(&[("x", "2"), ("y", "3")]));
    assert_eq!(both, matched(&[("x", "1"), ("y", "3")]));
}
