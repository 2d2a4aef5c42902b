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
//! Deadlines: most callers of a pool bring the same timeout, so those of a lane come in order, and one alarm for the
//! first of them does for all ([`Waiters::expire`]). One whose deadline is before that of its predecessor has a timer of
//! its own. A timer for each caller would cost more than all the rest of waiting (150 ns of 250, 2026-11-21).

use std::collections::{HashSet, VecDeque};
use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Refusal;
use crate::acquire::Priority;
use crate::connection::Owner;
use crate::shelf::Lease;

/// How many callers of high priority may be served in a row while a normal one waits.
pub(crate) const HIGH_BURST: u32 = 8;

/// A node of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId(u32);

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
    /// It is to fail.
    Refused(Refusal),
}

#[derive(Debug)]
struct Node<T> {
    request: Request,
    progress: Progress<T>,
    /// When it was first overtaken: a grant was taken back, or it was nudged and found nothing.
    overtaken: Option<Instant>,
    /// The alarm looks after its deadline.
    timed: bool,
    /// It was seen to hold no connection, or reported.
    looked_at: bool,
    previous: Option<u32>,
    next: Option<u32>,
}

impl<T> Node<T> {
    fn is_granted(&self, at: Instant) -> bool {
        matches!(&self.progress, Progress::Granted(_, since) if *since == at)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Lane {
    head: Option<u32>,
    tail: Option<u32>,
    length: usize,
    /// The latest deadline of those that the alarm looks after; never smaller than that of any of them.
    latest: Option<Instant>,
}

/// The arena and its lines.
#[derive(Debug)]
pub(crate) struct Waiters<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    lanes: [Lane; 2],
    /// Those that were granted a connection, and when, in order; some have come for it since.
    grants: VecDeque<(WaiterId, Instant)>,
    high_streak: u32,
    /// Those in their lanes that were woken and have not come yet.
    nudged: usize,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Waiters {
            nodes: Vec::new(),
            free: Vec::new(),
            lanes: [Lane::default(); 2],
            grants: VecDeque::new(),
            high_streak: 0,
            nudged: 0,
        }
    }
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
    /// Callers in the lanes.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes[0].length + self.lanes[1].length
    }

    /// Callers in one lane.
    pub(crate) fn waiting_with(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].length
    }

    /// Nodes in use: those in the lanes, and those whose acquire has not yet run again.
    pub(crate) fn pending(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// When the oldest wait began.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.head).map(|index| self.node(index).request.begun).min()
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
        let index = match self.free.pop() {
            Some(index) => {
                let node = self.node_mut(index);
                node.request = request;
                node.progress = progress;
                (node.overtaken, node.timed, node.looked_at) = (None, timed, false);
                index
            }
            None => {
                let index = u32::try_from(self.nodes.len()).expect("fewer than four billion callers wait");
                self.nodes.push(Node {
                    request,
                    progress,
                    overtaken: None,
                    timed,
                    looked_at: false,
                    previous: None,
                    next: None,
                });
                index
            }
        };
        self.link(lane, index, end);
        Joined { waiter: WaiterId(index), timed }
    }

    /// The waiter whose turn it is, among the lanes that `allowed` admits.
    pub(crate) fn next(&self, allowed: impl Fn(Priority) -> bool) -> Option<WaiterId> {
        let head = |priority: Priority| {
            allowed(priority).then(|| self.lanes[priority as usize].head).flatten().map(WaiterId)
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
        if let Progress::Granted(..) = progress {
            self.high_streak = match priority {
                Priority::High if self.lanes[Priority::Normal as usize].length > 0 => self.high_streak + 1,
                _ => 0,
            };
        }
        self.unlink(priority as usize, waiter.0);
        if let Progress::Granted(_, since) = &progress {
            self.note_grant(waiter, *since);
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
        self.lanes[Priority::Normal as usize].head.map(WaiterId)
    }

    /// Whether a caller who joins now leaves the deadlines of his lane in order.
    pub(crate) fn keeps_order(&self, request: &Request) -> bool {
        let latest = self.lanes[request.priority as usize].latest;
        request.deadline.is_some_and(|deadline| latest.is_none_or(|latest| latest <= deadline))
    }

    /// Grants a connection to the first in line of normal priority, while nobody of high priority waits.
    pub(crate) fn grant(&mut self, waiter: WaiterId, lease: Lease<T>, now: Instant) -> Option<Waker> {
        self.unlink(Priority::Normal as usize, waiter.0);
        self.note_grant(waiter, now);
        let granted = Progress::Granted(lease, now);
        match std::mem::replace(&mut self.node_mut(waiter.0).progress, granted) {
            Progress::Waiting(waker) => waker,
            Progress::Nudged => {
                self.nudged -= 1;
                None
            }
            _ => None,
        }
    }

    /// What a waiter was granted, and when.
    pub(crate) fn granted(&self, waiter: WaiterId) -> Option<(&Lease<T>, Instant)> {
        match &self.node(waiter.0).progress {
            Progress::Granted(lease, since) => Some((lease, *since)),
            _ => None,
        }
    }

    /// Ends a waiter who was granted a connection.
    pub(crate) fn take_grant(&mut self, waiter: WaiterId) -> Lease<T> {
        if self.grants.front().is_some_and(|(first, _)| *first == waiter) {
            self.grants.pop_front();
        }
        self.free.push(waiter.0);
        match std::mem::replace(&mut self.node_mut(waiter.0).progress, Progress::Over) {
            Progress::Granted(lease, _) => lease,
            _ => unreachable!("the caller looked"),
        }
    }

    /// Whether [`revoke_idle`](Waiters::revoke_idle) may find something.
    pub(crate) fn may_revoke(&mut self, grace: Duration, now: Instant) -> bool {
        self.oldest_grant(grace, now).is_some()
    }

    /// Wakes waiters to see what they can get, the first `count` of those that were not woken already.
    pub(crate) fn nudge(&mut self, count: usize, wake: &mut impl Extend<Waker>) {
        for lane in [Priority::High as usize, Priority::Normal as usize] {
            let mut at = self.lanes[lane].head;
            while let Some(index) = at.filter(|_| self.nudged < count) {
                let node = self.node_mut(index);
                at = node.next;
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

    /// Remembers a grant for [`revoke_idle`](Waiters::revoke_idle).
    fn note_grant(&mut self, waiter: WaiterId, now: Instant) {
        // Those that were come for in order are forgotten in order. Others stay a while; there cannot be many.
        if self.grants.len() > 2 * self.nodes.len() {
            let nodes = &self.nodes;
            self.grants.retain(|(waiter, since)| nodes[waiter.0 as usize].is_granted(*since));
        }
        self.grants.push_back((waiter, now));
    }

    /// The oldest grant that its waiter has not come for since `grace`.
    fn oldest_grant(&mut self, grace: Duration, now: Instant) -> Option<u32> {
        while let Some((waiter, since)) =
            self.grants.front().copied().filter(|(_, since)| now >= *since + grace)
        {
            if self.node(waiter.0).is_granted(since) {
                return Some(waiter.0);
            }
            self.grants.pop_front();
        }
        None
    }

    /// Takes back the oldest grant that its waiter has not come for since `grace`, if it was never overtaken before.
    /// The waiter is the first in its lane again.
    pub(crate) fn revoke_idle(&mut self, grace: Duration, now: Instant) -> Option<(WaiterId, Lease<T>)> {
        let index = self.oldest_grant(grace, now)?;
        let node = self.node(index);
        if node.overtaken.is_some() || node.request.is_late(now) {
            return None;
        }
        let priority = node.request.priority as usize;
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
        (0..).zip(&self.nodes).filter(|(_, node)| late(node)).map(|(index, _)| WaiterId(index)).collect()
    }

    /// Takes a promise back. Returns it.
    pub(crate) fn revoke(&mut self, waiter: WaiterId, refusal: Refusal) -> Progress<T> {
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
        for lane in 0..self.lanes.len() {
            let mut at = self.lanes[lane].head;
            while let Some(index) = at {
                let node = self.node(index);
                at = node.next;
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

    /// Waiters in the lanes that are among `owners`, and where they acquire; each is told of once.
    pub(crate) fn nested(&mut self, owners: &HashSet<Owner>) -> Vec<(Owner, &'static Location<'static>)> {
        let mut nested = Vec::new();
        for lane in 0..self.lanes.len() {
            let mut at = self.lanes[lane].head;
            while let Some(index) = at {
                let node = self.node_mut(index);
                at = node.next;
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
            Progress::Granted(..) | Progress::Refused(_) => {}
            Progress::Over => unreachable!("a waiter belongs to one acquire"),
        }
        self.free.push(waiter.0);
        let node = self.node_mut(waiter.0);
        (node.request, std::mem::replace(&mut node.progress, Progress::Over))
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
                self.node_mut(index).previous = tail;
                match tail {
                    Some(tail) => self.node_mut(tail).next = Some(index),
                    None => self.lanes[lane].head = Some(index),
                }
                self.lanes[lane].tail = Some(index);
            }
            End::Head => {
                self.node_mut(index).next = head;
                match head {
                    Some(head) => self.node_mut(head).previous = Some(index),
                    None => self.lanes[lane].tail = Some(index),
                }
                self.lanes[lane].head = Some(index);
            }
        }
        self.lanes[lane].length += 1;
    }

    fn unlink(&mut self, lane: usize, index: u32) {
        let (previous, next) = {
            let node = self.node_mut(index);
            (node.previous.take(), node.next.take())
        };
        match previous {
            Some(previous) => self.node_mut(previous).next = next,
            None => self.lanes[lane].head = next,
        }
        match next {
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
        self.nudged
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
            let (mut at, mut previous, mut length, mut latest) = (lane.head, None, 0, None);
            while let Some(index) = at {
                let node = self.node(index);
                assert_eq!(node.previous, previous, "links lead both ways");
                let waits = matches!(node.progress, Progress::Waiting(_) | Progress::Nudged);
                assert!(waits, "who was promised something left the lane");
                assert_eq!(node.request.priority as usize, line, "a waiter is in its own lane");
                if node.timed && node.overtaken.is_none() {
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
            linked += lane.length;
        }
        let count = |wanted: fn(&Progress<T>) -> bool| {
            self.nodes.iter().filter(|node| wanted(&node.progress)).count()
        };
        let waiting = count(|progress| matches!(progress, Progress::Waiting(_) | Progress::Nudged));
        assert_eq!(waiting, linked, "who waits is in a lane");
        for (index, node) in (0..).zip(&self.nodes) {
            if let Progress::Granted(_, since) = &node.progress {
                assert!(self.grants.contains(&(WaiterId(index), *since)), "every grant is remembered");
            }
        }
        assert_eq!(count(|progress| matches!(progress, Progress::Nudged)), self.nudged, "nudges are counted");
    }
}
