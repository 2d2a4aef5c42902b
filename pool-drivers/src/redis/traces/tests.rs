//! What is read off commands and answers, without a server.

use redis::{Cmd, Value, cmd, pipe};

use super::*;

fn command(line: &str) -> Cmd {
    let mut words = line.split(' ');
    let mut command = cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command
}

fn error(line: &str) -> Value {
    redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap()
}

fn queued() -> Value {
    Value::SimpleString(String::from("QUEUED"))
}

/// What is left after these commands were answered with `OK`, but for those said to be answered otherwise.
fn after(commands: &[(&str, Value)]) -> Traces {
    let mut traces = Traces::default();
    for (line, answer) in commands {
        let command = command(line);
        traces.send(&command);
        traces.answer(&command, &Ok(answer.clone()));
    }
    traces
}

#[test]
fn plain_commands_leave_nothing() {
    for line in [
        "GET a",
        "SET a b",
        "PING",
        "EVAL return 1",
        "XREAD COUNT 1 STREAMS block 0",
        "CLIENT LIST",
        "CLIENT ID",
        "SCRIPT LOAD x",
        "UNWATCH",
        "WATCHED x",
        "HGETALL select",
        "PUBLISH a b",
        "DBSIZE",
    ] {
        assert_eq!(after(&[(line, Value::Okay)]).condition(), Condition::Clean, "{line}");
    }
}

#[test]
fn transactions_are_dirty_until_they_end() {
    let ok = Value::Okay;
    for (commands, condition) in [
        (vec![("WATCH a", ok.clone())], Condition::Dirty),
        (vec![("multi", ok.clone())], Condition::Dirty),
        (vec![("WATCH a", ok.clone()), ("UNWATCH", ok.clone())], Condition::Clean),
        (vec![("WATCH a", ok.clone()), ("MULTI", ok.clone()), ("UNWATCH", queued())], Condition::Dirty),
        (vec![("WATCH a", ok.clone()), ("MULTI", ok.clone()), ("EXEC", Value::Nil)], Condition::Clean),
        (vec![("MULTI", ok.clone()), ("Discard", ok.clone())], Condition::Clean),
        (vec![("MULTI", ok.clone()), ("EXEC", error("EXECABORT discarded"))], Condition::Clean),
        (vec![("WATCH a", ok.clone()), ("EXEC", error("ERR EXEC without MULTI"))], Condition::Dirty),
    ] {
        assert_eq!(after(&commands).condition(), condition, "{commands:?}");
    }
}

#[test]
fn an_atomic_pipeline_ends_what_was_watched() {
    let mut traces = after(&[("WATCH a", Value::Okay)]);
    let mut pipeline = pipe();
    pipeline.atomic().cmd("GET").arg("a");
    traces.send_all(&pipeline);
    assert_eq!(traces.condition(), Condition::Dirty);
    traces.answer_all(&pipeline, 0, &Ok(vec![Value::Array(vec![Value::Nil])]));
    assert_eq!(traces.condition(), Condition::Clean);
}

#[test]
fn changes_of_the_session_are_seen_alone_and_in_pipelines() {
    for line in [
        "SELECT 1",
        "auth x",
        "HELLO 3",
        "CLIENT SETNAME x",
        "client tracking ON",
        "READONLY",
        "ASKING",
        "RESET",
    ] {
        let traces = after(&[(line, Value::Okay)]);
        assert_eq!((traces.condition(), traces.of_session()), (Condition::Dirty, true), "{line}");

        let mut pipeline = pipe();
        pipeline.cmd("GET").arg("a").add_command(command(line));
        let mut traces = Traces::default();
        traces.send_all(&pipeline);
        traces.answer_all(&pipeline, 0, &Ok(vec![Value::Nil, Value::Okay]));
        assert_eq!((traces.condition(), traces.of_session()), (Condition::Dirty, true), "{line}");
    }
}

#[test]
fn what_cannot_be_undone_breaks_the_connection() {
    for line in [
        "MONITOR",
        "SUBSCRIBE a",
        "PUNSUBSCRIBE",
        "CLIENT REPLY OFF",
        "CLIENT NO-EVICT on",
        "SCRIPT DEBUG YES",
    ] {
        assert_eq!(after(&[(line, Value::Okay)]).condition(), Condition::Broken, "{line}");
    }
}

#[test]
fn an_unanswered_command_is_dirty_and_a_blocking_one_breaks_the_connection() {
    for (line, condition) in [
        ("GET a", Condition::Dirty),
        ("BLPOP a 0", Condition::Broken),
        ("xread BLOCK 0 STREAMS a 0", Condition::Broken),
        ("XREADGROUP GROUP g c COUNT 1 BLOCK 0 STREAMS a >", Condition::Broken),
        ("WAIT 1 0", Condition::Broken),
    ] {
        let mut traces = Traces::default();
        traces.send(&command(line));
        assert_eq!(traces.condition(), condition, "{line}");
    }
}

#[test]
fn a_later_answer_shows_that_the_earlier_ones_have_come() {
    let mut traces = Traces::default();
    traces.send(&command("BLPOP a 1"));
    let ping = command("PING");
    traces.send(&ping);
    assert_eq!(traces.condition(), Condition::Broken);
    traces.answer(&ping, &Ok(Value::Okay));
    assert_eq!(traces.condition(), Condition::Clean);
}

#[test]
fn a_command_without_an_answer_is_unanswered() {
    let mut silent = command("SET a b");
    silent.set_no_response(true);
    let mut traces = Traces::default();
    traces.send(&silent);
    traces.answer(&silent, &Ok(Value::Nil));
    assert_eq!(traces.condition(), Condition::Dirty);
}

#[test]
fn errors_decide_what_becomes_of_the_connection() {
    for (line, condition) in [
        ("READONLY You can't write against a read only replica.", Condition::AllBroken),
        ("NOAUTH Authentication required.", Condition::Broken),
        ("NOPERM this user has no permissions", Condition::Clean),
        ("WRONGTYPE Operation against a key", Condition::Clean),
        ("LOADING Redis is loading", Condition::Clean),
    ] {
        let traces = after(&[("GET a", error(line)), ("GET b", Value::Nil)]);
        assert_eq!(traces.condition(), condition, "{line}");

        let mut pipeline = pipe();
        pipeline.atomic().cmd("SET").arg("a").arg("b");
        let mut traces = Traces::default();
        traces.send_all(&pipeline);
        traces.answer_all(&pipeline, 0, &Ok(vec![Value::Array(vec![error(line)])]));
        assert_eq!(traces.condition(), condition, "inside EXEC: {line}");
    }
}

#[test]
fn an_error_about_all_connections_outweighs_one_about_this() {
    let readonly = error("READONLY You can't write against a read only replica.");
    let noauth = error("NOAUTH Authentication required.");
    let traces = after(&[("SET a b", readonly.clone()), ("GET a", noauth.clone())]);
    assert_eq!(traces.condition(), Condition::AllBroken);
    let traces = after(&[("GET a", noauth), ("SET a b", readonly)]);
    assert_eq!(traces.condition(), Condition::AllBroken);
}

#[test]
fn a_wiped_connection_is_as_good_as_new() {
    let mut traces = after(&[("SELECT 1", Value::Okay), ("WATCH a", Value::Okay)]);
    traces.send_subscription();
    traces.wipe();
    assert_eq!((traces.condition(), traces.of_session()), (Condition::Clean, false));
}
