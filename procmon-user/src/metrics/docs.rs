//! The generated metric reference.
