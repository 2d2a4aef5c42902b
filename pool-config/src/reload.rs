//! `reload`: how a change of the file is noticed and carried out.

use std::time::Duration;

use crate::class::ReloadClass::{Live, Restart};
use crate::keys::keys;
use crate::kind::{Millis, Word, Words};

keys! {
    /// The section `reload`: how a change of the file is noticed and carried out.
    pub struct Reload {
        /// whether the file is looked at again and again: `poll` or `off`. A signal and a call reload it in any case
        watch: Watch = Watch::Poll, value("watch", Words::new(), Restart);

        /// how often the file is looked at, with those it names
        interval: Duration = Duration::from_secs(15), value("interval_ms", Millis::POSITIVE, Restart);

        /// how long its content must stay the same before it is read, so that a file half written is not
        debounce: Duration = Duration::from_millis(500), value("debounce_ms", Millis::POSITIVE, Restart);

        /// how long connections of the old kind may still be held before they no longer count
        grace: Duration = Duration::from_secs(30), value("grace_ms", Millis::POSITIVE, Live);
    }
}

/// Whether a file is looked at again and again; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// `poll`: its content is compared now and then.
    #[default]
    Poll,
    /// `off`: it is read when somebody asks for it.
    Off,
}

impl Word for Watch {
    const WORDS: &'static [(&'static str, Self)] = &[("poll", Self::Poll), ("off", Self::Off)];
}
