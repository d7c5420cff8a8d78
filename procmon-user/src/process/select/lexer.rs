//! Words of an expression.

use std::ops::Range;

use super::error::{ExpressionError, quoted};

/// A word of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A field or a keyword.
    Word(&'s str),
    /// What stood between quotes, as it stood there.
    Text(&'s str),
    /// A number, with its unit if it has one.
    Number(&'s str),
    /// One of [`OPERATORS`].
    Operator(&'static str),
    Open,
    Close,
    Comma,
    End,
}

/// The operators but for `in`; a longer one before what it begins with.
pub(super) const OPERATORS: [&str; 6] = ["==", "!=", "=~", "!~", "<", ">"];

/// What other languages write, and what is written here.
const FOREIGN: [(&str, &str); 9] = [
    ("===", "=="),
    ("<=", "`not FIELD > VALUE`"),
    (">=", "`not FIELD < VALUE`"),
    ("<>", "!="),
    ("~=", "=~"),
    ("&&", "and"),
    ("||", "or"),
    ("=", "=="),
    ("!", "not"),
];

/// Splits an expression into words, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next word and where it stands, quotes included.
    pub(super) fn next(&mut self) -> Result<(Token<'s>, Range<usize>), ExpressionError> {
        let rest = &self.source[self.at..];
        let rest = rest.trim_start();
        let start = self.source.len() - rest.len();
        let (token, length) = self.token(rest, start)?;
        self.at = start + length;
        Ok((token, start..self.at))
    }

    fn token(&self, rest: &'s str, start: usize) -> Result<(Token<'s>, usize), ExpressionError> {
        let Some(first) = rest.chars().next() else {
            return Ok((Token::End, 0));
        };
        Ok(match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '"' | '\'' => {
                let Some(length) = rest[1..].find(first) else {
                    let what = format!("this string has no end: {first} is missing");
                    return Err(self.error(start..self.source.len(), what));
                };
                (Token::Text(&rest[1..=length]), length + 2)
            }
            '0'..='9' | '.' => {
                let length = length_of(rest, |c| c.is_alphanumeric() || matches!(c, '.' | '%'));
                (Token::Number(&rest[..length]), length)
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = length_of(rest, |c| {
                    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@')
                });
                (Token::Word(&rest[..length]), length)
            }
            _ => {
                for (foreign, ours) in FOREIGN.iter().filter(|(foreign, _)| foreign.len() > 1) {
                    self.refuse_foreign(rest, start, foreign, ours)?;
                }
                if let Some(operator) = OPERATORS.iter().find(|word| rest.starts_with(**word)) {
                    return Ok((Token::Operator(operator), operator.len()));
                }
                for (foreign, ours) in &FOREIGN {
                    self.refuse_foreign(rest, start, foreign, ours)?;
                }
                let what = format!(
                    "{} has no meaning here",
                    quoted(first.encode_utf8(&mut [0; 4]))
                );
                return Err(self.error(start..start + first.len_utf8(), what));
            }
        })
    }

    fn refuse_foreign(
        &self,
        rest: &str,
        start: usize,
        foreign: &str,
        ours: &str,
    ) -> Result<(), ExpressionError> {
        if !rest.starts_with(foreign) {
            return Ok(());
        }
        let ours = ours.trim_matches('`');
        let what = format!("`{foreign}` is no operator: write `{ours}`");
        Err(self.error(start..start + foreign.len(), what))
    }

    /// A mistake at a place of the expression.
    pub(super) fn error(&self, at: Range<usize>, what: impl Into<String>) -> ExpressionError {
        ExpressionError::new(self.source, at, what)
    }
}

/// How long the start of a text is whose characters all fit.
fn length_of(text: &str, fits: fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(source);
        let mut tokens = Vec::new();
        loop {
            match lexer.next().unwrap().0 {
                Token::End => return tokens,
                token => tokens.push(token),
            }
        }
    }

    #[test]
    fn words_need_no_blanks_between_them() {
        use Token::*;
        assert_eq!(
            tokens(r#"(pid<7and rss>1GiB)or user=~'a"\d'"#),
            [
                Open,
                Word("pid"),
                Operator("<"),
                Number("7and"),
                Word("rss"),
                Operator(">"),
                Number("1GiB"),
                Close,
                Word("or"),
                Word("user"),
                Operator("=~"),
                Text(r#"a"\d"#),
            ]
        );
        assert_eq!(
            tokens("x in(\"\",'é')\n"),
            [
                Word("x"),
                Word("in"),
                Open,
                Text(""),
                Comma,
                Text("é"),
                Close
            ]
        );
        assert_eq!(tokens(" \t\r\n"), []);
    }

    #[test]
    fn what_other_languages_write_is_explained() {
        for (source, place, said) in [
            ("a = 1", 2..3, "write `==`"),
            ("a === 1", 2..5, "write `==`"),
            ("a <= 1", 2..4, "write `not FIELD > VALUE`"),
            ("a && b", 2..4, "write `and`"),
            ("!a", 0..1, "write `not`"),
            ("a == 'b", 5..7, "' is missing"),
            ("a; b", 1..2, "`;` has no meaning here"),
        ] {
            let mut lexer = Lexer::new(source);
            let error = loop {
                match lexer.next() {
                    Ok((Token::End, _)) => panic!("{source}: no mistake"),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(error.place(), place, "{source}");
            assert!(error.what().contains(said), "{source}: {}", error.what());
        }
    }
}
