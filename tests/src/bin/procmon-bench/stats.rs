//! Numbers that a noisy machine does not move.

/// The value below which this part (0 to 1) of the values lies; not a number
/// when there are none.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The lowest of what `of` makes of each round: whatever else runs can only
/// add to the time of a short loop.
pub fn lowest<R>(rounds: &[R], of: impl Fn(&R) -> f64) -> f64 {
    quantile(&rounds.iter().map(of).collect::<Vec<_>>(), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 9.0, 3.0, 7.0];
        assert_eq!(median(&values), 5.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.2), 3.0);
        assert_eq!(quantile(&values, 1.0), 9.0);
        assert!(median(&[]).is_nan());
    }
}
