//! What the tests of this binary share.

use procmon_tests::{Procmon, Program, ground, http};

pub use procmon_tests::watching::*;

/// A procmon that serves, and where.
pub struct Serving {
    pub procmon: Program,
    pub address: String,
}

impl Serving {
    /// This one, at a free port, once it has a frame.
    pub fn start(procmon: Procmon) -> Self {
        let procmon = procmon.args(["--listen", "127.0.0.1:0"]).start().unwrap();
        let address = http::address(&procmon).unwrap();
        http::wait_for_page(&address, "/metrics", |answer| answer.status == 200).unwrap();
        Self { procmon, address }
    }

    pub fn page(&self) -> String {
        http::page(&self.address, "/metrics").unwrap()
    }

    /// Waits until the page says something.
    pub fn wait_for(&self, holds: impl Fn(&str) -> bool) -> String {
        let answer = http::wait_for_page(&self.address, "/metrics", |answer| holds(answer.text()));
        answer.unwrap().text().to_owned()
    }
}

/// `procmon run` of these options, every 200 ms.
pub fn run(options: &[&str]) -> Procmon {
    Procmon::new("run")
        .args(["--interval", "200ms"])
        .args(options)
}

/// The resident set that is served is that of /proc, to the page; by the kernel's task iterator to
/// its per-CPU batching, which is 64 pages a CPU at most.
pub fn assert_resident(served: f64, pid: u32, by_proc: bool) {
    let resident = ground::line(pid, "status", "VmRSS").unwrap() as f64;
    let page = rustix::param::page_size() as f64;
    let cpus = std::thread::available_parallelism().unwrap().get() as f64;
    let slack = if by_proc { 0.0 } else { 64.0 * cpus * page };
    assert!(
        (served - resident).abs() <= slack,
        "{served} and {resident}"
    );
}

/// The label of a process.
pub fn of(pid: u32) -> String {
    format!("process_pid=\"{pid}\"")
}
