use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::pools;
use crate::rounds::Plan;
use crate::runtime::Flavor;
use crate::sample::Sample;
use crate::subject::Windows;
use crate::workload;

fn waits(starved: usize) -> Waits {
    Waits { p50_us: 1.0, p99_us: 2.0, p999_us: 3.0, max_us: 4.0, jain: 1.0, fewest: 1, most: 2, starved }
}

fn entry(pool: &'static str, kind: Kind, figures: &[f64], starved: usize) -> Entry {
    let sample = |&ns_per_op| Sample { ns_per_op, waits: Some(waits(starved)) };
    let callers = if pool == "r2d2" { Callers::Threads } else { Callers::Tasks };
    Entry { pool, kind, callers, samples: figures.iter().map(sample).collect() }
}

fn series(entries: Vec<Entry>) -> Series {
    Series { workload: workload::ALL[3], flavor: Flavor::Multi, entries, control: None }
}

#[test]
fn the_best_peer_is_the_fastest_that_starves_nobody() {
    let report = WorkloadReport::of(&series(vec![
        entry("ours", Kind::Ours, &[10.0, 20.0, 30.0], 0),
        entry("deadpool", Kind::Peer, &[20.0, 20.0, 20.0], 0),
        entry("bb8", Kind::Peer, &[1.0, 1.0, 1.0], 5),
        entry("mobc", Kind::Peer, &[40.0, 50.0, 40.0], 0),
        entry("floor-mutex", Kind::Floor, &[5.0, 5.0, 5.0], 0),
    ]));
    assert_eq!(report.best_peer, Some("deadpool"));
    let ours = &report.results[0];
    assert_eq!(ours.ratio_to_best_peer, Some(Spread { min: 0.5, median: 1.0, max: 1.5 }));
    assert_eq!(ours.ratio_to_best_peer, ours.ratio_to_deadpool);
    assert_eq!(ours.ratio_to_floor_mutex.unwrap().median, 4.0);
    assert_eq!(report.results[2].starved_tasks, Some(5.0));
}

#[test]
fn threads_may_be_the_best_peer_but_not_the_best_of_the_tasks() {
    let report = WorkloadReport::of(&series(vec![
        entry("ours", Kind::Ours, &[10.0], 0),
        entry("r2d2", Kind::Peer, &[5.0], 0),
        entry("deadpool", Kind::Peer, &[20.0], 0),
    ]));
    assert_eq!((report.best_peer, report.best_task_peer), (Some("r2d2"), Some("deadpool")));
    let ours = &report.results[0];
    assert_eq!(ours.ratio_to_best_peer.unwrap().median, 2.0);
    assert_eq!(ours.ratio_to_best_task_peer.unwrap().median, 0.5);
}

#[test]
fn without_a_peer_there_is_no_ratio_to_one() {
    let report = WorkloadReport::of(&series(vec![entry("ours", Kind::Ours, &[1.0], 0)]));
    assert_eq!(report.best_peer, None);
    assert!(report.results[0].ratio_to_best_peer.is_none() && report.results[0].ratio_to_deadpool.is_none());
}

#[test]
fn the_control_is_the_second_sample_over_the_first() {
    let mut series = series(vec![entry("ours", Kind::Ours, &[10.0, 10.0, 10.0], 0)]);
    assert!(Control::of(&series).is_none());
    series.control = Some(entry("ours", Kind::Ours, &[9.0, 10.0, 12.0], 0));
    assert_eq!(Control::of(&series).unwrap().ratio, Spread { min: 0.9, median: 1.0, max: 1.2 });
}

/// A whole run, as short as can be, with three pools.
fn a_report() -> Report {
    let names = ["ours", "deadpool", "floor-mutex"];
    let moment = Duration::from_millis(3);
    let plan = Plan {
        subjects: pools::all().into_iter().filter(|subject| names.contains(&subject.name())).collect(),
        workloads: workload::ALL
            .into_iter()
            .filter(|w| ["uncontended", "saturated64"].contains(&w.name))
            .collect(),
        flavors: vec![Flavor::Multi, Flavor::Current],
        rounds: 2,
        windows: Windows { warm_up: moment, throughput: moment, waits: moment },
        seed: 1,
    };
    let mut rounds = Vec::new();
    let all = plan.run(|round| rounds.push(round));
    assert_eq!(rounds, [1, 2]);
    Report {
        schema: 1,
        machine: Machine::read(),
        settings: Settings {
            warm_up_ms: 3.0,
            window_ms: 3.0,
            waits_window_ms: 3.0,
            storm_seconds: 1.0,
            versions: BTreeMap::new(),
            pools: plan.subjects.iter().map(|subject| (subject.name(), subject.settings())).collect(),
        },
        seed: 1,
        rounds: 2,
        seconds: 1.0,
        others_cpu_pct: None,
        workloads: all.iter().map(WorkloadReport::of).collect(),
        aa_control: all.iter().filter_map(Control::of).collect(),
        memory: None,
        cancelstorm: None,
        snapshot1000: None,
    }
}

fn is_spread(value: &Value) {
    let [min, median, max] = ["min", "median", "max"].map(|key| value[key].as_f64().expect(key));
    assert!(0.0 < min && min <= median && median <= max, "{value}");
}

#[test]
fn the_json_has_the_shape_that_others_read() {
    let report = a_report();
    let json: Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    for key in ["cpu", "kernel", "rustc", "date"] {
        assert!(json["machine"][key].is_string(), "{key}");
    }
    assert!(json["machine"]["cores"].as_u64().unwrap() >= 1);
    assert!(json["settings"]["pools"]["ours"].is_string());
    let workloads = json["workloads"].as_array().unwrap();
    let places: Vec<_> = workloads.iter().map(|w| (w["name"].clone(), w["runtime"].clone())).collect();
    let expected = [
        ("uncontended", "multi"),
        ("uncontended", "current"),
        ("saturated64", "multi"),
        ("saturated64", "current"),
    ];
    assert_eq!(places, expected.map(|(name, runtime)| (Value::from(name), Value::from(runtime))));
    for workload in workloads {
        let results = workload["results"].as_array().unwrap();
        let pools: Vec<_> = results.iter().map(|result| result["pool"].as_str().unwrap()).collect();
        assert_eq!(pools, ["ours", "deadpool", "floor-mutex"]);
        for result in results {
            is_spread(&result["nsPerOp"]);
            is_spread(&result["ratioToDeadpool"]);
            is_spread(&result["ratioToFloorMutex"]);
            let saturated = workload["name"] == "saturated64";
            assert_eq!(result["p999WaitUs"].is_f64(), saturated, "{result}");
            assert_eq!(result["jain"].is_f64(), saturated, "{result}");
        }
    }
    let control = json["aaControl"].as_array().unwrap();
    assert_eq!(control.len(), 4);
    control.iter().for_each(is_spread);
    let tables = crate::markdown::write(&report);
    assert!(tables.contains("## saturated64, current") && tables.contains("| ours |"), "{tables}");
}
