use std::sync::Arc;

use super::*;
use crate::proc::{ReadErrors, read_totals};
use crate::process::fixture::{self, SECOND};
use crate::process::select::RuleSpec;

fn wanting(expression: &str) -> Selector {
    let rules = Rules::of(vec![expression.parse().unwrap()]);
    Selector::new(Some(Arc::new(rules)))
}

fn rule(condition: &str, target: &str) -> RuleSpec {
    RuleSpec {
        condition: condition.into(),
        target: Some(target.into()),
        ..RuleSpec::default()
    }
}

/// One pass over one process.
fn keeps(selector: &mut Selector, at_ns: u64, sample: &mut ProcessSample) -> bool {
    selector.begin(at_ns);
    let kept = selector.keeps(&ProcRoot::system(), None, sample);
    selector.end();
    kept
}

fn executing(sample: &ProcessSample, executable: &str) -> ProcessSample {
    let mut after = sample.clone();
    after.metadata = Arc::new(Metadata {
        executable: executable.into(),
        ..Metadata::default()
    });
    after
}

#[test]
fn without_expressions_and_rules_everybody_is_kept_and_nothing_is_remembered() {
    let mut selector = Selector::new(None);
    let mut sample = fixture::sample(7, "a");
    assert!(keeps(&mut selector, SECOND, &mut sample));
    assert_eq!((sample.matched, selector.known.len()), (None, 0));
}

#[test]
fn an_expression_is_asked_again_after_an_execve() {
    let mut selector = wanting("executable == 'b'");
    let mut before = fixture::sample(7, "a");
    assert!(!keeps(&mut selector, SECOND, &mut before));
    let mut during = executing(&before, "b");
    assert!(keeps(&mut selector, 2 * SECOND, &mut during));
    assert!(during.matched.is_some());
    let mut after = executing(&before, "c");
    assert!(!keeps(&mut selector, 3 * SECOND, &mut after));
}

#[test]
fn an_execve_of_the_same_program_is_one_too() {
    let root = ProcRoot::system();
    let mut selector = Selector::new(None);
    selector.set_rules(Rules::new(vec![rule("executable == 'a'", "a")]).unwrap());
    let mut sample = fixture::sample(7, "a");
    let answers = [Some(1), Some(1), Some(2), None].map(|generation| {
        selector.begin(SECOND);
        assert!(selector.keeps(&root, generation, &mut sample));
        selector.end();
        selector.known[&sample.id].generation
    });
    assert_eq!(answers, [Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn an_expression_on_what_an_execve_changes_alone_is_not_asked_at_each_tick() {
    let mut selector = wanting("parent == 3");
    let mut sample = fixture::sample(7, "a");
    sample.metadata = Arc::new(Metadata {
        parent_pid: Some(3),
        ..Metadata::default()
    });
    assert!(keeps(&mut selector, SECOND, &mut sample));
    let first = sample.matched.clone().unwrap();
    assert!(keeps(&mut selector, 2 * SECOND, &mut sample));
    assert!(Arc::ptr_eq(&first, &sample.matched.unwrap()));
}

#[test]
fn an_expression_on_what_changes_by_itself_is_asked_at_each_tick() {
    let mut selector = wanting("rss > 1KiB");
    let mut sample = fixture::sample(7, "a");
    let kept = [None, Some(2_000), Some(3_000), Some(1_000)].map(|rss| {
        sample.totals.rss = rss;
        keeps(&mut selector, SECOND, &mut sample)
    });
    assert_eq!(kept, [false, true, true, false]);
}

#[test]
fn one_answer_stays_one_allocation_also_when_it_is_asked_for_at_each_tick() {
    let mut selector = wanting("age > 1s");
    let mut sample = fixture::sample(7, "a");
    sample.totals.uptime_ns = Some(2 * SECOND);
    assert!(keeps(&mut selector, SECOND, &mut sample));
    let first = sample.matched.clone().unwrap();
    assert!(keeps(&mut selector, 2 * SECOND, &mut sample));
    assert!(Arc::ptr_eq(&first, &sample.matched.unwrap()));
}

#[test]
fn cpu_is_cores_since_the_last_tick_and_unknown_at_first_sight() {
    let mut selector = wanting("cpu > 149% and cpu < 1.51");
    let mut sample = fixture::sample(7, "a");
    let kept = [0, 3, 4].map(|seconds| {
        sample.totals.user_ns = Some(seconds * SECOND);
        sample.totals.system_ns = Some(0);
        let at = selector.at_ns + 2 * SECOND;
        keeps(&mut selector, at, &mut sample)
    });
    assert_eq!(kept, [false, true, false]);
}

#[test]
fn who_was_kept_at_any_time_is_told_to_its_end() {
    for changing in ["rss > 1KiB", "rss > 1KiB or age > 24h"] {
        let mut selector = wanting(changing);
        let mut sample = fixture::sample(7, "a");
        sample.totals.rss = Some(2_000);
        assert!(keeps(&mut selector, SECOND, &mut sample));
        sample.totals.rss = Some(0);
        assert!(!keeps(&mut selector, 2 * SECOND, &mut sample));
        let mut end = fixture::ended(sample, 12 * SECOND, 0);
        end.totals.rss = None;
        assert!(keeps(&mut selector, 3 * SECOND, &mut end), "{changing}");
        assert!(selector.known.is_empty());
    }
}

#[test]
fn who_ended_before_it_was_seen_is_kept_by_what_is_known() {
    let mut selector = wanting("executable == 'b' and user == '7'");
    let mut end = fixture::ended(fixture::sample(7, "b"), 12 * SECOND, 0);
    assert!(!keeps(&mut selector, SECOND, &mut end));
    end.metadata = Arc::new(Metadata {
        executable: "b".into(),
        user_id: Some(7),
        ..Metadata::default()
    });
    assert!(keeps(&mut selector, 2 * SECOND, &mut end));
}

#[test]
fn procmon_does_not_find_itself() {
    let mut own = fixture::sample(std::process::id(), "a");
    assert!(!keeps(&mut wanting("pid > 0"), SECOND, &mut own));
    assert!(keeps(&mut Selector::new(None), SECOND, &mut own));
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut selector = wanting("executable == 'a'");
    let mut sample = fixture::sample(7, "a");
    assert!(keeps(&mut selector, SECOND, &mut sample));
    let mut other = executing(&sample, "b");
    other.id.start_ticks += 1;
    let mut end = fixture::ended(other, 12 * SECOND, 0);
    assert!(!keeps(&mut selector, 2 * SECOND, &mut end));
}

#[test]
fn of_all_those_that_a_rule_matches_are_chosen_and_stay_so() {
    let mut selector = Selector::new(None);
    let rules = vec![rule("rss > 1KiB", "big"), rule("executable == 'b'", "b")];
    selector.set_rules(Rules::new(rules).unwrap());
    let mut sample = fixture::sample(7, "a");
    let told = [0, 2_000, 1_000].map(|rss| {
        sample.chosen = false;
        sample.totals.rss = Some(rss);
        assert!(keeps(&mut selector, SECOND, &mut sample));
        let target = sample
            .matched
            .as_ref()
            .and_then(|matched| matched.target.clone());
        (sample.chosen, target)
    });
    let big = Some("big".to_owned());
    assert_eq!(told, [(false, None), (true, big), (true, None)]);
}

#[test]
fn what_was_captured_to_choose_is_kept_beside_what_a_rule_says() {
    let mut selector = wanting("executable =~ '(?P<letter>.)'");
    selector.set_rules(Rules::new(vec![rule("pid == 7", "seven")]).unwrap());
    let mut sample = fixture::sample(7, "a");
    assert!(keeps(&mut selector, SECOND, &mut sample));
    let matched = sample.matched.unwrap();
    assert_eq!(matched.target.as_deref(), Some("seven"));
    let letter = ("procmon.match.letter".to_owned(), "a".to_owned());
    assert_eq!(matched.attributes, [letter]);
}

#[test]
fn a_command_line_is_remembered_only_where_it_is_asked_for_at_each_tick() {
    let (root, pid) = (ProcRoot::system(), std::process::id());
    let own = read_totals(&root, pid, &mut ReadErrors::default());
    let mut sample = fixture::sample(7, "a");
    sample.id = own.unwrap().id;
    let arguments: Vec<String> = std::env::args().collect();
    for (expression, remembered) in [
        ("args =~ '.' and not rss > 1GiB", Some(arguments.join(" "))),
        ("args =~ '.'", None),
        ("rss > 1GiB or age > 1s", None),
    ] {
        let mut selector = Selector::new(None);
        selector.set_rules(Rules::of(vec![expression.parse().unwrap()]));
        for tick in 1..=2 {
            keeps(&mut selector, tick * SECOND, &mut sample);
            assert_eq!(selector.known[&sample.id].args, remembered, "{expression}");
        }
    }
}
