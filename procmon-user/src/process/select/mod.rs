//! Selection: expressions that tell which processes are meant, and rules that
//! say what those are called.

mod comparison;
mod error;
mod expression;
mod facts;
mod field;
mod lexer;
mod parser;
mod rules;

pub use error::ExpressionError;
pub use expression::{Captures, Expression};
pub use facts::Facts;
pub use rules::{Matched, RuleError, RuleProblem, RuleSpec, Rules};

use field::TextField;

impl Expression {
    /// Processes of a systemd unit. A name without a type is a service's, as for
    /// systemctl(1).
    ///
    /// # Errors
    /// When no unit can be called so; says why.
    pub fn of_unit(name: &str) -> Result<Self, String> {
        if name.is_empty() || name.contains(['/', '"']) || name.contains(char::is_whitespace) {
            return Err(format!(
                "{} is no unit: expected a name, as in nginx.service or nginx",
                error::quoted(name)
            ));
        }
        if let Some(stem) = name.strip_suffix(".slice") {
            return Err(format!(
                "{} holds units and is none: use --match 'cgroup =~ \"/{stem}\\.slice/\"'",
                error::quoted(name)
            ));
        }
        let typed = [".service", ".scope", ".socket", ".mount", ".swap"];
        let name = match typed.iter().any(|kind| name.ends_with(kind)) {
            true => name.to_owned(),
            false => format!("{name}.service"),
        };
        Ok(Self::equals(TextField::Unit, "unit", &name))
    }

    /// Processes of a container, by its id or at least the first 12 digits of
    /// it.
    ///
    /// # Errors
    /// When no container can have this id; says why.
    pub fn of_container(id: &str) -> Result<Self, String> {
        let id = comparison::container_id(id)?;
        Ok(Self::equals(TextField::Container, "container", &id))
    }
}
