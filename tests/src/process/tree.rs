//! The processes of a server: the one that was started, and all that descend from it.
//!
//! Why not process groups: PostgreSQL gives each of its children a session of its own, so that a signal to the
//! group of the first process reaches no other.

use std::collections::HashSet;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// A process, told from a later one with the same number by the time of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) pid: Pid,
    started: u64,
}

impl Member {
    /// Whether it still exists, be it stopped. A zombie does not: it holds nothing but its number.
    pub(super) fn is_running(&self) -> bool {
        Entry::read(self.pid).is_some_and(|entry| entry.member == *self && !entry.is_dead())
    }

    /// A process that is gone meanwhile is not there to be told.
    fn signal(self, signal: Signal) {
        if Entry::read(self.pid).is_some_and(|entry| entry.member == self) {
            match kill_process(self.pid, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => unreachable!("we may signal our own children: {error}"),
            }
        }
    }
}

/// What the system says of one process.
struct Entry {
    member: Member,
    parent: i32,
    state: char,
}

impl Entry {
    fn read(pid: Pid) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        Self::parse(pid, &stat)
    }

    /// The name, in brackets, may hold anything; the numbers are behind its last bracket. See proc_pid_stat(5).
    fn parse(pid: Pid, stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // The 22nd field of all: the start in ticks since boot. Two of the others have been taken, two precede.
        let started = fields.nth(17)?.parse().ok()?;
        Some(Entry { member: Member { pid, started }, parent, state })
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn all() -> Vec<Entry> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter_map(Entry::read)
        .collect()
}

/// The leader, if it lives, and its living descendants, each after its parent.
fn entries(leader: Pid) -> Vec<Entry> {
    let mut others = all();
    let mut tree = Vec::new();
    let mut parents = HashSet::new();
    if let Some(place) = others.iter().position(|entry| entry.member.pid == leader) {
        parents.insert(leader.as_raw_nonzero().get());
        tree.push(others.swap_remove(place));
    }
    loop {
        let (children, rest): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|entry| parents.contains(&entry.parent));
        if children.is_empty() {
            break;
        }
        parents.extend(children.iter().map(|child| child.member.pid.as_raw_nonzero().get()));
        tree.extend(children);
        others = rest;
    }
    tree.retain(|entry| !entry.is_dead());
    tree
}

/// The living processes of the tree, each after its parent.
pub(super) fn members(leader: Pid) -> Vec<Member> {
    entries(leader).into_iter().map(|entry| entry.member).collect()
}

/// Tells all to stop, parents first so that nobody starts another behind our back. Returns whether all have stopped;
/// if not, it is to be called again.
pub(super) fn freeze(leader: Pid) -> bool {
    let running: Vec<_> =
        entries(leader).into_iter().filter(|entry| !matches!(entry.state, 'T' | 't')).collect();
    for entry in &running {
        entry.member.signal(Signal::STOP);
    }
    running.is_empty()
}

/// Lets all go on, children first: a parent that wakes alone could miss them.
pub(super) fn thaw(leader: Pid) {
    for member in members(leader).into_iter().rev() {
        member.signal(Signal::CONT);
    }
}

/// Kills all and returns them. The leader is stopped first, so that it starts nobody meanwhile, and dies last, so
/// that its children can still be found.
pub(super) fn kill(leader: Pid) -> Vec<Member> {
    let mut killed: Vec<Member> = Vec::new();
    loop {
        freeze(leader);
        let found = members(leader);
        if found.iter().all(|member| killed.contains(member)) {
            break;
        }
        for member in found.iter().filter(|member| member.pid != leader) {
            member.signal(Signal::KILL);
        }
        killed.extend(found);
    }
    for member in killed.iter().filter(|member| member.pid == leader) {
        member.signal(Signal::KILL);
    }
    killed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse_the_fields() {
        let stat = "7 (a) R 9 (b)) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 88";
        let entry = Entry::parse(Pid::from_raw(7).unwrap(), stat).unwrap();
        assert_eq!((entry.state, entry.parent, entry.member.started), ('S', 3, 4242));
    }

    #[test]
    fn we_are_a_member_of_our_own_tree_and_run() {
        let own = rustix::process::getpid();
        let member = members(own)[0];
        assert_eq!(member.pid, own);
        assert!(member.is_running());
        assert!(!Member { started: member.started + 1, ..member }.is_running(), "a later process is another");
    }
}
