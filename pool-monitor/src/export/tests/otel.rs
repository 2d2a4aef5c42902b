//! The instruments, as a real SDK sees them.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use super::super::family::Source;
use super::*;

/// An exporter of ours on a meter of the SDK's, and what comes out at its end.
struct Bench {
    provider: SdkMeterProvider,
    memory: InMemoryMetricExporter,
    exporter: Option<OtelExporter>,
}

/// What the SDK tells of one instrument.
#[derive(Debug, Default)]
struct Told {
    kind: &'static str,
    unit: String,
    attributes: Vec<Vec<String>>,
    /// By the values of the attributes.
    numbers: BTreeMap<String, f64>,
    bounds: Vec<f64>,
    buckets: Vec<u64>,
    sum: f64,
}

impl Bench {
    fn new() -> Self {
        let memory = InMemoryMetricExporter::default();
        let provider =
            SdkMeterProvider::builder().with_reader(PeriodicReader::builder(memory.clone()).build()).build();
        let exporter = Some(OtelExporter::new(&provider.meter("pool_monitor")));
        Bench { provider, memory, exporter }
    }

    fn observe(&self, samples: &[Sample]) {
        let samples: Vec<_> = samples.iter().cloned().map(Arc::new).collect();
        self.exporter.as_ref().unwrap().observe(&Exposition::of(&samples));
    }

    /// What the SDK exports now, by the instruments' names.
    fn told(&self) -> BTreeMap<String, Told> {
        self.memory.reset();
        self.provider.force_flush().unwrap();
        let exported = self.memory.get_finished_metrics().unwrap();
        exported.last().map(instruments).unwrap_or_default()
    }
}

fn instruments(exported: &ResourceMetrics) -> BTreeMap<String, Told> {
    let metrics = exported.scope_metrics().flat_map(|scope| scope.metrics());
    let told = |metric: &opentelemetry_sdk::metrics::data::Metric| {
        let mut told = Told { unit: metric.unit().to_owned(), ..Told::default() };
        match metric.data() {
            AggregatedMetrics::F64(data) => told.take(data, |number| number),
            AggregatedMetrics::I64(data) => told.take(data, |number| number as f64),
            AggregatedMetrics::U64(data) => told.take(data, |number| number as f64),
        }
        (metric.name().to_owned(), told)
    };
    metrics.map(told).collect()
}

impl Told {
    fn take<T: Copy>(&mut self, data: &MetricData<T>, number: impl Fn(T) -> f64) {
        match data {
            MetricData::Gauge(gauge) => {
                self.kind = "Gauge";
                gauge.data_points().for_each(|point| self.put(point.attributes(), number(point.value())));
            }
            MetricData::Sum(sum) => {
                self.kind = if sum.is_monotonic() { "Counter" } else { "UpDownCounter" };
                sum.data_points().for_each(|point| self.put(point.attributes(), number(point.value())));
            }
            MetricData::Histogram(histogram) => {
                self.kind = "Histogram";
                for point in histogram.data_points() {
                    self.put(point.attributes(), point.count() as f64);
                    self.bounds = point.bounds().collect();
                    self.buckets = point.bucket_counts().collect();
                    self.sum = number(point.sum());
                }
            }
            MetricData::ExponentialHistogram(_) => self.kind = "ExponentialHistogram",
        }
    }

    fn put<'a>(&mut self, attributes: impl Iterator<Item = &'a KeyValue>, number: f64) {
        let (names, values): (Vec<_>, Vec<_>) =
            attributes.map(|attribute| (attribute.key.to_string(), attribute.value.to_string())).unzip();
        self.attributes.push(names);
        self.numbers.insert(values.join(","), number);
    }
}

#[test]
fn the_nine_are_instruments_as_the_tables_have_them() {
    let bench = Bench::new();
    bench.observe(&[sample("orders")]);
    let told = bench.told();
    for row in CONVENTIONS.lines().skip(1) {
        let [name, kind, unit, attributes] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let Some(told) = told.get(name) else { panic!("there is no {name} among {:?}", told.keys()) };
        assert_eq!((told.kind, &*told.unit), (kind, unit), "{name}");
        for attribute_names in &told.attributes {
            let theirs: BTreeSet<_> = attributes.split(' ').collect();
            assert_eq!(attribute_names.iter().map(String::as_str).collect::<BTreeSet<_>>(), theirs, "{name}");
        }
    }
    assert_eq!(told["db.client.connection.max"].numbers["orders"], 10.0);
    assert_eq!(told["pool.connect_errors"].numbers["orders"], 4.0);
}

#[test]
fn buckets_hold_what_the_text_for_prometheus_says() {
    let bench = Bench::new();
    bench.observe(&[sample("orders")]);
    let told = bench.told();
    for family in Family::all().iter().filter(|family| family.kind() == FamilyKind::Histogram) {
        let Source::Durations(read, bounds) = family.source else { panic!("a histogram has durations") };
        let sample = sample("orders");
        let ours = buckets::cumulative(read(&sample).histogram, bounds);
        let theirs = &told[family.name()];
        let cumulative: Vec<u64> = theirs
            .buckets
            .iter()
            .scan(0, |so_far, count| {
                *so_far += count;
                Some(*so_far)
            })
            .collect();
        assert_eq!((&*theirs.bounds, cumulative), (bounds, ours), "{}", family.name());
        // Recorded as the end of its bucket: never too little, and at most a sixteenth and a microsecond each too much.
        let (exact, count) = (read(&sample).sum.as_secs_f64(), theirs.numbers["orders"]);
        assert!(
            theirs.sum <= exact * 1.0626 + count * 1.1e-6,
            "{}: {} of {exact}",
            family.name(),
            theirs.sum
        );
    }
}

#[test]
fn what_was_recorded_once_is_not_recorded_again() {
    let bench = Bench::new();
    bench.observe(&[sample("orders")]);
    bench.observe(&[sample("orders")]);
    let wait = "db.client.connection.wait_time";
    assert_eq!(bench.told()[wait].numbers["orders"], 1_000.0);
    let mut later = sample("orders");
    Arc::make_mut(&mut later.histograms).wait.record(Duration::from_millis(3));
    bench.observe(&[later]);
    assert_eq!(bench.told()[wait].numbers["orders"], 1_001.0);
}

#[test]
fn what_was_recorded_is_not_recorded_again_of_a_pool_that_could_not_be_measured_for_a_while() {
    let bench = Bench::new();
    bench.observe(&[sample("orders")]);
    let missed = Unmeasured { pool: "orders".into(), measured_at: None };
    let exporter = bench.exporter.as_ref().unwrap();
    for _ in 0..2 {
        exporter.observe(&Exposition::of(&[]).unmeasured(std::slice::from_ref(&missed)));
    }
    let told = bench.told();
    assert!(told.get("pool.uptime").is_none_or(|told| told.numbers.is_empty()), "it is not known any more");
    assert_eq!(told["pool.last_collection_timestamp"].numbers["orders"], 0.0);
    bench.observe(&[sample("orders")]);
    assert_eq!(bench.told()["db.client.connection.wait_time"].numbers["orders"], 1_000.0);
}

#[test]
fn another_pool_of_the_name_begins_anew() {
    let bench = Bench::new();
    bench.observe(&[sample("orders")]);
    let mut other = sample("orders");
    Arc::make_mut(&mut other.histograms).wait = pool_core::Histogram::new();
    (0..5).for_each(|_| Arc::make_mut(&mut other.histograms).wait.record(Duration::from_millis(250)));
    bench.observe(&[other]);
    assert_eq!(bench.told()["db.client.connection.wait_time"].numbers["orders"], 1_005.0);
}

#[test]
fn more_than_can_be_recorded_at_once_is_thinned_and_what_is_left_out_is_counted() {
    let bench = Bench::new();
    let mut busy = sample("orders");
    let many = 3 * OtelExporter::MAX_RECORDS;
    (0..many).for_each(|number| {
        Arc::make_mut(&mut busy.histograms).wait.record(Duration::from_millis(1 + 99 * (number % 3 / 2)));
    });
    bench.observe(&[busy.clone()]);
    let told = bench.told();
    let recorded = told["db.client.connection.wait_time"].numbers["orders"];
    let left_out: f64 = told["pool.histogram.unrecorded"].numbers.values().sum();
    assert_eq!(recorded + left_out, busy.histograms.wait.count() as f64);
    assert!(recorded <= OtelExporter::MAX_RECORDS as f64 + 10.0, "{recorded}");
    // A third was slow, and still is.
    let wait = &told["db.client.connection.wait_time"];
    let slow: u64 =
        wait.bounds.iter().zip(&wait.buckets).filter(|(end, _)| **end > 0.06).map(|(_, count)| count).sum();
    assert!((slow as f64 / recorded - 1.0 / 3.0).abs() < 0.01, "{slow} of {recorded}");
}

#[test]
fn a_dropped_exporter_has_nothing_more_to_say() {
    let mut bench = Bench::new();
    bench.observe(&[sample("orders")]);
    bench.exporter = None;
    let told = bench.told();
    assert!(told.get("db.client.connection.max").is_none_or(|told| told.numbers.is_empty()), "{told:?}");
}
