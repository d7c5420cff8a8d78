//! The host's numbers against the kernel's files, and what only chosen processes are asked for:
//! connections, mappings by kind, limits.

mod connections;
mod filesystems;
mod limits;
mod mappings;
mod numbers;
mod states;
mod support;
