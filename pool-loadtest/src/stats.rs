//! Statistics on plain numbers: how even, how spread, how sure. Pure functions.

/// Jain's index of fairness, `(Σx)² / (n Σx²)`: 1 when all are equal, `1/n` when one takes all.
///
/// `None` when there is nothing to share: no values, or only zeros.
///
/// Source: R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness", DEC-TR-301, 1984.
pub(crate) fn jain(shares: &[u64]) -> Option<f64> {
    let (mut sum, mut squares) = (0.0, 0.0);
    for share in shares {
        let share = *share as f64;
        sum += share;
        squares += share * share;
    }
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

/// The value below which `percent` of all values lie, by nearest rank. `None` for no values.
pub(crate) fn nearest_rank<T: Copy + PartialOrd>(sorted: &[T], percent: f64) -> Option<T> {
    debug_assert!(sorted.is_sorted_by(|left, right| left <= right));
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).or(sorted.last()).copied()
}

/// The mean of some values that follow each other in time, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SeriesMean {
    /// The mean.
    pub(crate) mean: f64,
    /// The standard error of the mean, from the effective number of samples.
    pub(crate) std_err: f64,
    /// As many independent values would tell as much as these do: at least 1, at most their number.
    pub(crate) effective_samples: f64,
}

/// The mean of a time series, with its error corrected for autocorrelation.
///
/// One second of a run resembles the next, so n seconds tell less than n independent samples. The effective
/// number is `n / (1 + 2 Σ ρ(k))`, summed over the lags before the first pair of neighbours whose
/// autocorrelations add up to nothing (Geyer's initial positive sequence: C. Geyer, "Practical Markov chain
/// Monte Carlo", 1992). A series that alternates would count for more than n; that is not believed.
///
/// `None` for fewer than three values: nothing can be said about their error.
pub(crate) fn series_mean(series: &[f64]) -> Option<SeriesMean> {
    let n = series.len();
    if n < 3 {
        return None;
    }
    let mean = series.iter().sum::<f64>() / n as f64;
    let autocovariance = |lag: usize| {
        let products = series.iter().zip(&series[lag..]).map(|(left, right)| (left - mean) * (right - mean));
        products.sum::<f64>() / n as f64
    };
    let variance = autocovariance(0);
    if variance == 0.0 {
        return Some(SeriesMean { mean, std_err: 0.0, effective_samples: n as f64 });
    }
    let mut correlations = 0.0;
    let mut lag = 1;
    while lag + 1 < n {
        let pair = (autocovariance(lag) + autocovariance(lag + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        correlations += pair;
        lag += 2;
    }
    let effective_samples = (n as f64 / (1.0 + 2.0 * correlations)).clamp(1.0, n as f64);
    // The sample variance divides by n - 1: the mean was taken from the same values.
    let sample_variance = variance * n as f64 / (n - 1) as f64;
    Some(SeriesMean { mean, std_err: (sample_variance / effective_samples).sqrt(), effective_samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_of_known_shares() {
        assert_eq!(jain(&[7, 7, 7, 7]), Some(1.0));
        assert_eq!(jain(&[100, 0, 0, 0]), Some(0.25), "one takes all of four");
        // (1+2+3)² / (3 · (1+4+9)) = 36/42
        assert!((jain(&[1, 2, 3]).unwrap() - 36.0 / 42.0).abs() < 1e-12);
        assert_eq!(jain(&[]), None);
        assert_eq!(jain(&[0, 0]), None, "nothing was shared");
    }

    #[test]
    fn nearest_rank_is_a_value_of_the_list() {
        let values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(nearest_rank(&values, 50.0), Some(5));
        assert_eq!(nearest_rank(&values, 99.0), Some(10));
        assert_eq!(nearest_rank(&values, 0.0), Some(1));
        assert_eq!(nearest_rank(&values, 100.0), Some(10));
        assert_eq!(nearest_rank::<u64>(&[], 50.0), None);
    }

    #[test]
    fn two_values_say_nothing_about_their_error() {
        assert_eq!(series_mean(&[1.0, 2.0]), None);
    }

    #[test]
    fn a_constant_series_is_sure() {
        let found = series_mean(&[5.0; 10]).unwrap();
        assert_eq!(found, SeriesMean { mean: 5.0, std_err: 0.0, effective_samples: 10.0 });
    }

    #[test]
    fn independent_values_count_almost_in_full() {
        let mut rng = fastrand::Rng::with_seed(1);
        let series: Vec<f64> = (0..2_000).map(|_| rng.f64()).collect();
        let found = series_mean(&series).unwrap();
        assert!(found.effective_samples > 1_700.0, "{found:?}");
        // A uniform variable has the deviation √(1/12).
        let expected = (1.0_f64 / 12.0 / 2_000.0).sqrt();
        assert!((found.std_err / expected - 1.0).abs() < 0.12, "{found:?}");
    }

    #[test]
    fn values_that_follow_each_other_count_for_fewer() {
        // AR(1) with φ = 0.7: n (1 - φ) / (1 + φ) = 0.176 n.
        let mut rng = fastrand::Rng::with_seed(2);
        let mut value = 0.0;
        let series: Vec<f64> = (0..20_000)
            .map(|_| {
                value = 0.7 * value + rng.f64() - 0.5;
                value
            })
            .collect();
        let found = series_mean(&series).unwrap();
        let part = found.effective_samples / 20_000.0;
        assert!((0.15..0.21).contains(&part), "{part}");
    }

    #[test]
    fn an_alternating_series_counts_for_no_more_than_its_length() {
        let series: Vec<f64> = (0..50).map(|index| f64::from(index % 2)).collect();
        assert_eq!(series_mean(&series).unwrap().effective_samples, 50.0);
    }
}
