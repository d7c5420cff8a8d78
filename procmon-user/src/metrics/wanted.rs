//! From the metrics that are asked for to what has to be collected for them.

use super::process::PROCESS;
use super::{Level, Source};
use crate::kernel::Programs;
use crate::process::{Rows, Switches, Wanted};

/// Which metrics of processes are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Those of level `r` of all, those of level `o` of the chosen.
    #[default]
    Default,
    /// All of all processes.
    All,
    /// These of all processes, by their names.
    Only(Vec<&'static str>),
}

/// What is wanted of processes of which these metrics are asked for, as far as
/// the switches are on.
pub fn wanted(choice: &Choice, switches: Switches) -> Wanted {
    let asked = |name: &str| match choice {
        Choice::Default | Choice::All => true,
        Choice::Only(names) => names.contains(&name),
    };
    let rows = || {
        let all = PROCESS.iter().enumerate();
        all.filter(|(_, row)| switches.has(row.switch) && asked(row.name))
    };
    let places = rows().fold(Rows::NONE, |rows, (place, _)| rows.with(place));
    let of_everyone = *choice != Choice::Default;
    let extras = rows().filter_map(|(_, row)| row.extra);
    extras.fold(Wanted::new(switches, places, of_everyone), Wanted::with)
}

/// The kernel programs that these metrics need.
pub fn programs(rows: Rows) -> Programs {
    let all = PROCESS.iter().enumerate();
    let asked = all.filter(|(place, row)| rows.has(*place) && row.source == Source::Probe);
    asked.fold(Programs::NONE, |programs, (_, row)| {
        let programs = row.family.map_or(programs, |of| programs.with_family(of));
        row.feature.map_or(programs, |of| programs.with_feature(of))
    })
}

/// The names of the metrics that are sent of a process of which this is wanted.
pub fn names(wanted: Wanted, chosen: bool) -> impl Iterator<Item = &'static str> {
    let opt_in = chosen || wanted.of_everyone;
    let all = PROCESS.iter().enumerate();
    let sent = all.filter(move |(place, row)| {
        wanted.rows.has(*place) && (opt_in || row.level == Level::Recommended)
    });
    sent.map(|(_, row)| row.name)
}

#[cfg(test)]
mod tests {
    use procmon_common::Feature;
    use procmon_common::probes::{Family, PROBES};

    use super::*;
    use crate::export::otlp::testing;
    use crate::metrics::{Points, ProcessReading, Switch, Value, process};
    use crate::process::{Extra, ProcessSample};

    struct Count(usize);

    impl Points for Count {
        fn point(&mut self, _: &[(&'static str, &str)], _: Value<'_>) {
            self.0 += 1;
        }
    }

    /// The rows that have points, whoever asks for them.
    fn with_points(sample: &ProcessSample) -> Vec<&'static str> {
        let reading = ProcessReading {
            sample,
            derived: None,
            at_unix_ns: 0,
        };
        let has_points = |row: &&super::super::Metric<super::super::ProcessRead>| {
            let mut count = Count(0);
            (row.read)(&reading, &mut count);
            count.0 > 0
        };
        PROCESS
            .iter()
            .filter(has_points)
            .map(|row| row.name)
            .collect()
    }

    #[test]
    fn a_value_that_is_switched_off_is_told_by_no_row_and_all_others_are() {
        let all = testing::sample(7);
        for off in Switch::ALL {
            let mut sample = all.clone();
            sample.wanted = wanted(&Choice::All, Switches::ALL.without(off));
            sample.keep_wanted();
            let left: Vec<_> = with_points(&all)
                .into_iter()
                .filter(|name| process::named(name).is_some_and(|row| row.switch != off))
                .collect();
            assert_eq!(with_points(&sample), left, "{off:?}");
            let sent = process::of(&sample).all(|(_, row)| row.switch != off);
            assert!(sent, "{off:?}");
        }
    }

    #[test]
    fn everything_off_leaves_what_is_always_on_and_the_programs_of_lifecycle() {
        let nothing = wanted(&Choice::Default, Switches::NONE);
        assert_eq!(
            names(nothing, false).collect::<Vec<_>>(),
            [
                "process.uptime",
                "procmon.process.forks",
                "procmon.process.execs"
            ]
        );
        let programs = programs(nothing.rows);
        assert_eq!(programs, Programs::NONE);
        let loaded = PROBES.iter().filter(|probe| programs.has(probe));
        let loaded: Vec<_> = loaded.map(|probe| probe.name).collect();
        let lifecycle = [
            "fork",
            "exec",
            "cgroup_mkdir",
            "cgroup_rename",
            "cgroup_rmdir",
            "cgroup_attach",
            "switch",
            "snapshot",
        ];
        assert_eq!(loaded, lifecycle);
        let mut sample = testing::sample(7);
        sample.chosen = true;
        sample.wanted = nothing;
        let extras = [Extra::Limits, Extra::Sets, Extra::Connections];
        assert!(extras.iter().all(|extra| !sample.wants(*extra)));
    }

    #[test]
    fn everything_asked_for_needs_every_program() {
        for choice in [Choice::Default, Choice::All] {
            let wanted = wanted(&choice, Switches::ALL);
            let programs = programs(wanted.rows);
            assert!(PROBES.iter().all(|probe| programs.has(probe)), "{choice:?}");
        }
    }

    #[test]
    fn names_are_sent_of_everybody_and_need_their_own_programs_only() {
        let choice = Choice::Only(vec!["process.network.io", "procmon.cpu.off_cpu.time"]);
        let all = wanted(&choice, Switches::ALL);
        let mut sent: Vec<_> = names(all, false).collect();
        sent.sort_unstable();
        assert_eq!(sent, ["process.network.io", "procmon.cpu.off_cpu.time"]);
        let programs_of_both = Programs::NONE
            .with_family(Family::Network)
            .with_feature(Feature::OffCpu);
        assert_eq!(programs(all.rows), programs_of_both);
        // A switch that is off goes before a name.
        let without = wanted(&choice, Switches::ALL.without(Switch::NetworkIo));
        assert_eq!(
            names(without, false).collect::<Vec<_>>(),
            ["procmon.cpu.off_cpu.time"]
        );
    }

    #[test]
    fn what_is_read_apart_is_read_for_those_whose_metrics_need_it() {
        let mut sample = testing::sample(7);
        let mut wants = |choice: &Choice, chosen| {
            sample.chosen = chosen;
            sample.wanted = wanted(choice, Switches::ALL);
            [Extra::Limits, Extra::Sets, Extra::Connections].map(|extra| sample.wants(extra))
        };
        assert_eq!(wants(&Choice::Default, false), [false; 3]);
        assert_eq!(wants(&Choice::Default, true), [true; 3]);
        assert_eq!(wants(&Choice::All, false), [true; 3]);
        let pss = Choice::Only(vec!["procmon.memory.pss"]);
        assert_eq!(wants(&pss, true), [false, true, false]);
    }
}
