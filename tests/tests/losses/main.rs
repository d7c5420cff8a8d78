//! Loss is visible: whatever is lost is counted, exported, in the report, and shown by `doctor`
//! while procmon runs.

mod frames;
mod kernel;
mod scene;
