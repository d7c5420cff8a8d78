//! The table of operations, how they are written and how a list of them is performed.

use std::{ffi::CString, ffi::OsString, os::unix::ffi::OsStringExt as _, sync::Barrier};

use crate::{calls, control, family, holdings, load, raw, state::State, uring};

/// What was written after the `=`.
pub struct Arguments {
    /// How often; 1 when not given.
    pub n: i64,
    /// How many bytes.
    pub bytes: i64,
    /// A path or a name.
    pub text: CString,
}

/// One kind of operation.
pub struct Kind {
    pub name: &'static str,
    /// The form of its argument: words of N, CODE, MS, PID (a number), BYTES, PATH, NAME, joined by colons.
    pub form: &'static str,
    pub help: &'static str,
    pub run: Run,
}

impl Kind {
    /// One that is done as often as N says.
    pub const fn repeat(
        name: &'static str,
        form: &'static str,
        help: &'static str,
        run: Call,
    ) -> Self {
        let run = Run::Repeat(run);
        Self {
            name,
            form,
            help,
            run,
        }
    }

    /// One that is done once, with its numbers.
    pub const fn once(
        name: &'static str,
        form: &'static str,
        help: &'static str,
        run: Call,
    ) -> Self {
        let run = Run::Once(run);
        Self {
            name,
            form,
            help,
            run,
        }
    }
}

/// What does an operation.
pub type Call = fn(&mut State, &Arguments);

/// How an operation is carried out.
pub enum Run {
    /// This, as often as N says.
    Repeat(Call),
    /// This, once, with its numbers.
    Once(Call),
    /// The rest of the list in N children, one after the other; the parent then ends.
    Children,
    /// The rest of the list in N threads at once; the program then ends.
    Threads,
    /// This, with the rest of the list; the program then ends.
    Rest(fn(&Arguments, &[Op], &mut State)),
}

/// One operation of the list.
pub type Op = (&'static Kind, Arguments);

fn kinds() -> impl Iterator<Item = &'static Kind> {
    calls::KINDS
        .iter()
        .chain(load::KINDS)
        .chain(control::KINDS)
        .chain(family::KINDS)
        .chain(holdings::KINDS)
        .chain(uring::KINDS)
}

/// The table as text.
pub fn help() -> String {
    let mut text = String::from(
        "Does what it is told, in order, and nothing else that procmon counts.\n\nUsage: victim OPERATION...\n\n",
    );
    for kind in kinds() {
        let word = match kind.form {
            "" => kind.name.to_owned(),
            form => format!("{}={form}", kind.name),
        };
        text += &format!("  {word:<26} {}\n", kind.help);
    }
    text + "\nA call that should succeed and fails, or the other way round, ends the program with status 70.\n"
}

/// Reads the command line.
pub fn parse(words: &[OsString]) -> Result<Vec<Op>, String> {
    words.iter().map(|word| parse_word(word)).collect()
}

fn parse_word(word: &OsString) -> Result<Op, String> {
    let bytes = word.clone().into_vec();
    let shown = word.to_string_lossy();
    let (name, rest) = match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (&bytes[..], None),
    };
    let kind = kinds()
        .find(|kind| kind.name.as_bytes() == name)
        .ok_or_else(|| format!("no operation {shown:?}; see --help"))?;
    let mut arguments = Arguments {
        n: 1,
        bytes: 4096,
        text: CString::default(),
    };
    let mut rest = rest.filter(|_| !kind.form.is_empty());
    for form in kind.form.split(':') {
        let Some(value) = rest else { break };
        if matches!(form, "PATH" | "NAME") {
            arguments.text = CString::new(value).map_err(|_| format!("{shown:?} holds a NUL"))?;
            return Ok((kind, arguments));
        }
        let end = value
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(value.len());
        let number =
            number(&value[..end]).ok_or_else(|| format!("{shown:?}: {form} is not a number"))?;
        if form == "BYTES" {
            arguments.bytes = number;
        } else {
            arguments.n = number;
        }
        rest = (end < value.len()).then(|| &value[end + 1..]);
    }
    match rest {
        Some(_) => Err(format!(
            "{shown:?} says more than {}={}",
            kind.name, kind.form
        )),
        None => Ok((kind, arguments)),
    }
}

/// A number, or a signal by name.
fn number(text: &[u8]) -> Option<i64> {
    match std::str::from_utf8(text).ok()? {
        "SIGKILL" => Some(libc::SIGKILL.into()),
        "SIGTERM" => Some(libc::SIGTERM.into()),
        "SIGSEGV" => Some(libc::SIGSEGV.into()),
        "SIGABRT" => Some(libc::SIGABRT.into()),
        "SIGSTOP" => Some(libc::SIGSTOP.into()),
        text => text.parse().ok(),
    }
}

/// Performs the list in order.
pub fn perform(list: &[Op], state: &mut State) {
    for (at, (kind, arguments)) in list.iter().enumerate() {
        let rest = &list[at + 1..];
        match kind.run {
            Run::Repeat(call) => {
                for _ in 0..arguments.n {
                    call(state, arguments);
                }
            }
            Run::Once(call) => call(state, arguments),
            Run::Children => {
                for _ in 0..arguments.n {
                    let child = raw::fork(|| perform(rest, state));
                    raw::wait(child);
                }
                return;
            }
            Run::Threads => {
                threads(arguments.n, rest);
                return;
            }
            Run::Rest(run) => {
                run(arguments, rest, state);
                return;
            }
        }
    }
}

/// Performs the list in N threads which all live from before the first operation to after the
/// last, since a stack given back and taken again would make the counts a matter of luck.
fn threads(n: i64, list: &[Op]) {
    let n = usize::try_from(n).unwrap_or(0);
    let meeting = Barrier::new(n + 1);
    std::thread::scope(|scope| {
        for _ in 0..n {
            scope.spawn(|| {
                let mut state = State::new(list);
                meeting.wait();
                perform(list, &mut state);
                meeting.wait();
                loop {
                    std::thread::park();
                }
            });
        }
        meeting.wait();
        meeting.wait();
        raw::exit(0)
    });
}
