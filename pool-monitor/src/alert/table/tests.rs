//! The table as people see it.

use super::*;
use crate::alert::json::samples::samples;

#[test]
fn a_table_has_a_line_for_each_alert() {
    let (alerts, time) = samples();
    insta::assert_snapshot!(AlertTable::new(&alerts, time), @r#"
        severity  state       since  pool                alert                value          message                                                                                                      acknowledged by
        warning   recovering  1m05s  localhost:5432/app  PoolUtilizationHigh  75 % (> 80 %)  localhost:5432/app: most connections are in use: utilization is 75 % (> 80 %)                                ada
        critical  pending     1m05s  localhost:5432/app  PoolNoConnections    1 (>= 1)       localhost:5432/app: there is no connection that works                                                        -
        error     resolved    1m05s  localhost:5432/app  PoolOldestWaiter     75 % (> 50 %)  localhost:5432/app: a caller has waited for much of the acquire timeout: oldest_wait_share is 75 % (> 50 %)  -
        "#);
}

#[test]
fn without_alerts_it_says_so() {
    assert_eq!(AlertTable::new(&[], SystemTime::UNIX_EPOCH).to_string(), "no alerts\n");
}

#[test]
fn names_and_comments_steer_no_terminal() {
    let (alerts, time) = samples();
    let mut alert = Alert::clone(&alerts[0]);
    alert.pool = Some(Arc::from("or\u{1b}[31mders\r\n"));
    assert!(!AlertTable::new(&[Arc::new(alert)], time).to_string().contains(['\u{1b}', '\r']));
}

#[test]
fn ages_have_two_units() {
    let shown = [0, 59, 60, 3_599, 3_600, 86_399, 90_000].map(|seconds| ago(Duration::from_secs(seconds)));
    assert_eq!(shown, ["0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d01h"]);
}
