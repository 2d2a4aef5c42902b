//! Which of several equals: the power of two choices.
//!
//! Two candidates are drawn at random, and the one with the emptier pool is taken. That keeps the fullest of n pools
//! at about log log n over the mean instead of log n / log log n, and needs no common view of the loads, with which
//! everybody would run to the same one: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (IEEE
//! Transactions on Parallel and Distributed Systems 12(10), 2001).
//!
//! Weights count twice: a heavier candidate is drawn more often, and is taken to be emptier with the same number of
//! connections in use. So reads are shared by weight both when pools are empty, where the first one drawn wins, and
//! when they are full, where the fill decides.
// Why not count the connection to come as well, (in use + 1) / size: of two empty pools the heavier one would always
// win, and under little load the lighter one be given nothing at all, instead of its share.

/// One that may be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// How often it is to be taken compared with the others.
    pub(super) weight: u32,
    /// Connections in use and callers in line, as a part of the most connections there may be.
    pub(super) fill: f64,
}

impl Candidate {
    fn load(&self) -> f64 {
        self.fill / f64::from(self.weight.max(1))
    }
}

/// The index of the one to take; `None` if there is none.
pub(super) fn choose(candidates: &[Candidate], random: &mut fastrand::Rng) -> Option<usize> {
    let first = draw(candidates, None, random)?;
    let Some(second) = draw(candidates, Some(first), random) else { return Some(first) };
    Some(if candidates[second].load() < candidates[first].load() { second } else { first })
}

/// Draws one by weight, but not the one that is drawn already.
fn draw(candidates: &[Candidate], drawn: Option<usize>, random: &mut fastrand::Rng) -> Option<usize> {
    let open = || candidates.iter().enumerate().filter(|(index, _)| Some(*index) != drawn);
    let weight = |candidate: &Candidate| u64::from(candidate.weight.max(1));
    let sum = open().map(|(_, candidate)| weight(candidate)).sum::<u64>();
    if sum == 0 {
        return None;
    }
    let mut ticket = random.u64(0..sum);
    open().find_map(|(index, candidate)| match ticket.checked_sub(weight(candidate)) {
        Some(rest) => {
            ticket = rest;
            None
        }
        None => Some(index),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn empty(weight: u32) -> Candidate {
        Candidate { weight, fill: 0.0 }
    }

    /// How often each of these is taken by `reads` reads of which `together` run at a time, each as long as the others.
    fn shares(weights: &[u32], together: usize, reads: usize) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut candidates: Vec<_> = weights.iter().copied().map(empty).collect();
        let (mut taken, mut running) = (vec![0_u32; weights.len()], VecDeque::new());
        for _ in 0..reads {
            if running.len() == together {
                let done: usize = running.pop_front().unwrap();
                candidates[done].fill -= 0.01;
            }
            let index = choose(&candidates, &mut random).unwrap();
            candidates[index].fill += 0.01;
            taken[index] += 1;
            running.push_back(index);
        }
        taken.into_iter().map(|taken| f64::from(taken) / reads as f64).collect()
    }

    #[test]
    fn shares_follow_weights_under_little_load_and_under_much() {
        for weights in [vec![100, 100], vec![100, 300], vec![100, 100, 200, 400], vec![1, 1_000]] {
            let sum: u32 = weights.iter().sum();
            for together in [1, 20, 200] {
                let shares = shares(&weights, together, 40_000);
                for (share, weight) in shares.iter().zip(&weights) {
                    let due = f64::from(*weight) / f64::from(sum);
                    assert!((share - due).abs() < 0.06, "{weights:?}, {together} together: {shares:?}");
                }
            }
        }
    }

    #[test]
    fn two_choices_beat_one() {
        let fullest = |pick: &mut dyn FnMut(&[Candidate]) -> usize| {
            let mut candidates = vec![empty(100); 100];
            for _ in 0..10_000 {
                let index = pick(&candidates);
                candidates[index].fill += 1.0;
            }
            candidates.iter().map(|candidate| candidate.fill).fold(0.0, f64::max)
        };
        let mut random = fastrand::Rng::with_seed(7);
        let two = fullest(&mut |candidates| choose(candidates, &mut random).unwrap());
        let mut random = fastrand::Rng::with_seed(7);
        let one = fullest(&mut |candidates| draw(candidates, None, &mut random).unwrap());
        // 100 each on average. At random the fullest has some 125, by two choices some 103.
        assert!(two <= 106.0 && one >= 115.0, "two choices {two}, one {one}");
    }

    #[test]
    fn the_emptier_of_two_is_taken_and_size_counts() {
        let mut random = fastrand::Rng::with_seed(7);
        let full = Candidate { weight: 1_000, fill: 1.0 };
        let candidates = [full, Candidate { weight: 1, fill: 0.0 }];
        assert!((0..1_000).all(|_| choose(&candidates, &mut random) == Some(1)));
        assert_eq!(choose(&[full], &mut random), Some(0));
        assert_eq!(choose(&[], &mut random), None);
    }
}
