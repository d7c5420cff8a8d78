use super::*;
use crate::frame::HostMemory;
use crate::process::fixture::{SECOND, frame, sample};

fn process(cpu_ns: u64, rss: u64) -> ProcessSample {
    let mut process = sample(7, "sh");
    process.totals.user_ns = Some(cpu_ns);
    process.totals.system_ns = Some(cpu_ns / 2);
    process.totals.rss = Some(rss);
    process
}

fn one(rates: &mut Rates, boot_ns: u64, process: ProcessSample) -> Derived {
    rates.derive(&frame(boot_ns, vec![process], vec![]))[0]
}

#[test]
fn the_first_tick_tells_no_rate() {
    let derived = one(&mut Rates::default(), SECOND, process(SECOND, 4096));
    assert_eq!(derived, Derived::default());
}

#[test]
fn rates_are_in_cores_and_changes_have_signs() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(0, 8192));
    let derived = one(&mut rates, 3 * SECOND, process(SECOND, 4096));
    let cpu = CpuRate {
        user: 0.5,
        system: 0.25,
        available: 2.0,
    };
    assert_eq!(derived.cpu, Some(cpu));
    assert_eq!(derived.rss_delta, Some(-4096));
    assert_eq!(derived.virtual_delta, None);
    assert_eq!(derived.uss_delta, None);
}

#[test]
fn a_limit_says_how_many_cpus_are_available() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(0, 0));
    let mut limited = process(SECOND, 0);
    limited.totals.cpu_limit_milli = Some(500);
    let cpu = one(&mut rates, 2 * SECOND, limited).cpu.unwrap();
    assert_eq!((cpu.user, cpu.available), (1.0, 0.5));
}

#[test]
fn a_pid_that_is_used_again_is_a_new_process() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(SECOND, 4096));
    let mut other = process(2 * SECOND, 8192);
    other.id.start_ticks += 1;
    assert_eq!(one(&mut rates, 2 * SECOND, other), Derived::default());
}

#[test]
fn a_process_that_was_away_is_not_compared() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(0, 4096));
    rates.derive(&frame(2 * SECOND, vec![], vec![]));
    let derived = one(&mut rates, 3 * SECOND, process(SECOND, 4096));
    assert_eq!(derived, Derived::default());
}

#[test]
fn a_counter_that_falls_is_no_use_and_not_a_negative_one() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(2 * SECOND, 0));
    let cpu = one(&mut rates, 2 * SECOND, process(SECOND, 0)).cpu;
    assert_eq!(cpu.map(|cpu| (cpu.user, cpu.system)), Some((0.0, 0.0)));
}

#[test]
fn no_time_between_two_ticks_tells_no_rate() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(0, 4096));
    let derived = one(&mut rates, SECOND, process(SECOND, 4097));
    assert_eq!(derived.cpu, None);
    assert_eq!(derived.rss_delta, Some(1));
}

#[test]
fn a_value_that_was_not_read_tells_no_rate() {
    let mut rates = Rates::default();
    one(&mut rates, SECOND, process(0, 4096));
    let mut unread = process(SECOND, 4096);
    unread.totals.system_ns = None;
    unread.totals.rss = None;
    assert_eq!(one(&mut rates, 2 * SECOND, unread), Derived::default());
}

#[test]
fn memory_is_a_share_of_the_hosts_on_the_first_tick_too() {
    let mut frame = frame(SECOND, vec![process(0, 256)], vec![]);
    frame.host.memory = Some(HostMemory {
        total: 1024,
        ..HostMemory::default()
    });
    let derived = Rates::default().derive(&frame)[0];
    assert_eq!(derived.memory_utilization, Some(0.25));
    assert_eq!(derived.cpu, None);
}
