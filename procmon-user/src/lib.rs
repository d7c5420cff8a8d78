//! procmon
