//! A transaction in the hands of the code that runs in it, which somebody else ends.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use super::Dialect;
use super::connection::SqlConnection;
use super::transaction::SqlTransaction;

/// A transaction that [`SqlPool::transaction`](super::SqlPool::transaction) commits or rolls back when the code that
/// runs in it has ended. Queries go through `&mut *scope`; [`begin`](SqlConnection::begin) sets savepoints.
///
/// It is handed over by value, so that the future which uses it borrows nothing and can be sent to other threads.
/// Dropped, it finds its way back. Kept beyond the end of that code, it is rolled back when it is dropped at last.
pub struct Scope<D: Dialect> {
    /// `None` only in the middle of `drop`.
    transaction: Option<SqlTransaction<'static, D>>,
    way_back: WayBack<D>,
}

/// Where a scope leaves its transaction.
pub(super) struct WayBack<D: Dialect>(Arc<Mutex<Option<SqlTransaction<'static, D>>>>);

impl<D: Dialect> Scope<D> {
    pub(super) fn new(transaction: SqlTransaction<'static, D>) -> (Self, WayBack<D>) {
        let left = Arc::new(Mutex::new(None));
        let scope = Scope { transaction: Some(transaction), way_back: WayBack(Arc::clone(&left)) };
        (scope, WayBack(left))
    }
}

impl<D: Dialect> WayBack<D> {
    /// The transaction, if its scope has been dropped.
    pub(super) fn take(&self) -> Option<SqlTransaction<'static, D>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<D: Dialect> Drop for Scope<D> {
    fn drop(&mut self) {
        let transaction = self.transaction.take();
        *self.way_back.0.lock().unwrap_or_else(PoisonError::into_inner) = transaction;
    }
}

impl<D: Dialect> Deref for Scope<D> {
    type Target = SqlConnection<D>;

    fn deref(&self) -> &SqlConnection<D> {
        self.transaction.as_ref().expect("the transaction is taken only when the scope ends")
    }
}

impl<D: Dialect> DerefMut for Scope<D> {
    fn deref_mut(&mut self) -> &mut SqlConnection<D> {
        self.transaction.as_mut().expect("the transaction is taken only when the scope ends")
    }
}

impl<D: Dialect> fmt::Debug for Scope<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}
