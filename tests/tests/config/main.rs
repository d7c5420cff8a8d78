//! Configuration: files good and bad, and what beats what.

mod arguments;
mod bad_files;
mod commands;
mod estimate;
mod precedence;
mod profiles;
mod reload;
mod rules;
mod support;
