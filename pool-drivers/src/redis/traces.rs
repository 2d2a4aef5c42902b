//! What holders leave behind in a connection, read off the commands and answers that go by.
//!
//! Pure: it sees names of commands and outcomes, and does no I/O.

use pool_core::{Condition, ErrorClass};
use redis::{Arg, Cmd, Pipeline, ServerError, Value};

use super::class::fate;

/// How much of a session a holder changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Session {
    /// Nothing.
    #[default]
    Untouched,
    /// What `RESET` undoes.
    Changed,
    /// What nothing undoes, or what makes it unknown which answer belongs to which command.
    Ruined,
}

/// A command that was sent and whose answer nobody has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Unanswered {
    /// None.
    #[default]
    Nothing,
    /// One that the server answers soon.
    Command,
    /// One that may wait for somebody else for ever.
    Blocking,
}

/// What a command does to the connection, apart from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    Watch,
    Multi,
    /// `EXEC` and `DISCARD`, which also end all watching.
    End,
    Unwatch,
    Session(Session),
    Blocking,
}

/// What a holder left behind.
#[derive(Debug, Default)]
pub(super) struct Traces {
    watching: bool,
    in_multi: bool,
    session: Session,
    unanswered: Unanswered,
    /// The worst that an answer told.
    fate: Option<ErrorClass>,
}

impl Traces {
    /// Notes a command about to be sent.
    pub(super) fn send(&mut self, command: &Cmd) {
        self.note(effect_of(command));
    }

    /// Notes a pipeline about to be sent.
    pub(super) fn send_all(&mut self, pipeline: &Pipeline) {
        self.note(Effect::Nothing);
        for command in pipeline.cmd_iter() {
            self.note(effect_of(command));
        }
    }

    /// Notes a change of subscriptions about to be sent.
    pub(super) fn send_subscription(&mut self) {
        self.note(Effect::Session(Session::Changed));
    }

    fn note(&mut self, effect: Effect) {
        self.unanswered = self.unanswered.max(match effect {
            Effect::Blocking => Unanswered::Blocking,
            _ => Unanswered::Command,
        });
        match effect {
            Effect::Watch => self.watching = true,
            Effect::Multi => self.in_multi = true,
            Effect::Session(session) => self.session = self.session.max(session),
            Effect::Nothing | Effect::Blocking | Effect::End | Effect::Unwatch => {}
        }
    }

    /// Notes the answer to a command. Answers come in order, so it says that all earlier ones have come too.
    pub(super) fn answer(&mut self, command: &Cmd, answer: &redis::RedisResult<Value>) {
        match answer {
            Ok(value) => {
                if !command.is_no_response() {
                    self.unanswered = Unanswered::Nothing;
                }
                self.settle(effect_of(command), value);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Notes the answers to a pipeline, from that to the command at `offset` on.
    pub(super) fn answer_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        answers: &redis::RedisResult<Vec<Value>>,
    ) {
        match answers {
            Ok(values) => {
                self.unanswered = Unanswered::Nothing;
                if pipeline.is_transaction() {
                    // One answer, that of `EXEC`.
                    values.iter().for_each(|value| self.settle(Effect::End, value));
                } else {
                    let mut commands = pipeline.cmd_iter().skip(offset);
                    for (value, command) in values.iter().zip(&mut commands) {
                        self.settle(effect_of(command), value);
                    }
                    // Nobody has asked what became of the others.
                    commands.for_each(|command| self.note(effect_of(command)));
                }
            }
            Err(error) => self.fail(error),
        }
    }

    /// Notes the outcome of a change of subscriptions.
    pub(super) fn answer_subscription(&mut self, outcome: &redis::RedisResult<()>) {
        match outcome {
            Err(error) => self.fail(error),
            Ok(()) => self.unanswered = Unanswered::Nothing,
        }
    }

    /// An error instead of an answer. The server's own are here as well when the client library has looked into
    /// the answers.
    fn fail(&mut self, error: &redis::RedisError) {
        self.fate = worse(self.fate, fate(error));
    }

    fn settle(&mut self, effect: Effect, value: &Value) {
        match value {
            Value::ServerError(error) => self.blame(error),
            // The answers inside that of `EXEC`.
            Value::Array(values) => {
                for value in values {
                    if let Value::ServerError(error) = value {
                        self.blame(error);
                    }
                }
            }
            _ => {}
        }
        let refused = matches!(value, Value::ServerError(error) if error.code() != "EXECABORT");
        // Inside `MULTI` it was only put into the queue.
        let queued = matches!(value, Value::SimpleString(text) if text == "QUEUED");
        match effect {
            // Noted once before, but since then a transaction may have ended in the same pipeline.
            Effect::Watch if !refused => self.watching = true,
            Effect::Multi if !refused => self.in_multi = true,
            Effect::End if !refused => (self.in_multi, self.watching) = (false, false),
            Effect::Unwatch if !refused && !queued => self.watching = false,
            _ => {}
        }
    }

    fn blame(&mut self, error: &ServerError) {
        self.fail(&error.clone().into());
    }

    /// What the connection is like.
    pub(super) fn condition(&self) -> Condition {
        match self.fate {
            Some(ErrorClass::FatalAll) => return Condition::AllBroken,
            Some(_) => return Condition::Broken,
            None => {}
        }
        if self.session == Session::Ruined || self.unanswered == Unanswered::Blocking {
            return Condition::Broken;
        }
        let clean = self.session == Session::Untouched
            && self.unanswered == Unanswered::Nothing
            && !self.watching
            && !self.in_multi;
        if clean { Condition::Clean } else { Condition::Dirty }
    }

    /// Whether commands may only be put into the queue of a transaction.
    pub(super) fn in_multi(&self) -> bool {
        self.in_multi
    }

    /// Whether only `RESET` helps.
    pub(super) fn of_session(&self) -> bool {
        self.session != Session::Untouched
    }

    /// Forgets everything: the connection is as good as new.
    pub(super) fn wipe(&mut self) {
        *self = Traces::default();
    }
}

/// The worse of two fates: one that concerns all connections goes before.
fn worse(one: Option<ErrorClass>, other: Option<ErrorClass>) -> Option<ErrorClass> {
    match (one, other) {
        (Some(ErrorClass::FatalAll), _) | (_, None) => one,
        _ => other,
    }
}

/// Whether the command waits for something other than the server's own work, so that its answer has no deadline.
pub(super) fn is_blocking(command: &Cmd) -> bool {
    effect_of(command) == Effect::Blocking
}

/// Reads off a command what it does to the connection.
fn effect_of(command: &Cmd) -> Effect {
    let mut arguments = command.args_iter().filter_map(|argument| match argument {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    });
    let (Some(name), second) = (arguments.next(), arguments.next()) else {
        return Effect::Nothing;
    };
    let second = second.unwrap_or_default();
    let is =
        |names: &[&str], text: &[u8]| names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    // No name below is longer or shorter, and most commands are not here.
    if !(4..=12).contains(&name.len()) {
        return Effect::Nothing;
    }
    if is(&["WATCH"], name) {
        return Effect::Watch;
    }
    if is(&["MULTI"], name) {
        return Effect::Multi;
    }
    if is(&["EXEC", "DISCARD"], name) {
        return Effect::End;
    }
    if is(&["UNWATCH"], name) {
        return Effect::Unwatch;
    }
    if is(&BLOCKING, name) {
        return Effect::Blocking;
    }
    if is(&["XREAD", "XREADGROUP"], name) {
        // The option stands before the word after which the names of streams begin.
        let options = command.args_iter().map_while(|argument| match argument {
            Arg::Simple(bytes) if !bytes.eq_ignore_ascii_case(b"STREAMS") => Some(bytes),
            _ => None,
        });
        let blocks = options.into_iter().any(|option| option.eq_ignore_ascii_case(b"BLOCK"));
        return if blocks { Effect::Blocking } else { Effect::Nothing };
    }
    if is(&CHANGING, name) {
        return Effect::Session(Session::Changed);
    }
    if is(&RUINING, name) {
        return Effect::Session(Session::Ruined);
    }
    if is(&["CLIENT"], name) {
        if is(&["SETNAME", "TRACKING", "CACHING"], second) {
            return Effect::Session(Session::Changed);
        }
        // `RESET` leaves the last two as they are before Redis 7.2.
        if is(&["REPLY", "NO-EVICT", "NO-TOUCH"], second) {
            return Effect::Session(Session::Ruined);
        }
    }
    if is(&["SCRIPT"], name) && is(&["DEBUG"], second) {
        return Effect::Session(Session::Ruined);
    }
    Effect::Nothing
}

/// Commands that wait for other clients, or for replicas.
const BLOCKING: [&str; 10] =
    ["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF"];

/// Commands whose doing `RESET` undoes.
const CHANGING: [&str; 7] = ["SELECT", "AUTH", "HELLO", "READONLY", "READWRITE", "ASKING", "RESET"];

/// Commands after which a connection is good for nothing else. Subscribing is among them because one command
/// has several answers, of which the client library expects one; the methods of the connection do better.
const RUINING: [&str; 12] = [
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "MONITOR",
    "QUIT",
    "SHUTDOWN",
    "SYNC",
    "PSYNC",
    "REPLCONF",
];

#[cfg(test)]
mod tests;
