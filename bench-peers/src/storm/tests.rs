use std::ops::Deref;

use super::*;
use crate::connection::{Conn, Opener};
use crate::pool::Kind;
use crate::pools::Ours;

const BREEZE: Storm = Storm {
    tasks: 40,
    connections: 4,
    time: Duration::from_millis(150),
    calm: Duration::from_millis(50),
    seed: 1,
};

#[test]
fn ours_loses_no_connection_in_a_storm() {
    let outcome = run::<Ours>(&BREEZE);
    assert!(outcome.is_sound(), "{outcome:?}");
    assert!(outcome.completed > 0 && outcome.cancelled > 0, "{outcome:?}");
    assert!(outcome.calm_per_second > 0.0, "{outcome:?}");
}

/// Hands out a connection to everybody who asks.
struct Generous(Opener);

struct Gift(Conn);

impl Deref for Gift {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl BenchPool for Generous {
    const NAME: &'static str = "generous";
    const KIND: Kind = Kind::Floor;
    const SETTINGS: &'static str = "";

    type Guard<'a> = Gift;

    async fn new(_size: usize) -> Self {
        Generous(Opener::default())
    }

    async fn acquire(&self) -> Gift {
        Gift(self.0.open())
    }

    fn future_bytes(&self) -> usize {
        0
    }
}

#[test]
fn a_pool_without_a_limit_is_found_out() {
    let outcome = run::<Generous>(&BREEZE);
    assert!(outcome.one_too_many && outcome.peak_held > BREEZE.connections, "{outcome:?}");
    assert!(!outcome.is_sound());
}

#[test]
fn a_lost_connection_and_a_hung_task_are_found_out() {
    let sound = StormOutcome {
        completed: 1,
        cancelled: 1,
        per_second: 1.0,
        calm_per_second: 1.0,
        peak_held: 4,
        hung: 0,
        acquirable: 4,
        one_too_many: false,
        size: 4,
    };
    assert!(sound.is_sound());
    assert!(!StormOutcome { acquirable: 3, ..sound.clone() }.is_sound());
    assert!(!StormOutcome { hung: 1, ..sound }.is_sound());
}
