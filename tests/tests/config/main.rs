//! Configuration: files good and bad, and what beats what.

mod bad_files;
mod commands;
mod precedence;
mod rules;
mod support;
