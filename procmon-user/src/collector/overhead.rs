//! The overhead contract: what procmon costs, and which features go when that
//! is more than was allowed.
//!
//! Over each period the agent's own CPU time is known exactly; the kernel
//! programs' is measured in the last thirtieth of it, for measuring doubles the
//! cost of the cheapest. When both together pass the budget, the next feature
//! goes; when they are calm, the last that went comes back.

use std::time::{Duration, Instant};

use log::{info, warn};
use procmon_common::Feature;

use super::CollectError;
use super::kernel_road::KernelRoad;
use crate::frame::ProbeRuns;
use crate::kernel::{Programs, Runs, RunsByProbe, Sample, Sampling};

/// What procmon may cost, and over what time that is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contract {
    /// Cores; `None`: no limit.
    pub budget: Option<f64>,
    /// How long it is looked at before it is judged.
    pub period: Duration,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            budget: None,
            period: Duration::from_secs(30),
        }
    }
}

impl Contract {
    /// How long of a period the programs are measured: its end.
    fn sampled(&self) -> Duration {
        (self.period / SAMPLED_PART).max(SHORTEST_SAMPLE)
    }

    /// When that begins, after the period has.
    fn unsampled(&self) -> Duration {
        self.period.saturating_sub(self.sampled())
    }
}

/// The programs are measured in one part in so many of each period...
const SAMPLED_PART: u32 = 30;
/// ...for at least this long.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(250);
/// A feature comes back after so many calm periods, one after the other.
const CALM_PERIODS: u32 = 2;
/// Calm is at most this part of the budget: no feature more than doubles the
/// cost, so that with it the budget is kept.
const CALM: f64 = 0.5;

/// Watches over the contract.
pub struct Overhead {
    contract: Contract,
    /// When something is to be done next.
    due: Instant,
    period: Period,
    /// The programs' statistics, while they are on.
    sampling: Option<Sampling>,
    /// Said once.
    no_statistics: bool,
    runs: RunsByProbe,
    cores: Option<f64>,
    judge: Judge,
}

/// A period as it began.
struct Period {
    began: Instant,
    own_cpu_ns: u64,
}

impl Period {
    fn begin() -> Self {
        Self {
            began: Instant::now(),
            own_cpu_ns: own_cpu_ns(),
        }
    }

    /// Cores the agent has taken since then.
    fn own_cores(&self) -> f64 {
        let used = own_cpu_ns().saturating_sub(self.own_cpu_ns);
        Duration::from_nanos(used).as_secs_f64() / self.began.elapsed().as_secs_f64()
    }
}

impl Overhead {
    /// The first period begins now.
    pub fn new(contract: Contract, programs: Programs) -> Self {
        Self {
            contract,
            due: Instant::now() + contract.unsampled(),
            period: Period::begin(),
            sampling: None,
            no_statistics: false,
            runs: RunsByProbe::new(),
            cores: None,
            judge: Judge::of(programs),
        }
    }

    /// Another contract from now on; what has been detached stays so until the
    /// end of a period says otherwise.
    pub fn set_contract(&mut self, contract: Contract) {
        if contract == self.contract {
            return;
        }
        self.contract = contract;
        if self.sampling.is_none() {
            self.begin_period(Instant::now());
        }
    }

    /// When [`Overhead::step`] is to be called.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What procmon took in the last period, cores; `None` before its end, or
    /// when the programs' part is unknown.
    pub fn cores(&self) -> Option<f64> {
        self.cores
    }

    /// Runs of the programs, and the time they took, while they were measured.
    pub fn runs(&self) -> Vec<ProbeRuns> {
        let of = |(probe, runs): (&&'static str, &Runs)| ProbeRuns {
            probe,
            runs: runs.count,
            time: runs.time,
        };
        self.runs.iter().map(of).collect()
    }

    /// Begins to measure the programs, or ends it and judges the period.
    /// `None` is a road without programs.
    ///
    /// # Errors
    /// When the kernel half's maps cannot be read or written.
    pub fn step(&mut self, road: Option<&mut KernelRoad>) -> Result<(), CollectError> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        let Some(road) = road else {
            self.cores = Some(self.period.own_cores());
            self.begin_period(now);
            return Ok(());
        };
        let Some(sampling) = self.sampling.take() else {
            match road.kernel().begin_sampling() {
                Ok(sampling) => {
                    self.sampling = Some(sampling);
                    self.due = now + self.contract.sampled();
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.no_statistics, true) {
                        warn!(
                            "what the kernel programs cost cannot be measured, so the overhead \
                             budget is not kept: BPF statistics need CAP_SYS_ADMIN and \
                             Linux 5.8: {error}"
                        );
                    }
                    self.begin_period(now);
                }
            }
            return Ok(());
        };
        let sample = road.kernel().end_sampling(sampling);
        let cores = self.period.own_cores() + programs_cores(&sample);
        for (probe, runs) in &sample.runs {
            let sum = self.runs.entry(probe).or_default();
            sum.count += runs.count;
            sum.time += runs.time;
        }
        self.cores = Some(cores);
        self.begin_period(now);
        match self.contract.budget {
            Some(budget) => self.enforce(road, cores, budget),
            None => Ok(()),
        }
    }

    fn begin_period(&mut self, now: Instant) {
        self.period = Period::begin();
        self.due = now + self.contract.unsampled();
    }

    fn enforce(
        &mut self,
        road: &mut KernelRoad,
        cores: f64,
        budget: f64,
    ) -> Result<(), CollectError> {
        let found = format!(
            "{:.3} % of a core over {}, allowed {} %",
            cores * 100.0,
            humantime::format_duration(self.contract.period),
            budget * 100.0
        );
        match self.judge.judge(cores, budget) {
            Verdict::Keep => {}
            Verdict::Detach(feature) => {
                let reason = format!("over the overhead budget: {found}");
                road.switch_off(feature, reason)?;
            }
            Verdict::Attach(feature) => {
                info!("overhead is {found}");
                road.switch_on(feature)?;
            }
            Verdict::NothingLeft => warn!(
                "over the overhead budget with every optional probe detached: {found}; \
                 watch fewer processes, take a longer --interval or allow more \
                 (--overhead-budget)"
            ),
        }
        Ok(())
    }
}

/// Cores that the programs took while they were measured.
fn programs_cores(sample: &Sample) -> f64 {
    let time: Duration = sample.runs.values().map(|runs| runs.time).sum();
    time.as_secs_f64() / sample.length.as_secs_f64()
}

/// CPU time of this process (getrusage(2)), ns.
fn own_cpu_ns() -> u64 {
    super::health::own_cpu_ns()
}

/// What to do after a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Detach(Feature),
    Attach(Feature),
    NothingLeft,
}

/// Decides which features stay: those gone are the first `gone` in their order.
#[derive(Clone, Debug)]
struct Judge {
    /// Those there are: what nobody asked for is not there to be detached.
    features: Vec<Feature>,
    gone: usize,
    calm: u32,
    /// That nothing is left to detach is said once.
    said: bool,
}

impl Judge {
    fn of(programs: Programs) -> Self {
        let asked = Feature::ALL.iter().copied();
        Self {
            features: asked
                .filter(|feature| programs.has_feature(*feature))
                .collect(),
            gone: 0,
            calm: 0,
            said: false,
        }
    }

    fn judge(&mut self, cores: f64, budget: f64) -> Verdict {
        if cores > budget {
            self.calm = 0;
            return match self.features.get(self.gone) {
                Some(feature) => {
                    self.gone += 1;
                    Verdict::Detach(*feature)
                }
                None if !std::mem::replace(&mut self.said, true) => Verdict::NothingLeft,
                None => Verdict::Keep,
            };
        }
        self.calm = if cores <= budget * CALM {
            self.calm + 1
        } else {
            0
        };
        if self.gone == 0 || self.calm < CALM_PERIODS {
            return Verdict::Keep;
        }
        self.calm = 0;
        self.said = false;
        self.gone -= 1;
        Verdict::Attach(self.features[self.gone])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_go_in_their_order_and_come_back_the_other_way_round() {
        let mut judge = Judge::of(Programs::ALL);
        let mut judged = |cores| judge.judge(cores, 0.02);
        for feature in Feature::ALL {
            assert_eq!(judged(0.03), Verdict::Detach(*feature));
        }
        assert_eq!(judged(0.03), Verdict::NothingLeft);
        assert_eq!(judged(0.03), Verdict::Keep);
        for feature in Feature::ALL.iter().rev() {
            assert_eq!(judged(0.01), Verdict::Keep);
            assert_eq!(judged(0.01), Verdict::Attach(*feature));
        }
        assert_eq!([0; 4].map(|_| judged(0.001)), [Verdict::Keep; 4]);
    }

    #[test]
    fn a_feature_nobody_asked_for_neither_goes_nor_comes_back() {
        let programs = Programs::NONE.with_feature(Feature::MappingBytes);
        let mut judge = Judge::of(programs);
        let mut judged = |cores| judge.judge(cores, 0.02);
        assert_eq!(judged(0.03), Verdict::Detach(Feature::MappingBytes));
        assert_eq!(judged(0.03), Verdict::NothingLeft);
        assert_eq!(judged(0.01), Verdict::Keep);
        assert_eq!(judged(0.01), Verdict::Attach(Feature::MappingBytes));
        assert_eq!([0; 4].map(|_| judged(0.001)), [Verdict::Keep; 4]);
    }

    #[test]
    fn within_the_budget_but_not_calm_nothing_changes() {
        let mut judge = Judge::of(Programs::ALL);
        let mut judged = |cores| judge.judge(cores, 0.02);
        assert_eq!(judged(0.021), Verdict::Detach(Feature::ALL[0]));
        for cores in [0.02, 0.011, 0.009, 0.011, 0.009, 0.015] {
            assert_eq!(judged(cores), Verdict::Keep, "{cores}");
        }
    }
}
