//! Rules with every process watched.

use procmon::{
    collector::{Collector, Contract, Missed, Selection},
    kernel::Sizes,
    process::{
        ProcessSample,
        select::{RuleSpec, Rules},
    },
};

use procmon_tests::{
    Collector as Receiver, Point, Procmon, Protocol, need, point::Attribute, program::SOON,
};

use crate::support::*;

fn rule(condition: String, target: &str) -> RuleSpec {
    RuleSpec {
        condition,
        target: Some(target.to_owned()),
        task_id: Some("42".to_owned()),
        ..RuleSpec::default()
    }
}

#[test]
fn of_every_process_those_that_a_rule_matches_are_chosen_and_named_by_the_first() {
    let [orders, web, none] = ["orders", "web", "none"].map(Named::new);
    let victims = [&orders, &web, &none].map(|named| named.held_before(""));
    let rules = vec![
        rule(orders.is(), "orders-db"),
        rule(format!("{} or {}", orders.is(), web.is()), "rest"),
    ];
    for sizes in [Some(Sizes::default()), None] {
        let selection = Selection::All {
            kernel_threads: false,
        };
        let mut collector = Collector::open(selection, sizes, Contract::default()).unwrap();
        collector.set_rules(Rules::new(rules.clone()).unwrap());
        let frame = collector.tick(Missed::default()).unwrap();
        collector.close();
        let of = |pid| frame.processes.iter().find(|sample| sample.id.pid == pid);
        let told = victims
            .each_ref()
            .map(|victim| say(of(victim.pid()).unwrap()));
        let expected = [(true, "orders-db 0 42"), (true, "rest 1 42"), (false, "")];
        assert_eq!(
            told,
            expected.map(|(chosen, told)| (chosen, told.to_owned()))
        );
        // A chosen one's limits are read.
        let limits = victims.each_ref().map(|victim| {
            let sample = of(victim.pid()).unwrap();
            sample.totals.descriptor_soft_limit.is_some()
        });
        assert_eq!(limits[..2], [true, true]);
        assert!(frame.processes.len() > 3);
    }
}

fn say(sample: &ProcessSample) -> (bool, String) {
    let said = sample.matched.as_ref().map(|matched| {
        let (target, task) = (&matched.target, &matched.task_id);
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        format!("{} {} {}", word(target), matched.rule, word(task))
    });
    (sample.chosen, said.unwrap_or_default())
}

#[test]
fn rules_of_a_configuration_file_name_processes_to_a_collector() {
    let receiver = need!(Receiver::rotel().unwrap());
    let [orders, other] = ["orders", "other"].map(Named::new);
    let victims = [&orders, &other].map(|named| named.held_before(""));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("procmon.yaml");
    let rule = format!(
        "select:\n  rules:\n  - match: {}\n    target: orders-db\n    task_id: 42\n    \
         attributes: {{team: a}}\n",
        orders.is()
    );
    std::fs::write(&file, rule).unwrap();
    let procmon = Procmon::new("run")
        .args(["--all", "--interval", "200ms", "--otlp"])
        .arg(receiver.endpoint(Protocol::Grpc))
        .arg("--config")
        .arg(&file)
        .start()
        .unwrap();
    let pids = victims.each_ref().map(|victim| i64::from(victim.pid()));
    let there = |points: &[Point]| pids.map(|pid| points.iter().any(|p| p.pid() == Some(pid)));
    let points = receiver.wait_for(SOON, |points| there(points) == [true; 2]);
    let points = points.unwrap();
    let told = |pid: i64, key: &str| {
        let point = points
            .iter()
            .find(|point| point.pid() == Some(pid))
            .unwrap();
        point.resource.get(key).cloned()
    };
    let text = |text: &str| Some(Attribute::from(text));
    let keys = ["service.name", "procmon.task.id", "team"];
    assert_eq!(
        keys.map(|key| told(pids[0], key)),
        ["orders-db", "42", "a"].map(text)
    );
    assert_eq!(
        keys.map(|key| told(pids[1], key)),
        [text(&other.name), None, None]
    );
    // Who is chosen has every metric.
    let limit = |pid| {
        let of = points.iter().filter(|point| point.pid() == Some(pid));
        of.filter(|point| point.metric == "procmon.file_descriptor.limit")
            .count()
    };
    assert!(limit(pids[0]) > 0);
    assert_eq!(limit(pids[1]), 0);
    end(procmon);
}
