//! A pool without the type of its connections, and a pool without the type of its connector.
//!
//! [`PoolControl`] is everything about a pool but its connections, as an object: monitors, health checks,
//! servers and [`PoolSet`](crate::PoolSet) work with it. [`ConnectionPool`] adds the typed acquire, for
//! code that is generic over pools.

use std::any::Any;
use std::future::Future;
use std::ops::DerefMut;
use std::pin::Pin;
use std::time::Duration;

use crate::connection::{ConnectionId, ConnectionInfo, Holder};
use crate::connector::Connector;
use crate::error::{AcquireError, ConnectFailure, Outage, WarmUpError};
use crate::histogram::PoolHistograms;
use crate::options::{OptionsError, PoolOptions};
use crate::pool::{CheckReport, CloseReport, Pool};
use crate::pool_id::PoolId;
use crate::pooled::Pooled;
use crate::sizing::SizingAdvice;
use crate::stats::{PoolCounters, PoolSnapshot, PoolStats};
use crate::target::Target;

/// A future that a [`PoolControl`] returns.
pub type ControlFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Watches and steers a pool. Each method does what the method of [`Pool`] of the same name does.
pub trait PoolControl: Any + Send + Sync {
    /// See [`Pool::name`].
    fn name(&self) -> &str;
    /// See [`Pool::id`].
    fn id(&self) -> PoolId;
    /// See [`Pool::target`].
    fn target(&self) -> Option<Target>;
    /// See [`Pool::snapshot`].
    fn snapshot(&self) -> PoolSnapshot;
    /// See [`Pool::stats`].
    fn stats(&self) -> PoolStats {
        self.snapshot().stats
    }
    /// See [`Pool::counters`].
    fn counters(&self) -> PoolCounters {
        self.snapshot().counters
    }
    /// See [`Pool::sizing_advice`].
    fn sizing_advice(&self) -> Option<SizingAdvice>;
    /// See [`Pool::histograms`].
    fn histograms(&self) -> PoolHistograms;
    /// See [`Pool::read_histograms`].
    ///
    /// The default reads one after the other, and allocates.
    fn read_histograms(&self, into: &mut PoolHistograms) -> PoolSnapshot {
        *into = self.histograms();
        self.snapshot()
    }
    /// See [`Pool::take_peak`].
    ///
    /// The default knows only how many are in use now.
    fn take_peak(&self) -> usize {
        self.stats().active
    }
    /// See [`Pool::reset_stats`].
    fn reset_stats(&self);
    /// See [`Pool::connections`].
    fn connections(&self) -> Vec<ConnectionInfo>;
    /// See [`Pool::holders`].
    fn holders(&self) -> Vec<Holder>;
    /// See [`Pool::outage`].
    fn outage(&self) -> Option<Outage>;
    /// See [`Pool::last_connect_failure`].
    ///
    /// The default knows of none.
    fn last_connect_failure(&self) -> Option<ConnectFailure> {
        None
    }
    /// See [`Pool::is_closed`].
    fn is_closed(&self) -> bool;
    /// See [`Pool::is_paused`].
    fn is_paused(&self) -> bool;
    /// See [`Pool::options`].
    fn options(&self) -> PoolOptions;
    /// See [`Pool::set_options`].
    ///
    /// # Errors
    ///
    /// If any option is out of its range; nothing is changed then.
    fn set_options(&self, options: PoolOptions) -> Result<(), OptionsError>;
    /// See [`Pool::resize`].
    ///
    /// # Errors
    ///
    /// If the size is out of its range; nothing is changed then.
    fn resize(&self, max_connections: usize) -> Result<(), OptionsError>;
    /// Changes [`max_waiting`](PoolOptions::max_waiting) and nothing else, as [`Pool::reconfigure`] does; 0 = unbounded.
    ///
    /// The default replaces all options by what they were a moment ago.
    ///
    /// # Errors
    ///
    /// If the options with it are out of their range; nothing is changed then.
    fn set_max_waiting(&self, max_waiting: usize) -> Result<(), OptionsError> {
        self.set_options(PoolOptions { max_waiting, ..self.options() })
    }
    /// See [`Pool::pause`].
    fn pause(&self);
    /// See [`Pool::resume`].
    fn resume(&self);
    /// See [`Pool::evict`].
    fn evict(&self, connection: ConnectionId) -> bool;
    /// See [`Pool::evict_idle`].
    fn evict_idle(&self) -> usize;
    /// See [`Pool::evict_expired`].
    fn evict_expired(&self) -> usize;
    /// See [`Pool::evict_all`].
    fn evict_all(&self) -> ConnectionId;
    /// See [`Pool::wait_gone`].
    fn wait_gone(
        &self,
        first_new: ConnectionId,
        deadline: Duration,
    ) -> ControlFuture<'_, Vec<ConnectionInfo>>;
    /// See [`Pool::evict_invalid`].
    fn evict_invalid(&self) -> usize;
    /// See [`Pool::abandon`].
    fn abandon(&self, connection: ConnectionId) -> bool;
    /// See [`Pool::warm_up`].
    fn warm_up(&self) -> ControlFuture<'_, Result<(), WarmUpError>>;
    /// See [`Pool::check`].
    fn check(&self) -> ControlFuture<'_, Result<CheckReport, AcquireError>>;
    /// See [`Pool::check_timeout`].
    fn check_timeout(&self, timeout: Duration) -> ControlFuture<'_, Result<CheckReport, AcquireError>>;
    /// See [`Pool::close`].
    fn close(&self, deadline: Duration) -> ControlFuture<'_, CloseReport>;
}

impl<C: Connector> PoolControl for Pool<C> {
    fn name(&self) -> &str {
        self.name()
    }
    fn id(&self) -> PoolId {
        self.id()
    }
    fn target(&self) -> Option<Target> {
        self.target()
    }
    fn snapshot(&self) -> PoolSnapshot {
        self.snapshot()
    }
    fn stats(&self) -> PoolStats {
        self.stats()
    }
    fn sizing_advice(&self) -> Option<SizingAdvice> {
        self.sizing_advice()
    }
    fn histograms(&self) -> PoolHistograms {
        self.histograms()
    }
    fn read_histograms(&self, into: &mut PoolHistograms) -> PoolSnapshot {
        self.read_histograms(into)
    }
    fn take_peak(&self) -> usize {
        self.take_peak()
    }
    fn reset_stats(&self) {
        self.reset_stats();
    }
    fn connections(&self) -> Vec<ConnectionInfo> {
        self.connections()
    }
    fn holders(&self) -> Vec<Holder> {
        self.holders()
    }
    fn outage(&self) -> Option<Outage> {
        self.outage()
    }
    fn last_connect_failure(&self) -> Option<ConnectFailure> {
        self.last_connect_failure()
    }
    fn is_closed(&self) -> bool {
        self.is_closed()
    }
    fn is_paused(&self) -> bool {
        self.is_paused()
    }
    fn options(&self) -> PoolOptions {
        self.options()
    }
    fn set_options(&self, options: PoolOptions) -> Result<(), OptionsError> {
        self.set_options(options)
    }
    fn resize(&self, max_connections: usize) -> Result<(), OptionsError> {
        self.resize(max_connections)
    }
    fn set_max_waiting(&self, max_waiting: usize) -> Result<(), OptionsError> {
        self.reconfigure(|options| options.max_waiting = max_waiting)
    }
    fn pause(&self) {
        self.pause();
    }
    fn resume(&self) {
        self.resume();
    }
    fn evict(&self, connection: ConnectionId) -> bool {
        self.evict(connection)
    }
    fn evict_idle(&self) -> usize {
        self.evict_idle()
    }
    fn evict_expired(&self) -> usize {
        self.evict_expired()
    }
    fn evict_all(&self) -> ConnectionId {
        self.evict_all()
    }
    fn wait_gone(
        &self,
        first_new: ConnectionId,
        deadline: Duration,
    ) -> ControlFuture<'_, Vec<ConnectionInfo>> {
        Box::pin(self.wait_gone(first_new, deadline))
    }
    fn evict_invalid(&self) -> usize {
        self.evict_invalid()
    }
    fn abandon(&self, connection: ConnectionId) -> bool {
        self.abandon(connection)
    }
    #[track_caller]
    fn warm_up(&self) -> ControlFuture<'_, Result<(), WarmUpError>> {
        Box::pin(self.warm_up())
    }
    #[track_caller]
    fn check(&self) -> ControlFuture<'_, Result<CheckReport, AcquireError>> {
        Box::pin(self.check())
    }
    #[track_caller]
    fn check_timeout(&self, timeout: Duration) -> ControlFuture<'_, Result<CheckReport, AcquireError>> {
        Box::pin(self.check_timeout(timeout))
    }
    fn close(&self, deadline: Duration) -> ControlFuture<'_, CloseReport> {
        Box::pin(self.close(deadline))
    }
}

/// A pool of connections of a known type, whatever opens them.
///
/// # Examples
///
/// ```
/// use pool_core::{AcquireError, ConnectionPool};
///
/// async fn use_twice<P: ConnectionPool>(pool: &P) -> Result<(), AcquireError> {
///     drop(pool.acquire().await?);
///     drop(pool.acquire().await?);
///     Ok(())
/// }
/// ```
pub trait ConnectionPool: PoolControl {
    /// What callers work with.
    type Connection;
    /// The guard that gives the connection back when dropped.
    type Guard: DerefMut<Target = Self::Connection> + Send + 'static;

    /// Waits for a connection; see [`Pool::acquire`].
    ///
    /// # Errors
    ///
    /// Tells what happened and what the pool looked like.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    fn acquire(&self) -> impl Future<Output = Result<Self::Guard, AcquireError>> + Send;

    /// Waits for a connection, for at most `timeout`; see [`Pool::acquire_timeout`].
    ///
    /// # Errors
    ///
    /// Tells what happened and what the pool looked like.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Self::Guard, AcquireError>> + Send;

    /// Takes a connection if one is free; see [`Pool::try_acquire`].
    ///
    /// # Errors
    ///
    /// Fails when the pool is closed or paused, or its target is down.
    fn try_acquire(&self) -> Result<Option<Self::Guard>, AcquireError>;
}

impl<C: Connector> ConnectionPool for Pool<C> {
    type Connection = C::Connection;
    type Guard = Pooled<C>;

    #[track_caller]
    fn acquire(&self) -> impl Future<Output = Result<Pooled<C>, AcquireError>> + Send {
        self.acquire()
    }

    #[track_caller]
    fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Result<Pooled<C>, AcquireError>> + Send {
        self.acquire_timeout(timeout)
    }

    #[track_caller]
    fn try_acquire(&self) -> Result<Option<Pooled<C>>, AcquireError> {
        self.try_acquire()
    }
}
