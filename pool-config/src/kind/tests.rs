use super::*;
use crate::yaml::parse;

fn node(yaml: &str) -> Node {
    parse(yaml).unwrap()
}

fn help<T: fmt::Debug>(read: Result<T, Mistake>) -> String {
    read.unwrap_err().help
}

#[test]
fn a_whole_number_keeps_to_both_ends_of_its_range() {
    let port = |yaml| whole(1..=u16::MAX)(&node(yaml));
    assert_eq!(port("1"), Ok(1));
    assert_eq!(port("65535"), Ok(65535));
    assert_eq!(port("0"), Err(Mistake::new("0", "a whole number from 1 to 65535", "use 1 or more")));
    assert_eq!(help(port("-70000")), "use 1 or more");
    assert_eq!(help(port("65536")), "use 65535 or less");
    assert_eq!(help(port("70000")), "use 65535 or less");
}

#[test]
fn what_is_no_whole_number_is_told_how_to_become_one() {
    let count = |yaml| help(whole(0..=9_usize)(&node(yaml)));
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
    let mistake = whole(0..=u64::MAX)(&node("18446744073709551616")).unwrap_err();
    assert_eq!(mistake.found, "1.8446744073709552e19");
    assert_eq!(whole(0..=u64::MAX)(&node("18446744073709551615")), Ok(u64::MAX));
}

#[test]
fn a_duration_is_at_least_a_millisecond_and_at_most_a_year() {
    assert_eq!(millis(&node("1")), Ok(Duration::from_millis(1)));
    assert_eq!(millis(&node("31536000000")), Ok(Duration::from_secs(365 * 24 * 60 * 60)));
    assert_eq!(millis(&node("0")).unwrap_err().expected, "whole milliseconds from 1 to 31536000000");
    assert_eq!(help(millis(&node("31536000001"))), "use 31536000000 or less");
}

#[test]
fn a_duration_that_can_be_switched_off_says_what_zero_means() {
    assert_eq!(millis_or_zero("never")(&node("0")), Ok(Duration::ZERO));
    let mistake = millis_or_zero("never")(&node("-1")).unwrap_err();
    assert_eq!(mistake.expected, "whole milliseconds from 0 to 31536000000 (0 = never)");
}

#[test]
fn a_number_keeps_to_both_ends_of_its_range() {
    let jitter = |yaml| number(0.0..=0.5)(&node(yaml));
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
        assert!(number(0.0..=0.5)(&node(yaml)).is_err(), "{yaml}");
        assert!(share(&node(yaml)).is_err(), "{yaml}");
    }
}

#[test]
fn a_share_is_above_zero_and_at_most_one() {
    assert_eq!(share(&node("1")), Ok(1.0));
    assert_eq!(share(&node("0.001")), Ok(0.001));
    assert_eq!(help(share(&node("0"))), "0.8 means 80 %");
    assert_eq!(help(share(&node("-0.5"))), "0.8 means 80 %");
    assert_eq!(help(share(&node("90"))), "80 % is written 0.8, so 90 % is 0.9");
    assert_eq!(help(share(&node("101"))), "0.8 means 80 %");
}

#[test]
fn a_flag_is_true_or_false_and_nothing_like_it() {
    assert_eq!(flag(&node("true")), Ok(true));
    assert_eq!(flag(&node("False")), Ok(false));
    assert_eq!(help(flag(&node("yes"))), "write true, without quotes");
    assert_eq!(help(flag(&node("'off'"))), "write false, without quotes");
    assert_eq!(help(flag(&node("maybe"))), "write true or false");
    assert_eq!(flag(&node("1")), Err(Mistake::new("1", "true or false", "write true or false")));
}

#[test]
fn text_that_says_nothing_or_hides_something_is_refused() {
    assert_eq!(text(&node("orders")), Ok("orders".to_owned()));
    assert_eq!(text(&node("' '")).unwrap_err().found, "empty text");
    assert_eq!(text(&node("'orders '")).unwrap_err().found, r#""orders ""#);
    assert_eq!(text(&node(r#""or\nders""#)).unwrap_err().found, r#""or\nders""#);
    assert_eq!(help(text(&node("5"))), "put the value in quotes");
    assert_eq!(help(text(&node("true"))), "put the value in quotes");
    assert_eq!(help(text(&node("[a]"))), "write a single value");
    assert_eq!(text(&node("~")).unwrap_err().found, "nothing");
}

#[test]
fn a_choice_knows_its_words() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }
    let colour = |yaml| choice::<Colour>(&node(yaml));
    assert_eq!(colour("green"), Ok(Colour::Green));
    assert_eq!(colour("gren"), Err(Mistake::new(r#""gren""#, "one of red, green", "did you mean `green`?")));
    assert_eq!(help(colour("mauve")), "use one of these words");
    assert_eq!(colour("7"), Err(Mistake::new("7", "one of red, green", "use one of these words")));
    assert_eq!(colour("''").unwrap_err().expected, "one of red, green");
}
