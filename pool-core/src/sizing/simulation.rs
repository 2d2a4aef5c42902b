//! A database that follows the Universal Scalability Law, with callers in front of it.

use std::time::Duration;

use super::{Controller, SizingAdvice, Window};

/// A database with the curve `X(n) = λ n / (1 + σ (n − 1) + κ n (n − 1))`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Database {
    pub(super) lambda: f64,
    pub(super) sigma: f64,
    pub(super) kappa: f64,
    /// No more than this many make progress at once; the law knows no such edge.
    pub(super) cores: f64,
}

impl Database {
    /// One with its peak at `peak`.
    pub(super) fn with_peak(peak: f64, sigma: f64) -> Self {
        Database { lambda: 500.0, sigma, kappa: (1.0 - sigma) / (peak * peak), cores: f64::INFINITY }
    }

    /// Uses per second with `n` at once.
    pub(super) fn throughput(&self, n: f64) -> f64 {
        self.lambda * n.min(self.cores) / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    pub(super) fn peak(&self) -> f64 {
        ((1.0 - self.sigma) / self.kappa).sqrt()
    }
}

/// Who wants connections.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callers {
    /// So many that acquire, use and release without a pause.
    Closed(usize),
    /// They arrive at this rate per second, independently of each other.
    Open(f64),
}

/// A pool, its callers and its database, one second at a time.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) database: Database,
    pub(super) callers: Callers,
    /// Standard deviation of the factor by which throughput and use time are each measured wrongly.
    pub(super) noise: f64,
    pub(super) controller: Controller,
    /// Open callers that wait.
    backlog: f64,
    rng: fastrand::Rng,
}

impl Simulation {
    pub(super) fn new(database: Database, callers: Callers, controller: Controller) -> Self {
        Simulation {
            database,
            callers,
            noise: 0.0,
            controller,
            backlog: 0.0,
            rng: fastrand::Rng::with_seed(0),
        }
    }

    pub(super) fn noisy(mut self, noise: f64, seed: u64) -> Self {
        self.noise = noise;
        self.rng.seed(seed);
        self
    }

    /// So many open callers wait already.
    pub(super) fn congest(&mut self, backlog: f64) {
        self.backlog = backlog;
    }

    /// Open callers that wait.
    pub(super) fn backlog(&self) -> f64 {
        self.backlog
    }

    /// One window at the controller's limit.
    pub(super) fn step(&mut self) -> SizingAdvice {
        let window = self.window(self.controller.limit());
        self.controller.observe(&window)
    }

    /// The limit after each of so many windows.
    pub(super) fn run(&mut self, windows: usize) -> Vec<usize> {
        (0..windows).map(|_| self.step().limit).collect()
    }

    /// What one second at this limit looks like to the pool.
    pub(super) fn window(&mut self, limit: usize) -> Window {
        let (n, waiting, waited_share) = match self.callers {
            Callers::Closed(callers) => {
                let waiting = callers.saturating_sub(limit);
                (callers.min(limit) as f64, waiting as f64, if waiting > 0 { 1.0 } else { 0.0 })
            }
            Callers::Open(rate) => self.serve(rate, limit as f64),
        };
        let throughput = self.database.throughput(n) * self.wrongly();
        let use_time = n / self.database.throughput(n) * self.wrongly();
        let released = throughput.round();
        Window {
            length: Duration::from_secs(1),
            limit,
            busy: n,
            released: released as u64,
            use_time: Duration::from_secs_f64(released * use_time),
            acquired: released as u64,
            waited: (released * waited_share).round() as u64,
            wait_time: Duration::from_secs_f64(waiting),
            waiting: waiting as usize,
            disturbed: false,
        }
    }

    /// Mean in use, mean waiting, and share of acquires that wait, for open arrivals.
    fn serve(&mut self, rate: f64, limit: f64) -> (f64, f64, f64) {
        let capacity = self.database.throughput(limit);
        let reachable = self.database.throughput(limit.min(self.database.peak()));
        if rate >= reachable || self.backlog > 0.0 {
            self.backlog = (self.backlog + rate - capacity).max(0.0);
            return (limit, self.backlog, 1.0);
        }
        // The smallest n that serves the rate.
        let (mut low, mut high) = (0.0, limit.min(self.database.peak()));
        for _ in 0..60 {
            let n = (low + high) / 2.0;
            if self.database.throughput(n) < rate { low = n } else { high = n }
        }
        let wait = erlang_c(limit as usize, high);
        (high, wait * high / (limit - high).max(1e-6), wait)
    }

    /// A factor around 1, normal by the sum of twelve uniforms.
    fn wrongly(&mut self) -> f64 {
        let normal = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        (1.0 + self.noise * normal).max(0.01)
    }
}

/// The share of callers that wait for one of `servers` when `offered` are busy on average (Erlang C).
fn erlang_c(servers: usize, offered: f64) -> f64 {
    let blocked = (1..=servers).fold(1.0, |blocked, server| {
        let offered_and_blocked = offered * blocked;
        offered_and_blocked / (server as f64 + offered_and_blocked)
    });
    let free = 1.0 - offered / servers as f64;
    if free <= 0.0 { 1.0 } else { blocked / (free + (1.0 - free) * blocked) }
}
