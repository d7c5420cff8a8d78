//! A load for a while: at every tick the live and the exited are the whole.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use procmon_tests::{
    Program,
    births::Births,
    cgroup::{Cgroup, Controller},
    environment::older_than,
    jsonl, need, storm, time, victim,
};

use crate::support::{LIMIT, Recording, cpu, faults};

/// Work of every kind until it is told to stop: short lives, threads, children, sleeps, memory, system calls.
const LOAD: &str = r#"read go
rounds=0
while ! read -t 0; do
    for j in 1 2 3 4 5; do /bin/true; done
    "$0" threads=3 spin=15 open=200 map-pairs=200:8192 touch=400000
    "$0" children=3 spin=10 touch=200000 &
    "$0" spin=30 touch=2000000 sleep=20
    rounds=$((rounds + 1))
done
wait
echo rounds $rounds"#;
/// Processes of a round.
const ROUND: usize = 5 + 1 + (1 + 3) + 1;

/// Threads that come and go all the time until it is told to stop.
const THREADS: &str = r#"read go
rounds=0
while ! read -t 0; do
    "$0" threads=8 spin=4 &
    "$0" threads=8 spin=4
    wait
    rounds=$((rounds + 1))
done
echo rounds $rounds"#;

/// Fewer would compare too little. How many are late is the machine's affair: the load lasts until
/// there are so many.
const FEWEST_FRAMES: usize = 20;

/// CPU time in seconds, page faults, processes.
type Sums = [f64; 3];
const NAMES: [&str; 3] = ["CPU time", "page faults", "processes"];

/// The kernel's sums over the load.
struct Kernel {
    cgroup: Cgroup,
    births: Births,
}

impl Kernel {
    fn word(&self) -> Sums {
        [
            self.cgroup.cpu_ns().unwrap() as f64 / 1e9,
            if older_than((6, 5)) {
                // It counts a fault that is tried again twice.
                f64::NAN
            } else {
                self.cgroup.page_faults().unwrap() as f64
            },
            // The shell is there already.
            (1 + self.births.count().unwrap()) as f64,
        ]
    }
}

/// The kernel's word at a moment: after so much had been written, before this time.
struct Sample {
    written: u64,
    word: Sums,
    before: u64,
}

/// What procmon showed at one tick.
#[derive(Default)]
struct Frame {
    /// When its pass began; the last frame may have none but ended processes, and no time.
    at: Option<u64>,
    /// Where it ends in the file.
    end: u64,
    live: BTreeMap<Id, Sums>,
    ended: BTreeMap<Id, Life>,
}

/// A whole life.
struct Life {
    born: u64,
    sums: Sums,
}

type Id = (u32, String);

#[test]
fn at_every_tick_of_a_minute_of_mixed_load_live_and_exited_are_the_kernels_totals() {
    hold(
        "mixed",
        LOAD,
        ROUND,
        storm::load(),
        Duration::from_millis(500),
    );
}

#[test]
fn at_every_tick_threads_that_end_meanwhile_are_in_the_kernels_totals_once() {
    let tick = Duration::from_millis(100);
    hold("ending-threads", THREADS, 2, storm::load() / 2, tick);
}

/// Holds every tick of a load, of so many processes a round, that lasts at least so long to the
/// kernel's words.
fn hold(name: &str, load: &str, round: usize, lasts: Duration, tick: Duration) {
    let cgroup = need!(Cgroup::new(name, &[Controller::Cpu, Controller::Memory]));
    let victim = victim::path().unwrap().display().to_string();
    let mut command = cgroup.command("/bin/bash", &["-c", load, &victim]);
    let mut shell = Program::start(&mut command).unwrap();
    let births = need!(Births::of(shell.pid()));
    let kernel = Kernel { cgroup, births };
    let pid = shell.pid().to_string();
    let interval = format!("{}ms", tick.as_millis());
    let recording = Recording::start(&["--pid", &pid, "--children", "--interval", &interval]);
    let samples = sample(&kernel, &recording, &mut shell, lasts);
    let output = shell.wait(LIMIT).unwrap();
    let frames = frames(&recording.text());
    assert!(frames.len() >= FEWEST_FRAMES, "{} frames", frames.len());
    compare(&frames, &samples);

    let rounds = output.stdout.trim().strip_prefix("rounds ").unwrap();
    let rounds: usize = rounds.parse().unwrap();
    let ended: usize = frames.iter().map(|frame| frame.ended.len()).sum();
    assert_eq!(ended, 1 + rounds * round);
}

/// Asks the kernel all the time: first while the load waits, then until it has ended, which it is
/// told to after so long, when there are enough frames.
fn sample(
    kernel: &Kernel,
    recording: &Recording,
    shell: &mut Program,
    lasts: Duration,
) -> Vec<Sample> {
    // Each frame shows it once.
    let shown = format!(r#""pid":{},"#, shell.pid());
    let enough = || {
        let text = fs::read_to_string(recording.file()).unwrap();
        text.matches(&shown).count() >= FEWEST_FRAMES
    };
    let mut samples = Vec::new();
    let mut take = || {
        // In this order: what is in the file was read before the word, which was read before now.
        let written = fs::metadata(recording.file()).map_or(0, |file| file.len());
        let word = kernel.word();
        samples.push(Sample {
            written,
            word,
            before: time::now(),
        });
        thread::sleep(Duration::from_millis(5));
        written
    };
    while take() == 0 {}
    shell.send(b"go\n").unwrap();
    let begin = Instant::now();
    while begin.elapsed() < lasts || !enough() {
        assert!(begin.elapsed() < LIMIT, "too few frames");
        take();
    }
    shell.send(b"stop\n").unwrap();
    while shell.is_running() {
        take();
    }
    take();
    samples
}

/// The frames of a file: in each the ended come before the live, who have its time.
fn frames(text: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut frame = Frame::default();
    for line in text.split_inclusive('\n') {
        let object = &jsonl::parse(line).unwrap()[0];
        let at = time::parse(object.json["timestamp"].as_str().unwrap()).unwrap();
        let begun = frame.at.is_some_and(|other| other != at);
        if begun || object.has_exited() && frame.at.is_some() {
            let end = frame.end;
            frames.push(std::mem::take(&mut frame));
            frame.end = end;
        }
        frame.end += line.len() as u64;
        let id = (object.pid, object.creation_time.clone());
        let sums = [cpu(object), faults(object), 1.0];
        let is_new = if object.has_exited() {
            let lived = object.get("process.uptime").unwrap() * 1e9;
            let born = at - lived as u64;
            frame.ended.insert(id, Life { born, sums }).is_none()
        } else {
            frame.at = Some(at);
            frame.live.insert(id, sums).is_none()
        };
        assert!(is_new, "twice in a frame: {object:?}");
    }
    frames.push(frame);
    frames
}

impl Frame {
    /// Of the ends that the next frame tells, the lives that were in neither frame: a process whose
    /// parent has waited for it is no more among the live, and only after its last switch among the
    /// ended.
    fn between(&self, next: &Self) -> Sums {
        let mut between = Sums::default();
        for (id, life) in &next.ended {
            // Times are written in whole milliseconds.
            let was_there = self.at.is_some_and(|at| life.born <= at + 2_000_000);
            if was_there && !self.live.contains_key(id) {
                add(&mut between, &life.sums);
            }
        }
        between
    }
}

fn add(to: &mut Sums, sums: &Sums) {
    for (to, sum) in to.iter_mut().zip(sums) {
        *to += sum;
    }
}

/// At each frame our sums lie between the kernel's words just before and just after, but for a
/// constant: what the shell had used before it entered the cgroup.
fn compare(frames: &[Frame], samples: &[Sample]) {
    let mut constants = [Constant::AT_MOST_0; 3];
    constants[2].least = 0.0;
    let mut ended: BTreeMap<&Id, Sums> = BTreeMap::new();
    for (number, frame) in frames.iter().enumerate() {
        for (id, life) in &frame.ended {
            assert!(ended.insert(id, life.sums).is_none(), "ended twice: {id:?}");
        }
        let mut ours = Sums::default();
        for sums in frame.live.values().chain(ended.values()) {
            add(&mut ours, sums);
        }
        let last = samples.last().unwrap();
        let (before, between) = match frames.get(number + 1) {
            Some(next) => {
                let at = frame.at.unwrap();
                let before = samples.iter().rfind(|sample| sample.before <= at);
                (before, frame.between(next))
            }
            None => (Some(last), Sums::default()),
        };
        let after = samples.iter().find(|sample| sample.written >= frame.end);
        let after = after.unwrap_or(last).word;
        for (i, constant) in constants.iter_mut().enumerate() {
            constant.narrow(
                before.map(|before| before.word[i] - ours[i] - between[i]),
                after[i] - ours[i] + stale(i),
            );
            assert!(
                constant.exists(),
                "{} at frame {number}: procmon {}, and {} to come; the kernel {:?} to {}; {constant:?}",
                NAMES[i],
                ours[i],
                between[i],
                before.map(|before| before.word[i]),
                after[i],
            );
        }
    }
}

/// What is known of a constant.
#[derive(Clone, Copy, Debug)]
struct Constant {
    least: f64,
    most: f64,
}

impl Constant {
    const AT_MOST_0: Self = Self {
        least: f64::NEG_INFINITY,
        most: 0.0,
    };

    /// What is not a number narrows nothing.
    fn narrow(&mut self, least: Option<f64>, most: f64) {
        self.least = self.least.max(least.unwrap_or(self.least));
        self.most = self.most.min(most);
    }

    /// Whether there is one, to the rounding of great sums.
    fn exists(self) -> bool {
        self.least <= self.most + 1e-6
    }
}

/// By how much the kernel's word may be too small: it adds a cgroup's page faults up when 64 for
/// each CPU have come together (memcg_vmstats_needs_flush in mm/memcontrol.c).
fn stale(sum: usize) -> f64 {
    let cpus = thread::available_parallelism().unwrap().get() as f64;
    [0.0, 64.0 * cpus, 0.0][sum]
}
