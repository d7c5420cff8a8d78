//! Who has series of his own, and in which group everyone is.

use super::*;
use crate::process::Metadata;
use crate::process::select::Matched;

/// A process that holds this much memory and has had this much CPU time.
fn with(pid: u32, rss: u64, cpu: u64) -> ProcessSample {
    let mut sample = process(pid, 1);
    sample.totals.rss = Some(rss);
    sample.totals.on_cpu_ns = Some(cpu);
    sample
}

fn chosen(mut sample: ProcessSample) -> ProcessSample {
    sample.chosen = true;
    sample
}

#[test]
fn the_first_by_each_key_have_series_of_their_own_and_the_rest_is_other() {
    let mut shaped = Shaped::new(top(2));
    let frame = |cpu| {
        vec![
            with(1, 10, 0),
            with(2, 30, 0),
            with(3, 20, 0),
            with(4, 5, cpu),
        ]
    };
    // Nobody's CPU time is known yet.
    let view = shaped.next(frame(7), vec![]);
    assert_eq!(own(&view), [2, 3]);
    let view = shaped.next(frame(9), vec![]);
    assert_eq!(own(&view), [2, 4]);
    let [other] = &view.folding.groups[..] else {
        panic!("one group")
    };
    assert_eq!((other.by, &*other.name, other.members), ("top", "other", 2));
    assert_eq!(other.sum.totals.rss, Some(30));
}

#[test]
fn the_chosen_come_first_whatever_they_do() {
    let mut shaped = Shaped::new(top(2));
    let live = vec![
        with(1, 90, 0),
        chosen(with(2, 1, 0)),
        with(3, 80, 0),
        chosen(with(4, 0, 0)),
    ];
    assert_eq!(own(&shaped.next(live.clone(), vec![])), [2, 4]);
    let mut shaped = Shaped::new(top(3));
    assert_eq!(own(&shaped.next(live, vec![])), [1, 2, 4]);
}

#[test]
fn a_place_is_kept_for_some_ticks_but_never_one_too_many() {
    for sticky in [Settings::default().sticky, 2, 0] {
        a_place_is_kept_for(sticky);
    }
}

fn a_place_is_kept_for(sticky: u64) {
    let mut shaped = Shaped::new(Settings { sticky, ..top(1) });
    // Two that work in turn; the second tick is the first that knows it.
    let frame = |first, second| vec![with(1, 0, first), with(2, 0, second)];
    shaped.next(frame(0, 0), vec![]);
    assert_eq!(own(&shaped.next(frame(10, 0), vec![])), [1]);
    for tick in 1..=sticky {
        let view = shaped.next(frame(10, tick * 10), vec![]);
        assert_eq!(own(&view), [1], "{tick} ticks after it was first");
    }
    assert_eq!(own(&shaped.next(frame(10, 990), vec![])), [2]);
    // Once its holder has gone, a place is free at once.
    assert_eq!(own(&shaped.next(vec![with(1, 0, 10)], vec![])), [1]);
}

#[test]
fn who_is_first_is_asked_of_the_keys_that_were_named() {
    let mut shaped = Shaped::new(Settings {
        by: vec![Key::Memory],
        ..top(1)
    });
    let frame = |cpu| vec![with(1, 10, cpu), with(2, 30, 0)];
    shaped.next(frame(1), vec![]);
    assert_eq!(own(&shaped.next(frame(900), vec![])), [2]);
}

#[test]
fn a_process_with_series_of_its_own_takes_its_past_in_other_not_along() {
    let mut shaped = Shaped::new(top(1));
    let other = |view: &View| view.folding.groups[0].sum.totals.on_cpu_ns;
    let frame = |first, second| vec![with(1, 0, first), with(2, 0, second)];
    let view = shaped.next(frame(1_000, 1_000), vec![]);
    assert_eq!((own(&view), other(&view)), (vec![1], Some(0)));
    // What 2 did before it had its own is in `other`, and what 1 has not told.
    let view = shaped.next(frame(1_003, 1_005), vec![]);
    assert_eq!((own(&view), other(&view)), (vec![2], Some(3 + 5)));
    assert!(view.own_series().all(|own| own.was_folded));
    let view = shaped.next(frame(1_003, 1_009), vec![]);
    assert_eq!((own(&view), other(&view)), (vec![2], Some(8)));
    // Its end is told by its own series, that of the other by `other`.
    let ended = [with(1, 0, 1_010), with(2, 0, 1_011)];
    let ended = ended.map(|sample| fixture::ended(sample, 22 * SECOND, 0));
    let view = shaped.next(vec![], ended.to_vec());
    assert_eq!(other(&view), Some(8 + 7));
    let pids: Vec<u32> = view.own_ended().map(|sample| sample.id.pid).collect();
    assert_eq!(pids, [2]);
}

#[test]
fn who_ends_late_ends_in_other() {
    let mut shaped = Shaped::new(top(1));
    let ended = |pid, cpu| vec![fixture::ended(with(pid, 0, cpu), 22 * SECOND, 0)];
    shaped.next(vec![with(1, 9, 10), with(2, 1, 10)], vec![]);
    // Both have no thread left; their records come one and two ticks after.
    shaped.next(vec![with(3, 1, 10)], vec![]);
    let view = shaped.next(vec![with(3, 1, 10)], ended(2, 12));
    let other = |view: &View| view.folding.groups[0].sum.totals.on_cpu_ns;
    assert_eq!(other(&view), Some(2));
    let view = shaped.next(vec![with(3, 1, 10)], ended(1, 15));
    assert_eq!((other(&view), view.own_ended().count()), (Some(2 + 5), 0));
}

#[test]
fn a_cap_folds_the_least_important_and_holds() {
    let live: Vec<_> = (1..=200).map(|pid| with(pid, u64::from(pid), 0)).collect();
    let each = cap::of_process(&live[0], &Default::default(), 0);
    let max_series = LEAST_SERIES;
    let mut shaped = Shaped::new(Settings {
        max_series: Some(max_series),
        ..Settings::default()
    });
    for _ in 0..3 {
        let view = shaped.next(live.clone(), vec![]);
        let of_groups: u64 = view.folding.groups.iter().map(cap::of_group).sum();
        let places = ((max_series - of_groups) / each) as usize;
        assert!(places > 0 && places < 200);
        let largest: Vec<u32> = (1..=200).skip(200 - places).collect();
        assert_eq!(own(&view), largest);
        let folded = (200 - places) as u64;
        assert_eq!(view.series_folded(), folded * each);
        assert_eq!(view.folding.groups[0].members, folded);
    }
    // As soon as there is room, all are back; `other` stays.
    let view = shaped.next(live[..5].to_vec(), vec![]);
    assert_eq!(own(&view), [1, 2, 3, 4, 5]);
    assert_eq!(
        (view.series_folded(), view.folding.groups[0].members),
        (0, 0)
    );
}

fn of(pid: u32, set: impl FnOnce(&mut Metadata)) -> ProcessSample {
    let mut sample = process(pid, 1);
    set(Arc::make_mut(&mut sample.metadata));
    sample
}

/// A process that a rule chose.
fn ruled(pid: u32, rule: &str) -> ProcessSample {
    ProcessSample {
        matched: Some(Arc::new(Matched {
            rule: 0,
            name: rule.to_owned(),
            target: None,
            task_id: None,
            attributes: vec![],
        })),
        ..process(pid, 1)
    }
}

/// Names and members of the groups.
fn groups(view: &View) -> Vec<(String, u64)> {
    let groups = view.folding.groups.iter();
    groups
        .map(|group| (group.name.to_string(), group.members))
        .collect()
}

fn grouped(by: GroupBy) -> Shaped {
    Shaped::new(Settings {
        group_by: Some(by),
        ..Settings::default()
    })
}

#[test]
fn groups_are_by_what_their_members_have_in_common() {
    let live = vec![
        of(1, |m| m.container_id = Some("c1".to_owned())),
        of(2, |m| m.executable = "nginx".to_owned()),
        of(3, |m| m.container_id = Some("c1".to_owned())),
        of(4, |m| m.user_id = Some(1000)),
        of(5, |m| {
            m.user_id = Some(0);
            m.owner = Some("root".to_owned());
        }),
        of(6, |m| m.pod_uid = Some("p".to_owned())),
        of(7, |m| m.unit = Some("nginx.service".to_owned())),
        ruled(8, "databases"),
    ];
    let by = |by| {
        let view = grouped(by).next(live.clone(), vec![]);
        assert_eq!(own(&view), [0; 0]);
        assert_eq!(view.folding.groups[0].by, by.name());
        groups(&view)
    };
    let named = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
        names
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    };
    assert_eq!(by(GroupBy::Container), named(&[("_NONE", 6), ("c1", 2)]));
    assert_eq!(
        by(GroupBy::Unit),
        named(&[("_NONE", 7), ("nginx.service", 1)])
    );
    assert_eq!(by(GroupBy::Rule), named(&[("_NONE", 7), ("databases", 1)]));
    assert_eq!(
        by(GroupBy::Executable),
        named(&[("nginx", 1), ("program", 7)])
    );
    assert_eq!(
        by(GroupBy::User),
        named(&[("1000", 1), ("_NONE", 6), ("root", 1)])
    );
    assert_eq!(by(GroupBy::Pod), named(&[("_NONE", 7), ("p", 1)]));
}

#[test]
fn a_tree_is_below_init_and_outlives_its_root() {
    let child = |pid: u32, parent, name: &str| {
        of(pid, |m| {
            m.parent_pid = Some(parent);
            m.executable = name.to_owned();
        })
    };
    let mut shaped = grouped(GroupBy::Tree);
    // Pids are no order of birth.
    let view = shaped.next(
        vec![
            child(1, 0, "init"),
            child(30, 90, "worker"),
            child(70, 1, "cron"),
            child(90, 1, "server"),
        ],
        vec![],
    );
    let named = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
        names
            .iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    };
    let all = [("cron[70]", 1), ("init[1]", 1), ("server[90]", 2)];
    assert_eq!(groups(&view), named(&all));
    // The root ends as its child makes another, by one that nobody saw.
    let ended = [child(90, 1, "server"), child(95, 30, "sh")];
    let ended = ended.map(|sample| fixture::ended(sample, 20 * SECOND, 0));
    let view = shaped.next(
        vec![
            child(1, 0, "init"),
            child(30, 90, "worker"),
            child(70, 1, "cron"),
            child(99, 95, "grandchild"),
        ],
        ended.to_vec(),
    );
    assert_eq!(groups(&view), named(&all));
    // Its pid is used again by somebody younger: no parent of those.
    let mut younger = child(95, 1, "younger");
    younger.id.start_ticks = 2_150;
    let view = shaped.next(vec![child(98, 95, "old"), younger], vec![]);
    let names = groups(&view);
    assert!(names.contains(&("old[98]".to_owned(), 1)), "{names:?}");
    assert!(names.contains(&("younger[95]".to_owned(), 1)), "{names:?}");
}

#[test]
fn a_group_that_was_empty_for_long_is_forgotten() {
    let mut shaped = grouped(GroupBy::Executable);
    shaped.next(vec![process(7, 1)], vec![]);
    let mut ticks = 0;
    while groups(&shaped.next(vec![], vec![])).len() == 1 {
        ticks += 1;
    }
    assert_eq!(ticks, 61);
    let view = shaped.next(vec![process(7, 1)], vec![]);
    let start = view.folding.groups[0].sum.created_unix_ns;
    assert_eq!(start, view.frame.at_unix_ns - SECOND);
}

#[test]
fn groups_that_outgrow_the_cap_are_given_up_from_the_smallest() {
    use procmon_common::{Counter, Operation};
    let mut shaped = Shaped::new(Settings {
        group_by: Some(GroupBy::Executable),
        max_series: Some(200),
        ..Settings::default()
    });
    // Each process fails in this many ways, each a series of its group.
    let mut next = |errors: u32| {
        let process = |pid: u32| {
            let mut sample = of(pid, |m| {
                m.executable = ["a", "b", "b"][pid as usize % 3].into()
            });
            let opened = (Counter::OpenFailed, u64::from(errors));
            let mut probes = fixture::probes(&[opened]);
            let failure = |errno| (Operation::Open, errno, 1);
            probes.failures = (1..=errors).map(failure).collect();
            sample.probes = Some(probes);
            sample
        };
        let view = shaped.next((3..9).map(process).collect(), vec![]);
        let series: u64 = view.folding.groups.iter().map(cap::of_group).sum();
        (groups(&view), series)
    };
    let both = vec![("a".to_owned(), 2), ("b".to_owned(), 4)];
    assert_eq!(next(0).0, both);
    let (names, series) = next(100);
    assert!(names == both && series > 200, "{series}");
    let (names, series) = next(101);
    assert_eq!(names, [("_OTHER".to_owned(), 2), ("b".to_owned(), 4)]);
    assert!(series <= 200, "{series}");
    // Nothing that they did meanwhile is lost, and they stay where they are.
    assert_eq!(next(101).0, names);
}

#[test]
fn groups_there_is_no_room_for_are_one() {
    let executables = |n: u32| (0..n).map(|n| of(n + 2, |m| m.executable = format!("{n:05}")));
    let mut shaped = Shaped::new(Settings {
        group_by: Some(GroupBy::Executable),
        max_series: Some(500),
        ..Settings::default()
    });
    for _ in 0..2 {
        let view = shaped.next(executables(100).collect(), vec![]);
        let members: u64 = groups(&view).iter().map(|(_, members)| members).sum();
        assert_eq!(members, 100);
        let series: u64 = view.folding.groups.iter().map(cap::of_group).sum();
        assert!(series <= 500, "{series}");
        assert_eq!(groups(&view).last().unwrap().0, "_OTHER");
    }
    let view = grouped(GroupBy::Executable).next(executables(1_010).collect(), vec![]);
    assert_eq!(*groups(&view).last().unwrap(), ("_OTHER".to_owned(), 10));
}
