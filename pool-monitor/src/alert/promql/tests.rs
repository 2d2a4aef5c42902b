//! The file, and the expressions in it.

use super::*;
use crate::alert::{DefaultRules, Severity};
use crate::condition::Comparison;

fn rule(metric: Metric, window: Option<u64>) -> AlertRule {
    let window = window.map(Duration::from_secs);
    AlertRule::new(
        "Rule",
        Severity::Error,
        Condition { metric, window, comparison: Comparison::Above, threshold: 2.0 },
    )
}

fn expression(rule: &AlertRule) -> String {
    RulesFile::new(&[], RulesFileSettings::default()).expression(rule)
}

#[test]
fn the_default_rules_as_a_file() {
    let rules = DefaultRules { keep_firing: Duration::from_secs(90), ..DefaultRules::default() }.rules();
    let settings =
        RulesFileSettings { interval: Some(Duration::from_secs(10)), ..RulesFileSettings::default() };
    insta::assert_snapshot!(RulesFile::new(&rules, settings));
}

#[test]
fn every_metric_has_an_expression_with_and_without_a_window() {
    let expressions = Metric::ALL.iter().map(|metric| {
        let (plain, windowed) = (expression(&rule(*metric, None)), expression(&rule(*metric, Some(300))));
        format!("{}\n  {plain}\n  {windowed}\n", metric.name())
    });
    insta::assert_snapshot!(expressions.collect::<String>());
}

#[test]
fn the_pools_of_a_rule_are_in_its_expression() {
    let orders =
        AlertRule { pools: vec!["a.b".to_owned(), "c\"d".to_owned()], ..rule(Metric::Waiting, None) };
    insta::assert_snapshot!(expression(&orders), @r#"sum by (job, instance, pool) (label_replace(db_client_connection_pending_requests{db_client_connection_pool_name=~"a\\.b|c\"d"}, "pool", "$1", "db_client_connection_pool_name", "(.*)")) > 2"#);
}

#[test]
fn no_rules_are_a_file_too() {
    insta::assert_snapshot!(RulesFile::new(&[], RulesFileSettings::default()), @r#"
        groups:
          - name: "pools"
            rules: []
        "#);
}
