//! What is left to do after the lock is released.
//!
//! The state machine calls no code but its own: wakers, drops of connections and observers are user code
//! and may panic, block, or call back into the pool. It notes them here, and the shell carries them out.

use std::task::Waker;

use super::slots::Lease;
use crate::error::ConnectError;
use crate::event::PoolEvent;

/// Filled under the lock, carried out after it.
#[derive(Debug)]
pub(crate) struct Effects<T> {
    /// To be woken.
    pub(crate) wake: Few<Waker>,
    /// To be dropped: their acquire will not wait on them any more.
    pub(crate) forget: Few<Waker>,
    /// Dead connections, to be dropped; their slots are freed after that.
    pub(crate) abort: Vec<Lease<T>>,
    /// Connections whose slot is no longer theirs, to be dropped.
    pub(crate) orphans: Vec<T>,
    /// What the connector said, to be dropped: its errors are user code too.
    pub(crate) causes: Vec<ConnectError>,
    /// To be logged and told to observers.
    pub(crate) events: Vec<PoolEvent>,
    /// The keeper has work.
    pub(crate) ring: bool,
    /// The alarm is to go off earlier than it is set to, or never.
    pub(crate) alarm: bool,
    /// Something changed that `warm_up` or `close` may wait for.
    pub(crate) changed: bool,
}

impl<T> Effects<T> {
    pub(crate) fn new() -> Self {
        Effects {
            wake: Few::default(),
            forget: Few::default(),
            abort: Vec::new(),
            orphans: Vec::new(),
            causes: Vec::new(),
            events: Vec::new(),
            ring: false,
            alarm: false,
            changed: false,
        }
    }
}

/// Usually none or one: the first needs no allocation.
#[derive(Debug)]
pub(crate) struct Few<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few { first: None, more: Vec::new() }
    }
}

impl<T> Few<T> {
    pub(crate) fn push(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.more.push(item),
        }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}
