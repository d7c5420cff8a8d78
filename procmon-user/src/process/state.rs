//! What a process does, in the words of `process.state`.

/// A process's state, by the words of `process.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Running or runnable.
    Running,
    /// Asleep: interruptible or not, idle, parked.
    Sleeping,
    /// Stopped by a signal or by a debugger.
    Stopped,
    /// A zombie, or dead: it waits to be reaped.
    Defunct,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Sleeping, Self::Stopped, Self::Defunct];

    /// The state of a letter of task_state_array (fs/proc/array.c). Letters
    /// come and go between kernels; those not named here are kinds of sleep.
    pub fn from_letter(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'T' | b't' => Self::Stopped,
            b'Z' | b'X' | b'x' => Self::Defunct,
            _ => Self::Sleeping,
        }
    }

    /// The state of a process by its leader's `task_struct.__state`,
    /// `exit_state` and threads, as /proc shows it
    /// (__task_state_index of include/linux/sched.h).
    pub fn of_task(state: u32, exit_state: u32, threads: u32) -> Self {
        /// TASK_REPORT, TASK_RTLOCK_WAIT and TASK_FROZEN: the bits /proc shows.
        const SHOWN: u32 = 0x7f | 0x1000 | 0x8000;
        /// `__TASK_STOPPED` and `__TASK_TRACED`.
        const STOPPED: u32 = 0x4 | 0x8;
        if exit_state != 0 {
            return Self::of_dead_leader(u64::from(threads));
        }
        match state & SHOWN {
            0 => Self::Running,
            state if state & STOPPED != 0 => Self::Stopped,
            _ => Self::Sleeping,
        }
    }

    /// The state of a process whose leader has ended: with other threads it
    /// lives on, and what they do is not looked at.
    pub fn of_dead_leader(threads: u64) -> Self {
        if threads > 1 {
            Self::Sleeping
        } else {
            Self::Defunct
        }
    }

    /// The value of `process.state`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Stopped => "stopped",
            Self::Defunct => "defunct",
        }
    }
}

/// Counts processes by state, for `system.process.count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; State::ALL.len()]);

impl StateCounts {
    /// Counts one process.
    pub fn add(&mut self, state: State) {
        self.0[state as usize] += 1;
    }

    /// (state, processes), every state.
    pub fn to_vec(self) -> Vec<(&'static str, u64)> {
        State::ALL
            .iter()
            .map(|state| (state.name(), self.0[*state as usize]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_bits_and_its_letters_say_the_same() {
        // (__state, exit_state, the letter /proc shows), include/linux/sched.h.
        for (state, exit_state, letter) in [
            (0x0000, 0x00, b'R'),
            (0x0200, 0x00, b'R'),
            (0x0080, 0x00, b'R'),
            (0x0001, 0x00, b'S'),
            (0x0002, 0x00, b'D'),
            (0x0402, 0x00, b'I'),
            (0x0104, 0x00, b'T'),
            (0x0008, 0x00, b't'),
            (0x0040, 0x00, b'P'),
            (0x0080, 0x20, b'Z'),
            (0x0080, 0x10, b'X'),
        ] {
            assert_eq!(
                State::of_task(state, exit_state, 1),
                State::from_letter(letter),
                "{}",
                char::from(letter)
            );
        }
    }

    #[test]
    fn a_process_outlives_its_leader() {
        assert_eq!(State::of_task(0x80, 0x20, 2), State::Sleeping);
    }
}
