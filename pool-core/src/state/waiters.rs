//! Callers that wait, in the order in which they are served.
//!
//! Nodes live in an arena and are linked by index: joining, leaving and being served cost O(1), and after
//! warm-up nothing is allocated. A node belongs to the one acquire that made it, from [`Waiters::join`]
//! until [`Waiters::remove`]; what it was promised stays in its node until then, so a grant can neither be
//! lost nor be delivered twice.
//!
//! There are two lanes. High priority goes first, but after [`HIGH_BURST`] of them in a row the oldest
//! normal caller has its turn, so that no stream of high ones starves the rest. Those that were granted a connection
//! and have not come for it stand in a third line, in the order of the grants.
//!
//! A grant is either kept in its node, or lies in the node's [hatch](Hatches), from where its caller takes it without
//! the lock. Whether it is still there only [`Waiters::recover`] can say.
//!
//! Deadlines: most callers of a pool bring the same timeout, so those of a lane come in order, and one alarm for the
//! first of them does for all ([`Waiters::expire`]). One whose deadline is before that of its predecessor has a timer of
//! its own. A timer for each caller would cost more than all the rest of waiting (150 ns of 250, 2026-11-21).

use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Refusal;
use crate::acquire::Priority;
use crate::clock::Clock;
use crate::connection::Owner;
use crate::shelf::{Hatches, Lease, SlotIndex};

/// How many callers of high priority may be served in a row while a normal one waits.
pub(crate) const HIGH_BURST: u32 = 8;

/// A node of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId(u32);

impl WaiterId {
    /// Which node.
    pub(crate) fn node(self) -> u32 {
        self.0
    }
}

/// An acquire, as the state machine sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) owner: Owner,
    pub(crate) site: &'static Location<'static>,
    pub(crate) priority: Priority,
    /// When it began.
    pub(crate) begun: Instant,
    /// When it gives up; `None` = it does not wait at all.
    pub(crate) deadline: Option<Instant>,
    /// Whether the connection must be validated even if it was used just now.
    pub(crate) validate: bool,
    /// Nobody needs the connection: it is to be found out whether there is one.
    pub(crate) is_check: bool,
}

impl Request {
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// How far a waiter has come.
#[derive(Debug)]
pub(crate) enum Progress<T> {
    /// The node is not in use.
    Over,
    /// It is in its lane.
    Waiting(Option<Waker>),
    /// It is in its lane, and was woken to see what it can get.
    Nudged,
    /// This connection is its own, since then.
    Granted(Lease<T>, Instant),
    /// As `Granted`, but the connection lies in its hatch, or was taken from there.
    Handed(Handed),
    /// It is to fail.
    Refused(Refusal),
}

/// A grant that may have been taken already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handed {
    /// When it was granted.
    pub(crate) since: Instant,
    pub(crate) slot: SlotIndex,
    /// How often the slot had been used by then: once it was used more often, the connection is in its caller's hands.
    pub(crate) uses: u64,
}

/// What is touched when a connection passes from caller to caller comes first, so that it is on one cache line: on a
/// busy pool that line wanders from processor to processor.
#[derive(Debug)]
#[repr(C, align(64))]
struct Node<T> {
    progress: Progress<T>,
    begun: Instant,
    previous: Link,
    next: Link,
    /// Whether the connection must be validated even if it was used just now.
    validate: bool,
    /// The alarm looks after its deadline.
    timed: bool,
    /// It was seen to hold no connection, or reported.
    looked_at: bool,
    request: Request,
    /// When it was first overtaken: a grant was taken back, or it was nudged and found nothing.
    overtaken: Option<Instant>,
    /// From when on it could have come for what it was granted.
    seen: Option<Instant>,
}

/// The other end of a link, if there is one, in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const NONE: Link = Link(u32::MAX);

    fn get(self) -> Option<u32> {
        (self != Link::NONE).then_some(self.0)
    }
}

impl From<u32> for Link {
    fn from(index: u32) -> Self {
        Link(index)
    }
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    head: Link,
    tail: Link,
    length: u32,
    /// The latest deadline of those that the alarm looks after; never smaller than that of any of them.
    latest: Option<Instant>,
}

impl Lane {
    const EMPTY: Lane = Lane { head: Link::NONE, tail: Link::NONE, length: 0, latest: None };
}

/// The lines that callers wait in.
const LANES: std::ops::Range<usize> = 0..2;

/// The line of those that were granted a connection.
const GRANTED: usize = 2;

/// The arena and its lanes. Ordered so that what each hand-over touches is close together.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Waiters<T> {
    /// Normal and high priority, and those that were granted a connection.
    lanes: [Lane; 3],
    /// The first node that is not in use; those are linked by `next`.
    free: Link,
    pending: u32,
    /// Those in their lanes that were woken and have not come yet.
    nudged: u32,
    high_streak: u32,
    nodes: Vec<Node<T>>,
    hatches: Arc<Hatches<T>>,
}

/// A place in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) waiter: WaiterId,
    /// The alarm looks after its deadline; if not, it needs a timer of its own.
    pub(crate) timed: bool,
}

/// Which end of its lane a waiter joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Before all others: it had its turn and was given something useless.
    Head,
    /// After all others.
    Tail,
}

impl<T> Waiters<T> {
    pub(crate) fn new(hatches: Arc<Hatches<T>>) -> Self {
        Waiters {
            lanes: [Lane::EMPTY; 3],
            free: Link::NONE,
            pending: 0,
            nudged: 0,
            high_streak: 0,
            nodes: Vec::new(),
            hatches,
        }
    }

    /// Callers in the lanes.
    pub(crate) fn waiting(&self) -> usize {
        (self.lanes[0].length + self.lanes[1].length) as usize
    }

    /// Callers in one lane.
    pub(crate) fn waiting_with(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].length as usize
    }

    /// Callers that were granted a connection, and have not come for it as far as is known.
    pub(crate) fn granted(&self) -> usize {
        self.lanes[GRANTED].length as usize
    }

    /// Nodes in use: those in the lanes, and those whose acquire has not yet run again.
    pub(crate) fn pending(&self) -> usize {
        self.pending as usize
    }

    /// When the oldest wait began.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes[LANES].iter().filter_map(|lane| lane.head.get()).map(|index| self.node(index).begun).min()
    }

    /// Puts a caller in line, to be woken by `waker`.
    pub(crate) fn join(&mut self, request: Request, waker: Option<Waker>, end: End) -> Joined {
        let lane = request.priority as usize;
        // Who joins at the head was in line before and may have any deadline.
        let timed = end == End::Tail
            && request
                .deadline
                .is_some_and(|deadline| self.lanes[lane].latest.is_none_or(|latest| latest <= deadline));
        if timed {
            self.lanes[lane].latest = request.deadline;
        }
        let progress = Progress::Waiting(waker);
        let index = match self.free.get() {
            Some(index) => {
                let node = self.node_mut(index);
                let next = node.next;
                node.progress = progress;
                (node.begun, node.validate) = (request.begun, request.validate);
                (node.overtaken, node.seen, node.timed, node.looked_at) = (None, None, timed, false);
                node.request = request;
                self.free = next;
                index
            }
            None => {
                let index =
                    u32::try_from(self.nodes.len()).expect("fewer than two hundred million callers wait");
                self.nodes.push(Node {
                    progress,
                    begun: request.begun,
                    previous: Link::NONE,
                    next: Link::NONE,
                    validate: request.validate,
                    timed,
                    looked_at: false,
                    request,
                    overtaken: None,
                    seen: None,
                });
                self.hatches.grow(index);
                index
            }
        };
        self.pending += 1;
        self.link(lane, index, end);
        Joined { waiter: WaiterId(index), timed }
    }

    /// The waiter whose turn it is, among the lanes that `allowed` admits.
    pub(crate) fn next(&self, allowed: impl Fn(Priority) -> bool) -> Option<WaiterId> {
        let head = |priority: Priority| {
            allowed(priority).then(|| self.lanes[priority as usize].head.get()).flatten().map(WaiterId)
        };
        match (head(Priority::High), head(Priority::Normal)) {
            (Some(_), Some(normal)) if self.high_streak >= HIGH_BURST => Some(normal),
            (Some(high), _) => Some(high),
            (None, normal) => normal,
        }
    }

    pub(crate) fn request(&self, waiter: WaiterId) -> &Request {
        &self.node(waiter.0).request
    }

    pub(crate) fn progress(&self, waiter: WaiterId) -> &Progress<T> {
        &self.node(waiter.0).progress
    }

    /// Since when others have gone before this waiter.
    pub(crate) fn overtaken(&self, waiter: WaiterId) -> Option<Instant> {
        self.node(waiter.0).overtaken
    }

    /// Remembers whom to wake. Returns the waker it replaces, to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, waiter: WaiterId, waker: Waker) -> Option<Waker> {
        let node = self.node_mut(waiter.0);
        match &mut node.progress {
            Progress::Waiting(slot) => slot.replace(waker),
            Progress::Nudged => {
                node.progress = Progress::Waiting(Some(waker));
                self.nudged -= 1;
                None
            }
            _ => Some(waker),
        }
    }

    /// Takes a waiter out of its lane with a promise. Returns its waker, to be woken outside the lock.
    pub(crate) fn settle(&mut self, waiter: WaiterId, progress: Progress<T>) -> Option<Waker> {
        let priority = self.node(waiter.0).request.priority;
        if let Progress::Granted(_, since) = &progress {
            self.node_mut(waiter.0).seen = Some(*since);
            self.high_streak = match priority {
                Priority::High if self.lanes[Priority::Normal as usize].length > 0 => self.high_streak + 1,
                _ => 0,
            };
        }
        self.unlink(priority as usize, waiter.0);
        if let Progress::Granted(..) = &progress {
            self.link(GRANTED, waiter.0, End::Tail);
        }
        match std::mem::replace(&mut self.node_mut(waiter.0).progress, progress) {
            Progress::Waiting(waker) => waker,
            Progress::Nudged => {
                self.nudged -= 1;
                None
            }
            _ => None,
        }
    }

    /// The first in line of normal priority.
    pub(crate) fn first_normal(&self) -> Option<WaiterId> {
        self.lanes[Priority::Normal as usize].head.get().map(WaiterId)
    }

    /// Whether a caller who joins now leaves the deadlines of his lane in order.
    pub(crate) fn keeps_order(&self, request: &Request) -> bool {
        let latest = self.lanes[request.priority as usize].latest;
        request.deadline.is_some_and(|deadline| latest.is_none_or(|latest| latest <= deadline))
    }

    /// Grants a connection to the first in line of normal priority, while nobody of high priority waits.
    pub(crate) fn hand(&mut self, waiter: WaiterId, lease: Lease<T>, now: Instant) -> Option<Waker> {
        self.unlink(Priority::Normal as usize, waiter.0);
        self.link(GRANTED, waiter.0, End::Tail);
        let uses = lease.record().acquired.load(Relaxed);
        let handed = Progress::Handed(Handed { since: now, slot: lease.index(), uses });
        self.high_streak = 0;
        let before = std::mem::replace(&mut self.node_mut(waiter.0).progress, handed);
        self.hatches.lay_in(waiter.0, lease);
        match before {
            Progress::Waiting(waker) => waker,
            Progress::Nudged => {
                self.nudged -= 1;
                None
            }
            _ => None,
        }
    }

    /// The one who was granted a connection first and is not known to have taken it.
    pub(crate) fn first_granted(&self) -> Option<WaiterId> {
        self.lanes[GRANTED].head.get().map(WaiterId)
    }

    pub(crate) fn granted_after(&self, waiter: WaiterId) -> Option<WaiterId> {
        self.node(waiter.0).next.get().map(WaiterId)
    }

    /// Takes a grant from its hatch into its node, if it is still there.
    pub(crate) fn recover(&mut self, waiter: WaiterId) {
        if let Progress::Handed(_) = self.progress(waiter)
            && let Some(lease) = self.hatches.take(waiter.0)
        {
            self.give_back(waiter, lease);
        }
    }

    /// When a waiter came for what he was handed, if he looked at the exact clock.
    pub(crate) fn came_at(&self, waiter: WaiterId) -> Option<u64> {
        self.hatches.came_at(waiter.0)
    }

    /// Takes back the grant of a waiter who gives up, if it lies in its hatch. The waiter is no more.
    pub(crate) fn take_back(&mut self, waiter: WaiterId) -> Option<Lease<T>> {
        let lease = self.hatches.take(waiter.0)?;
        self.dismiss(waiter);
        Some(lease)
    }

    /// Puts what was taken from a waiter's hatch into his node.
    pub(crate) fn give_back(&mut self, waiter: WaiterId, lease: Lease<T>) {
        let progress = &mut self.node_mut(waiter.0).progress;
        let Progress::Handed(Handed { since, .. }) = *progress else {
            unreachable!("only what is handed over lies in a hatch")
        };
        *progress = Progress::Granted(lease, since);
    }

    /// Ends a waiter who took what he was granted. Returns when his wait began.
    pub(crate) fn dismiss(&mut self, waiter: WaiterId) -> Instant {
        self.unlink(GRANTED, waiter.0);
        self.retire(waiter.0);
        self.node(waiter.0).begun
    }

    /// Whether a waiter wants a connection that was validated.
    pub(crate) fn wants_validation(&self, waiter: WaiterId) -> bool {
        self.node(waiter.0).validate
    }

    /// What a waiter was granted and did not take, and when its wait began.
    pub(crate) fn grant(&self, waiter: WaiterId) -> Option<(&Lease<T>, Instant)> {
        let node = self.node(waiter.0);
        match &node.progress {
            Progress::Granted(lease, _) => Some((lease, node.begun)),
            _ => None,
        }
    }

    /// Ends a waiter who was granted a connection.
    pub(crate) fn take_grant(&mut self, waiter: WaiterId) -> Lease<T> {
        self.unlink(GRANTED, waiter.0);
        match self.retire(waiter.0) {
            Progress::Granted(lease, _) => lease,
            _ => unreachable!("the caller looked"),
        }
    }

    /// Wakes waiters to see what they can get, the first `count` of those that were not woken already.
    pub(crate) fn nudge(&mut self, count: usize, wake: &mut impl Extend<Waker>) {
        for lane in [Priority::High as usize, Priority::Normal as usize] {
            let mut at = self.lanes[lane].head.get();
            while let Some(index) = at.filter(|_| (self.nudged as usize) < count) {
                let node = self.node_mut(index);
                at = node.next.get();
                if let Progress::Waiting(waker) = &mut node.progress {
                    wake.extend(waker.take());
                    node.progress = Progress::Nudged;
                    self.nudged += 1;
                }
            }
        }
    }

    /// Notes that a waiter came and found nothing, or that what it was granted was taken back.
    pub(crate) fn mark_overtaken(&mut self, waiter: WaiterId, now: Instant) {
        self.node_mut(waiter.0).overtaken.get_or_insert(now);
    }

    /// Takes back a grant that its waiter has not come for since `grace`, if it was never overtaken before and is not of
    /// higher priority than the one who asks. The waiter is the first in its lane again.
    pub(crate) fn revoke_idle(
        &mut self,
        for_whom: Priority,
        grace: Duration,
        now: Instant,
    ) -> Option<(WaiterId, Lease<T>)> {
        // Grants of a saturated pool may be dated a little early, so for them the time counts from the search that first
        // saw them, or from when they were made for certain.
        let mut found = None;
        let mut at = self.lanes[GRANTED].head.get();
        while let Some(index) = at {
            let node = self.node_mut(index);
            at = node.next.get();
            let Progress::Granted(_, since) = node.progress else { continue };
            let owed = node.overtaken.is_some() || node.request.priority > for_whom;
            let seen = (*node.seen.get_or_insert(now)).min(since + Clock::LAG);
            if now >= seen + grace && !owed && !node.request.is_late(now) {
                found = Some((index, node.request.priority as usize));
                break;
            }
        }
        let (index, priority) = found?;
        self.unlink(GRANTED, index);
        self.link(priority, index, End::Head);
        // It was woken for the grant, and will say whom to wake next when it comes.
        self.nudged += 1;
        let node = self.node_mut(index);
        node.overtaken = Some(now);
        match std::mem::replace(&mut node.progress, Progress::Nudged) {
            Progress::Granted(lease, _) => Some((WaiterId(index), lease)),
            _ => unreachable!("looked at above"),
        }
    }

    /// Waiters that were granted a connection, did not run since, and whose deadline has passed.
    pub(crate) fn late_grants(&self, now: Instant) -> Vec<WaiterId> {
        let late =
            |node: &Node<T>| matches!(node.progress, Progress::Granted(..)) && node.request.is_late(now);
        self.line(GRANTED).filter(|index| late(self.node(*index))).map(WaiterId).collect()
    }

    /// Takes a promise back. Returns it.
    pub(crate) fn revoke(&mut self, waiter: WaiterId, refusal: Refusal) -> Progress<T> {
        self.unlink(GRANTED, waiter.0);
        std::mem::replace(&mut self.node_mut(waiter.0).progress, Progress::Refused(refusal))
    }

    /// Refuses all whose deadlines the alarm looks after and has passed. Returns when the next one passes.
    pub(crate) fn expire(
        &mut self,
        refusal: Refusal,
        now: Instant,
        wake: &mut impl Extend<Waker>,
    ) -> Option<Instant> {
        let mut next = None;
        for lane in LANES {
            let mut at = self.lanes[lane].head.get();
            while let Some(index) = at {
                let node = self.node(index);
                at = node.next.get();
                if !node.timed {
                    continue;
                }
                if !node.request.is_late(now) {
                    next = next.into_iter().chain(node.request.deadline).min();
                    // One that is back at the head after its grant may have a later deadline than the next.
                    if node.overtaken.is_none() {
                        break;
                    }
                    continue;
                }
                wake.extend(self.settle(WaiterId(index), Progress::Refused(refusal)));
            }
        }
        next
    }

    /// Refuses all whose deadlines have passed by then.
    pub(crate) fn refuse_until(&mut self, refusal: Refusal, until: Instant, wake: &mut impl Extend<Waker>) {
        for lane in LANES {
            let late: Vec<_> =
                self.line(lane).filter(|index| self.node(*index).request.is_late(until)).collect();
            for index in late {
                wake.extend(self.settle(WaiterId(index), Progress::Refused(refusal)));
            }
        }
    }

    /// Waiters in the lanes that are among `owners`, and where they acquire; each is told of once.
    pub(crate) fn nested(&mut self, owners: &HashSet<Owner>) -> Vec<(Owner, &'static Location<'static>)> {
        let mut nested = Vec::new();
        for lane in LANES {
            let mut at = self.lanes[lane].head.get();
            while let Some(index) = at {
                let node = self.node_mut(index);
                at = node.next.get();
                if !std::mem::replace(&mut node.looked_at, true) && owners.contains(&node.request.owner) {
                    nested.push((node.request.owner, node.request.site));
                }
            }
        }
        nested
    }

    /// Ends a waiter: its acquire has taken what it was promised, or gives up.
    pub(crate) fn remove(&mut self, waiter: WaiterId) -> (Request, Progress<T>) {
        match self.progress(waiter) {
            Progress::Waiting(_) => self.unlink(self.node(waiter.0).request.priority as usize, waiter.0),
            Progress::Nudged => {
                self.nudged -= 1;
                self.unlink(self.node(waiter.0).request.priority as usize, waiter.0);
            }
            Progress::Granted(..) => self.unlink(GRANTED, waiter.0),
            Progress::Refused(_) => {}
            Progress::Handed(_) | Progress::Over => unreachable!("a waiter belongs to one acquire"),
        }
        let progress = self.retire(waiter.0);
        (self.node(waiter.0).request, progress)
    }

    /// Makes a node free.
    fn retire(&mut self, index: u32) -> Progress<T> {
        let free = self.free;
        let node = self.node_mut(index);
        node.next = free;
        let progress = std::mem::replace(&mut node.progress, Progress::Over);
        self.free = Link(index);
        self.pending -= 1;
        progress
    }

    /// The nodes of a line.
    fn line(&self, lane: usize) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.lanes[lane].head.get(), |index| self.node(*index).next.get())
    }

    fn node(&self, index: u32) -> &Node<T> {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        &mut self.nodes[index as usize]
    }

    fn link(&mut self, lane: usize, index: u32, end: End) {
        let Lane { head, tail, .. } = self.lanes[lane];
        match end {
            End::Tail => {
                let node = self.node_mut(index);
                (node.previous, node.next) = (tail, Link::NONE);
                match tail.get() {
                    Some(tail) => self.node_mut(tail).next = Link(index),
                    None => self.lanes[lane].head = Link(index),
                }
                self.lanes[lane].tail = Link(index);
            }
            End::Head => {
                let node = self.node_mut(index);
                (node.previous, node.next) = (Link::NONE, head);
                match head.get() {
                    Some(head) => self.node_mut(head).previous = Link(index),
                    None => self.lanes[lane].tail = Link(index),
                }
                self.lanes[lane].head = Link(index);
            }
        }
        self.lanes[lane].length += 1;
    }

    fn unlink(&mut self, lane: usize, index: u32) {
        let Node { previous, next, .. } = *self.node(index);
        match previous.get() {
            Some(previous) => self.node_mut(previous).next = next,
            None => self.lanes[lane].head = next,
        }
        match next.get() {
            Some(next) => self.node_mut(next).previous = previous,
            None => self.lanes[lane].tail = previous,
        }
        self.lanes[lane].length -= 1;
        if self.lanes[lane].length == 0 {
            self.lanes[lane].latest = None;
        }
    }

    /// Those in their lanes that were woken and have not come yet.
    #[cfg(test)]
    pub(crate) fn nudged(&self) -> usize {
        self.nudged as usize
    }

    /// The first deadline that the alarm looks after.
    #[cfg(test)]
    pub(crate) fn first_timed(&self) -> Option<Instant> {
        let waits = |node: &&Node<T>| matches!(node.progress, Progress::Waiting(_) | Progress::Nudged);
        let timed = self.nodes.iter().filter(|node| node.timed).filter(waits);
        timed.filter_map(|node| node.request.deadline).min()
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let mut linked = 0;
        for (line, lane) in self.lanes.iter().enumerate() {
            let (mut at, mut previous, mut length, mut latest) = (lane.head, Link::NONE, 0, None);
            while let Some(index) = at.get() {
                let node = self.node(index);
                assert_eq!(node.previous, previous, "links lead both ways");
                let own = match node.progress {
                    Progress::Waiting(_) | Progress::Nudged => node.request.priority as usize,
                    Progress::Granted(..) | Progress::Handed(_) => GRANTED,
                    Progress::Over | Progress::Refused(_) => usize::MAX,
                };
                assert_eq!(own, line, "a waiter is in its own lane");
                if line != GRANTED && node.timed && node.overtaken.is_none() {
                    assert!(
                        latest <= node.request.deadline,
                        "those that the alarm looks after come in order"
                    );
                    latest = node.request.deadline;
                }
                (previous, at, length) = (at, node.next, length + 1);
            }
            assert_eq!((lane.tail, lane.length), (previous, length), "a lane knows its end and length");
            assert!(latest <= lane.latest, "and its latest deadline");
            linked += if line == GRANTED { 0 } else { length };
        }
        let count = |wanted: fn(&Progress<T>) -> bool| {
            u32::try_from(self.nodes.iter().filter(|node| wanted(&node.progress)).count()).unwrap()
        };
        let waiting = count(|progress| matches!(progress, Progress::Waiting(_) | Progress::Nudged));
        assert_eq!(waiting, linked, "who waits is in a lane");
        assert_eq!(count(|progress| matches!(progress, Progress::Nudged)), self.nudged, "nudges are counted");
        assert_eq!(
            count(|progress| !matches!(progress, Progress::Over)),
            self.pending,
            "so are nodes in use"
        );
        let free = std::iter::successors(self.free.get(), |index| self.node(*index).next.get());
        assert_eq!(free.count(), self.nodes.len() - self.pending as usize, "every other node is free");
    }
}
