use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::process::fixture;
use crate::process::select::Matched;

fn resources(extra: &[(&str, &str)], service_instance: bool) -> Resources {
    let extra: Vec<_> = extra
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Resources::new(HostIdentity::default(), &extra, service_instance)
}

fn matched(attributes: &[(&str, &str)]) -> ProcessSample {
    let mut sample = fixture::sample(7, "postgres");
    sample.matched = Some(Arc::new(Matched {
        rule: 0,
        name: "orders".to_owned(),
        target: Some("orders-db".to_owned()),
        task_id: Some("42".to_owned()),
        attributes: attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }));
    sample
}

fn strings(resource: Resource) -> BTreeMap<String, String> {
    let all = resource.attributes.len();
    let strings: BTreeMap<_, _> = resource
        .attributes
        .into_iter()
        .map(|pair| (pair.key, pair.value.and_then(|value| value.value)))
        .collect();
    assert_eq!(strings.len(), all, "a key twice");
    let string = |(key, value)| match value {
        Some(Value::StringValue(value)) => Some((key, value)),
        _ => None,
    };
    strings.into_iter().filter_map(string).collect()
}

#[test]
fn a_rule_gives_its_target_task_and_attributes() {
    let sample = matched(&[("procmon.match.version", "16"), ("team", "a")]);
    let told = strings(resources(&[], true).of(&sample));
    for (key, value) in [
        ("service.name", "orders-db"),
        ("procmon.task.id", "42"),
        ("procmon.match.version", "16"),
        ("team", "a"),
        ("process.executable.name", "postgres"),
    ] {
        assert_eq!(told.get(key).map(String::as_str), Some(value), "{key}");
    }
}

#[test]
fn a_target_is_told_also_where_the_executable_would_not_be() {
    let told = strings(resources(&[], false).of(&matched(&[])));
    assert_eq!(
        told.get("service.name").map(String::as_str),
        Some("orders-db")
    );
    assert_eq!(told.get("service.instance.id"), None);
    let told = strings(resources(&[], false).of(&fixture::sample(7, "a")));
    assert_eq!(told.get("service.name"), None);
}

#[test]
fn what_a_rule_says_takes_the_place_of_what_the_environment_says() {
    let environment = [("team", "all"), ("region", "eu"), ("procmon.task.id", "1")];
    let told = strings(resources(&environment, true).of(&matched(&[("team", "a")])));
    assert_eq!(told.get("team").map(String::as_str), Some("a"));
    assert_eq!(told.get("region").map(String::as_str), Some("eu"));
    assert_eq!(told.get("procmon.task.id").map(String::as_str), Some("42"));
}
