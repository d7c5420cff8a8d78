//! Names of signals.

use std::borrow::Cow;

/// The first real-time signal (SIGRTMIN of the kernel, not of a C library,
/// which keeps some for itself).
const FIRST_REAL_TIME: i32 = 32;
/// The last real-time signal.
const LAST_REAL_TIME: i32 = 64;

/// The name of a Linux signal (signal(7); the numbers of x86-64 and arm64).
/// Real-time signals are counted from the kernel's first, 32.
pub fn name(signal: i32) -> Cow<'static, str> {
    Cow::Borrowed(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        16 => "SIGSTKFLT",
        17 => "SIGCHLD",
        18 => "SIGCONT",
        19 => "SIGSTOP",
        20 => "SIGTSTP",
        21 => "SIGTTIN",
        22 => "SIGTTOU",
        23 => "SIGURG",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        26 => "SIGVTALRM",
        27 => "SIGPROF",
        28 => "SIGWINCH",
        29 => "SIGIO",
        30 => "SIGPWR",
        31 => "SIGSYS",
        FIRST_REAL_TIME => "SIGRTMIN",
        33..=LAST_REAL_TIME => {
            return Cow::Owned(format!("SIGRTMIN+{}", signal - FIRST_REAL_TIME));
        }
        _ => return Cow::Owned(format!("SIG{signal}")),
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_are_those_of_signal_7() {
        assert_eq!(name(libc::SIGKILL), "SIGKILL");
        assert_eq!(name(libc::SIGSYS), "SIGSYS");
        assert_eq!(name(34), "SIGRTMIN+2");
        assert_eq!(name(65), "SIG65");
    }
}
