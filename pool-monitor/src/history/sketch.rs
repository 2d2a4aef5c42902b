//! The histograms of one slot of a history in a few hundred bytes: only buckets that are not empty, in variable-length numbers.
//!
//! For each of the three: the distance to the next bucket that is not empty, its count, and so on, and a zero. A slot in which
//! that does not fit is stored with twice the width of the buckets, and so on until it does: its quantiles are off by an
//! eighth instead of a sixteenth then. A history of fixed size needs that; as does OpenTelemetry's exponential histogram,
//! from which the idea is.

use std::time::Duration;

use pool_core::{Histogram, PoolHistograms};

use crate::columns::Timed;

/// How many bytes a slot has for its histograms: some 150 buckets with counts of up to 127.
pub(crate) const ROOM: usize = 384;

/// Doublings of the width after which a histogram is one bucket.
const COARSEST: u8 = 9;

/// Stores histograms.
pub(crate) fn encode(histograms: &PoolHistograms, into: &mut [u8]) {
    // One bucket each takes at most 3 * (2 + 10 + 1) bytes.
    let fits = (0..=COARSEST).any(|shift| try_encode(histograms, shift, into).is_some());
    debug_assert!(fits, "three buckets fit");
}

fn try_encode(histograms: &PoolHistograms, shift: u8, into: &mut [u8]) -> Option<()> {
    let mut writer = Writer { bytes: into.iter_mut() };
    writer.byte(shift)?;
    for timed in Timed::ALL {
        let counts = timed.of(histograms).counts();
        let mut next = 0;
        let mut write = |group: usize, count: u64| {
            if count > 0 {
                writer.number((group - next) as u64 + 1)?;
                writer.number(count)?;
                next = group + 1;
            }
            Some(())
        };
        if shift == 0 {
            // The usual, and most of what a collection does: without adding up.
            (0..).zip(counts).try_for_each(|(group, count)| write(group, *count))?;
        } else {
            let groups = (0..).zip(counts.chunks(1 << shift));
            groups.into_iter().try_for_each(|(group, buckets)| write(group, buckets.iter().sum()))?;
        }
        writer.byte(0)?;
    }
    Some(())
}

/// Adds what is stored to histograms.
pub(crate) fn decode(bytes: &[u8], into: &mut PoolHistograms) {
    let mut reader = Reader { bytes: bytes.iter() };
    let shift = reader.byte();
    for timed in Timed::ALL {
        reader.histogram(shift, |bucket, count| timed.of_mut(into).counts_mut()[bucket] += count);
    }
}

/// Adds one of those that are stored to counts.
pub(crate) fn decode_one(bytes: &[u8], wanted: Timed, into: &mut [u64; Histogram::BUCKETS]) {
    let mut reader = Reader { bytes: bytes.iter() };
    let shift = reader.byte();
    for timed in Timed::ALL {
        reader.histogram(shift, |bucket, count| {
            if timed == wanted {
                into[bucket] += count;
            }
        });
        if timed == wanted {
            return;
        }
    }
}

/// A quantile of one of those that are stored; `None` = nothing was timed. Allocates nothing.
pub(crate) fn quantile(bytes: &[u8], timed: Timed, share: f64) -> Option<Duration> {
    let mut counts = [0; Histogram::BUCKETS];
    decode_one(bytes, timed, &mut counts);
    Histogram::quantile_of(&counts, share)
}

/// Whether nothing is stored.
pub(crate) fn is_empty(bytes: &[u8]) -> bool {
    bytes[1..].iter().take(Timed::ALL.len()).all(|byte| *byte == 0)
}

struct Writer<'a> {
    bytes: std::slice::IterMut<'a, u8>,
}

impl Writer<'_> {
    /// `None` = there is no room.
    fn byte(&mut self, byte: u8) -> Option<()> {
        *self.bytes.next()? = byte;
        Some(())
    }

    /// Seven bits in each byte, the lowest first.
    fn number(&mut self, mut number: u64) -> Option<()> {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80)?;
            number >>= 7;
        }
        self.byte(number as u8)
    }
}

struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                return number;
            }
        }
    }

    /// Calls `add` with each bucket that is not empty: the last of those it stands for, so that no quantile is too low.
    fn histogram(&mut self, shift: u8, mut add: impl FnMut(usize, u64)) {
        let mut group = 0;
        loop {
            let distance = self.number() as usize;
            if distance == 0 {
                return;
            }
            group += distance;
            add(((group << shift) - 1).min(Histogram::BUCKETS - 1), self.number());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(histograms: &PoolHistograms) -> PoolHistograms {
        let mut bytes = [0; ROOM];
        encode(histograms, &mut bytes);
        let mut back = PoolHistograms::default();
        decode(&bytes, &mut back);
        back
    }

    #[test]
    fn what_fits_comes_back_as_it_was() {
        let mut histograms = PoolHistograms::default();
        for n in 0..1_000_u64 {
            histograms.wait.record(Duration::from_nanos(n));
            histograms.usage.record(Duration::from_micros(500 + n));
        }
        histograms.connect.record(Duration::MAX);
        histograms.connect.counts_mut()[7] = u64::MAX;
        assert_eq!(there_and_back(&histograms), histograms);
        assert_eq!(there_and_back(&PoolHistograms::default()), PoolHistograms::default());
    }

    #[test]
    fn nothing_stored_is_nothing() {
        let mut back = PoolHistograms::default();
        decode(&[0; ROOM], &mut back);
        assert_eq!(back, PoolHistograms::default());
    }

    #[test]
    fn what_does_not_fit_is_coarser_and_loses_no_count() {
        let mut histograms = PoolHistograms::default();
        for timed in Timed::ALL {
            let counts = timed.of_mut(&mut histograms).counts_mut();
            (0..).zip(counts.iter_mut()).for_each(|(n, count)| *count = 1_000 + n);
        }
        let back = there_and_back(&histograms);
        for timed in Timed::ALL {
            let (exact, coarse) = (timed.of(&histograms), timed.of(&back));
            assert_eq!(coarse.count(), exact.count());
            for share in [0.1, 0.5, 0.9] {
                let (exact, coarse) =
                    (exact.quantile(share).as_secs_f64(), coarse.quantile(share).as_secs_f64());
                // 514 buckets of three bytes, three times: a sixteenth of them fits.
                assert!((1.0..=2.0).contains(&(coarse / exact)), "p{share}: {coarse} for {exact}");
            }
        }
        assert_eq!(there_and_back(&back), back, "and is not made coarser again");
    }
}
