//! How evenly something is shared.

/// Jain's index: 1 when all shares are the same, 1/n when one of n has everything.
///
/// Of nothing, or of no shares at all, it is 1: nobody has more than anybody else.
pub(crate) fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_perfectly_fair() {
        assert_eq!(jain(&[7, 7, 7, 7]), 1.0);
    }

    #[test]
    fn one_who_has_everything_is_one_of_n() {
        assert_eq!(jain(&[0, 12, 0, 0]), 0.25);
    }

    #[test]
    fn in_between_it_follows_the_formula() {
        // (1 + 3)² / (2 · (1 + 9))
        assert_eq!(jain(&[1, 3]), 0.8);
    }

    #[test]
    fn nothing_is_shared_fairly() {
        assert_eq!(jain(&[]), 1.0);
        assert_eq!(jain(&[0, 0]), 1.0);
    }
}
