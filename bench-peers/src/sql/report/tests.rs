use super::*;

fn entry(client: &'static str, driver: Driver, per_second: &[f64]) -> Entry {
    let sample = |&per_second| Sample { per_second, client_us: 1e6 / per_second, jain: 1.0 };
    Entry { client, driver, samples: per_second.iter().map(sample).collect() }
}

#[test]
fn every_client_is_compared_with_its_own_driver_and_with_our_pool_over_it() {
    let results = judge(&[
        entry(OURS, Driver::Sqlx, &[90.0, 180.0, 80.0]),
        entry(SQLX_BARE, Driver::Sqlx, &[100.0, 200.0, 100.0]),
        entry(TOKIO_POSTGRES_BARE, Driver::TokioPostgres, &[50.0, 50.0, 50.0]),
        entry(OURS_TOKIO_POSTGRES, Driver::TokioPostgres, &[40.0, 40.0, 40.0]),
        entry("deadpool-postgres", Driver::TokioPostgres, &[20.0, 25.0, 20.0]),
    ]);
    let ours = &results[0];
    assert_eq!(ours.to_unpooled, Some(Spread { min: 0.8, median: 0.9, max: 0.9 }));
    assert_eq!(ours.ours_to_it.map(|ratio| ratio.median), Some(1.0));
    assert_eq!(ours.client_us.median, 1e6 / 90.0);

    let deadpool = &results[4];
    assert_eq!(deadpool.per_second.median, 20.0);
    assert_eq!(deadpool.to_unpooled.map(|ratio| ratio.median), Some(0.4));
    // Raw, over different drivers; and over the same.
    assert_eq!(deadpool.ours_to_it.map(|ratio| ratio.max), Some(7.2));
    assert_eq!(deadpool.ours_on_its_driver_to_it, Some(Spread { min: 1.6, median: 2.0, max: 2.0 }));
}

#[test]
fn a_ratio_needs_both_sides() {
    let results = judge(&[entry("deadpool-postgres", Driver::TokioPostgres, &[20.0])]);
    let deadpool = &results[0];
    assert_eq!((deadpool.to_unpooled, deadpool.ours_to_it), (None, None));
    assert_eq!(deadpool.ours_on_its_driver_to_it, None);
}

#[test]
fn the_control_is_ours_to_ours() {
    let results = judge(&[entry(OURS, Driver::Sqlx, &[90.0]), entry(CONTROL, Driver::Sqlx, &[100.0])]);
    let (database, transport, question) = ("SQLite", Transport::File, Question::One);
    let series = SeriesReport { database, transport, question, tasks: 8, results };
    assert_eq!(series.control().map(|ratio| ratio.median), Some(0.9));
}
