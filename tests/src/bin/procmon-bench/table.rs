//! The table of limits.

use std::fmt;

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
    /// Whether it holds; `None` when the row only tells.
    pub holds: Option<bool>,
}

/// All rows.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// A value with a limit.
    pub fn limit(&mut self, what: &str, base: String, with: String, value: Value, limit: Value) {
        self.push(what, base, with, value, Some(limit));
    }

    /// A value without a limit.
    pub fn tell(&mut self, what: &str, base: String, with: String, value: Value) {
        self.push(what, base, with, value, None);
    }

    fn push(&mut self, what: &str, base: String, with: String, value: Value, limit: Option<Value>) {
        let row = Row {
            what: what.to_owned(),
            base,
            with,
            result: value.to_string(),
            limit: limit.map_or_else(String::new, |limit| format!("at most {limit}")),
            holds: limit.map(|limit| value.number() <= limit.number()),
        };
        eprintln!("  {what}: {} {}", row.result, row.verdict());
        self.0.push(row);
    }

    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        self.0.iter().all(|row| row.holds != Some(false))
    }
}

impl Row {
    fn verdict(&self) -> &'static str {
        match self.holds {
            Some(true) => "ok",
            Some(false) => "over",
            None => "",
        }
    }

    fn cells(&self) -> [&str; 6] {
        [
            &self.what,
            &self.base,
            &self.with,
            &self.result,
            &self.limit,
            self.verdict(),
        ]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "base", "with procmon", "result", "limit", ""];
        let width = |column: usize| {
            let cells = self.0.iter().map(|row| row.cells()[column]);
            cells
                .chain([head[column]])
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut line = |cells: [&str; 6], fill: char| {
            for (cell, width) in cells.iter().zip(&widths) {
                match fill {
                    '-' => write!(f, "|{}", "-".repeat(width + 2))?,
                    _ => write!(f, "| {cell:<width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(head, ' ')?;
        line([""; 6], '-')?;
        for row in &self.0 {
            line(row.cells(), ' ')?;
        }
        Ok(())
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
}
