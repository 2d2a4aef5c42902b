use super::report::{Model, executions, first_panic, listed, tests_passed};

#[test]
fn the_line_of_a_model_is_found_wherever_it_stands() {
    let output =
        "\nrunning 1 test\ntest engine::models::a ... model L3 in turn: 6216 executions, 1.3 s\nok\n";
    assert_eq!(executions(output), Some(Model { name: "L3 in turn", executions: 6216 }));
    assert_eq!(executions("model of a model\n"), None);
    assert_eq!(executions(""), None);
}

#[test]
fn the_first_panic_is_what_went_wrong() {
    let output = "thread 'a' panicked at src/lib.rs:1:2:\ndeadlock; threads = []\nnote: x\n\
                  thread 'a' panicked at src/lib.rs:3:4:\nanother\n";
    assert_eq!(first_panic(output), Some("deadlock; threads = []"));
    assert_eq!(first_panic("test result: ok."), None);
    assert_eq!(first_panic("thread 'a' panicked at x:\nPOOL_PLANTED names a defect\n"), None);
}

#[test]
fn tests_are_counted_over_all_their_programs() {
    let output = "test result: ok. 2 passed; 0 failed\n\ntest result: ok. 14 passed; 0 failed\n";
    assert_eq!(tests_passed(output), 16);
    assert_eq!(tests_passed("test result: FAILED. 1 passed; 1 failed\n"), 0);
}

#[test]
fn only_the_tests_of_a_module_are_listed() {
    let output = "engine::models::a: test\nengine::tests::b: test\nengine::models::c: benchmark\n2 tests\n";
    assert_eq!(listed(output, "engine::models::"), ["engine::models::a"]);
}
