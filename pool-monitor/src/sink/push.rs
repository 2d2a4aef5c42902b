//! What telling alerts over HTTP takes, whatever is told: where to, as whom, and what is added to each alert.

use serde::Serialize;

use super::http::Endpoint;
use super::{PushUrlError, SinkError};
use crate::alert::Labels;

/// Where a sink pushes to, and what it always says.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) external_url: String,
    pub(super) external_labels: Labels,
}

impl Push {
    pub(super) fn new(name: impl Into<String>, url: &str) -> Result<Self, PushUrlError> {
        Ok(Push {
            name: name.into(),
            endpoint: Endpoint::parse(url)?,
            external_url: String::new(),
            external_labels: Labels::new(),
        })
    }

    /// These labels, and the external ones that they have no value of their own for.
    pub(super) fn labelled(&self, labels: &Labels) -> Labels {
        self.external_labels.iter().chain(labels.iter()).collect()
    }

    pub(super) async fn post(&self, payload: &impl Serialize) -> Result<(), SinkError> {
        let json = serde_json::to_vec(payload);
        self.endpoint.post(json.map_err(|error| SinkError::Permanent { source: Box::new(error) })?).await
    }
}

/// The settings that all sinks have which push.
macro_rules! push_settings {
    ($sink:ident) => {
        impl $sink {
            /// Where people find more about the alerts, which is sent along. Default: nothing.
            #[must_use]
            pub fn external_url(mut self, external_url: impl Into<String>) -> Self {
                self.push.external_url = external_url.into();
                self
            }

            /// Labels that each alert is told with besides its own, which win where both have one: they tell apart processes
            /// whose alerts have the same labels. Default: none.
            #[must_use]
            pub fn external_labels(mut self, labels: Labels) -> Self {
                self.push.external_labels = labels;
                self
            }

            /// Sends `Authorization: Bearer` and this token.
            ///
            /// # Errors
            ///
            /// If a header cannot hold it.
            pub fn bearer_token(mut self, token: &str) -> Result<Self, PushUrlError> {
                self.push.endpoint.bearer(token)?;
                Ok(self)
            }

            /// Trusts the authorities in this PEM text, instead of those that the system trusts.
            ///
            /// # Errors
            ///
            /// If there is none in it, or the URL is not `https`.
            pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> Result<Self, PushUrlError> {
                self.push.endpoint.trust(pem.as_ref())?;
                Ok(self)
            }
        }
    };
}

pub(super) use push_settings;
