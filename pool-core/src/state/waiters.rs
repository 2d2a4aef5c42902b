//! Callers that wait, in the order in which they are served.
//!
//! Nodes live in an arena and are linked by index: joining, leaving and being served cost O(1), and after
//! warm-up nothing is allocated. A node belongs to the one acquire that made it, from [`Waiters::join`]
//! until [`Waiters::remove`]; what it was promised stays in its node until then, so a grant can neither be
//! lost nor be delivered twice.
//!
//! There are two lanes. High priority goes first, but after [`HIGH_BURST`] of them in a row the oldest
//! normal caller has its turn, so that no stream of high ones starves the rest.

use std::panic::Location;
use std::task::Waker;

use tokio::time::Instant;

use super::Refusal;
use super::slots::SlotIndex;
use crate::acquire::Priority;
use crate::connection::Owner;

/// How many callers of high priority may be served in a row while a normal one waits.
pub(crate) const HIGH_BURST: u32 = 8;

/// A node of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId(u32);

/// An acquire, as the state machine sees it.
#[derive(Debug, Clone)]
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
pub(crate) enum Progress {
    /// It is in its lane.
    Waiting(Option<Waker>),
    /// This slot is its own.
    Granted(SlotIndex),
    /// It is to fail.
    Refused(Refusal),
}

#[derive(Debug)]
struct Node {
    request: Request,
    progress: Progress,
    previous: Option<u32>,
    next: Option<u32>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Lane {
    head: Option<u32>,
    tail: Option<u32>,
    length: usize,
}

/// The arena and its two lanes.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
    lanes: [Lane; 2],
    high_streak: u32,
}

/// Which end of its lane a waiter joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Before all others: it had its turn and was given something useless.
    Head,
    /// After all others.
    Tail,
}

impl Waiters {
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

    pub(crate) fn join(&mut self, request: Request, end: End) -> WaiterId {
        let lane = request.priority as usize;
        let node = Node { request, progress: Progress::Waiting(None), previous: None, next: None };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = Some(node);
                index
            }
            None => {
                let index = u32::try_from(self.nodes.len()).expect("fewer than four billion callers wait");
                self.nodes.push(Some(node));
                index
            }
        };
        self.link(lane, index, end);
        WaiterId(index)
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

    pub(crate) fn progress(&self, waiter: WaiterId) -> &Progress {
        &self.node(waiter.0).progress
    }

    /// Remembers whom to wake. Returns the waker it replaces, to be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, waiter: WaiterId, waker: Waker) -> Option<Waker> {
        match &mut self.node_mut(waiter.0).progress {
            Progress::Waiting(slot) => slot.replace(waker),
            _ => Some(waker),
        }
    }

    /// Takes a waiter out of its lane with a promise. Returns its waker, to be woken outside the lock.
    pub(crate) fn settle(&mut self, waiter: WaiterId, progress: Progress) -> Option<Waker> {
        let priority = self.node(waiter.0).request.priority;
        if let Progress::Granted(_) = progress {
            self.high_streak = match priority {
                Priority::High if self.lanes[Priority::Normal as usize].length > 0 => self.high_streak + 1,
                _ => 0,
            };
        }
        self.unlink(priority as usize, waiter.0);
        match std::mem::replace(&mut self.node_mut(waiter.0).progress, progress) {
            Progress::Waiting(waker) => waker,
            _ => None,
        }
    }

    /// Waiters that were granted a connection, did not run since, and whose deadline has passed.
    pub(crate) fn late_grants(&self, now: Instant) -> Vec<WaiterId> {
        let late = |node: &Node| matches!(node.progress, Progress::Granted(_)) && node.request.is_late(now);
        (0..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.as_ref().is_some_and(late))
            .map(|(index, _)| WaiterId(index))
            .collect()
    }

    /// Takes a promise back. Returns it.
    pub(crate) fn revoke(&mut self, waiter: WaiterId, refusal: Refusal) -> Progress {
        std::mem::replace(&mut self.node_mut(waiter.0).progress, Progress::Refused(refusal))
    }

    /// Ends a waiter: its acquire has taken what it was promised, or gives up.
    pub(crate) fn remove(&mut self, waiter: WaiterId) -> (Request, Progress) {
        if let Progress::Waiting(_) = self.progress(waiter) {
            self.unlink(self.node(waiter.0).request.priority as usize, waiter.0);
        }
        let node = self.nodes[waiter.0 as usize].take().expect("a waiter belongs to one acquire");
        self.free.push(waiter.0);
        (node.request, node.progress)
    }

    fn node(&self, index: u32) -> &Node {
        self.nodes[index as usize].as_ref().expect("a linked node is in use")
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        self.nodes[index as usize].as_mut().expect("a linked node is in use")
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
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let mut linked = 0;
        for (priority, lane) in self.lanes.iter().enumerate() {
            let (mut at, mut previous, mut length) = (lane.head, None, 0);
            while let Some(index) = at {
                let node = self.node(index);
                assert_eq!(node.previous, previous, "links lead both ways");
                assert_eq!(node.request.priority as usize, priority, "a waiter is in its own lane");
                assert!(
                    matches!(node.progress, Progress::Waiting(_)),
                    "who was promised something left the lane"
                );
                (previous, at, length) = (at, node.next, length + 1);
            }
            assert_eq!((lane.tail, lane.length), (previous, length), "a lane knows its end and length");
            linked += length;
        }
        let waiting =
            self.nodes.iter().flatten().filter(|node| matches!(node.progress, Progress::Waiting(_)));
        assert_eq!(waiting.count(), linked, "who waits is in a lane");
    }
}
