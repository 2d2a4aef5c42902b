//! The database's curve, fitted to what was measured: how long a use takes when so many are under way.
//!
//! Gunther's Universal Scalability Law says that n uses at once give the throughput
//! `X(n) = λ n / (1 + σ (n − 1) + κ n (n − 1))`, so a use takes `n / X(n)`, which is linear in `1/λ`, `σ/λ`
//! and `κ/λ`: weighted least squares needs no optimiser. The throughput is highest at
//! `n* = sqrt((1 − σ) / κ)`. All three parameters are kept at or above zero by trying each subset of them.
//!
//! Near n* the throughput hardly changes, so what is fitted well there says little about n*. What tells is a
//! size of half and one of double, and [`Curve::most_telling`] names the size whose measurement would narrow
//! n* most.

#[cfg(test)]
mod tests;

use std::array::from_fn;

/// One measurement: with `n` uses under way on average, one took `time` seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) n: f64,
    pub(super) time: f64,
}

impl Sample {
    /// Uses per second.
    pub(super) fn throughput(self) -> f64 {
        self.n / self.time
    }

    /// Sizes within an eighth of an octave count as one.
    fn class(self) -> i64 {
        size_class(self.n)
    }
}

/// Four classes to the octave.
fn size_class(n: f64) -> i64 {
    (n.log2() * 4.0).round() as i64
}

/// Measurements kept per size class. A search measures one size at most about this often, and an older
/// measurement of the same size tells nothing that a newer one does not.
const PER_CLASS: usize = 16;

/// A measurement is believed until so many more were made. A search makes far fewer; what counts is a load
/// that is only observed, where a size may not be visited again before the database is another one. With one
/// measurement a second that is an hour.
const BELIEVED: u64 = 3_600;

/// The measurements that are still believed, oldest first; bounded by the number of size classes.
#[derive(Debug, Default)]
pub(super) struct Samples {
    samples: Vec<Sample>,
    /// The number of each sample.
    numbers: Vec<u64>,
    made: u64,
}

impl Samples {
    pub(super) fn clear(&mut self) {
        *self = Samples::default();
    }

    pub(super) fn push(&mut self, sample: Sample) {
        let class = sample.class();
        let mut same = (0..self.samples.len()).filter(|index| self.samples[*index].class() == class);
        let oldest_of_many = same.next().filter(|_| same.count() + 1 >= PER_CLASS);
        if let Some(index) = oldest_of_many {
            self.samples.remove(index);
            self.numbers.remove(index);
        }
        // At most one is outdated at a time: each push makes the numbers older by one.
        if self.numbers.first().is_some_and(|number| number + BELIEVED < self.made) {
            self.samples.remove(0);
            self.numbers.remove(0);
        }
        self.samples.push(sample);
        self.numbers.push(self.made);
        self.made += 1;
    }

    /// The smallest and the largest size measured.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let sizes = || self.samples.iter().map(|sample| sample.n);
        Some((sizes().reduce(f64::min)?, sizes().reduce(f64::max)?))
    }

    /// How many sizes were measured.
    pub(super) fn sizes(&self) -> usize {
        let mut classes: Vec<_> = self.samples.iter().map(|sample| sample.class()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.len()
    }

    /// The mean throughput at the size of `n`; `None` = not measured.
    pub(super) fn throughput(&self, n: f64) -> Option<f64> {
        let class = size_class(n);
        let (mut sum, mut count) = (0.0, 0.0);
        for sample in self.samples.iter().filter(|sample| sample.class() == class) {
            sum += sample.throughput();
            count += 1.0;
        }
        (count > 0.0).then(|| sum / count)
    }

    /// The best mean throughput of any size.
    pub(super) fn best_throughput(&self) -> f64 {
        self.samples.iter().filter_map(|sample| self.throughput(sample.n)).fold(0.0, f64::max)
    }

    /// Fits the curve; `None` = nothing measured.
    pub(super) fn fit(&self) -> Option<Curve> {
        Curve::fit(&self.samples)
    }
}

type Vector = [f64; 3];
type Matrix = [[f64; 3]; 3];

/// Rounds of reweighting. The first starts from weights by the measured times, which favour those that were
/// measured too low; the others correct that and discount outliers. More change nothing visible.
const ROUNDS: usize = 4;

/// A residual counts in full up to this many standard deviations (Huber's constant: 95 % efficient when the
/// noise is normal).
const HUBER: f64 = 1.345;

/// What is believed of the noise of one measurement before there are residuals: 3 %, with the weight of four
/// of them. So three points that happen to lie on a curve are no proof of it.
const PRIOR_NOISE: f64 = 0.03;
const PRIOR_WEIGHT: f64 = 4.0;

/// A fitted curve.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve {
    /// Coefficients of 1, (n − 1)/scale and n (n − 1)/scale².
    coefficients: Vector,
    scale: f64,
    /// Inverse of the information matrix: times `noise`² it is the covariance of the coefficients.
    information: Matrix,
    /// Standard deviation of one measurement, relative.
    noise: f64,
}

impl Curve {
    fn fit(samples: &[Sample]) -> Option<Curve> {
        let scale = samples.iter().map(|sample| sample.n).reduce(f64::max)?.max(1.0);
        let terms = |n: f64| [1.0, (n - 1.0) / scale, n * (n - 1.0) / (scale * scale)];
        // Time scales from nanoseconds to days: relative to the shortest, so that none is lost in rounding.
        let unit = samples.iter().map(|sample| sample.time).reduce(f64::min)?;
        let mut weights: Vec<f64> = samples.iter().map(|sample| (unit / sample.time).powi(2)).collect();
        let (mut coefficients, mut information, mut noise) = ([0.0; 3], [[0.0; 3]; 3], PRIOR_NOISE);
        for _ in 0..ROUNDS {
            let mut right = [0.0; 3];
            information = [[0.0; 3]; 3];
            for (sample, weight) in samples.iter().zip(&weights) {
                let terms = terms(sample.n);
                information = plus_square(&information, &terms, *weight);
                right = from_fn(|row| right[row] + weight * terms[row] * sample.time / unit);
            }
            coefficients = solve_at_least_zero(&information, &right)?;
            let residual = |sample: &Sample| {
                let fitted = dot(&coefficients, &terms(sample.n));
                (sample.time / unit / fitted - 1.0, fitted)
            };
            let mut squares = PRIOR_WEIGHT * PRIOR_NOISE * PRIOR_NOISE;
            for sample in samples {
                // An outlier must not make the others look precise by comparison, nor the noise boundless.
                squares += residual(sample).0.abs().min(3.0 * noise).powi(2);
            }
            noise = (squares / (PRIOR_WEIGHT + samples.len().saturating_sub(3) as f64)).sqrt();
            for (sample, weight) in samples.iter().zip(&mut weights) {
                let (residual, fitted) = residual(sample);
                let discount = (HUBER * noise / residual.abs().max(f64::MIN_POSITIVE)).min(1.0);
                *weight = discount / (fitted * fitted);
            }
        }
        let curve = Curve { coefficients: coefficients.map(|c| c * unit), scale, information, noise };
        let finite = curve.coefficients.iter().all(|c| c.is_finite()) && curve.noise.is_finite();
        // The covariance below is in the coefficients' unit.
        let information = information.map(|row| row.map(|value| value / (unit * unit)));
        finite.then_some(Curve { information, ..curve })
    }

    fn terms(&self, n: f64) -> Vector {
        [1.0, (n - 1.0) / self.scale, n * (n - 1.0) / (self.scale * self.scale)]
    }

    /// Seconds that one of `n` uses at once takes.
    pub(super) fn time(&self, n: f64) -> f64 {
        dot(&self.coefficients, &self.terms(n))
    }

    /// Uses per second with `n` at once.
    pub(super) fn throughput(&self, n: f64) -> f64 {
        n / self.time(n)
    }

    /// Standard deviation of one measurement, relative.
    pub(super) fn noise(&self) -> f64 {
        self.noise
    }

    /// As many measurements at `n` would be as exact as `time(n)` is.
    pub(super) fn measurements(&self, n: f64) -> f64 {
        let Some(inverse) = invert(&self.information) else { return 0.0 };
        let (terms, time) = (self.terms(n), self.time(n));
        time * time / dot(&terms, &inverse.map(|row| dot(&row, &terms)))
    }

    /// By how many percent the throughput changes when `n` grows by one percent: 1 far below the peak, 0 at
    /// it, negative beyond.
    pub(super) fn gradient(&self, n: f64) -> f64 {
        // X = n / t, so dX/dn * n / X = 1 − n t'/t.
        let [_, linear, square] = self.coefficients;
        let slope = linear / self.scale + square * (2.0 * n - 1.0) / (self.scale * self.scale);
        1.0 - n * slope / self.time(n)
    }

    /// 1 / n*², which is linear enough in the coefficients to have an error, also where there is no peak.
    fn sharpness(&self) -> f64 {
        self.coefficients[2] / self.base() / (self.scale * self.scale)
    }

    /// (1 − σ) / λ, kept above zero: with σ at 1 nothing runs at the same time, and sizes far beyond the peak
    /// do not tell λ.
    fn base(&self) -> f64 {
        let [first, linear, _] = self.coefficients;
        (first - linear / self.scale).max(1e-6 * self.time(self.scale))
    }

    /// The size at which the throughput is highest; infinite = it only ever grows.
    pub(super) fn peak(&self) -> f64 {
        self.sharpness().powf(-0.5)
    }

    /// Where n* lies, give or take `deviations` standard deviations.
    pub(super) fn peak_between(&self, deviations: f64) -> (f64, f64) {
        let error = deviations * self.variance(&self.information).sqrt();
        let sharpness = self.sharpness();
        ((sharpness + error).powf(-0.5), (sharpness - error).max(0.0).powf(-0.5))
    }

    /// Variance of `sharpness` under this information.
    fn variance(&self, information: &Matrix) -> f64 {
        let Some(inverse) = invert(information) else { return f64::INFINITY };
        let (base, scale) = (self.base(), self.scale);
        let by_base = -self.coefficients[2] / (base * base) / (scale * scale);
        let gradient = [by_base, -by_base / scale, 1.0 / base / (scale * scale)];
        let variance = dot(&gradient, &inverse.map(|row| dot(&row, &gradient)));
        if variance >= 0.0 { variance * self.noise * self.noise } else { f64::INFINITY }
    }

    /// The one of `sizes` whose measurement would narrow n* most.
    pub(super) fn most_telling(
        &self,
        sizes: impl Iterator<Item = usize>,
        measurements: f64,
    ) -> Option<usize> {
        let variance = |size: usize| {
            let (terms, time) = (self.terms(size as f64), self.time(size as f64));
            let information = plus_square(&self.information, &terms, measurements / (time * time));
            self.variance(&information)
        };
        sizes.map(|size| (size, variance(size))).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(size, _)| size)
    }
}

/// The matrix plus `weight` times the square of the vector.
fn plus_square(matrix: &Matrix, vector: &Vector, weight: f64) -> Matrix {
    from_fn(|row| from_fn(|column| matrix[row][column] + weight * vector[row] * vector[column]))
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Least squares with no coefficient below zero: of all choices of which of them are zero, the feasible one
/// that fits best. One of those with a single coefficient is always feasible, for times are positive.
fn solve_at_least_zero(information: &Matrix, right: &Vector) -> Option<Vector> {
    let mut best: Option<(f64, Vector)> = None;
    for choice in 1..8 {
        let used = [choice & 1 != 0, choice & 2 != 0, choice & 4 != 0];
        let reduced = from_fn(|row| {
            from_fn(|column| match used[row] && used[column] {
                true => information[row][column],
                // Any number on the diagonal would do; this one does not drown the others.
                false if row == column => information[0][0],
                false => 0.0,
            })
        });
        let reduced_right = from_fn(|row| if used[row] { right[row] } else { 0.0 });
        let Some(inverse) = invert(&reduced) else { continue };
        let found = inverse.map(|row| dot(&row, &reduced_right));
        if !found.iter().all(|coefficient| *coefficient >= 0.0) {
            continue;
        }
        // The sum of squares less a part that is the same for all.
        let misfit = dot(&found, &information.map(|row| dot(&row, &found))) - 2.0 * dot(&found, right);
        if best.is_none_or(|(least, _)| misfit < least) {
            best = Some((misfit, found));
        }
    }
    best.map(|(_, found)| found)
}

/// Inverts a symmetric matrix, made regular by a billionth of its diagonal: with fewer than three sizes there
/// is more than one curve, and any of them will do.
fn invert(matrix: &Matrix) -> Option<Matrix> {
    let trace = matrix[0][0] + matrix[1][1] + matrix[2][2];
    let regular = |row: usize| 1e-9 * matrix[row][row] + 1e-12 * trace;
    let m: Matrix =
        from_fn(|row| from_fn(|column| matrix[row][column] + if row == column { regular(row) } else { 0.0 }));
    let cofactor = |row: usize, column: usize| {
        let ((r, s), (c, d)) = (others(row), others(column));
        let sign = if (row + column).is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * (m[r][c] * m[s][d] - m[r][d] * m[s][c])
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum();
    determinant.is_normal().then(|| from_fn(|row| from_fn(|column| cofactor(column, row) / determinant)))
}

fn others(index: usize) -> (usize, usize) {
    match index {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    }
}
