//! The pools under comparison, one file each.

mod asyncband;
mod bb8;
mod deadpool;
mod floor_mutex;
mod floor_semaphore;
mod mobc;
mod ours;
mod r2d2;
pub(crate) mod sqlx;

pub(crate) use ours::Ours;

use crate::subject::{Subject, Tasks, Threads};

/// Every pool, in the order of the tables.
pub(crate) fn all() -> Vec<Box<dyn Subject>> {
    vec![
        Tasks::<Ours>::boxed(),
        Tasks::<deadpool::Deadpool>::boxed(),
        Tasks::<bb8::Bb8>::boxed(),
        Tasks::<mobc::Mobc>::boxed(),
        Tasks::<asyncband::Asyncband>::boxed(),
        Threads::<r2d2::R2d2>::boxed(),
        Tasks::<sqlx::Sqlx>::boxed(),
        Tasks::<floor_mutex::FloorMutex>::boxed(),
        Tasks::<floor_semaphore::FloorSemaphore>::boxed(),
    ]
}

#[cfg(test)]
mod tests;
