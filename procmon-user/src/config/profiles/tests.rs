use std::time::Duration;

use super::*;
use crate::process::Switch;

fn at(line: usize, column: usize) -> Origin {
    Origin::File {
        file: "f".into(),
        line,
        column,
    }
}

fn read<T: Value>(text: &str) -> Result<T, Vec<String>> {
    let read = T::read(&tree::parse(text, &at).unwrap());
    read.map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

/// The six profiles of the workload monitor that procmon stands in for, as
/// they are written there, and the two intervals of the process profiler.
#[test]
fn each_profile_has_exactly_the_values_of_its_origin() {
    let object = |seconds: u64, on: [bool; 6], mqtt: bool, history: u32| {
        let [cpu, memory, disk, network, threads, descriptors] = on;
        format!(
            "{{\"enabled\": true, \"interval\": {seconds}, \"collect_cpu\": {cpu}, \
             \"collect_memory\": {memory}, \"collect_disk_io\": {disk}, \
             \"collect_network_io\": {network}, \"collect_threads\": {threads}, \
             \"collect_file_descriptors\": {descriptors}, \"export_to_mqtt\": {mqtt}, \
             \"retain_history\": {}, \"history_size\": {history}}}",
            history > 0
        )
    };
    const T: bool = true;
    const F: bool = false;
    for (name, seconds, on, mqtt, history) in [
        ("standard", 10, [T, T, T, T, T, T], T, 100),
        ("minimal", 60, [T, T, F, F, F, F], F, 0),
        ("intensive", 1, [T, T, T, T, T, T], T, 1000),
        ("batch", 30, [T, T, T, F, F, F], T, 200),
        ("realtime-api", 5, [T, T, F, T, T, T], T, 500),
        ("daemon", 120, [T, T, T, T, T, T], T, 500),
        ("development", 5, [T, T, T, T, T, T], T, 100),
        ("production", 60, [T, T, T, T, T, T], T, 100),
    ] {
        // The object as it stands there is read as this profile, too.
        let text = object(seconds, on, mqtt, history);
        let found = Profiles::default().find(name).unwrap();
        assert_eq!(read(&text), Ok(ProfileChoice::Own(found)), "{name}");
    }
}

#[test]
fn a_custom_profile_says_what_differs_from_standard() {
    let text = "night: {interval: 5m, collect_network_io: false}\n\
                task: {interval: 5, history_size: 200}\n";
    let profiles: Profiles = read(text).unwrap();
    let night = profiles.find("night").unwrap();
    assert_eq!(night.interval.0, Duration::from_secs(300));
    assert!(!night.switches.has(Switch::NetworkIo) && night.switches.has(Switch::Threads));
    assert_eq!((night.history_size.0, night.export_to_mqtt), (100, true));
    let task = profiles.find("task").unwrap();
    assert_eq!((task.interval.0.as_secs(), task.history_size.0), (5, 200));
    assert_eq!(read::<Profiles>(&profiles.show()), Ok(profiles));
}

#[test]
fn mistakes_in_a_profile_are_all_told_with_their_places() {
    let text = "standard: {}\n\
                a: {colect_cpu: true, interval: 0, history_size: many}\n\
                b: 5\n";
    let mistakes = read::<Profiles>(text).unwrap_err();
    let wanted = [
        ("f:1:1: ", "is procmon's own: choose another name"),
        ("f:2:5: ", "did you mean `collect_cpu`?"),
        ("f:2:33: ", "from 10ms to 24h"),
        ("f:2:50: ", "\"many\" is not a number of samples"),
        ("f:3:4: ", "a single value is not a profile with enabled"),
    ];
    assert_eq!(mistakes.len(), wanted.len(), "{mistakes:#?}");
    for (mistake, (place, problem)) in mistakes.iter().zip(wanted) {
        assert!(mistake.starts_with(place), "{mistake}");
        assert!(mistake.contains(problem), "{mistake}");
    }
}

#[test]
fn a_name_that_is_nobodys_is_answered_with_the_nearest() {
    let profiles: Profiles = read("night: {}").unwrap();
    let said = |name: &str| profiles.unknown(name);
    assert!(said("realtime_api").ends_with("did you mean `realtime-api`?"));
    assert!(said("nihgt").ends_with("did you mean `night`?"));
    assert!(said("enormous").contains("standard, minimal, intensive"));
}
