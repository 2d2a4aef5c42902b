//! A fair sample of a stream whose length nobody knows beforehand.

/// Keeps up to `capacity` values, each of all that were offered with the same chance.
///
/// Algorithm R: A. G. Waterman; in J. S. Vitter, "Random sampling with a reservoir", 1985.
#[derive(Debug)]
pub(crate) struct Reservoir<T> {
    capacity: usize,
    offered: u64,
    kept: Vec<T>,
    rng: fastrand::Rng,
}

impl<T> Reservoir<T> {
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        Reservoir { capacity, offered: 0, kept: Vec::new(), rng: fastrand::Rng::with_seed(seed) }
    }

    pub(crate) fn offer(&mut self, value: T) {
        self.offered += 1;
        if self.kept.len() < self.capacity {
            self.kept.push(value);
            return;
        }
        let place = self.rng.u64(0..self.offered);
        if let Some(kept) = usize::try_from(place).ok().and_then(|place| self.kept.get_mut(place)) {
            *kept = value;
        }
    }

    /// How many values there were.
    pub(crate) fn offered(&self) -> u64 {
        self.offered
    }

    pub(crate) fn kept(&self) -> &[T] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_all_kept_in_order() {
        let mut reservoir = Reservoir::new(10, 1);
        (0..10).for_each(|value| reservoir.offer(value));
        assert_eq!(reservoir.kept(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn each_tenth_of_the_stream_has_a_tenth_of_the_sample() {
        let mut reservoir = Reservoir::new(10_000, 42);
        (0..100_000_u32).for_each(|value| reservoir.offer(value));
        assert_eq!((reservoir.offered(), reservoir.kept().len()), (100_000, 10_000));
        let mut tenths = [0_u32; 10];
        reservoir.kept().iter().for_each(|value| tenths[(value / 10_000) as usize] += 1);
        // χ² with 9 degrees of freedom: 99.9 % of fair samples stay below 27.9.
        let chi_squared: f64 =
            tenths.iter().map(|found| (f64::from(*found) - 1_000.0).powi(2) / 1_000.0).sum();
        assert!(chi_squared < 27.9, "{tenths:?}: {chi_squared}");
    }

    #[test]
    fn the_same_seed_keeps_the_same_values() {
        let sample = |seed| {
            let mut reservoir = Reservoir::new(5, seed);
            (0..1_000).for_each(|value| reservoir.offer(value));
            reservoir.kept().to_vec()
        };
        assert_eq!(sample(7), sample(7));
        assert_ne!(sample(7), sample(8));
    }
}
