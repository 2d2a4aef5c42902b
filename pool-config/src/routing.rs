//! `routing`: how reads are spread over the replicas of a group.

use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::keys;
use crate::kind::{Millis, Whole};
use crate::problem::Mistake;
use crate::section::Origin;

keys! {
    /// The section `routing`: how reads are spread over the replicas of each group of pools.
    pub struct Routing {
        /// for how long after a write the reads of the same session go to the primary
        read_your_writes: Duration = Duration::ZERO, value("read_your_writes_ms", Millis::zero("off"), Live);

        /// how long a replica that failed gets no reads; after a second failure in a row twice as long, and so on
        ejection_time: Duration = Duration::from_secs(1), value("ejection_time_ms", Millis::POSITIVE, Live);

        /// the longest time that a replica gets no reads
        max_ejection_time: Duration = Duration::from_secs(30), value("max_ejection_time_ms", Millis::POSITIVE, Live);

        /// how many of the replicas of a group may be without reads at the same time
        max_ejection_percent: u8 = 100, value("max_ejection_percent", Whole::within(0..=100).of("%"), Live);
    }

    check(routing, section) {
        let (time, most) = ("ejection_time_ms", "max_ejection_time_ms");
        let refused = [time, most].map(|key| section.origin(key)).contains(&Origin::Refused);
        if !refused && routing.ejection_time > routing.max_ejection_time {
            let at = if section.is_written(time) { time } else { most };
            let expected = "ejection_time_ms at most max_ejection_time_ms";
            section.report(at, Mistake::new(section.shown(at), expected, "lower ejection_time_ms or raise max_ejection_time_ms"));
        }
    }
}
