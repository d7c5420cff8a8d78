//! `config print`: the effective configuration, as YAML, each value with where
//! it came from.

use std::fmt::Write as _;

use super::keys::{KEYS, Key};
use super::mistake::Origin;
use super::value::quoted;
use super::{Environment, Loaded};

/// What a secret is shown as.
const HIDDEN: &str = "\"***\"";
/// Where the comments begin, if the values leave room.
const COLUMN: usize = 44;

/// The effective configuration as a file, comments saying whose each value is.
pub fn print(loaded: &Loaded, env: Environment<'_>) -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    for key in KEYS {
        let name = sections(&mut text, &mut open, key.path, "");
        let (value, origin) = effective(key, loaded, env);
        let line = format!("{}{name}: {value}", "  ".repeat(open.len()));
        let _ = writeln!(text, "{line:<COLUMN$} # {origin}");
    }
    text
}

/// Begins the sections that the key at `path` is in and the one before it was
/// not, each line behind `mark`; the key's own name.
pub(super) fn sections<'a>(
    text: &mut String,
    open: &mut Vec<&'a str>,
    path: &'a str,
    mark: &str,
) -> &'a str {
    let mut names: Vec<&str> = path.split('.').collect();
    let name = names.pop().unwrap_or(path);
    let same = open.iter().zip(&names).take_while(|(a, b)| a == b).count();
    open.truncate(same);
    for section in &names[same..] {
        let _ = writeln!(text, "{mark}{}{section}:", "  ".repeat(open.len()));
        open.push(section);
    }
    name
}

/// The value of a key as YAML, and whose it is.
fn effective(key: &Key, loaded: &Loaded, env: Environment<'_>) -> (String, Origin) {
    let standard = key.standard.iter().rev().find_map(|variable| {
        let value = env(variable)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then(|| (quoted(&value), Origin::Variable((*variable).into())))
    });
    let own = || {
        let origin = loaded.origin(key.path).clone();
        (key.show(&loaded.config), origin)
    };
    let (value, origin) = standard.unwrap_or_else(own);
    match key.secret && origin != Origin::Default {
        true => (HIDDEN.to_owned(), origin),
        false => (value, origin),
    }
}
