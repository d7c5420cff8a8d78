//! A table as Markdown writes it, its columns in line.

use std::fmt;

/// Head and rows.
pub struct Grid {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// Without rows.
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One row more.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it is only a head.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |(column, head): (usize, &&str)| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.fold(head.chars().count(), usize::max)
        };
        let widths: Vec<usize> = self.head.iter().enumerate().map(width).collect();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for (cell, width) in cells.zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")
        };
        line(&mut self.head.iter().copied())?;
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        line(&mut rule.iter().map(String::as_str))?;
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut grid = Grid::new(&["a", "bcd"]);
        grid.row(["µs".to_owned(), "1".to_owned()]);
        assert_eq!(
            grid.to_string(),
            "| a  | bcd |\n| -- | --- |\n| µs | 1   |\n"
        );
    }
}
