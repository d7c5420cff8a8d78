//! Nothing missed, nothing invented: great numbers, short lives, bytes over the network, and the
//! kernel's own sums.

mod calls;
mod lives;
mod mixed;
mod network;
mod places;
mod room;
mod support;
