//! Reads an expression:
//!
//! ```text
//! any        = all { "or" all }
//! all        = one { "and" one }
//! one        = "not" one | "(" any ")" | comparison
//! comparison = FIELD OPERATOR VALUE | FIELD "in" "(" VALUE { "," VALUE } ")"
//! ```

use std::ops::Range;

use super::error::{ExpressionError, quoted};
use super::expression::Condition;
use super::lexer::{Lexer, Token};

/// Bytes of an expression.
const LONGEST: usize = 16 << 10;
/// Parentheses and `not`s around each other: the stack is not endless.
const DEEPEST: usize = 64;

pub(super) const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];

/// Reads all of an expression.
pub(super) fn parse(source: &str) -> Result<Condition, ExpressionError> {
    if source.len() > LONGEST {
        return Err(ExpressionError::of_the_whole(format!(
            "an expression has at most {LONGEST} bytes, this one has {}",
            source.len()
        )));
    }
    let mut parser = Parser {
        lexer: Lexer::new(source),
        token: Token::End,
        at: 0..0,
        depth: 0,
    };
    parser.advance()?;
    if parser.token == Token::End {
        let what = "empty: write a condition, as in `executable == \"postgres\"`";
        return Err(ExpressionError::of_the_whole(what.to_owned()));
    }
    let condition = parser.any()?;
    match parser.token {
        Token::End => Ok(condition),
        Token::Close => Err(parser.wrong("this `)` closes nothing")),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

/// Reads word by word.
pub(super) struct Parser<'s> {
    pub(super) lexer: Lexer<'s>,
    /// The next word.
    pub(super) token: Token<'s>,
    /// Where it stands.
    pub(super) at: Range<usize>,
    depth: usize,
}

pub(super) type Parsed<T> = Result<T, ExpressionError>;

impl<'s> Parser<'s> {
    pub(super) fn advance(&mut self) -> Parsed<()> {
        (self.token, self.at) = self.lexer.next()?;
        Ok(())
    }

    /// Steps over the next word if it is this one.
    fn takes(&mut self, token: Token<'_>) -> Parsed<bool> {
        let is = self.token == token;
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    /// The next word is wrong.
    pub(super) fn wrong(&self, what: impl Into<String>) -> ExpressionError {
        self.lexer.error(self.at.clone(), what)
    }

    pub(super) fn expected(&self, what: &str) -> ExpressionError {
        let found = match self.token {
            Token::End => "the end".to_owned(),
            Token::Open => "`(`".to_owned(),
            Token::Close => "`)`".to_owned(),
            Token::Comma => "`,`".to_owned(),
            Token::Operator(word) => format!("`{word}`"),
            Token::Word(word) | Token::Number(word) => quoted(word),
            Token::Text(_) => "a string".to_owned(),
        };
        let lower = match self.token {
            Token::Word(word) => KEYWORDS.iter().find(|key| word.eq_ignore_ascii_case(key)),
            _ => None,
        };
        let hint = lower.map_or(String::new(), |key| format!("; write `{key}` small"));
        self.wrong(format!("expected {what}, not {found}{hint}"))
    }

    fn any(&mut self) -> Parsed<Condition> {
        let mut conditions = vec![self.all()?];
        while self.takes(Token::Word("or"))? {
            conditions.push(self.all()?);
        }
        Ok(one_or(conditions, Condition::Any))
    }

    fn all(&mut self) -> Parsed<Condition> {
        let mut conditions = vec![self.one()?];
        while self.takes(Token::Word("and"))? {
            conditions.push(self.one()?);
        }
        Ok(one_or(conditions, Condition::All))
    }

    fn one(&mut self) -> Parsed<Condition> {
        if !matches!(self.token, Token::Open | Token::Word("not")) {
            return self.comparison();
        }
        if self.depth == DEEPEST {
            let what = format!("more than {DEEPEST} parentheses and `not`s around each other");
            return Err(self.wrong(what));
        }
        self.depth += 1;
        let opened = self.at.clone();
        let condition = if self.takes(Token::Open)? {
            let inner = self.any()?;
            match self.token {
                Token::Close => self.advance()?,
                Token::End => return Err(self.lexer.error(opened, "this `(` is never closed")),
                _ => return Err(self.expected("`and`, `or` or `)`")),
            }
            inner
        } else {
            self.advance()?;
            Condition::Not(Box::new(self.one()?))
        };
        self.depth -= 1;
        Ok(condition)
    }
}

fn one_or(mut conditions: Vec<Condition>, several: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(condition) if conditions.is_empty() => condition,
        last => {
            conditions.extend(last);
            several(conditions)
        }
    }
}

#[cfg(test)]
mod tests;
