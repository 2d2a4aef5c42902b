//! One life of a server's process, from its start to its end.
//!
//! A thread of its own waits for it. Why not tokio's child: that one is bound to the runtime which started it, and a
//! server is often started by one test's runtime and dropped without any.

use std::fmt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::sync::watch;

use super::error::ServerError;
use super::janitor;
use super::tree::{self, Member};

/// Dropping it kills what still runs, and waits for the end of the first process.
pub(super) struct Run {
    leader: Pid,
    /// Lock: held while a signal is sent and while the end is noted. Invariant: as long as it says that the process
    /// has not been reaped, the number belongs to it.
    reaped: Arc<Mutex<bool>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    waiter: Option<JoinHandle<()>>,
}

impl Run {
    pub(super) fn spawn(program: &'static str, mut command: Command) -> Result<Self, ServerError> {
        let fail = |what: &str| ServerError::system(format!("{what} `{program}`"));
        let child = command.spawn().map_err(fail("start"))?;
        let leader = Pid::from_child(&child);
        let janitor = janitor::watch(leader);
        let reaped = Arc::new(Mutex::new(false));
        let (end, ended) = watch::channel(None);
        let waiter = std::thread::Builder::new()
            .name(format!("wait for {program}"))
            .spawn({
                let reaped = Arc::clone(&reaped);
                move || wait(child, &reaped, &end)
            })
            .map_err(fail("wait for"));
        let (waiter, failed) = match (waiter, janitor) {
            (Ok(waiter), Ok(())) => (Some(waiter), None),
            (waiter, janitor) => (None, waiter.err().or(janitor.err())),
        };
        let run = Run { leader, reaped, ended, waiter };
        // Dropping the run kills the process.
        failed.map_or(Ok(run), Err)
    }

    /// Becomes `Some` when the process has ended and been reaped.
    pub(super) fn ended(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.ended.clone()
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.borrow().is_some()
    }

    pub(super) fn processes(&self) -> Vec<i32> {
        let members = self.while_it_lives(tree::members).unwrap_or_default();
        members.into_iter().map(|member| member.pid.as_raw_nonzero().get()).collect()
    }

    pub(super) fn signal_leader(&self, signal: Signal) {
        self.while_it_lives(|leader| rustix::process::kill_process(leader, signal))
            .transpose()
            .expect("a child that has not been reaped can be told");
    }

    /// Whether all processes have stopped; if not, it is to be called again.
    pub(super) fn freeze(&self) -> bool {
        self.while_it_lives(tree::freeze).unwrap_or(false)
    }

    pub(super) fn thaw(&self) {
        self.while_it_lives(tree::thaw);
    }

    pub(super) fn kill(&self) -> Vec<Member> {
        self.while_it_lives(tree::kill).unwrap_or_default()
    }

    fn while_it_lives<T>(&self, act: impl FnOnce(Pid) -> T) -> Option<T> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        (!*reaped).then(|| act(self.leader))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let killed = self.kill();
        if let Some(waiter) = self.waiter.take() {
            waiter.join().expect("the waiter does not panic");
        }
        // Killed processes need no more than the time to be scheduled once.
        while killed.iter().any(Member::is_running) {
            std::thread::yield_now();
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("leader", &self.leader).finish_non_exhaustive()
    }
}

/// Waits for the end without reaping, and reaps under the lock, so that nobody signals a number that has gone to
/// somebody else.
fn wait(mut child: Child, reaped: &Mutex<bool>, end: &watch::Sender<Option<ExitStatus>>) {
    let leader = Pid::from_child(&child);
    while let Err(error) = waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        assert_eq!(error, rustix::io::Errno::INTR, "a child can be waited for");
    }
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    let status = child.wait().expect("a child that has ended can be reaped");
    *reaped = true;
    drop(reaped);
    janitor::forget(leader);
    end.send_replace(Some(status));
}
