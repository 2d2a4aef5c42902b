use super::*;

/// Measurements without error.
fn measured(lambda: f64, sigma: f64, kappa: f64, sizes: &[f64]) -> Samples {
    let mut samples = Samples::default();
    for n in sizes {
        let time = (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)) / lambda;
        samples.push(Sample { n: *n, time });
    }
    samples
}

const SIZES: [f64; 6] = [1.0, 3.0, 8.0, 20.0, 50.0, 90.0];

#[test]
fn a_curve_without_noise_is_found_exactly() {
    // The constants that usl-rs fits to the measurements it is tested with.
    let (lambda, sigma, kappa) = (995.6486, 0.02671591, 7.690945e-4);
    let curve = measured(lambda, sigma, kappa, &SIZES).fit().unwrap();
    assert!((curve.peak() - ((1.0 - sigma) / kappa).sqrt()).abs() < 0.01, "{}", curve.peak());
    assert!((curve.throughput(35.0) - 12_341.745).abs() < 1.0, "{}", curve.throughput(35.0));
    assert!((curve.throughput(1.0) - lambda).abs() < 0.1);
    assert!(curve.gradient(1.0) > 0.9);
    assert!(curve.gradient(curve.peak()).abs() < 0.001);
    assert!(curve.gradient(90.0) < -0.2);
}

#[test]
fn the_unit_of_time_does_not_matter() {
    for lambda in [1e-6, 1e-3, 1e3, 1e8] {
        let curve = measured(lambda, 0.02, 0.001, &SIZES).fit().unwrap();
        assert!((curve.peak() - 0.98_f64.sqrt() / 0.001_f64.sqrt()).abs() < 0.01, "{}", curve.peak());
        let (least, most) = curve.peak_between(2.0);
        assert!(least > 0.8 * curve.peak() && most < 1.3 * curve.peak(), "{least} to {most}");
    }
}

#[test]
fn throughput_that_only_grows_has_no_peak() {
    assert!(measured(100.0, 0.0, 0.0, &SIZES).fit().unwrap().peak() > 1_000.0);
    assert!(measured(100.0, 0.1, 0.0, &SIZES).fit().unwrap().peak() > 1_000.0);
}

#[test]
fn sizes_far_beyond_the_peak_say_that_it_is_below_them() {
    let curve = measured(100.0, 0.0, 1.0, &[50.0, 100.0, 200.0]).fit().unwrap();
    assert!(curve.peak() < 25.0, "{}", curve.peak());
}

#[test]
fn one_wild_measurement_does_not_move_the_peak() {
    let mut samples = Samples::default();
    for _ in 0..5 {
        for n in SIZES {
            samples.push(Sample { n, time: (1.0 + 0.02 * (n - 1.0) + 0.002 * n * (n - 1.0)) / 100.0 });
        }
    }
    samples.push(Sample { n: 8.0, time: 10.0 });
    let peak = samples.fit().unwrap().peak();
    assert!((peak - (0.98_f64 / 0.002).sqrt()).abs() < 1.0, "{peak}");
}

#[test]
fn what_tells_most_is_not_the_peak() {
    let curve = measured(100.0, 0.0, 0.01, &[5.0, 10.0, 20.0]).fit().unwrap();
    let telling = curve.most_telling([4, 5, 6, 8, 10, 12, 15, 20, 25].into_iter(), 4.0).unwrap();
    assert!(telling <= 5 || telling >= 20, "{telling}");
}

#[test]
fn measurements_are_bounded_and_the_newest_of_a_size_are_kept() {
    let mut samples = Samples::default();
    for count in 0..100_000_u32 {
        samples.push(Sample { n: 1.0 + f64::from(count % 1_000), time: f64::from(count) });
    }
    assert!(samples.samples.len() <= 41 * PER_CLASS, "{}", samples.samples.len());
    for _ in 0..PER_CLASS {
        samples.push(Sample { n: 4.0, time: 2.0 });
    }
    assert_eq!(samples.throughput(4.0), Some(2.0));
    assert_eq!(samples.throughput(1e6), None);
}

#[test]
fn a_measurement_too_long_ago_is_forgotten() {
    let mut samples = Samples::default();
    samples.push(Sample { n: 100.0, time: 1.0 });
    for _ in 0..BELIEVED {
        samples.push(Sample { n: 10.0, time: 1.0 });
    }
    assert_eq!(samples.range(), Some((10.0, 100.0)));
    (0..2).for_each(|_| samples.push(Sample { n: 10.0, time: 1.0 }));
    assert_eq!(samples.range(), Some((10.0, 10.0)));
}
