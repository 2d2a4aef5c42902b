//! `monitoring.alerts.receivers`: who is told of alerts.

use std::path::PathBuf;
use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::{Named, keys};
use crate::kind::{Flag, HookUrl, Millis, Optional, PathText, Whole, Word, Words};
use crate::problem::Mistake;
use crate::secret::Secret;
use crate::section::{Origin, Section};

keys! {
    /// An entry of `monitoring.alerts.receivers`: somebody who is told of alerts.
    pub struct AlertReceiver {
        /// what it is called in the log; no two receivers share a name
        name: String = String::new(), named("name");

        /// what it is: an Alertmanager, a service that takes what Alertmanager sends to webhooks, or the log
        kind: ReceiverType = ReceiverType::Log, required("type", Words::new(), Live);

        /// where it is. It may hold a secret, and is never shown in full. Instead of `url_file`
        url: Option<Secret> = None, value("url", Optional(HookUrl), Live);

        /// the file that holds the URL; white space around it is cut off
        url_file: Option<PathBuf> = None, value("url_file", Optional(PathText), Live);

        /// how often an Alertmanager is sent an alert that goes on, which shows it that this process lives. Without it each minute
        resend: Option<Duration> = None, value("resend_ms", Optional(Millis::at_least(1000)), Live);

        /// the most alerts in one message to a webhook. Without it all
        max_alerts: Option<usize> = None,
            value("max_alerts", Optional(Whole::within(1..=10_000).of("alerts")), Live);

        /// whether a webhook is also told that an alert is over. Without it it is; the others always are
        send_resolved: Option<bool> = None, value("send_resolved", Optional(Flag), Live);
    }

    check(receiver, section) {
        receiver.check_keys(section);
    }
}

impl Named for AlertReceiver {
    fn called(name: String) -> Self {
        AlertReceiver { name, ..AlertReceiver::default() }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl AlertReceiver {
    fn check_keys(&self, section: &mut Section<'_>) {
        if !section.is_written("type") {
            return;
        }
        let kind = self.kind.word();
        if section.is_written("url") && section.is_written("url_file") {
            let help = "remove one of the two";
            section.report("url_file", Mistake::new("url_file beside url", "one of url, url_file", help));
        }
        if self.kind == ReceiverType::Log {
            for key in ["url", "url_file"] {
                section.forbid(key, format!("no {key}: a receiver of type {kind} has none"));
            }
        } else if [section.origin("url"), section.origin("url_file")] == [Origin::Default; 2] {
            let expected = format!("url or url_file: a receiver of type {kind} needs one");
            section.report("url", Mistake::new("nothing", expected, "add `url:` or `url_file:`"));
        }
        if self.kind != ReceiverType::Alertmanager {
            section.forbid("resend_ms", "no resend_ms: only an alertmanager is sent again what goes on");
        }
        if self.kind != ReceiverType::Webhook {
            section.forbid("max_alerts", format!("no max_alerts: a receiver of type {kind} gets them all"));
            section.forbid(
                "send_resolved",
                format!("no send_resolved: a receiver of type {kind} is always told"),
            );
        }
    }
}

/// What a receiver of alerts is; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiverType {
    /// `alertmanager`: an Alertmanager, by its API version 2.
    Alertmanager,
    /// `webhook`: a service that takes what Alertmanager sends to webhooks.
    Webhook,
    /// `log`: a line of the log for each message.
    Log,
}

impl Word for ReceiverType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("alertmanager", Self::Alertmanager), ("webhook", Self::Webhook), ("log", Self::Log)];
}
