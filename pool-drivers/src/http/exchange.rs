//! How far one exchange on an HTTP/1.1 connection has come: what decides whether somebody else may have it.
//!
//! It is shared by the connection, the request's body (which hyper holds) and the answer's body (which the
//! holder holds), because any of them may be dropped first. Each exchange has its own, so what is left of an old
//! one cannot be taken for the present one.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Notify;

use super::error::HttpError;

/// How much of an unread answer is read and thrown away to save the connection. Some ten packets: about what
/// opening another one with TLS costs.
pub(super) const DRAIN_LIMIT: u64 = 64 * 1024;

/// One request and its answer.
pub(super) struct Exchange {
    state: Mutex<State>,
    /// Notified whenever the answer is no longer read.
    put_down: Notify,
}

struct State {
    request: Request,
    answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    UnderWay,
    Sent,
    /// Its body failed, or hyper gave it up.
    CutOff,
}

enum Answer {
    /// Nothing of it has come.
    Awaited,
    /// Somebody has its body.
    Reading,
    /// Nobody has its body, which is not at its end.
    Left(Incoming),
    Complete,
    Failed,
}

/// What is to become of the connection after its latest exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is under way.
    Free,
    /// The rest of the answer is being read, or little enough to be thrown away.
    Mendable,
    /// In the middle of something that cannot be ended.
    Lost,
}

impl Exchange {
    pub(super) fn new() -> Arc<Self> {
        let state = State { request: Request::UnderWay, answer: Answer::Awaited };
        Arc::new(Exchange { state: Mutex::new(state), put_down: Notify::new() })
    }

    fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The request's body is no longer needed; `whole` if its end was seen.
    pub(super) fn request_ended(&self, whole: bool) {
        self.with(|state| state.request = if whole { Request::Sent } else { Request::CutOff });
    }

    /// The answer has begun, and its body is given away.
    pub(super) fn answer_began(&self) {
        self.with(|state| state.answer = Answer::Reading);
    }

    pub(super) fn answer_ended(&self) {
        self.put_down(Answer::Complete);
    }

    pub(super) fn failed(&self) {
        self.put_down(Answer::Failed);
    }

    /// The body was dropped before its end.
    pub(super) fn left(&self, rest: Incoming) {
        self.put_down(Answer::Left(rest));
    }

    fn put_down(&self, answer: Answer) {
        self.with(|state| state.answer = answer);
        self.put_down.notify_one();
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.with(|state| match (&state.answer, state.request) {
            (Answer::Complete, Request::Sent) => Verdict::Free,
            (Answer::Reading, Request::Sent) => Verdict::Mendable,
            (Answer::Left(rest), Request::Sent) if rest.size_hint().lower() <= DRAIN_LIMIT => {
                Verdict::Mendable
            }
            _ => Verdict::Lost,
        })
    }

    /// Whether somebody has the answer's body in hands.
    pub(super) fn is_being_read(&self) -> bool {
        self.with(|state| matches!(state.answer, Answer::Reading))
    }

    /// Brings the exchange to its end: waits while the answer is being read, and throws away what is left.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future in the middle, the exchange has failed.
    pub(super) async fn finish(&self) -> Result<(), HttpError> {
        while self.is_being_read() {
            self.put_down.notified().await;
        }
        // Cancel: what is thrown away is held here alone, so the exchange counts as failed until it is done.
        let answer = self.with(|state| std::mem::replace(&mut state.answer, Answer::Failed));
        match answer {
            Answer::Complete => {}
            Answer::Left(rest) => drain(rest).await?,
            Answer::Awaited | Answer::Reading | Answer::Failed => return Err(HttpError::Unfinished),
        }
        self.with(|state| state.answer = Answer::Complete);
        Ok(())
    }
}

/// Reads a body to its end, if that is not too far.
pub(super) async fn drain(mut body: Incoming) -> Result<(), HttpError> {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(HttpError::exchange)?;
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > DRAIN_LIMIT {
            return Err(HttpError::TooMuchLeft);
        }
    }
    Ok(())
}
