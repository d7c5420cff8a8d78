//! The kernel programs are the binary of this package; the library is empty,
//! so that procmon-user can name the package as a build dependency.
#![no_std]
