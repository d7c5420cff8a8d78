//! The harness of the tests that need root, the real kernel and real collectors.
