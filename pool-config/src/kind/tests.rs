use std::fmt;
use std::time::Duration;

use super::*;
use crate::source::{Place, SourceId};
use crate::yaml::parse;

fn node(yaml: &str) -> Node {
    parse(yaml, SourceId::FIRST).unwrap()
}

fn help<T: fmt::Debug>(read: Result<T, Mistake>) -> String {
    read.unwrap_err().help
}

#[test]
fn a_whole_number_keeps_to_both_ends_of_its_range() {
    let port = |yaml| Whole::within(1..=u16::MAX).read(&node(yaml));
    assert_eq!(port("1"), Ok(1));
    assert_eq!(port("65535"), Ok(65535));
    assert_eq!(port("0"), Err(Mistake::new("0", "a whole number from 1 to 65535", "use 1 or more")));
    assert_eq!(help(port("-70000")), "use 1 or more");
    assert_eq!(help(port("65536")), "use 65535 or less");
    assert_eq!(help(port("70000")), "use 65535 or less");
}

#[test]
fn what_is_no_whole_number_is_told_how_to_become_one() {
    let count = |yaml| help(Whole::within(0..=9_usize).read(&node(yaml)));
    assert_eq!(count("'5'"), "remove the quotes");
    assert_eq!(count("5.0"), "write a number without a fraction");
    assert_eq!(count("5s"), "write digits only; durations are in milliseconds, so 30s is 30000");
    assert_eq!(count("many"), "write a number");
    assert_eq!(count("true"), "write a number");
    assert_eq!(count("[5]"), "write a number");
    assert_eq!(count("~"), "write a value, or remove the key");
}

#[test]
fn an_integer_too_large_for_64_bits_is_refused() {
    let mistake = Whole::within(0..=u64::MAX).read(&node("18446744073709551616")).unwrap_err();
    assert_eq!(mistake.found, "1.8446744073709552e19");
    assert_eq!(Whole::within(0..=u64::MAX).read(&node("18446744073709551615")), Ok(u64::MAX));
}

#[test]
fn a_duration_is_at_least_a_millisecond_and_at_most_a_year() {
    assert_eq!(Millis::POSITIVE.read(&node("1")), Ok(Duration::from_millis(1)));
    assert_eq!(Millis::POSITIVE.read(&node("31536000000")), Ok(Duration::from_secs(365 * 24 * 60 * 60)));
    assert_eq!(
        Millis::POSITIVE.read(&node("0")).unwrap_err().expected,
        "whole milliseconds from 1 to 31536000000"
    );
    assert_eq!(help(Millis::POSITIVE.read(&node("31536000001"))), "use 31536000000 or less");
}

#[test]
fn a_duration_that_can_be_switched_off_says_what_zero_means() {
    assert_eq!(Millis::zero("never").read(&node("0")), Ok(Duration::ZERO));
    let mistake = Millis::zero("never").read(&node("-1")).unwrap_err();
    assert_eq!(mistake.expected, "whole milliseconds from 0 to 31536000000 (0 = never)");
}

#[test]
fn a_number_keeps_to_both_ends_of_its_range() {
    let jitter = |yaml| Number(0.0..=0.5).read(&node(yaml));
    assert_eq!(jitter("0"), Ok(0.0));
    assert_eq!(jitter("0.5"), Ok(0.5));
    assert_eq!(jitter("0.51"), Err(Mistake::new("0.51", "a number from 0 to 0.5", "use 0.5 or less")));
    assert_eq!(help(jitter("-0.1")), "use 0 or more");
    assert_eq!(help(jitter("'0.1'")), "remove the quotes");
    assert_eq!(help(jitter("99999999999")), "use a smaller number");
    assert_eq!(jitter("~").unwrap_err().found, "nothing");
}

#[test]
fn what_is_not_finite_is_in_no_range() {
    for yaml in [".nan", ".inf", "-.inf", "1e999"] {
        assert!(Number(0.0..=0.5).read(&node(yaml)).is_err(), "{yaml}");
        assert!(Share.read(&node(yaml)).is_err(), "{yaml}");
    }
}

#[test]
fn a_share_is_above_zero_and_at_most_one() {
    assert_eq!(Share.read(&node("1")), Ok(1.0));
    assert_eq!(Share.read(&node("0.001")), Ok(0.001));
    assert_eq!(help(Share.read(&node("0"))), "0.8 means 80 %");
    assert_eq!(help(Share.read(&node("-0.5"))), "0.8 means 80 %");
    assert_eq!(help(Share.read(&node("90"))), "80 % is written 0.8, so 90 % is 0.9");
    assert_eq!(help(Share.read(&node("101"))), "0.8 means 80 %");
}

#[test]
fn a_flag_is_true_or_false_and_nothing_like_it() {
    assert_eq!(Flag.read(&node("true")), Ok(true));
    assert_eq!(Flag.read(&node("False")), Ok(false));
    assert_eq!(help(Flag.read(&node("yes"))), "write true, without quotes");
    assert_eq!(help(Flag.read(&node("'off'"))), "write false, without quotes");
    assert_eq!(help(Flag.read(&node("maybe"))), "write true or false");
    assert_eq!(Flag.read(&node("1")), Err(Mistake::new("1", "true or false", "write true or false")));
}

#[test]
fn text_that_says_nothing_or_hides_something_is_refused() {
    assert_eq!(Text.read(&node("orders")), Ok("orders".to_owned()));
    assert_eq!(Text.read(&node("' '")).unwrap_err().found, "empty text");
    assert_eq!(Text.read(&node("'orders '")).unwrap_err().found, r#""orders ""#);
    assert_eq!(Text.read(&node(r#""or\nders""#)).unwrap_err().found, r#""or\nders""#);
    assert_eq!(help(Text.read(&node("5"))), "put the value in quotes");
    assert_eq!(help(Text.read(&node("true"))), "put the value in quotes");
    assert_eq!(help(Text.read(&node("[a]"))), "write a single value");
    assert_eq!(Text.read(&node("~")).unwrap_err().found, "nothing");
}

#[test]
fn a_choice_knows_its_words() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Colour {
        Red,
        Green,
    }
    impl Word for Colour {
        const WORDS: &'static [(&'static str, Self)] = &[("red", Self::Red), ("green", Self::Green)];
    }
    let colour = |yaml| Words::<Colour>::new().read(&node(yaml));
    assert_eq!(colour("green"), Ok(Colour::Green));
    assert_eq!(colour("gren"), Err(Mistake::new(r#""gren""#, "one of red, green", "did you mean `green`?")));
    assert_eq!(help(colour("mauve")), "use one of these words");
    assert_eq!(colour("7"), Err(Mistake::new("7", "one of red, green", "use one of these words")));
    assert_eq!(colour("''").unwrap_err().expected, "one of red, green");
}

#[test]
fn what_a_variable_held_is_read_as_what_the_key_wants_and_not_shown() {
    let held = |text: &str| Node {
        value: Value::Text(text.to_owned()),
        place: Place::START,
        written: Some("${VALUE}".into()),
    };
    assert_eq!(Whole::within(1..=9_usize).read(&held("5")), Ok(5));
    assert_eq!(Number(0.0..=0.5).read(&held("0.25")), Ok(0.25));
    assert_eq!(Flag.read(&held("true")), Ok(true));
    assert_eq!(Text.read(&held("5")), Ok("5".to_owned()));
    let mistakes = [
        Whole::within(1..=9_usize).read(&held("10")).unwrap_err(),
        Whole::within(1..=9_usize).read(&held("canary")).unwrap_err(),
        Number(0.0..=0.5).read(&held("7")).unwrap_err(),
        Share.read(&held("50")).unwrap_err(),
        Flag.read(&held("canary")).unwrap_err(),
        Text.read(&held(" canary")).unwrap_err(),
        Text.read(&held("")).unwrap_err(),
        Name.read(&held("ca nary")).unwrap_err(),
        Words::<crate::Reuse>::new().read(&held("canary")).unwrap_err(),
    ];
    for mistake in mistakes {
        assert_eq!(mistake.found, r#""${VALUE}""#);
        assert!(!format!("{mistake:?}").contains("canary"), "{mistake:?}");
    }
}

#[test]
fn a_password_is_text_and_a_mistake_about_it_does_not_repeat_it() {
    assert_eq!(SecretText.read(&node("canary ")).unwrap().expose(), "canary");
    assert_eq!(SecretText.read(&node("' canary '")).unwrap().expose(), " canary ");
    assert_eq!(SecretText.read(&node("12345")).unwrap_err().found, "a value that is not text");
    assert_eq!(SecretText.read(&node("''")).unwrap_err().found, "empty text");
    assert_eq!(SecretText.mask(&crate::Secret::new("canary")), "***");
    let url = SecretUrl.read(&node("postgres://app:canary@db/orders")).unwrap();
    assert_eq!(SecretUrl.mask(&url), "postgres://***@db/orders");
    assert!(!format!("{:?}", SecretUrl.read(&node("nothing"))).contains("canary"));
}

#[test]
fn lists_and_mappings_are_read_whole() {
    assert_eq!(
        List(Lines).read(&node("[\"SET a = 1\", b]")),
        Ok(vec!["SET a = 1".to_owned(), "b".to_owned()])
    );
    assert_eq!(List(Lines).read(&node("SET a = 1")).unwrap_err().help, "start each entry with `- `");
    assert_eq!(List(Text).read(&node("[a, 5]")).unwrap_err().help, "put the value in quotes");
    let tags = Tags.read(&node("{team: core, tier: '1'}")).unwrap();
    assert_eq!(
        tags.into_iter().collect::<Vec<_>>(),
        [("team".into(), "core".into()), ("tier".into(), "1".into())]
    );
    assert!(Tags.read(&node("{team: [core]}")).is_err());
}
