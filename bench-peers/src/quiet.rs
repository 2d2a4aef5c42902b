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
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(machine: &str, process: &str) -> Option<Self> {
        let line = machine.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in the first two.
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
        let busy = user + nice + system + irq + softirq + steal;
        // The name may hold anything but ends with the last parenthesis; utime and stime are the 12th and 13th field
        // after it, and those of children that have ended follow.
        let fields: Vec<&str> = process.rsplit_once(')')?.1.split_whitespace().collect();
        let own: Option<u64> = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum();
        Some(Ticks { busy, all: busy + idle + iowait, own: own? })
    }

    /// The share of all processors, in percent, that others have used since `earlier`.
    pub(crate) fn others_pct(self, earlier: Self) -> f64 {
        let others = (self.busy - earlier.busy).saturating_sub(self.own - earlier.own);
        100.0 * others as f64 / (self.all - earlier.all).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_and_not_ours_is_others() {
        let process = |own| format!("7 (a) b) S 1 1 1 0 -1 4 0 0 0 0 {own} 10 0 0 20 0");
        let before = Ticks::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\n", &process(90)).unwrap();
        let after = Ticks::parse("cpu  150 0 120 920 0 0 0 10 0 0\n", &process(140)).unwrap();
        // 80 ticks were busy, 50 of them ours, of 200 in all.
        assert_eq!(after.others_pct(before), 15.0);
        assert!(Ticks::parse("intr 1", &process(1)).is_none());
        assert!(Ticks::now().is_some());
    }
}
