//! What procmon does with what it cannot work with: processes that are not there, users who may
//! not, kernels that lack something, collectors, disks and readers that fail.

mod collectors;
mod exec;
mod layout;
mod mappings;
mod matching;
mod names;
mod options;
mod outputs;
mod pids;
mod places;
mod privilege;
mod probes;
mod rotation;
mod signals;
mod sizes;
mod support;
mod threads;
