//! Iterator programs.

mod task;
