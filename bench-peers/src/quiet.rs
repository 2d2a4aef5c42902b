//! How much of the machine others used during the run: the control tells that there was noise, this tells why.

use std::fs;

/// Processor time so far, in the kernel's ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    busy: u64,
    all: u64,
    own: u64,
}

impl Ticks {
    /// Now; `None` where the kernel does not tell.
    pub(crate) fn now() -> Option<Self> {
        let numbers =
            fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // One that is gone meanwhile has nothing to tell; what it used its parent knows.
        let all: Vec<_> = numbers.filter_map(Process::read).collect();
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, used_by_family(std::process::id(), &all))
    }

    fn parse(machine: &str, own: u64) -> Option<Self> {
        let line = machine.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in the first two.
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
        let busy = user + nice + system + irq + softirq + steal;
        Some(Ticks { busy, all: busy + idle + iowait, own })
    }

    /// The share of all processors, in percent, that others have used since `earlier`.
    pub(crate) fn others_pct(self, earlier: Self) -> f64 {
        let others = (self.busy - earlier.busy).saturating_sub(self.own - earlier.own);
        100.0 * others as f64 / (self.all - earlier.all).max(1) as f64
    }
}

/// A process, and what it and those of its children that have ended used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    number: u32,
    parent: u32,
    ticks: u64,
}

impl Process {
    fn read(number: u32) -> Option<Self> {
        Self::parse(number, &fs::read_to_string(format!("/proc/{number}/stat")).ok()?)
    }

    fn parse(number: u32, text: &str) -> Option<Self> {
        // The name may hold anything but ends with the last parenthesis. The parent is the 2nd field after it; utime and
        // stime are the 12th and 13th, and those of children that have ended follow.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: Option<u64> = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum();
        Some(Process { number, parent: fields.get(1)?.parse().ok()?, ticks: ticks? })
    }
}

/// What a process and all that descend from it used: the servers that were started are children.
fn used_by_family(eldest: u32, all: &[Process]) -> u64 {
    let own: u64 = all.iter().filter(|process| process.number == eldest).map(|process| process.ticks).sum();
    let children = all.iter().filter(|process| process.parent == eldest);
    own + children.map(|child| used_by_family(child.number, all)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_and_not_ours_is_others() {
        let before = Ticks::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\n", 100).unwrap();
        let after = Ticks::parse("cpu  150 0 120 920 0 0 0 10 0 0\n", 150).unwrap();
        // 80 ticks were busy, 50 of them ours, of 200 in all.
        assert_eq!(after.others_pct(before), 15.0);
        assert!(Ticks::parse("intr 1", 1).is_none());
        assert!(Ticks::now().is_some());
    }

    #[test]
    fn servers_and_their_children_are_ours() {
        let parse = |number, parent, own| {
            Process::parse(
                number,
                &format!("{number} (a) b) S {parent} 1 1 0 -1 4 0 0 0 0 {own} 10 0 1 20 0"),
            )
        };
        let all = [parse(7, 1, 100), parse(8, 7, 50), parse(9, 8, 5), parse(10, 1, 1000)].map(Option::unwrap);
        assert_eq!(all[0], Process { number: 7, parent: 1, ticks: 111 });
        assert_eq!(used_by_family(7, &all), 111 + 61 + 16);
    }
}
