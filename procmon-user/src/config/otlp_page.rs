//! docs/otlp.md: how procmon speaks OTLP, with every variable of its specification.

use std::fmt::Write as _;

use crate::export::otlp::settings::variables::{Use, Variable, variables};

/// What is told in sentences.
const HEAD: &str = include_str!("otlp_page.md");

/// The page.
pub fn markdown() -> String {
    let (used, unused): (Vec<_>, Vec<_>) = variables()
        .into_iter()
        .partition(|variable| !matches!(variable.used, Use::Not(_)));
    let mut text = HEAD.to_owned();
    text.push_str("\n### Used\n\n");
    table(&mut text, "key, or what it does", &used);
    text.push_str(
        "\nThe keys are told in [configuration.md](configuration.md). The names of the proxies' \
         variables may be in small letters.\n\n### Not supported\n\n",
    );
    table(&mut text, "why not", &unused);
    text
}

fn table(text: &mut String, head: &str, variables: &[Variable]) {
    let _ = writeln!(text, "| variable | {head} |\n|---|---|");
    for Variable { name, used } in variables {
        let _ = match used {
            Use::Key(key) => writeln!(text, "| `{name}` | `{key}` |"),
            Use::Alone(words) | Use::Not(words) => writeln!(text, "| `{name}` | {words} |"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn a_variable_has_the_key_that_says_it_is_beaten_by_it() {
        let keys = KEYS.iter().flat_map(|key| {
            let standard = key.standard.iter();
            standard.map(|variable| ((*variable).to_owned(), key.path))
        });
        let found = variables().into_iter().filter_map(|variable| {
            let Use::Key(key) = variable.used else {
                return None;
            };
            Some((variable.name, key))
        });
        assert_eq!(found.collect::<BTreeSet<_>>(), keys.collect());
    }

    #[test]
    fn each_variable_has_one_line_on_the_page() {
        let page = markdown();
        for variable in variables() {
            let line = format!("\n| `{}` | ", variable.name);
            assert_eq!(page.matches(&line).count(), 1, "{}", variable.name);
        }
    }
}
