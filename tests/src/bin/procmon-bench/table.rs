//! The table of limits.

use std::fmt;

use crate::grid::Grid;

/// Whether a limit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none: the row only tells.
    Told,
    /// It does.
    Holds,
    /// It seems not to, by less than the spread of what was measured.
    Unsure,
    /// It does not.
    Over,
}

/// One limit and what was measured.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Without procmon, or of what it is compared with.
    pub base: String,
    /// With procmon.
    pub with: String,
    /// The number the limit is about.
    pub result: String,
    /// The limit; empty when the row only tells.
    pub limit: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// All rows.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// A value with a limit that it may not pass.
    pub fn limit(&mut self, what: &str, base: String, with: String, value: Value, limit: Value) {
        let verdict = Verdict::of(value.number() <= limit.number());
        let limit = format!("at most {limit}");
        self.push(what, base, with, value.to_string(), limit, verdict);
    }

    /// A value with a limit that it must reach.
    pub fn at_least(&mut self, what: &str, base: String, with: String, value: Value, limit: Value) {
        let verdict = Verdict::of(value.number() >= limit.number());
        let limit = format!("at least {limit}");
        self.push(what, base, with, value.to_string(), limit, verdict);
    }

    /// A value without a limit.
    pub fn tell(&mut self, what: &str, base: String, with: String, value: Value) {
        let limit = String::new();
        self.push(what, base, with, value.to_string(), limit, Verdict::Told);
    }

    /// A row that is judged elsewhere.
    pub fn push(
        &mut self,
        what: &str,
        base: String,
        with: String,
        result: String,
        limit: String,
        verdict: Verdict,
    ) {
        let row = Row {
            what: what.to_owned(),
            base,
            with,
            result,
            limit,
            verdict,
        };
        eprintln!("  {what}: {} {}", row.result, row.verdict.text());
        self.0.push(row);
    }

    /// Whether no limit is broken.
    pub fn holds(&self) -> bool {
        self.0.iter().all(|row| row.verdict != Verdict::Over)
    }
}

impl Verdict {
    fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Over }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Told => "",
            Self::Holds => "ok",
            Self::Unsure => "unsure",
            Self::Over => "over",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut grid = Grid::new(&["what", "base", "with procmon", "result", "limit", ""]);
        for row in &self.0 {
            grid.row([
                row.what.clone(),
                row.base.clone(),
                row.with.clone(),
                row.result.clone(),
                row.limit.clone(),
                row.verdict.text().to_owned(),
            ]);
        }
        grid.fmt(f)
    }
}

/// A number with its unit.
#[derive(Clone, Copy)]
pub enum Value {
    /// Nanoseconds, of one event.
    Nanoseconds(f64),
    /// How many times the base.
    Ratio(f64),
    /// Seconds.
    Seconds(f64),
    /// Percent of one core.
    CorePercent(f64),
    /// Mebibytes.
    Mebibytes(f64),
    /// Microseconds, of one process.
    Microseconds(f64),
    /// A number of something.
    Count(f64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Nanoseconds(number)
            | Self::Ratio(number)
            | Self::Seconds(number)
            | Self::CorePercent(number)
            | Self::Mebibytes(number)
            | Self::Microseconds(number)
            | Self::Count(number) => number,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nanoseconds(number) => write!(f, "{number:+.0} ns"),
            Self::Ratio(number) => write!(f, "{number:.2} ×"),
            Self::Seconds(number) => write!(f, "{number:.3} s"),
            Self::CorePercent(number) => write!(f, "{number:.3} % of a core"),
            Self::Mebibytes(number) => write!(f, "{number:.1} MiB"),
            Self::Microseconds(number) => write!(f, "{number:.2} µs"),
            Self::Count(number) => write!(f, "{number:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_limit_breaks_the_table() {
        let mut table = Table::default();
        let ns = Value::Nanoseconds;
        table.limit("a", String::new(), String::new(), ns(19.0), ns(20.0));
        table.tell("b", String::new(), String::new(), ns(1e6));
        assert!(table.holds());
        table.limit("c", String::new(), String::new(), ns(21.0), ns(20.0));
        assert!(!table.holds());
        assert!(table.to_string().contains("| over |"));
    }

    #[test]
    fn a_ratio_that_is_to_be_reached_may_be_passed() {
        let mut table = Table::default();
        let ratio = Value::Ratio;
        table.at_least("a", String::new(), String::new(), ratio(36.0), ratio(35.0));
        assert!(table.holds());
        table.at_least("b", String::new(), String::new(), ratio(34.0), ratio(35.0));
        assert!(!table.holds());
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        let mut table = Table::default();
        let ratio = Value::Ratio;
        let nothing = ratio(f64::NAN);
        table.limit("a", String::new(), String::new(), nothing, ratio(1.0));
        assert!(!table.holds());
    }

    #[test]
    fn a_limit_within_the_spread_is_told_and_breaks_nothing() {
        let mut table = Table::default();
        let nothing = String::new;
        let verdict = Verdict::Unsure;
        table.push("a", nothing(), nothing(), nothing(), nothing(), verdict);
        assert!(table.holds());
        assert!(table.to_string().contains("| unsure |"));
    }
}
