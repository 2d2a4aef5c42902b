//! Whether a task runs that is there only while there is something for it to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the task runs.
#[derive(Debug, Default)]
pub(crate) struct Duty(Arc<AtomicBool>);

/// Is with the task, and notes its end if that comes unforeseen: with its runtime, or by a panic.
#[derive(Debug)]
pub(crate) struct OnDuty(Option<Arc<AtomicBool>>);

impl Duty {
    /// What the task is to have, which whoever gets this has to start; `None` if it runs.
    pub(crate) fn begin(&self) -> Option<OnDuty> {
        // Ordering: whoever sees `true` has put in something, under a lock, that the task will see there.
        let runs = self.0.swap(true, Ordering::AcqRel);
        (!runs).then(|| OnDuty(Some(Arc::clone(&self.0))))
    }

    /// Notes that the task has nothing left to do.
    ///
    /// Lock: called with the one under which something to do is put in, and after which somebody [begins](Self::begin).
    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }

    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl OnDuty {
    /// The end was noted already, and perhaps the next task runs.
    pub(crate) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        if let Some(runs) = self.0.take() {
            runs.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_task_at_a_time_and_another_after_its_end_however_that_came() {
        let duty = Duty::default();
        let task = duty.begin().expect("none runs");
        assert!(duty.begin().is_none() && duty.is_running());
        drop(task);
        assert!(!duty.is_running(), "it ended unforeseen");
        let task = duty.begin().expect("none runs");
        duty.end();
        let next = duty.begin().expect("the end was noted");
        task.leave();
        assert!(duty.is_running(), "the next one runs");
        drop(next);
    }
}
