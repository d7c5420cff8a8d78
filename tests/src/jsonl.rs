//! Reading what `--jsonl` wrote.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One line: one process at one tick.
#[derive(Clone, Debug)]
pub struct Object {
    /// All of it.
    pub json: Value,
    /// Its process number.
    pub pid: u32,
    /// When the process was created, as written.
    pub creation_time: String,
    /// The values by key: `name{attribute="value"}`; histograms are left out.
    pub metrics: BTreeMap<String, f64>,
}

impl Object {
    fn parse(line: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(line).context("not JSON")?;
        let process = &json["process"];
        let metrics = json["metrics"].as_object().context("no object `metrics`")?;
        Ok(Self {
            pid: process["pid"]
                .as_u64()
                .and_then(|pid| u32::try_from(pid).ok())
                .context("`process.pid` is not a process number")?,
            creation_time: process["creation_time"]
                .as_str()
                .context("no text `process.creation_time`")?
                .to_owned(),
            metrics: metrics
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)))
                .collect(),
            json,
        })
    }

    /// Whether this is the process's last object.
    pub fn has_exited(&self) -> bool {
        self.json.get("exited").is_some()
    }

    /// The base name of its executable.
    pub fn executable(&self) -> &str {
        self.json["process"]["executable"].as_str().unwrap_or("")
    }

    /// Its exit code, if it has exited with one.
    pub fn exit_code(&self) -> Option<i64> {
        self.json.get("exited")?["code"].as_i64()
    }

    /// A value by its whole key.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.metrics.get(key).copied()
    }
}

/// The last objects of those that have exited; of a long text nothing else is parsed.
pub fn parse_exited(text: &str) -> Result<Vec<Object>> {
    text.lines()
        .filter(|line| line.contains("\"exited\":"))
        .map(Object::parse)
        .collect()
}

/// Every object of a text, in order.
pub fn parse(text: &str) -> Result<Vec<Object>> {
    let lines = text.lines().enumerate();
    lines
        .map(|(at, line)| Object::parse(line).with_context(|| format!("line {}: {line}", at + 1)))
        .collect()
}

/// Every object of a file, in order.
pub fn read(path: &Path) -> Result<Vec<Object>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

/// The last object of each process, by pid and creation time.
pub fn last(objects: &[Object]) -> BTreeMap<(u32, String), Object> {
    let mut last = BTreeMap::new();
    for object in objects {
        last.insert((object.pid, object.creation_time.clone()), object.clone());
    }
    last
}

/// The sums over the last objects of all processes of the series of these metrics that are not 0.
pub fn totals(objects: &[Object], names: &[&str]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for object in last(objects).values() {
        for (key, value) in &object.metrics {
            let name = key.split('{').next().unwrap_or(key);
            if names.contains(&name) && *value != 0.0 {
                *sums.entry(key.clone()).or_insert(0) += *value as u64;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_take_the_last_object_of_each_process() {
        let text = concat!(
            r#"{"process":{"pid":1,"creation_time":"a"},"metrics":{"n{k=\"x\"}":1,"h":{"count":1}}}"#,
            "\n",
            r#"{"process":{"pid":2,"creation_time":"b"},"metrics":{"n{k=\"x\"}":5,"m":7}}"#,
            "\n",
            r#"{"process":{"pid":1,"creation_time":"a"},"metrics":{"n{k=\"x\"}":3,"n":0},"exited":{"code":0}}"#,
            "\n",
        );
        let objects = parse(text).unwrap();
        assert!(objects[2].has_exited());
        assert_eq!(
            totals(&objects, &["n"]),
            BTreeMap::from([(r#"n{k="x"}"#.to_owned(), 8)])
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = format!("{:#}", parse("{}\n").unwrap_err());
        assert!(error.starts_with("line 1: {}"), "{error}");
    }
}
