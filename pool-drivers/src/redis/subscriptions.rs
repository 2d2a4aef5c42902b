//! Publish and subscribe: what a connection is subscribed to, and the messages that wait to be read.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::SendError;
use redis::{ErrorKind, Msg, PushInfo, RedisResult, ToRedisArgs};
use tokio::sync::mpsc;

use super::connection::{RedisConnection, limited};

/// How many messages wait to be read. Some seconds' worth of a busy channel, and a few MiB at worst.
const MESSAGES: usize = 4096;

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

    /// Drops what waits, and the count.
    pub(super) fn forget(&mut self) {
        while self.queue.try_recv().is_ok() {}
        self.lost.store(0, Ordering::Relaxed);
    }
}

/// What a connection may be subscribed to.
///
/// Why not ask for the end of all: the answers to that are one for each subscription, which the client library
/// counts, and it miscounts from the second time on (redis 1.8.1 does not strike the first of them off its list).
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
}

impl Subscribed {
    pub(super) fn is_any(&self) -> bool {
        !(self.channels.is_empty() && self.patterns.is_empty())
    }
}

impl RedisConnection {
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
        let channels = channels.to_redis_args();
        self.begin_subscription()?;
        self.subscribed.channels.extend(channels.iter().cloned());
        let outcome = limited(self.settings.response_timeout, self.raw.subscribe(channels)).await;
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
        let patterns = patterns.to_redis_args();
        self.begin_subscription()?;
        self.subscribed.patterns.extend(patterns.iter().cloned());
        let outcome = limited(self.settings.response_timeout, self.raw.psubscribe(patterns)).await;
        self.traces.answer_subscription(&outcome);
        outcome
    }

    /// Ends subscriptions to channels; without any named, to all channels.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&mut self, channels: impl ToRedisArgs) -> RedisResult<()> {
        let channels = named(channels, &self.subscribed.channels);
        self.begin_subscription()?;
        if channels.is_empty() {
            return Ok(());
        }
        let outcome = limited(self.settings.response_timeout, self.raw.unsubscribe(&channels)).await;
        self.traces.answer_subscription(&outcome);
        if outcome.is_ok() {
            self.subscribed.channels.retain(|channel| !channels.contains(channel));
        }
        outcome
    }

    /// Ends subscriptions to patterns; without any named, to all patterns.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn punsubscribe(&mut self, patterns: impl ToRedisArgs) -> RedisResult<()> {
        let patterns = named(patterns, &self.subscribed.patterns);
        self.begin_subscription()?;
        if patterns.is_empty() {
            return Ok(());
        }
        let outcome = limited(self.settings.response_timeout, self.raw.punsubscribe(&patterns)).await;
        self.traces.answer_subscription(&outcome);
        if outcome.is_ok() {
            self.subscribed.patterns.retain(|pattern| !patterns.contains(pattern));
        }
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

    /// Ends all subscriptions there may be.
    ///
    /// Why not leave it to `RESET`: it does not tell the client library, which goes on counting them.
    pub(super) async fn end_subscriptions(&mut self) -> RedisResult<()> {
        if !self.subscribed.channels.is_empty() {
            self.raw.unsubscribe(&self.subscribed.channels).await?;
        }
        if !self.subscribed.patterns.is_empty() {
            self.raw.punsubscribe(&self.subscribed.patterns).await?;
        }
        self.subscribed = Subscribed::default();
        Ok(())
    }
}

/// Those named, or all there are.
fn named(wanted: impl ToRedisArgs, all: &BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let wanted = wanted.to_redis_args();
    if wanted.is_empty() { all.iter().cloned().collect() } else { wanted }
}

fn needs_resp3() -> redis::RedisError {
    (ErrorKind::InvalidClientConfig, "Subscriptions need `Protocol::Resp3`").into()
}
