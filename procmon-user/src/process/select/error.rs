//! What is wrong with an expression, and where.

use std::fmt;
use std::ops::Range;

/// How much of a line is shown on either side of the place.
const AROUND: usize = 60;
/// How much of what was written is said again.
const LONGEST_WORD: usize = 40;

/// A mistake in an expression. As text it is what is wrong, then the line it
/// is in, then carets below the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    what: String,
    at: Range<usize>,
    /// `None`: there is nothing to show, or too much.
    source: Option<String>,
}

impl ExpressionError {
    /// A mistake at these bytes of `source`.
    pub(super) fn new(source: &str, at: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            at,
            source: Some(source.to_owned()),
        }
    }

    /// A mistake of the whole.
    pub(super) fn of_the_whole(what: String) -> Self {
        Self {
            what,
            at: 0..0,
            source: None,
        }
    }

    /// What is wrong, in one line.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where: bytes of the expression.
    pub fn place(&self) -> Range<usize> {
        self.at.clone()
    }
}

impl std::error::Error for ExpressionError {}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let Some(source) = &self.source else {
            return Ok(());
        };
        let (before, rest) = source.split_at(self.at.start);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = rest.find('\n').map_or(source.len(), |n| n + before.len());
        if source.contains('\n') {
            write!(f, " (line {})", before.matches('\n').count() + 1)?;
        }
        let (left, right) = (&source[start..self.at.start], &source[self.at.start..end]);
        let hidden = left.chars().count().saturating_sub(AROUND);
        let left: String = left.chars().skip(hidden).map(shown).collect();
        let right: String = right.chars().map(shown).take(AROUND).collect();
        let dots = if hidden > 0 { "..." } else { "" };
        let marked = self.at.end.clamp(self.at.start, end) - self.at.start;
        let marked = source[self.at.start..][..marked].chars().count();
        let indent = " ".repeat(dots.len() + left.chars().count());
        let carets = "^".repeat(marked.clamp(1, right.chars().count().max(1)));
        write!(f, "\n  {dots}{left}{right}\n  {indent}{carets}")
    }
}

/// A character as one column of a terminal.
fn shown(character: char) -> char {
    match character {
        '\t' => ' ',
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// What was written, between backquotes.
pub(super) fn quoted(word: &str) -> String {
    let mut text: String = word.chars().map(shown).take(LONGEST_WORD).collect();
    if word.chars().nth(LONGEST_WORD).is_some() {
        text.push_str("...");
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carets_stand_below_the_place() {
        let error = ExpressionError::new("pid == x", 7..8, "wrong");
        assert_eq!(error.to_string(), "wrong\n  pid == x\n         ^");
        let error = ExpressionError::new("é\t== ab", 6..8, "wrong");
        assert_eq!(error.to_string(), "wrong\n  é == ab\n       ^^");
        let error = ExpressionError::new("pid", 3..3, "short");
        assert_eq!(error.to_string(), "short\n  pid\n     ^");
    }

    #[test]
    fn of_many_lines_the_one_is_shown() {
        let error = ExpressionError::new("a\nor bb\nor c", 5..7, "wrong");
        assert_eq!(error.to_string(), "wrong (line 2)\n  or bb\n     ^^");
        let error = ExpressionError::new("a 'b\nc", 2..6, "wrong");
        assert_eq!(error.to_string(), "wrong (line 1)\n  a 'b\n    ^^");
    }

    #[test]
    fn of_a_long_line_the_surroundings_are_shown() {
        let source = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let text = ExpressionError::new(&source, 500..501, "wrong").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].chars().count(), 2 + 3 + AROUND + AROUND);
        let place = lines[1].chars().position(|c| c == '!');
        assert_eq!(place, lines[2].chars().position(|c| c == '^'));
    }
}
