//! The numbers of the episodes of alerts whose pools or rules are gone: the id of an alert never comes to name another one.

use std::collections::HashMap;

use super::super::fingerprint::Fingerprint;

/// How many episodes there were.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    of: HashMap<Fingerprint, u32>,
    /// The most of those that are not remembered one by one.
    of_others: u32,
}

impl Episodes {
    /// As many as one rule may have alerts by default. Beyond, whatever comes back goes on from the highest number.
    const MAX: usize = 10_000;

    /// Notes that an alert is gone that has had so many.
    pub(super) fn leave(&mut self, fingerprint: Fingerprint, episodes: u32) {
        if episodes == 0 {
            return;
        }
        if self.of.len() >= Self::MAX {
            let most = self.of.drain().map(|(_, episodes)| episodes).max();
            self.of_others = self.of_others.max(most.unwrap_or(0));
        }
        self.of.insert(fingerprint, episodes);
    }

    /// How many there were of an alert that is there again.
    pub(super) fn come_back(&mut self, fingerprint: Fingerprint) -> u32 {
        self.of.remove(&fingerprint).unwrap_or(self.of_others)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::labels::Labels;
    use super::*;

    #[test]
    fn a_number_that_was_given_is_not_given_again_however_many_are_gone() {
        let of = |name: usize| Labels::new().with("pool", name.to_string()).fingerprint();
        let mut episodes = Episodes::default();
        for name in 0..2 * Episodes::MAX + 1 {
            assert_eq!(episodes.come_back(of(name)) > 0, name > Episodes::MAX);
            episodes.leave(of(name), if name == 7 { 30 } else { 3 });
        }
        assert!(episodes.of.len() <= Episodes::MAX);
        for name in 0..2 * Episodes::MAX + 1 {
            assert!(episodes.come_back(of(name)) >= if name == 7 { 30 } else { 3 });
        }
    }
}
