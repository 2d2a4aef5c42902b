//! The connection that holders get: the client library's own, in a shell that notices what they leave behind.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pool_core::Condition;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Arg, Cmd, ErrorKind, Pipeline, RedisFuture, RedisResult, Value};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::settings::Settings;
use super::subscriptions::{Messages, Subscribed};
use super::traces::{Traces, is_blocking};
use crate::dns::Address;
use crate::facts::Encryption;

/// A connection to a Redis server.
///
/// It is a [`redis::aio::ConnectionLike`], so `&mut *guard` goes wherever the client library wants a connection, and
/// the methods of [`redis::AsyncCommands`] can be called on it.
///
/// # Cancel safety
///
/// A future of a command may be dropped; see the [module](super).
pub struct RedisConnection {
    pub(super) raw: MultiplexedConnection,
    driver: Driver,
    pub(super) traces: Traces,
    /// `None` in RESP2, which has no way to tell them from answers.
    pub(super) messages: Option<Messages>,
    pub(super) subscribed: Subscribed,
    /// With which it was opened.
    pub(super) settings: Arc<Settings>,
    pub(super) address: Address,
    /// How it is encrypted, if it is.
    pub(crate) encryption: Option<Encryption>,
}

/// The task that reads and writes. Dropping it closes the connection.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Driver(tokio::spawn(work))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RedisConnection {
    pub(super) fn new(
        raw: MultiplexedConnection,
        driver: Driver,
        messages: Option<Messages>,
        settings: Arc<Settings>,
    ) -> Self {
        let (traces, subscribed) = (Traces::default(), Subscribed::default());
        RedisConnection {
            raw,
            driver,
            traces,
            messages,
            subscribed,
            settings,
            address: Address::default(),
            encryption: None,
        }
    }

    /// What it is like, without asking the server.
    pub(super) fn condition(&mut self) -> Condition {
        let condition = self.traces.condition();
        if condition != Condition::AllBroken && self.driver.0.is_finished() {
            return Condition::Broken;
        }
        self.address.condition(condition)
    }

    /// Whether resetting it takes credentials.
    pub(super) fn must_log_in(&self) -> bool {
        self.traces.of_session()
    }

    /// Makes it as good as new, or fails. `login` is what follows `RESET` if that is needed.
    pub(super) async fn reset(&mut self, login: Option<Pipeline>) -> RedisResult<()> {
        let mut pipeline = redis::pipe();
        if self.traces.in_multi() {
            pipeline.cmd("DISCARD");
        }
        if let Some(login) = login {
            if self.subscribed.is_any() {
                // Else the end of subscriptions would only be put into the queue.
                self.set_up(&pipeline).await?;
                self.end_subscriptions().await?;
                pipeline.clear();
            }
            pipeline.cmd("RESET");
            login.cmd_iter().for_each(|command| {
                pipeline.add_command(command.clone());
            });
        } else {
            pipeline.cmd("UNWATCH");
        }
        self.set_up(&pipeline).await?;
        if let Some(messages) = &mut self.messages {
            messages.forget();
        }
        self.traces.wipe();
        Ok(())
    }

    /// Runs commands that all must succeed, past the watch for traces.
    ///
    /// But for two: a user who may not set a name works as well without, and a `MULTI` that never reached the
    /// server needs no `DISCARD`. If that failed for another reason, what comes after it tells.
    pub(super) async fn set_up(&mut self, pipeline: &Pipeline) -> RedisResult<()> {
        if pipeline.is_empty() {
            return Ok(());
        }
        let answers = self.raw.req_packed_commands(pipeline, 0, pipeline.len()).await?;
        for (command, answer) in pipeline.cmd_iter().zip(answers) {
            match answer.extract_error() {
                Err(error) if error.code() == Some("NOPERM") && begins_with(command, "CLIENT") => {}
                Err(_) if begins_with(command, "DISCARD") => {}
                Ok(Value::SimpleString(text)) if text == "QUEUED" => {
                    return Err((ErrorKind::Client, "The transaction is still open").into());
                }
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }

    /// Runs one command past the watch for traces.
    pub(super) async fn quietly(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.raw.req_packed_command(command).await?.extract_error()
    }
}

fn begins_with(command: &Cmd, name: &str) -> bool {
    command.args_iter().next() == Some(Arg::Simple(name.as_bytes()))
}

/// Waits for an answer, but not for ever.
pub(super) async fn limited<T>(
    limit: Option<Duration>,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    match limit {
        None => answer.await,
        Some(limit) => match timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                let text = format!("no answer within {limit:?} (`response_timeout`)");
                Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
            }
        },
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            // Cancel: noted before it is sent, so that a future dropped from here on leaves its trace.
            self.traces.send(command);
            let limit = self.settings.response_timeout.filter(|_| !is_blocking(command));
            let answer = limited(limit, self.raw.send_packed_command(command)).await;
            self.traces.answer(command, &answer);
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            // Cancel: as above.
            self.traces.send_all(pipeline);
            let blocking = pipeline.cmd_iter().any(is_blocking);
            let limit = self.settings.response_timeout.filter(|_| !blocking);
            let answers = limited(limit, self.raw.send_packed_commands(pipeline, offset, count)).await;
            self.traces.answer_all(pipeline, offset, &answers);
            answers
        })
    }

    /// The database it was opened in. One chosen by a holder with `SELECT` is not followed.
    fn get_db(&self) -> i64 {
        self.settings.database
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection")
            .field("database", &self.settings.database)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}
