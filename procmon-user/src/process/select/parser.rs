//! Reads an expression:
//!
//! ```text
//! any        = all { "or" all }
//! all        = one { "and" one }
//! one        = "not" one | "(" any ")" | comparison
//! comparison = FIELD OPERATOR VALUE | FIELD "in" "(" VALUE { "," VALUE } ")"
//! ```

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::error::{ExpressionError, quoted};
use super::expression::{Condition, NumberTest, TextTest};
use super::field::{self, FIELDS, Field, NumberField, TextField};
use super::lexer::{Lexer, OPERATORS, Token};

/// Bytes of an expression.
const LONGEST: usize = 16 << 10;
/// Parentheses and `not`s around each other: the stack is not endless.
const DEEPEST: usize = 64;
/// Bytes that a regex may take, compiled.
const REGEX_BYTES: usize = 1 << 20;
/// Fewest digits of a container id: what `docker ps` shows.
pub(super) const CONTAINER_DIGITS: std::ops::RangeInclusive<usize> = 12..=64;

const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];

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
        return Err(parser.wrong(what));
    }
    let condition = parser.any()?;
    match parser.token {
        Token::End => Ok(condition),
        Token::Close => Err(parser.wrong("this `)` closes nothing")),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The next word.
    token: Token<'s>,
    at: Range<usize>,
    depth: usize,
}

type Parsed<T> = Result<T, ExpressionError>;

impl<'s> Parser<'s> {
    fn advance(&mut self) -> Parsed<()> {
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
    fn wrong(&self, what: impl Into<String>) -> ExpressionError {
        self.lexer.error(self.at.clone(), what)
    }

    fn expected(&self, what: &str) -> ExpressionError {
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

    fn comparison(&mut self) -> Parsed<Condition> {
        let name = match self.token {
            Token::Word(name) if !KEYWORDS.contains(&name) => name,
            Token::Text(text) if field::find(text).is_ok() => {
                let what = format!("a field is written without quotes: {}", quoted(text));
                return Err(self.wrong(what));
            }
            _ => return Err(self.expected("a field, `not` or `(`")),
        };
        let field = field::find(name).map_err(|nearest| self.unknown(name, nearest))?;
        self.advance()?;
        match field {
            Field::Text(field) => Ok(Condition::Text(field, self.text_test(field, name)?)),
            Field::Number(field) => Ok(Condition::Number(field, self.number_test(field, name)?)),
        }
    }

    fn unknown(&self, name: &str, nearest: Option<&str>) -> ExpressionError {
        let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let known = known.join(", ");
        let hint = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are {known}"),
        };
        self.wrong(format!("no field {}: {hint}", quoted(name)))
    }

    fn text_test(&mut self, field: TextField, name: &str) -> Parsed<TextTest> {
        let container = field == TextField::Container;
        let words = |parser: &mut Self| match container {
            true => parser.container_id(),
            false => parser.text().map(str::to_owned),
        };
        match self.operator()? {
            "==" if container => Ok(TextTest::Begins(vec![words(self)?])),
            "!=" if container => Ok(TextTest::BeginsNot(vec![words(self)?])),
            "in" if container => Ok(TextTest::Begins(self.list(words)?)),
            "==" => Ok(TextTest::OneOf(vec![words(self)?])),
            "!=" => Ok(TextTest::NoneOf(vec![words(self)?])),
            "in" => Ok(TextTest::OneOf(self.list(words)?)),
            "=~" => Ok(TextTest::Matches(self.regex()?)),
            "!~" => Ok(TextTest::MatchesNot(self.regex()?)),
            other => {
                let fitting = "`==`, `!=`, `=~`, `!~` or `in`";
                Err(self.unfit(other, name, "text", fitting))
            }
        }
    }

    fn number_test(&mut self, field: NumberField, name: &str) -> Parsed<NumberTest> {
        let number = |parser: &mut Self| parser.number(field);
        match self.operator()? {
            "==" => Ok(NumberTest::OneOf(vec![number(self)?])),
            "!=" => Ok(NumberTest::NoneOf(vec![number(self)?])),
            "in" => Ok(NumberTest::OneOf(self.list(number)?)),
            "<" => Ok(NumberTest::Less(number(self)?)),
            ">" => Ok(NumberTest::Greater(number(self)?)),
            other => {
                let fitting = "`==`, `!=`, `<`, `>` or `in`";
                Err(self.unfit(other, name, "a number", fitting))
            }
        }
    }

    /// The operator, which is not yet stepped over when it may not fit.
    fn operator(&mut self) -> Parsed<&'static str> {
        let operator = match self.token {
            Token::Operator(operator) => operator,
            Token::Word("in") => "in",
            Token::Word("not") => {
                return Err(self.expected("an operator: `not` stands before the field"));
            }
            _ => {
                let known: Vec<String> = OPERATORS.iter().map(|word| format!("`{word}`")).collect();
                return Err(self.expected(&format!("{} or `in`", known.join(", "))));
            }
        };
        Ok(operator)
    }

    fn unfit(&self, operator: &str, name: &str, is: &str, fitting: &str) -> ExpressionError {
        self.wrong(format!(
            "`{name}` is {is}, which `{operator}` does not compare: use {fitting}"
        ))
    }

    fn list<T>(&mut self, value: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.advance()?;
        let opened = self.at.clone();
        if self.token != Token::Open {
            return Err(self.expected("`(` and values, as in `in (\"a\", \"b\")`"));
        }
        let mut values = Vec::new();
        loop {
            // Over the parenthesis or the comma, to the value.
            values.push(value(self)?);
            match self.token {
                Token::Comma => {}
                Token::Close => break,
                Token::End => return Err(self.lexer.error(opened, "this `(` is never closed")),
                _ => return Err(self.expected("`,` or `)`")),
            }
        }
        self.advance()?;
        Ok(values)
    }

    /// Steps over what stands before a value, and over the value.
    fn text(&mut self) -> Parsed<&'s str> {
        self.advance()?;
        match self.token {
            Token::Text(text) => {
                self.advance()?;
                Ok(text)
            }
            Token::Word(word) | Token::Number(word) => {
                let quoted = quoted(&format!("\"{word}\""));
                Err(self.expected(&format!("a string in quotes, as in {quoted}")))
            }
            _ => Err(self.expected("a string in quotes")),
        }
    }

    fn container_id(&mut self) -> Parsed<String> {
        let (text, at) = self.placed_text()?;
        container_id(text).map_err(|what| self.lexer.error(at, what))
    }

    fn number(&mut self, field: NumberField) -> Parsed<f64> {
        self.advance()?;
        let (Token::Number(text) | Token::Text(text) | Token::Word(text)) = self.token else {
            // Whatever is no value, this says what would be.
            let what = field.parse("").err().unwrap_or("a value");
            return Err(self.expected(what));
        };
        let value = field.parse(text).map_err(|what| self.expected(what))?;
        self.advance()?;
        Ok(value)
    }

    fn regex(&mut self) -> Parsed<Regex> {
        let (pattern, at) = self.placed_text()?;
        let regex = RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES)
            .dfa_size_limit(REGEX_BYTES)
            .build();
        regex.map_err(|error| {
            // Behind the opening quote.
            let (place, what) = why(pattern, &error);
            let start = at.start + 1;
            let at = place.map_or(at, |place| start + place.start..start + place.end);
            self.lexer
                .error(at, format!("not a regular expression: {what}"))
        })
    }

    /// A string, and where it stands.
    fn placed_text(&mut self) -> Parsed<(&'s str, Range<usize>)> {
        let mut ahead = self.lexer.clone();
        let (_, at) = ahead.next()?;
        self.text().map(|text| (text, at))
    }
}

/// A container id or the beginning of one, in small letters; else what is wrong.
pub(super) fn container_id(text: &str) -> Result<String, String> {
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex && CONTAINER_DIGITS.contains(&text.len()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "{} is no container id: expected 12 to 64 hexadecimal digits, as `docker ps` shows them",
        quoted(text)
    ))
}

/// Where in a pattern the mistake is, and what it is.
fn why(pattern: &str, error: &regex::Error) -> (Option<Range<usize>>, String) {
    use regex_syntax::Error;
    let place = |span: &regex_syntax::ast::Span| Some(span.start.offset..span.end.offset);
    match regex_syntax::parse(pattern) {
        Err(Error::Parse(error)) => (place(error.span()), error.kind().to_string()),
        Err(Error::Translate(error)) => (place(error.span()), error.kind().to_string()),
        _ => (None, error.to_string()),
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
