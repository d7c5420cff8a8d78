//! Reads a comparison: a field, an operator that fits it, and values of its
//! kind.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::error::{ExpressionError, quoted};
use super::expression::{Condition, NumberTest, TextTest};
use super::field::{self, FIELDS, Field, NumberField, TextField};
use super::lexer::{OPERATORS, Token};
use super::parser::{KEYWORDS, Parsed, Parser};

/// Bytes that a regex may take, compiled.
const REGEX_BYTES: usize = 1 << 20;
/// Digits of a container id: at least what `docker ps` shows.
const CONTAINER_DIGITS: std::ops::RangeInclusive<usize> = 12..=64;

impl<'s> Parser<'s> {
    pub(super) fn comparison(&mut self) -> Parsed<Condition> {
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
