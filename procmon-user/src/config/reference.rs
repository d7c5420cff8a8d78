//! The reference of the configuration, from the table of keys: as Markdown, as a
//! file to begin with, and as a JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::keys::{KEYS, Key, LATER};
use super::print::sections;
use super::seeds::{ALIASES, Meaning};
use super::value::Form;

/// How wide the comments of the file are.
const WIDTH: usize = 88;

const LEGEND: &str = "\
# Configuration

This page is generated: `procmon config reference --format md`.

`procmon run` and `procmon exec` take a file by `--config FILE`; there is none by default. It is
YAML 1.2, and so JSON does, too. Flags beat the environment, which beats the file, which beats the
defaults. Relative paths begin at the working directory, as those of flags do.

- `procmon config check FILE` says all that is wrong with a file, each mistake with its line, and
  ends with status 2.
- `procmon config print [FILE]` shows what holds in the end, and where each value came from.
- [deploy/procmon.yaml](../deploy/procmon.yaml) is a file to begin with: every key, commented.
- [configuration.schema.json](configuration.schema.json) is a JSON Schema, for editors.

At SIGHUP `procmon run` reads the file again. A file with a mistake changes nothing, and is told with
its mistakes; of a good one the keys that change by SIGHUP apply, with no counter beginning anew, and
those that need a restart are told by name and stay as they were. What was not loaded at the start
(the kernel programs for what was switched off) needs a restart, too.

A key without a value (`file:`) is as good as not there, and an empty variable as good as unset. A
key that procmon does not know is an error, and so is one that is there twice. A variable that is
like one of procmon's and is none is warned of: others may have set it.
";

const HEAD: &str = "\
## What procmon does, for `procmon run --config FILE`; docs/configuration.md tells more.
##
## Every key is here with its default, or with an example where it has none. Take the # away
## from what you change, and from the sections it stands in.
";

/// The reference as Markdown.
pub fn markdown() -> String {
    let config = Config::default();
    let mut text = LEGEND.to_owned();
    text.push_str(
        "\n## Keys\n\n| key | what | values | default | variable | flag | changes by |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for key in KEYS {
        let mut variables = vec![format!("`{}`", key.variable())];
        variables.extend(key.standard.iter().map(|variable| format!("`{variable}`")));
        let default = match key.show(&config).as_str() {
            "null" | "[]" | "{}" => String::new(),
            value => format!("`{value}`"),
        };
        let changes = if key.live { "SIGHUP" } else { "restart" };
        let flag = key.flag.map_or(String::new(), |flag| format!("`{flag}`"));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {default} | {} | {flag} | {changes} |",
            key.path,
            key.about,
            key.form().words,
            variables.join(", "),
        );
    }
    text.push_str("\nOf several variables of a key the last one beats those before it.\n");
    text.push_str("\n## Names of other monitors\n\n| key | variable | means |\n|---|---|---|\n");
    for alias in ALIASES {
        let cell = |name: Option<&str>| name.map_or(String::new(), |name| format!("`{name}`"));
        let means = match alias.meaning {
            Meaning::Seconds(key) => format!("`{key}`, in seconds"),
            Meaning::Same(key) => format!("`{key}`"),
        };
        let (path, variable) = (cell(alias.path), cell(alias.variable));
        let _ = writeln!(text, "| {path} | {variable} | {means} |");
    }
    text.push_str(
        "\n## Not in this version\n\nThese keys are planned; a file with one is refused: ",
    );
    let later: Vec<_> = LATER.iter().map(|path| format!("`{path}`")).collect();
    let _ = writeln!(text, "{}.", later.join(", "));
    text
}

/// A file to begin with: every key with its default, commented out.
pub fn yaml() -> String {
    let config = Config::default();
    let mut text = HEAD.to_owned();
    let mut open = Vec::new();
    for key in KEYS {
        text.push('\n');
        let name = sections(&mut text, &mut open, key.path, "#");
        let indent = "  ".repeat(open.len());
        for line in wrapped(&about(key), WIDTH - indent.len()) {
            let _ = writeln!(text, "#{indent}# {line}");
        }
        let default = key.show(&config);
        let value = match (default.as_str(), key.example) {
            ("null" | "[]" | "{}", Some(example)) => example,
            (default, _) => default,
        };
        let _ = writeln!(text, "#{indent}{name}: {value}");
    }
    text
}

/// What a key is and may be, in words without markup.
fn about(key: &Key) -> String {
    let mut text = format!("{} Wanted: {}.", key.about, key.form().words);
    text.retain(|c| c != '`');
    text
}

/// The JSON Schema.
pub fn schema() -> String {
    let mut root = section();
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "procmon.yaml".into();
    for key in KEYS {
        let Form { schema, .. } = key.form();
        let names: Vec<&str> = key.path.split('.').collect();
        let mut at = &mut root;
        for name in &names[..names.len() - 1] {
            let sections = properties(at);
            at = sections.entry(*name).or_insert_with(section);
        }
        // A key without a value is as good as not there.
        let mut schema = json!({"anyOf": [schema, {"type": "null"}]});
        schema["description"] = about(key).into();
        let default = key.show(&Config::default());
        if !matches!(default.as_str(), "null" | "[]" | "{}") {
            schema["default"] = default.into();
        }
        properties(at).insert(names[names.len() - 1].to_owned(), schema);
    }
    let mut text = serde_json::to_string_pretty(&root).expect("values are always JSON");
    text.push('\n');
    text
}

/// The schema of a section without keys.
fn section() -> Json {
    json!({"type": ["object", "null"], "additionalProperties": false, "properties": {}})
}

fn properties(section: &mut Json) -> &mut Map<String, Json> {
    section["properties"]
        .as_object_mut()
        .expect("a section has properties")
}

/// The text in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}
