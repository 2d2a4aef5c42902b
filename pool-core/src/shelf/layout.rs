//! Which bit of which word stands for a slot, and which word a thread looks at first.
//!
//! A small pool on several threads has more words than it needs. With all idle connections in one word every take and
//! every put writes to the same cache line, which then travels between the processors: with two threads that was 60 ns
//! an operation, against 12 with a word for each (2026-11-21). So slots are dealt out in turn to the first words, the
//! *stripes*, and each thread begins at its own. Who finds nothing there looks at the others: a stripe is a
//! habit, not a share.

use super::{SLOTS_PER_CHUNK, SlotIndex};

/// Whoever shuts or opens the gate writes to each word, so that there should not be many. Four threads of each stripe
/// are fewer than ever met at one word in a pool that does anything with its connections.
const MOST_STRIPES: usize = 4;

/// How many threads have their stacks side by side in this many bytes: one, as threads have stacks of 2 MiB unless
/// told otherwise.
const STACK_BITS: u32 = 21;

/// See the module's first lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The stripes are two to the power of this.
    exponent: u32,
}

impl Layout {
    /// One word after the other.
    #[cfg(test)]
    pub(crate) const PLAIN: Layout = Layout { exponent: 0 };

    /// For so many threads, and a pool of so many connections: at least two for each stripe.
    pub(crate) fn new(threads: usize, connections: usize) -> Self {
        let stripes = threads.min(connections / 2).clamp(1, MOST_STRIPES);
        Layout { exponent: stripes.ilog2() }
    }

    /// How many words have slots from the beginning.
    #[inline]
    pub(crate) fn stripes(self) -> usize {
        1 << self.exponent
    }

    /// Word and bit of a slot.
    #[inline]
    pub(super) fn split(self, index: SlotIndex) -> (usize, usize) {
        let index = index as usize;
        if index < SLOTS_PER_CHUNK << self.exponent {
            (index & (self.stripes() - 1), index >> self.exponent)
        } else {
            (index / SLOTS_PER_CHUNK, index % SLOTS_PER_CHUNK)
        }
    }

    /// The slot of a word and bit.
    #[inline]
    fn slot(self, word: usize, bit: usize) -> SlotIndex {
        let index =
            if word < self.stripes() { bit << self.exponent | word } else { word * SLOTS_PER_CHUNK + bit };
        index as SlotIndex
    }

    /// The slots that the bits of a word stand for.
    pub(crate) fn slots(self, word: usize, mut bits: u64) -> impl Iterator<Item = SlotIndex> {
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros())?;
            bits &= bits - 1;
            Some(self.slot(word, bit as usize))
        })
    }

    /// The stripe at which this thread begins.
    ///
    /// Threads are told apart by where their stacks are. That may be wrong, and costs nothing.
    #[inline]
    pub(super) fn home(self) -> usize {
        // The checkers want every run of a schedule to be the same.
        if cfg!(any(pool_loom, pool_shuttle)) {
            return 0;
        }
        let here = 0_u8;
        std::ptr::from_ref(&here).addr() >> STACK_BITS & (self.stripes() - 1)
    }
}

/// A set of slots, in the same words as the shelf.
#[derive(Debug)]
pub(crate) struct SlotSet {
    layout: Layout,
    words: Vec<u64>,
}

impl SlotSet {
    pub(crate) fn new(layout: Layout) -> Self {
        SlotSet { layout, words: Vec::new() }
    }

    pub(crate) fn change(&mut self, index: SlotIndex, present: bool) {
        let (word, bit) = self.layout.split(index);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if present {
            self.words[word] |= 1 << bit;
        } else {
            self.words[word] &= !(1 << bit);
        }
    }

    /// The slots of a word, as bits.
    pub(crate) fn word(&self, word: usize) -> u64 {
        self.words.get(word).copied().unwrap_or(0)
    }

    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn first(&self) -> Option<SlotIndex> {
        let (word, bits) = self.words.iter().enumerate().find(|(_, bits)| **bits != 0)?;
        self.layout.slots(word, *bits).next()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = SlotIndex> + '_ {
        self.words.iter().enumerate().flat_map(|(word, bits)| self.layout.slots(word, *bits))
    }
}

#[cfg(test)]
#[cfg(not(any(pool_loom, pool_shuttle)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_slot_has_a_bit_of_its_own_and_words_fill_up_without_a_gap() {
        for threads in [1, 2, 3, 4, 64] {
            let layout = Layout::new(threads, 1_000);
            let mut seen = HashSet::new();
            for index in 0..1_000 {
                let (word, bit) = layout.split(index);
                assert!(bit < SLOTS_PER_CHUNK && seen.insert((word, bit)), "{layout:?}, slot {index}");
                assert!(layout.slots(word, 1 << bit).eq([index]), "{layout:?}, slot {index}");
            }
            let words = seen.iter().map(|(word, _)| word).max().unwrap() + 1;
            assert_eq!(words, 1_000_usize.div_ceil(SLOTS_PER_CHUNK).max(layout.stripes()));
        }
    }

    #[test]
    fn there_are_no_more_stripes_than_threads_can_use() {
        let stripes = |threads, connections| Layout::new(threads, connections).stripes();
        assert_eq!(stripes(1, 100), 1, "one thread needs one");
        assert_eq!(stripes(16, 1), 1, "one connection too");
        assert_eq!(stripes(2, 10), 2);
        assert_eq!(stripes(3, 10), 2, "it is a power of two");
        assert_eq!(stripes(64, 1_000), 4);
        assert_eq!(stripes(64, 4), 2, "two connections for each");
    }

    // The threads live at the same time, so that their stacks differ.
    #[test]
    fn threads_begin_at_different_stripes() {
        let layout = Layout::new(4, 100);
        let together = std::sync::Barrier::new(8);
        let homes: HashSet<_> = std::thread::scope(|scope| {
            let look = || {
                together.wait();
                let home = layout.home();
                together.wait();
                home
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(homes.len() > 1, "all begin at {homes:?}");
    }
}
