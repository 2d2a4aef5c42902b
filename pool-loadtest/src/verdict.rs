//! What to make of a run: pass or fail, why, and the exit code. Pure.

use std::time::Duration;

use crate::duration::shown;
use crate::fairness::Unfair;
use crate::result::{Attempts, Errors, LeakCheck, LeakStatus, Status, Verdict, VerdictStatus};
use crate::signals::Signal;

/// The program's exit codes, which a script may rely on.
pub mod exit {
    /// The run finished, and no defect was found.
    pub const OK: u8 = 0;
    /// The load tester itself has a defect.
    pub const INTERNAL: u8 = 1;
    /// The command line or the configuration is wrong.
    pub const USAGE: u8 = 2;
    /// The load could not start, or not one cycle succeeded.
    pub const NOT_STARTED: u8 = 3;
    /// The pool has a defect.
    pub const DEFECT: u8 = 5;
}

/// What a verdict is made from.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) attempts: &'a Attempts,
    pub(crate) errors: &'a Errors,
    pub(crate) leak_check: &'a LeakCheck,
    pub(crate) unfair: Option<Unfair>,
    /// Threads that ended in a panic.
    pub(crate) panicked: u64,
    pub(crate) signal: Option<Signal>,
    /// How long the load lasted, and how long it was to last.
    pub(crate) lasted: Duration,
    pub(crate) planned: Duration,
}

/// A verdict and what follows from it.
#[derive(Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) status: Status,
    pub(crate) verdict: Verdict,
    pub(crate) exit_code: u8,
}

/// Of several reasons to fail, the exit code tells the one that explains the others: a defect of the load tester,
/// then one of the pool, then that nothing succeeded, then the signal.
pub(crate) fn judge(facts: &Facts<'_>) -> Judgement {
    let internal = internal_errors(facts);
    let defects = defects(facts);
    let nothing = nothing_succeeded(facts);
    let open = open_questions(facts);

    let exit_code = if !internal.is_empty() {
        exit::INTERNAL
    } else if !defects.is_empty() {
        exit::DEFECT
    } else if nothing.is_some() {
        exit::NOT_STARTED
    } else {
        facts.signal.map_or(exit::OK, Signal::exit_code)
    };
    let status = match (&nothing, facts.signal) {
        (_, Some(_)) => Status::Interrupted,
        (Some(_), None) => Status::Failed,
        (None, None) => Status::Completed,
    };
    let failed = !internal.is_empty() || !defects.is_empty() || nothing.is_some();
    let verdict_status = match (failed, open.is_empty()) {
        (true, _) => VerdictStatus::Fail,
        (false, true) => VerdictStatus::Pass,
        (false, false) => VerdictStatus::None,
    };
    let reasons = [internal, defects, nothing.into_iter().collect(), open].concat();
    Judgement { status, verdict: Verdict { status: verdict_status, reasons, thresholds: [] }, exit_code }
}

fn internal_errors(facts: &Facts<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if facts.panicked > 0 {
        found.push(format!("{} of the load's threads panicked", facts.panicked));
    }
    if !facts.attempts.add_up() {
        found.push(format!("the load tester lost count of its attempts: {:?}", facts.attempts));
    }
    found
}

fn defects(facts: &Facts<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if facts.leak_check.status == LeakStatus::Fail {
        found.extend(facts.leak_check.findings.iter().map(|finding| format!("leak: {finding}")));
    }
    if let Some(Unfair { starved, threads, overtaken }) = facts.unfair {
        found.push(format!(
            "starvation: {starved} of {threads} threads got no connection for too long, while up to {overtaken} \
             callers that came later were served"
        ));
    }
    found
}

fn nothing_succeeded(facts: &Facts<'_>) -> Option<String> {
    let &Attempts { ok, failed, still_waiting, still_in_use, .. } = facts.attempts;
    let under_way = still_waiting + still_in_use;
    // Who interrupts a load before its first cycle has ended learns nothing about the pool.
    let tried = failed > 0 || (under_way > 0 && facts.signal.is_none());
    if ok > 0 || !tried {
        return None;
    }
    let most = facts.errors.by_kind.values().max_by_key(|kind| kind.count);
    let why = most.map_or_else(|| format!("{under_way} never ended"), |kind| kind.sample.clone());
    Some(format!("not one of {} cycles succeeded: {why}", failed + under_way))
}

/// What nothing was set to judge.
fn open_questions(facts: &Facts<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(signal) = facts.signal {
        let (lasted, planned) = (shown(facts.lasted), shown(facts.planned));
        found.push(format!("interrupted by {} after {lasted} of {planned}", signal.name()));
    }
    let &Attempts { ok, failed, .. } = facts.attempts;
    if ok > 0 && failed > 0 {
        found.push(format!("{failed} of {} cycles failed, and no limit says how many may", ok + failed));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::failure::{ErrorKind, Phase};
    use crate::result::{BeforeAfter, KindOfError};

    struct Case {
        attempts: Attempts,
        errors: Errors,
        leak_check: LeakCheck,
        unfair: Option<Unfair>,
        panicked: u64,
        signal: Option<Signal>,
    }

    impl Case {
        fn of(ok: u64, failed: u64, still_waiting: u64) -> Self {
            let attempts = Attempts {
                offered: ok + failed + still_waiting,
                started: ok + failed + still_waiting,
                ok,
                failed,
                late: 0,
                skipped: 0,
                retried: 0,
                still_waiting,
                still_in_use: 0,
            };
            let none = BeforeAfter { before: 1, after: 1 };
            let leak_check = LeakCheck {
                performed: true,
                grace_ms: 1.0,
                outstanding_handles: 0,
                ledger_balanced: true,
                server_sessions: None,
                open_fds: none,
                os_threads: none,
                rss_slope_bytes_per_hour: None,
                status: LeakStatus::Pass,
                findings: Vec::new(),
            };
            let timeouts = KindOfError {
                count: failed,
                phase: Phase::Acquire,
                first_at_ms: 0.0,
                last_at_ms: 0.0,
                sample: String::from("none within 1s"),
            };
            let by_kind = BTreeMap::from([(ErrorKind::AcquireTimeout, timeouts)]);
            let by_kind = if failed > 0 { by_kind } else { BTreeMap::new() };
            let errors = Errors { total: failed, by_kind };
            Case { attempts, errors, leak_check, unfair: None, panicked: 0, signal: None }
        }

        fn judge(&self) -> Judgement {
            judge(&Facts {
                attempts: &self.attempts,
                errors: &self.errors,
                leak_check: &self.leak_check,
                unfair: self.unfair,
                panicked: self.panicked,
                signal: self.signal,
                lasted: Duration::from_secs(3),
                planned: Duration::from_secs(10),
            })
        }

        fn outcome(&self) -> (u8, Status, VerdictStatus, Vec<String>) {
            let Judgement { status, verdict, exit_code } = self.judge();
            (exit_code, status, verdict.status, verdict.reasons)
        }
    }

    #[test]
    fn a_run_without_a_failure_passes() {
        let expected = (exit::OK, Status::Completed, VerdictStatus::Pass, vec![]);
        assert_eq!(Case::of(100, 0, 0).outcome(), expected);
    }

    #[test]
    fn some_failures_are_for_somebody_else_to_judge() {
        let reasons = vec![String::from("3 of 103 cycles failed, and no limit says how many may")];
        let expected = (exit::OK, Status::Completed, VerdictStatus::None, reasons);
        assert_eq!(Case::of(100, 3, 0).outcome(), expected);
    }

    #[test]
    fn a_run_in_which_nothing_succeeded_fails_and_says_why() {
        let reasons = vec![String::from("not one of 3 cycles succeeded: none within 1s")];
        let expected = (exit::NOT_STARTED, Status::Failed, VerdictStatus::Fail, reasons);
        assert_eq!(Case::of(0, 3, 0).outcome(), expected);
        let reasons = vec![String::from("not one of 2 cycles succeeded: 2 never ended")];
        assert_eq!(Case::of(0, 0, 2).outcome().3, reasons);
    }

    #[test]
    fn a_leak_explains_that_nothing_succeeded() {
        let mut case = Case::of(0, 3, 0);
        case.leak_check.status = LeakStatus::Fail;
        case.leak_check.findings.push(String::from("8 connections were not given back"));
        let (exit_code, status, verdict, reasons) = case.outcome();
        assert_eq!((exit_code, status, verdict), (exit::DEFECT, Status::Failed, VerdictStatus::Fail));
        assert_eq!(reasons[0], "leak: 8 connections were not given back");
    }

    #[test]
    fn starvation_is_a_defect() {
        let mut case = Case::of(100, 0, 1);
        case.unfair = Some(Unfair { starved: 1, threads: 32, overtaken: 5_000 });
        let (exit_code, _, verdict, reasons) = case.outcome();
        assert_eq!((exit_code, verdict), (exit::DEFECT, VerdictStatus::Fail));
        insta::assert_snapshot!(reasons[0], @"starvation: 1 of 32 threads got no connection for too long, while up to 5000 callers that came later were served");
    }

    #[test]
    fn an_interrupted_run_has_the_code_of_its_signal() {
        let mut case = Case::of(100, 0, 0);
        case.signal = Some(Signal::Interrupt);
        let reasons = vec![String::from("interrupted by SIGINT after 3s of 10s")];
        assert_eq!(case.outcome(), (130, Status::Interrupted, VerdictStatus::None, reasons));
        case.signal = Some(Signal::Terminate);
        assert_eq!(case.outcome().0, 143);
    }

    #[test]
    fn an_interruption_before_the_first_cycle_ended_is_no_failure() {
        let mut case = Case::of(0, 0, 4);
        case.signal = Some(Signal::Interrupt);
        let (exit_code, status, verdict, _) = case.outcome();
        assert_eq!((exit_code, status, verdict), (130, Status::Interrupted, VerdictStatus::None));
    }

    #[test]
    fn the_load_testers_own_defects_come_first() {
        let mut case = Case::of(100, 0, 0);
        case.attempts.offered += 1;
        case.leak_check.status = LeakStatus::Fail;
        assert_eq!(case.outcome().0, exit::INTERNAL);
        let mut case = Case::of(100, 1, 0);
        case.panicked = 1;
        assert_eq!(case.outcome().3[0], "1 of the load's threads panicked");
    }
}
