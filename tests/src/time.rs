//! Times as procmon writes them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

/// Nanoseconds since 1970.
///
/// # Panics
/// When the clock stands before 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// Nanoseconds since 1970 of `2026-11-21T01:00:00.000Z`: RFC 3339, UTC, three decimals.
pub fn parse(text: &str) -> Result<u64> {
    let form = "0000-00-00T00:00:00.000Z";
    let fits = text.len() == form.len()
        && text
            .bytes()
            .zip(form.bytes())
            .all(|(got, wanted)| match wanted {
                b'0' => got.is_ascii_digit(),
                _ => got == wanted,
            });
    ensure!(fits, "{text:?} is not of the form {form}");
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().context("not a number");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    ensure!(
        year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day),
        "{text:?} is no date"
    );
    // Days since 1 March of year 0, with January and February in the year before.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    Ok(seconds * 1_000_000_000 + number(20, 23)? * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read() {
        assert_eq!(parse("1970-01-01T00:00:00.000Z").unwrap(), 0);
        assert_eq!(
            parse("2024-02-29T12:00:00.250Z").unwrap(),
            1_709_208_000_250_000_000
        );
        assert!(parse("2024-02-29T12:00:00Z").is_err());
    }
}
