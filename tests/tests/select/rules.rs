//! Rules with every process watched.

use procmon::{
    collector::{Collector, Contract, Missed, Selection},
    kernel::Sizes,
    process::{
        ProcessSample,
        select::{RuleSpec, Rules},
    },
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
