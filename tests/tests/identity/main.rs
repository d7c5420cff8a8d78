//! Who is who: a process is its pid and its start, whatever its threads do, whatever it shares
//! and whichever of its threads is left.

mod births;
mod exec;
mod leader;
mod older;
mod support;
mod workers;
mod zombies;
