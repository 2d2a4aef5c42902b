//! What several rounds say together.

use serde::Serialize;

/// The least, the middle and the greatest of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            unreachable!("nothing was measured");
        };
        Spread { min, median: median(&sorted), max }
    }

    /// How many times as large the figures are as `base`, round by round: what disturbs a round disturbs both.
    pub(crate) fn ratio(figures: &[f64], base: &[f64]) -> Self {
        let ratios: Vec<_> = figures.iter().zip(base).map(|(figure, base)| figure / base).collect();
        Spread::of(&ratios)
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_number_of_figures_has_a_middle_one() {
        assert_eq!(Spread::of(&[30.0, 10.0, 20.0]), Spread { min: 10.0, median: 20.0, max: 30.0 });
    }

    #[test]
    fn an_even_number_of_figures_has_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]).median, 2.5);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // A slow machine in the second round doubles both; the ratio of the medians would be 100 / 60.
        let ratio = Spread::ratio(&[50.0, 100.0, 100.0], &[25.0, 100.0, 60.0]);
        assert_eq!(ratio.median, 100.0 / 60.0);
        assert_eq!((ratio.min, ratio.max), (1.0, 2.0));
        assert_eq!(Spread::ratio(&[10.0, 20.0, 5.0], &[10.0, 20.0, 5.0]).max, 1.0);
    }
}
