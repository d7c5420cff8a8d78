//! Whether one slowdown is more than another, on a machine that is never quiet.
//!
//! Each round measures the same work under each condition, one after the
//! other; what is compared are differences within a round. Their middle over
//! the rounds is the median of the means of all pairs (Hodges and Lehmann): like
//! a median it does not follow the odd round that something else ran in, and
//! wants two thirds of its rounds. How sure it is, Wilcoxon's signed ranks say:
//! they ask of the noise that it is as likely to be up as down, which the
//! difference of two measurements of a kind is.

use std::fmt;

use super::work::WORKS;
use crate::{stats, table::Verdict};

/// How often an interval may miss the middle that it is shown with.
pub const SHOWN: f64 = 0.05;
/// How often one may that a limit is judged by: a run judges two of each work,
/// in two ways, and is to be wrong about any of them no more often.
pub const JUDGED: f64 = SHOWN / (4 * WORKS.len()) as f64;

/// The middle of some values and where it is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the means of all pairs.
    pub middle: f64,
    /// Where it is not below; minus infinity when too few were measured.
    pub low: f64,
    /// Where it is not above; infinity when too few were measured.
    pub high: f64,
}

impl Estimate {
    /// Of these values; the interval misses their middle so often.
    pub fn of(values: &[f64], misses: f64) -> Self {
        // Each is a pair with itself, too.
        let with_later =
            |(index, one)| values[index..].iter().map(move |other| (one + other) / 2.0);
        let mut means: Vec<f64> = values.iter().enumerate().flat_map(with_later).collect();
        means.sort_by(f64::total_cmp);
        let cut = outside(values.len(), misses);
        Self {
            middle: stats::median(&means),
            low: cut.map_or(f64::NEG_INFINITY, |cut| means[cut]),
            high: cut.map_or(f64::INFINITY, |cut| means[means.len() - 1 - cut]),
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

/// How many of the sorted means of all pairs of `number` values may lie on
/// either side of an interval that misses their middle so often; none when all
/// are too few.
///
/// The middle is below the k-th of them with the probability that the ranks 1 to
/// n, each taken or not by a fair coin, add up to at most k - 1.
fn outside(number: usize, misses: f64) -> Option<usize> {
    // By sum, the part of all ways to take ranks that add up to it.
    let mut ways = vec![0.0; number * (number + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=number {
        for sum in (0..ways.len()).rev() {
            let with_it = sum.checked_sub(rank).map_or(0.0, |before| ways[before]);
            ways[sum] = (ways[sum] + with_it) / 2.0;
        }
    }
    let mut at_most = 0.0;
    let few_enough = ways.iter().take_while(|part| {
        at_most += **part;
        at_most <= misses / 2.0
    });
    few_enough.count().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // The usual table of critical values of the signed-rank test.
        assert_eq!(outside(0, 0.05), None);
        assert_eq!(outside(5, 0.05), None);
        assert_eq!(outside(6, 0.05), Some(0));
        assert_eq!(outside(10, 0.05), Some(8));
        assert_eq!(outside(20, 0.05), Some(52));
        assert_eq!(outside(20, 0.01), Some(37));
        assert_eq!(outside(50, 0.05), Some(434));
        assert_eq!(outside(20, JUDGED), Some(30));
    }

    #[test]
    fn the_middle_does_not_follow_an_odd_value() {
        let mut values: Vec<f64> = (1..=20).map(f64::from).collect();
        let estimate = |values: &[f64]| {
            let Estimate { middle, low, high } = Estimate::of(values, SHOWN);
            (middle, low, high)
        };
        assert_eq!(estimate(&values), (10.5, 7.5, 13.5));
        values[19] = 1e6;
        assert_eq!(estimate(&values), (10.5, 7.5, 14.0));
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
