//! The connection that holders get: the client library's own, in a shell that notices what they leave behind.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pool_core::Condition;
use redis::aio::{ConnectionLike, MultiplexedConnection, SendError};
use redis::{Cmd, ErrorKind, Msg, Pipeline, PushInfo, RedisFuture, RedisResult, ToRedisArgs, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::traces::{Traces, is_blocking};

/// How many messages wait to be read. Some seconds' worth of a busy channel, and a few MiB at worst.
const MESSAGES: usize = 4096;

/// A connection to a Redis server.
///
/// It is a [`redis::aio::ConnectionLike`], so `&mut *guard` goes wherever the client library wants a connection, and
/// the methods of [`redis::AsyncCommands`] can be called on it.
///
/// # Cancel safety
///
/// A future of a command may be dropped; see the [module](super).
pub struct RedisConnection {
    raw: MultiplexedConnection,
    driver: Driver,
    traces: Traces,
    messages: Option<Messages>,
    response_timeout: Option<Duration>,
    database: i64,
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

/// What the server sends unasked, and how much of it had no room.
pub(super) struct Messages {
    queue: mpsc::Receiver<PushInfo>,
    lost: Arc<AtomicU64>,
}

impl Messages {
    /// Where to put them, and where they come out.
    pub(super) fn queue() -> (impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static, Messages) {
        let (sender, queue) = mpsc::channel(MESSAGES);
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let put = move |push| {
            sender.try_send(push).map_err(|_| {
                count.fetch_add(1, Ordering::Relaxed);
                SendError
            })
        };
        (put, Messages { queue, lost })
    }
}

impl RedisConnection {
    pub(super) fn new(
        raw: MultiplexedConnection,
        driver: Driver,
        messages: Option<Messages>,
        response_timeout: Option<Duration>,
        database: i64,
    ) -> Self {
        RedisConnection { raw, driver, traces: Traces::default(), messages, response_timeout, database }
    }

    /// Subscribes to channels. What is published there comes out of [`message`](Self::message).
    ///
    /// # Errors
    ///
    /// Fails if the connection does not speak [`Resp3`](super::Protocol::Resp3), and as any command does.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection may be subscribed or not. The next holder never is.
    pub async fn subscribe(&mut self, channels: impl ToRedisArgs) -> RedisResult<()> {
        self.begin_subscription()?;
        let outcome = limited(self.response_timeout, self.raw.subscribe(channels)).await;
        self.traces.answer_subscription(&outcome);
        outcome
    }

    /// Subscribes to all channels that match a pattern.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn psubscribe(&mut self, patterns: impl ToRedisArgs) -> RedisResult<()> {
        self.begin_subscription()?;
        let outcome = limited(self.response_timeout, self.raw.psubscribe(patterns)).await;
        self.traces.answer_subscription(&outcome);
        outcome
    }

    /// Ends subscriptions to channels.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&mut self, channels: impl ToRedisArgs) -> RedisResult<()> {
        self.begin_subscription()?;
        let outcome = limited(self.response_timeout, self.raw.unsubscribe(channels)).await;
        self.traces.answer_subscription(&outcome);
        outcome
    }

    /// Ends subscriptions to patterns.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn punsubscribe(&mut self, patterns: impl ToRedisArgs) -> RedisResult<()> {
        self.begin_subscription()?;
        let outcome = limited(self.response_timeout, self.raw.punsubscribe(patterns)).await;
        self.traces.answer_subscription(&outcome);
        outcome
    }

    fn begin_subscription(&mut self) -> RedisResult<()> {
        if self.messages.is_none() {
            return Err(needs_resp3());
        }
        // Cancel: noted before it is sent, so that a future dropped from here on leaves its trace.
        self.traces.send_subscription();
        Ok(())
    }

    /// Waits for the next message of a channel subscribed to.
    ///
    /// Up to 4,096 messages wait to be read. On top of that they are lost, and
    /// [counted](Self::lost_messages).
    ///
    /// # Errors
    ///
    /// Fails if the connection does not speak [`Resp3`](super::Protocol::Resp3), and when it is closed.
    ///
    /// # Cancel safety
    ///
    /// No message is lost by dropping the future.
    pub async fn message(&mut self) -> RedisResult<Msg> {
        let Some(messages) = &mut self.messages else {
            return Err(needs_resp3());
        };
        while let Some(push) = messages.queue.recv().await {
            if let Some(message) = Msg::from_push_info(push) {
                return Ok(message);
            }
        }
        Err(io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    /// How many messages were lost since the holder got the connection, because nobody read them in time.
    pub fn lost_messages(&self) -> u64 {
        self.messages.as_ref().map_or(0, |messages| messages.lost.load(Ordering::Relaxed))
    }

    /// What it is like, without asking the server.
    pub(super) fn condition(&self) -> Condition {
        let condition = self.traces.condition();
        if condition != Condition::AllBroken && self.driver.0.is_finished() {
            return Condition::Broken;
        }
        condition
    }

    /// Whether resetting it takes credentials.
    pub(super) fn must_log_in(&self) -> bool {
        self.traces.of_session()
    }

    /// Makes it as good as new, or fails. `login` is what follows `RESET` if that is needed.
    pub(super) async fn reset(&mut self, login: Option<Pipeline>) -> RedisResult<()> {
        if self.traces.of_subscriptions() {
            // Why not leave it to `RESET`: it does not tell the client library, which counts subscriptions to
            // know how many answers an `UNSUBSCRIBE` of all of them gets.
            const ALL: [&str; 0] = [];
            self.raw.unsubscribe(&ALL).await?;
            self.raw.punsubscribe(&ALL).await?;
        }
        let mut pipeline = redis::pipe();
        match login {
            Some(login) => {
                pipeline.cmd("RESET");
                login.cmd_iter().for_each(|command| {
                    pipeline.add_command(command.clone());
                });
                self.all(&pipeline).await?;
            }
            None => {
                pipeline.cmd("DISCARD").cmd("UNWATCH");
                // Without a `MULTI` the first is an error.
                let answers = self.raw.req_packed_commands(&pipeline, 0, 2).await?;
                answers.into_iter().skip(1).try_for_each(|answer| answer.extract_error().map(drop))?;
            }
        }
        if let Some(messages) = &mut self.messages {
            while messages.queue.try_recv().is_ok() {}
            messages.lost.store(0, Ordering::Relaxed);
        }
        self.traces.wipe();
        Ok(())
    }

    /// Runs commands that all must succeed, past the watch for traces.
    pub(super) async fn all(&mut self, pipeline: &Pipeline) -> RedisResult<()> {
        run_all(&mut self.raw, pipeline).await
    }

    /// Runs one command past the watch for traces.
    pub(super) async fn quietly(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.raw.req_packed_command(command).await?.extract_error()
    }
}

fn needs_resp3() -> redis::RedisError {
    (ErrorKind::InvalidClientConfig, "Subscriptions need `Protocol::Resp3`").into()
}

/// Runs commands that all must succeed.
pub(super) async fn run_all(raw: &mut MultiplexedConnection, pipeline: &Pipeline) -> RedisResult<()> {
    let answers = raw.req_packed_commands(pipeline, 0, pipeline.len()).await?;
    answers.into_iter().try_for_each(|answer| answer.extract_error().map(drop))
}

/// Waits for an answer, but not for ever.
async fn limited<T>(limit: Option<Duration>, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
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
            let limit = self.response_timeout.filter(|_| !is_blocking(command));
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
            let limit = self.response_timeout.filter(|_| !blocking);
            let answers = limited(limit, self.raw.send_packed_commands(pipeline, offset, count)).await;
            self.traces.answer_all(pipeline, &answers);
            answers
        })
    }

    /// The database it was opened in. One chosen by a holder with `SELECT` is not followed.
    fn get_db(&self) -> i64 {
        self.database
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection")
            .field("database", &self.database)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}
