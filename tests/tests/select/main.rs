//! Selection: who is watched by what it is, whenever it comes, and what rules say of it.

mod changing;
mod collector;
mod groups;
mod lives;
mod rules;
mod support;
