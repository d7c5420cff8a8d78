//! Asking for values in PromQL, by the HTTP interface of Prometheus, which others have too.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{http, program::SOON};

/// A value, and the labels of its series.
pub type Sample = (Value, f64);

/// The values of a query now.
///
/// # Errors
/// When there is no answer, or it is an error.
pub fn query(address: &str, query: &str) -> Result<Vec<Sample>> {
    let path = format!("/api/v1/query?query={}", escaped(query));
    let answer = http::get(address, &path, &[])?;
    let answer: Value = serde_json::from_slice(&answer.body).context("no JSON")?;
    ensure!(answer["status"] == "success", "{query}: {answer}");
    let results = answer["data"]["result"].as_array().context("no results")?;
    let value = |result: &Value| {
        let value = result["value"][1].as_str()?.parse().ok()?;
        Some((result["metric"].clone(), value))
    };
    Ok(results.iter().filter_map(value).collect())
}

/// Asks until this holds of the values; while there is no answer, the server may not listen yet.
///
/// # Errors
/// When it does not hold in time.
pub fn wait_for(
    ask: impl Fn() -> Result<Vec<Sample>>,
    holds: impl Fn(&[Sample]) -> bool,
) -> Result<Vec<Sample>> {
    let until = Instant::now() + 2 * SOON;
    loop {
        let answer = ask();
        if let Ok(values) = &answer
            && holds(values)
        {
            return answer;
        }
        if Instant::now() > until {
            bail!("what was awaited is not there: {answer:?}");
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Text as a parameter of a URL.
pub fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.map(escape).collect()
}
