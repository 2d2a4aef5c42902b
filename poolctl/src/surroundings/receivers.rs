//! Where the URLs of those come from who are told of alerts.

use std::path::Path;
use std::str;

use pool_monitor::WebhookSink;

use super::Look;

impl Look<'_> {
    /// The files that hold the URLs of receivers. A service reads them whether alerts are switched on or not.
    pub(super) fn at_receivers(&mut self) {
        let receivers = &self.loaded.config.monitoring.alerts.receivers;
        for receiver in receivers {
            if let Some(file) = &receiver.url_file {
                self.at_url_file(&format!("monitoring.alerts.receivers[{:?}].url_file", receiver.name), file);
            }
        }
    }

    /// A URL may be a secret, so nothing of what the file holds is shown.
    fn at_url_file(&mut self, path: &str, file: &Path) {
        let expected = "a file that holds the URL";
        let Some(content) = self.at_file(path, file, expected) else { return };
        let url = str::from_utf8(content.trim_ascii()).map_err(|_| "it is no text");
        // The same is asked when a service starts. An Alertmanager's URL is read no differently.
        let sink = url.and_then(|url| WebhookSink::new("", url).map_err(|error| error.problem));
        if let Err(problem) = sink {
            let found = format!("`{}`, which holds no URL of a receiver: {problem}", file.display());
            self.error(path, found, expected, "write `https://host/path` into it, and nothing else");
        }
        self.at_permissions(path, file);
    }
}
