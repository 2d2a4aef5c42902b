//! What can be made to go wrong, and for which bytes and connections.
//!
//! Plain data: what a fault does is in `pipe`, `connection` and `door`.

use std::num::NonZeroU64;
use std::time::Duration;

/// Where bytes go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Both, in the order of their declaration.
    pub const ALL: [Direction; 2] = [Direction::ToServer, Direction::ToClient];
}

/// How a TCP connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// In good order: the peer reads what was sent, then the end of the stream.
    Fin,
    /// Torn down: the peer gets "connection reset".
    Reset,
}

/// One thing that goes wrong.
///
/// [`set`](super::Proxy::set) alone, it concerns both directions of all connections. A [`Rule`] narrows that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes arrive later, in their order: each piece by `delay` and a random part of `jitter`.
    ///
    /// Never earlier than `delay`. The end of a stream is delayed as well. When the fault is lifted, bytes
    /// under way arrive at once.
    Latency {
        /// What every piece waits at least.
        delay: Duration,
        /// What it waits more at most. Zero makes every wait the same.
        jitter: Duration,
    },
    /// At most so many bytes pass in a second, on each connection for itself.
    Bandwidth {
        /// The limit; it holds from the first byte on, there is no burst.
        bytes_per_second: NonZeroU64,
    },
    /// Bytes vanish and the connection stays open; so does one whose end vanished.
    ///
    /// What vanished does not come back when the fault is lifted, but an end of the stream does. A stream that
    /// has lost bytes is of no use to most protocols; for a network that heals, use [`Stall`](Fault::Stall).
    Blackhole,
    /// Nothing is read and nothing written, as with a stopped process. Nothing is lost either: when the fault
    /// is lifted, everything goes on.
    Stall,
    /// New connections are refused: the proxy listens no more. The port stays its own.
    ///
    /// Whoever is not listening cannot choose, so a [`Rule`] cannot narrow it. Open connections go on.
    Refuse,
    /// Connections are torn down: existing ones at once, new ones when they have been accepted.
    ///
    /// Narrowed to one direction, only the side that it leads to sees a reset; the other sees an end.
    Reset,
    /// The stream ends in this direction and goes on in the other. What comes later for it is swallowed.
    ///
    /// For those whom it concerned it cannot be lifted.
    HalfClose,
    /// New connections are accepted, and nobody ever answers: they are not connected with the upstream, not
    /// even when the fault is lifted. Open connections go on. It has no direction.
    Silence,
    /// The connection ends when so many bytes have passed in this direction, counted from when it was
    /// accepted or the fault was set, whatever came later. With 0 it ends at the first byte.
    Limit {
        /// How many bytes still pass.
        bytes: u64,
        /// How the connection ends, on both sides.
        ending: Ending,
    },
}

impl Fault {
    /// Latency without jitter.
    pub const fn latency(delay: Duration) -> Self {
        Fault::Latency { delay, jitter: Duration::ZERO }
    }

    /// What sort of fault it is.
    pub const fn kind(&self) -> FaultKind {
        match self {
            Fault::Latency { .. } => FaultKind::Latency,
            Fault::Bandwidth { .. } => FaultKind::Bandwidth,
            Fault::Blackhole => FaultKind::Blackhole,
            Fault::Stall => FaultKind::Stall,
            Fault::Refuse => FaultKind::Refuse,
            Fault::Reset => FaultKind::Reset,
            Fault::HalfClose => FaultKind::HalfClose,
            Fault::Silence => FaultKind::Silence,
            Fault::Limit { .. } => FaultKind::Limit,
        }
    }

    /// The fault, in one direction only.
    pub fn to(self, direction: Direction) -> Rule {
        Rule::from(self).to(direction)
    }

    /// The fault, for a share of the connections.
    pub fn share(self, share: Share) -> Rule {
        Rule::from(self).share(share)
    }

    /// The fault, for connections that are accepted from now on.
    pub fn new_only(self) -> Rule {
        Rule::from(self).new_only()
    }
}

/// A sort of [`Fault`], without its figures. Of each, one is in force in a direction at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Latency`]
    Latency,
    /// [`Fault::Bandwidth`]
    Bandwidth,
    /// [`Fault::Blackhole`]
    Blackhole,
    /// [`Fault::Stall`]
    Stall,
    /// [`Fault::Refuse`]
    Refuse,
    /// [`Fault::Reset`]
    Reset,
    /// [`Fault::HalfClose`]
    HalfClose,
    /// [`Fault::Silence`]
    Silence,
    /// [`Fault::Limit`]
    Limit,
}

/// A part of all connections, from none (0.0) to all (1.0).
///
/// Who belongs to it is drawn once for each connection and kind of fault, from the proxy's seed and the
/// connection's number: the same run meets the same faults. Who is in a share is in every greater one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// Every connection.
    pub const ALL: Share = Share(1.0);

    /// A share, as a fraction of one.
    ///
    /// # Errors
    ///
    /// When the fraction is below 0.0, above 1.0 or not a number.
    pub fn new(fraction: f64) -> Result<Self, ShareError> {
        if (0.0..=1.0).contains(&fraction) { Ok(Share(fraction)) } else { Err(ShareError { fraction }) }
    }

    /// As a fraction of one.
    pub const fn fraction(self) -> f64 {
        self.0
    }
}

impl Default for Share {
    fn default() -> Self {
        Share::ALL
    }
}

/// A number that is not a share of anything.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("take {fraction} for a share: it must be from 0.0 to 1.0")]
#[non_exhaustive]
pub struct ShareError {
    /// The number.
    pub fraction: f64,
}

/// Which connections a rule concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reach {
    /// Those that are open, and all that come.
    #[default]
    All,
    /// Those that are accepted after the rule was set.
    New,
}

/// A fault, and whom it concerns.
///
/// ```
/// use pool_loadtest::proxy::{Direction, Fault, Rule, Share};
///
/// # fn main() -> Result<(), pool_loadtest::proxy::ShareError> {
/// let rule: Rule = Fault::Blackhole.to(Direction::ToClient).share(Share::new(0.3)?).new_only();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// In which direction; `None` is both.
    pub direction: Option<Direction>,
    /// For how many of the connections.
    pub share: Share,
    /// For which of them.
    pub reach: Reach,
}

impl Rule {
    /// In one direction only.
    pub fn to(self, direction: Direction) -> Self {
        Rule { direction: Some(direction), ..self }
    }

    /// For a share of the connections.
    pub fn share(self, share: Share) -> Self {
        Rule { share, ..self }
    }

    /// For connections that are accepted from now on.
    pub fn new_only(self) -> Self {
        Rule { reach: Reach::New, ..self }
    }

    /// Whether it concerns everything that its fault can concern.
    pub(super) fn is_whole(&self) -> bool {
        self.direction.is_none() && self.share == Share::ALL
    }
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Rule { fault, direction: None, share: Share::ALL, reach: Reach::All }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_between_nothing_and_everything() {
        assert_eq!(Share::new(0.0).unwrap().fraction(), 0.0);
        assert_eq!(Share::new(1.0).unwrap(), Share::ALL);
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Share::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Share::new(1.5).unwrap_err().to_string(),
            "take 1.5 for a share: it must be from 0.0 to 1.0"
        );
    }

    #[test]
    fn a_rule_narrows_a_fault_step_by_step() {
        let rule = Fault::Blackhole.to(Direction::ToClient).share(Share::new(0.5).unwrap()).new_only();
        assert_eq!(rule.direction, Some(Direction::ToClient));
        assert_eq!((rule.share.fraction(), rule.reach), (0.5, Reach::New));
        assert!(Rule::from(Fault::Refuse).is_whole());
        assert!(!rule.is_whole());
    }
}
