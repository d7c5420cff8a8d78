//! /proc/PID/stat (proc_pid_stat(5); do_task_stat of fs/proc/array.c).

use super::{Malformed, text};
use crate::process::State;

/// PF_KTHREAD (include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// What procmon takes from the file. Times in ticks of 1/100 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Name of the leader, at most 15 bytes, any bytes (kernel workers: more).
    pub comm: &'a [u8],
    /// State of the leader.
    pub state: State,
    /// Parent now.
    pub parent_pid: u32,
    /// PF_* flags.
    pub flags: u64,
    /// Minor faults, all threads live and dead.
    pub minor_faults: u64,
    /// Major faults, all threads live and dead.
    pub major_faults: u64,
    /// User time, all threads live and dead.
    pub user_ticks: u64,
    /// System time, all threads live and dead.
    pub system_ticks: u64,
    /// Threads, the dead leader of a living process included.
    pub threads: u64,
    /// Start since boot.
    pub start_ticks: u64,
    /// Address space, bytes.
    pub virtual_bytes: u64,
    /// Resident pages.
    pub resident_pages: u64,
    /// Where the stack begins, another place after each execve; 0 to those who
    /// may not know, and in a line that was cut before it.
    pub stack_start: u64,
    /// How a zombie ended, as wait(2) will tell it; 0 to those who may not
    /// know, `None` in a line that was cut before it.
    pub wait_status: Option<u32>,
}

impl Stat<'_> {
    /// It has no memory of its own and no executable.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Only its leader has ended: other threads still run.
    pub fn has_dead_leader(&self) -> bool {
        self.state == State::Defunct && self.threads > 1
    }

    /// The state of the process: its leader's, while that lives.
    pub fn process_state(&self) -> State {
        match self.state {
            State::Defunct => State::of_dead_leader(self.threads),
            state => state,
        }
    }

    /// It has exited and waits for its parent.
    pub fn is_zombie(&self) -> bool {
        self.state == State::Defunct && !self.has_dead_leader()
    }
}

/// Reads the file. The name stands in parentheses and may hold parentheses,
/// spaces and newlines itself; no field behind it does.
pub fn parse(line: &[u8]) -> Result<Stat<'_>, Malformed> {
    let comm = |expected| Malformed::new(expected, line);
    let open = line
        .iter()
        .position(|&byte| byte == b'(')
        .ok_or_else(|| comm("a name in parentheses"))?;
    let close = line
        .iter()
        .rposition(|&byte| byte == b')')
        .filter(|close| *close > open)
        .ok_or_else(|| comm("a name in parentheses"))?;
    let rest = &line[close + 1..];
    let mut fields = Fields {
        rest: text::fields(rest),
        line: rest,
        number: 2,
    };

    let letter = fields.skip_to(3)?.first().copied().unwrap_or(b'?');
    let mut parsed = Stat {
        comm: &line[open + 1..close],
        state: State::from_letter(letter),
        parent_pid: u32::try_from(fields.value(4)?)
            .map_err(|_| Malformed::new("a parent's pid", rest))?,
        flags: fields.value(9)?,
        minor_faults: fields.value(10)?,
        major_faults: fields.value(12)?,
        user_ticks: fields.value(14)?,
        system_ticks: fields.value(15)?,
        threads: fields.value(20)?,
        start_ticks: fields.value(22)?,
        virtual_bytes: fields.value(23)?,
        resident_pages: fields.value(24)?,
        stack_start: 0,
        wait_status: None,
    };
    // A last field that touches the end may have been cut.
    let more = fields.skip_to(25).is_ok();
    if !line.last().is_some_and(u8::is_ascii_whitespace) && !more {
        return Err(Malformed::new("a field 25", rest));
    }
    if more && line.ends_with(b"\n") {
        parsed.stack_start = fields.value(28).unwrap_or(0);
        parsed.wait_status = fields.value(52).ok().and_then(|s| u32::try_from(s).ok());
    }
    Ok(parsed)
}

/// Fields by the numbers of the manual page, in ascending order.
struct Fields<'a, I> {
    rest: I,
    line: &'a [u8],
    number: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Fields<'a, I> {
    fn skip_to(&mut self, number: usize) -> Result<&'a [u8], Malformed> {
        let skip = number - self.number - 1;
        self.number = number;
        self.rest
            .nth(skip)
            .ok_or_else(|| Malformed::new("24 fields or more", self.line))
    }

    fn value(&mut self, number: usize) -> Result<u64, Malformed> {
        let field = self.skip_to(number)?;
        text::number(field).ok_or_else(|| Malformed::new("an unsigned number", field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &[u8] = b"12667 (cat) R 12665 12665 11524 0 -1 4194304 101 1 2 3 4 5 6 7 20 0 \
        1 0 119699 3133440 388 18446744073709551615 1 1 140 0 0 0 0 0\n";

    #[test]
    fn fields_are_those_of_the_manual_page() {
        let stat = parse(LINE).unwrap();
        assert_eq!(
            stat,
            Stat {
                comm: b"cat",
                state: State::Running,
                parent_pid: 12665,
                flags: 4194304,
                minor_faults: 101,
                major_faults: 2,
                user_ticks: 4,
                system_ticks: 5,
                threads: 1,
                start_ticks: 119_699,
                virtual_bytes: 3_133_440,
                resident_pages: 388,
                stack_start: 140,
                wait_status: None,
            }
        );
        assert!(!stat.is_kernel_thread() && !stat.is_zombie());
    }

    #[test]
    fn a_kernel_thread_and_two_kinds_of_dead_leaders() {
        let line = |state: char, flags: u64, threads: u32| {
            format!("2 (a) {state} 0 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 {threads} 0 1 0 0 0\n")
        };
        let kernel = line('I', 0x20_8040, 1);
        assert!(parse(kernel.as_bytes()).unwrap().is_kernel_thread());
        let zombie = line('Z', 0, 1);
        assert!(parse(zombie.as_bytes()).unwrap().is_zombie());
        let leader = line('Z', 0, 2);
        let leader = parse(leader.as_bytes()).unwrap();
        assert!(!leader.is_zombie() && leader.has_dead_leader());
    }

    #[test]
    fn a_line_that_was_cut_is_refused() {
        let whole = LINE.iter().position(|&byte| byte == b'\n').unwrap();
        let rss_end = LINE.windows(5).position(|w| w == b" 388 ").unwrap() + 4;
        for end in 0..=whole {
            let parsed = parse(&LINE[..end]);
            assert_eq!(parsed.is_ok(), end > rss_end, "{end}");
        }
    }

    #[test]
    fn field_52_tells_how_a_zombie_ended() {
        let mut line = b"7 (a) Z 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0".to_vec();
        line.extend_from_slice(&b" 0".repeat(27));
        line.extend_from_slice(b" 1792");
        assert_eq!(parse(&line).unwrap().wait_status, None, "it may be cut");
        line.push(b'\n');
        assert_eq!(parse(&line).unwrap().wait_status, Some(7 << 8));
    }

    #[test]
    fn our_own() {
        let line = std::fs::read("/proc/self/stat").unwrap();
        let stat = parse(&line).unwrap();
        assert_eq!(stat.parent_pid, std::os::unix::process::parent_id());
        assert!(stat.threads >= 1 && stat.resident_pages > 0);
    }

    proptest! {
        #[test]
        fn any_name_comes_back(
            comm in proptest::collection::vec(any::<u8>(), 0..64),
            values: [u32; 11],
        ) {
            let [ppid, flags, minor, major, user, system, threads, start, size, rss, other] = values;
            let mut line = b"1 (".to_vec();
            line.extend_from_slice(&comm);
            line.extend_from_slice(
                format!(
                    ") S {ppid} {other} 0 0 -1 {flags} {minor} {other} {major} {other} {user} \
                     {system} {other} 0 20 0 {threads} 0 {start} {size} {rss} {other} 0\n"
                )
                .as_bytes(),
            );
            let stat = parse(&line).unwrap();
            prop_assert_eq!(stat.comm, &comm[..]);
            prop_assert_eq!(stat.parent_pid, ppid);
            prop_assert_eq!(
                [stat.flags, stat.minor_faults, stat.major_faults, stat.user_ticks,
                 stat.system_ticks, stat.threads, stat.start_ticks, stat.virtual_bytes,
                 stat.resident_pages],
                [flags, minor, major, user, system, threads, start, size, rss].map(u64::from)
            );
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let mut framed = b"1 (a) S ".to_vec();
            framed.extend_from_slice(&bytes);
            let _ = parse(&framed);
        }
    }
}
