//! A steady load of operating-system threads, for the pool whose callers block. As `steady`, line by line.

use std::thread;

use crate::board::Board;
use crate::pool::{BlockingPool, fill_blocking};
use crate::subject::Windows;
use crate::wait::{Ended, Waits, Watched};
use crate::workload::Load;

/// As [`steady::throughput`](crate::steady::throughput).
pub(crate) fn throughput<P: BlockingPool>(load: &Load, windows: &Windows) -> f64 {
    let caller = |pool: &P, board: &Board, caller: usize| {
        let mut operations = 0;
        while board.is_open() {
            let connection = pool.acquire();
            if load.hold {
                thread::yield_now();
            }
            drop(connection);
            operations += 1;
            board.done(caller, operations);
        }
    };
    under_load::<P, _, _>(load, caller, |board| board.watch(windows.warm_up, windows.throughput)).0
}

/// As [`steady::waits`](crate::steady::waits).
pub(crate) fn waits<P: BlockingPool>(load: &Load, windows: &Windows) -> Waits {
    let caller = |pool: &P, board: &Board, caller: usize| {
        let mut ended = Vec::new();
        while board.is_open() {
            let since = board.waits(caller);
            let connection = pool.acquire();
            let until = board.got(caller);
            ended.push(Ended { since, until });
            if load.hold {
                thread::yield_now();
            }
            drop(connection);
        }
        ended
    };
    let (watched, ended) =
        under_load::<P, _, _>(load, caller, |board| Watched::during(board, windows.warm_up, windows.waits));
    watched.evaluate(&ended)
}

fn under_load<P: BlockingPool, R, T: Send>(
    load: &Load,
    caller: impl Fn(&P, &Board, usize) -> T + Sync,
    watch: impl FnOnce(&Board) -> R,
) -> (R, Vec<T>) {
    let pool = P::new(load.connections);
    let _held = fill_blocking(&pool, load.connections, load.held);
    let board = Board::new(load.callers);
    thread::scope(|scope| {
        let (pool, board, caller) = (&pool, &board, &caller);
        let callers: Vec<_> =
            (0..load.callers).map(|index| scope.spawn(move || caller(pool, board, index))).collect();
        let found = watch(board);
        board.stop();
        (found, callers.into_iter().map(|caller| caller.join().expect("no caller panics")).collect())
    })
}
