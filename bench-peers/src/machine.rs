//! Where and by what the figures were made. Figures of two machines cannot be compared.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The machine, the compiler and the day.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Processes that wanted to run in the last minute: more than about 2 before the start, and others disturb.
    pub(crate) load_average: Option<f64>,
    pub(crate) rustc: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) date: String,
}

impl Machine {
    /// What the kernel tells; `unknown` where it does not.
    pub(crate) fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        Machine {
            cpu: cpu_model(&read("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: if kernel.is_empty() { "unknown".to_owned() } else { kernel.trim().to_owned() },
            load_average: read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()),
            rustc: env!("BENCH_RUSTC"),
            profile: env!("BENCH_PROFILE"),
            date: utc(SystemTime::now()),
        }
    }
}

/// The versions of what is compared, as `(package, version)`.
pub(crate) fn versions() -> impl Iterator<Item = (&'static str, &'static str)> {
    pairs(env!("BENCH_VERSIONS"))
}

/// The same of what is compared over real databases.
#[cfg(feature = "sql")]
pub(crate) fn sql_versions() -> impl Iterator<Item = (&'static str, &'static str)> {
    pairs(env!("BENCH_SQL_VERSIONS"))
}

fn pairs(versions: &str) -> impl Iterator<Item = (&str, &str)> {
    versions.split(',').filter_map(|package| package.split_once(' '))
}

fn cpu_model(cpu_info: &str) -> Option<&str> {
    let line = cpu_info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

/// `2026-11-21T01:35:00Z`.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, after Howard Hinnant's `civil_from_days`; years begin in March, so that leap days end them.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_224_900, "2026-11-21T01:35:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }

    #[test]
    fn the_first_processor_names_the_model() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2\n"), Some("Some CPU @ 2"));
        assert_eq!(cpu_model(""), None);
    }

    #[test]
    fn every_peer_has_a_version() {
        let versions: Vec<_> = versions().chain(pairs(env!("BENCH_SQL_VERSIONS"))).collect();
        assert_eq!(versions.len(), 13);
        assert!(versions.iter().all(|(_, version)| version.contains('.')), "{versions:?}");
    }
}
