//! Whether one slowdown is more than another, on a machine that is never quiet.
//!
//! Each round measures the same work under each condition, one after the
//! other; what is compared are differences within a round, and their median
//! over the rounds. How sure it is, order statistics say: they ask nothing of
//! how noise is distributed.

use std::fmt;

use super::work::WORKS;
use crate::{stats, table::Verdict};

/// How often an interval may miss the median that it is shown with.
pub const SHOWN: f64 = 0.05;
/// How often one may that a limit is judged by: a run judges two of each work,
/// and is to be wrong about any of them no more often.
pub const JUDGED: f64 = SHOWN / (2 * WORKS.len()) as f64;

/// A median and where it is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median.
    pub middle: f64,
    /// Where it is not below; minus infinity when too few were measured.
    pub low: f64,
    /// Where it is not above; infinity when too few were measured.
    pub high: f64,
}

impl Estimate {
    /// Of these values; the interval misses their median so often.
    pub fn of(values: &[f64], misses: f64) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = outside(sorted.len(), misses);
        Self {
            middle: stats::median(values),
            low: cut.map_or(f64::NEG_INFINITY, |cut| sorted[cut]),
            high: cut.map_or(f64::INFINITY, |cut| sorted[sorted.len() - 1 - cut]),
        }
    }

    /// Whether it is at most 0: broken only when noise does not explain it.
    pub fn at_most_zero(&self) -> Verdict {
        if self.middle <= 0.0 {
            Verdict::Holds
        } else if self.low > 0.0 {
            Verdict::Over
        } else {
            Verdict::Unsure
        }
    }
}

impl fmt::Display for Estimate {
    /// As percent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [middle, low, high] = [self.middle, self.low, self.high].map(|part| part * 100.0);
        match low.is_finite() {
            true => write!(f, "{middle:+.2} % ({low:+.2} to {high:+.2})"),
            false => write!(f, "{middle:+.2} % (too few rounds)"),
        }
    }
}

/// How many of `number` sorted values may lie on either side of an interval
/// that misses the median so often; none when all are too few.
///
/// The median is below the k-th of n values with the probability that at most
/// k - 1 of n fair coins show heads.
fn outside(number: usize, misses: f64) -> Option<usize> {
    let n = i32::try_from(number).ok()?;
    let mut exactly = 0.5f64.powi(n);
    let mut at_most = 0.0;
    let mut cut = None;
    for k in 0..number / 2 {
        at_most += exactly;
        if at_most > misses / 2.0 {
            break;
        }
        cut = Some(k);
        exactly *= (number - k) as f64 / (k + 1) as f64;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // The usual table of sign-test intervals, ranks from 1: 6 values: 1st
        // to 6th; 10: 2nd to 9th; 20: 6th to 15th.
        assert_eq!(outside(5, 0.05), None);
        assert_eq!(outside(6, 0.05), Some(0));
        assert_eq!(outside(10, 0.05), Some(1));
        assert_eq!(outside(20, 0.05), Some(5));
        // With 99 %: 4th to 17th.
        assert_eq!(outside(20, 0.01), Some(3));
        assert_eq!(outside(20, JUDGED), Some(3));
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        let estimate = Estimate::of(&values, SHOWN);
        assert_eq!((estimate.low, estimate.high), (6.0, 15.0));
    }

    #[test]
    fn a_limit_is_broken_only_when_noise_does_not_explain_it() {
        let verdict = |values: &[f64]| Estimate::of(values, JUDGED).at_most_zero();
        let clear: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(verdict(&clear), Verdict::Over);
        let noisy: Vec<f64> = (-9..=10).map(f64::from).collect();
        assert_eq!(verdict(&noisy), Verdict::Unsure);
        let kept: Vec<f64> = (-19..=0).map(f64::from).collect();
        assert_eq!(verdict(&kept), Verdict::Holds);
        assert_eq!(verdict(&[1.0, 2.0]), Verdict::Unsure);
    }
}
