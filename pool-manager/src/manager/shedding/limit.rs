//! Who says how long the queue of one pool may be: its configuration, or what is measured.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pool_config::MaxWaiting;
use pool_core::{OptionsError, PoolControl, PoolOptions};
use pool_health::{LoadShedder, SheddingSettings};

/// See the [module](self). It belongs to its pool for life, and what was measured with it: another pool of the same name has
/// its own.
///
/// Invariant: between looking at the pool and setting its limit nobody else sets the options that a configuration wants.
pub(crate) struct QueueLimit {
    // Lock: also while the pool takes its options, of which it tells its observers. One that waits there until this very pool is
    // reloaded waits for ever, as it would if the reload itself had told it.
    shedder: Mutex<Option<LoadShedder>>,
}

impl QueueLimit {
    /// That of a pool whose configuration says this of it.
    pub(crate) fn of(configured: MaxWaiting) -> Self {
        QueueLimit { shedder: Mutex::new(shedder(configured)) }
    }

    /// Measures, and changes the limit if that is worth while; returns the new one then. Does nothing if the configuration has
    /// the say.
    ///
    /// # Errors
    ///
    /// If the pool refuses its own options with the new limit; nothing is changed then.
    pub(super) fn step(&self, pool: &dyn PoolControl) -> Result<Option<usize>, OptionsError> {
        self.lock().as_mut().map_or(Ok(None), |shedder| shedder.step(pool))
    }

    /// Gives the pool the options of another configuration, which says `configured` of the limit. One that was found stays while
    /// it is to be found.
    ///
    /// # Errors
    ///
    /// If the pool refuses them; its options are those of before then.
    pub(crate) fn set_options(
        &self,
        pool: &dyn PoolControl,
        options: PoolOptions,
        configured: MaxWaiting,
    ) -> Result<(), OptionsError> {
        let mut of_before = self.lock();
        if configured == MaxWaiting::Auto && of_before.is_some() {
            let max_waiting = pool.options().max_waiting;
            return pool.set_options(PoolOptions { max_waiting, ..options });
        }
        *of_before = shedder(configured);
        pool.set_options(options)
    }

    fn lock(&self) -> MutexGuard<'_, Option<LoadShedder>> {
        self.shedder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shedder(configured: MaxWaiting) -> Option<LoadShedder> {
    match configured {
        MaxWaiting::Auto => {
            let settings = SheddingSettings::default();
            Some(LoadShedder::new(settings).expect("the defaults are in their ranges"))
        }
        MaxWaiting::Callers(_) => None,
    }
}

impl fmt::Debug for QueueLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueLimit").field("is_found", &self.lock().is_some()).finish()
    }
}
