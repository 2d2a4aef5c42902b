//! The machine and this process on it, as the kernel tells: from `/proc` and the control group.
//!
//! Only Linux has these. A result must say where it was made, so there is no run without them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::result::{BeforeAfter, Environment, Generator};
use crate::subject::Description;

/// With more of its processor time than this, in percent, the load tester may be what sets the pace.
const SATURATED_PCT: f64 = 85.0;

/// Ticks of the kernel's accounting in a second. `USER_HZ` is 100 on every Linux that there is.
const TICKS_PER_SECOND: u64 = 100;

/// What is known of the machine before anything is measured.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    os: String,
    kernel: String,
    cpu_model: String,
    cpu_count: usize,
    cpu_quota: Option<f64>,
    memory_bytes: u64,
    fd_limit: u64,
    container: bool,
}

impl Machine {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// When there is no `/proc`, or it does not look like Linux'.
    pub(crate) fn read() -> io::Result<Self> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let limits = fs::read_to_string("/proc/self/limits")?;
        let status = fs::read_to_string("/proc/self/status")?;
        let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Ok(Machine {
            os: os_name(&os_release).unwrap_or_else(|| String::from("Linux")),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cpu_model: cpu_model(&cpu_info).unwrap_or_else(|| String::from("unknown")),
            cpu_count: field(&status, "Cpus_allowed_list:").and_then(cpus).ok_or_else(|| strange("cpus"))?,
            cpu_quota: cpu_quota(),
            memory_bytes: kilobytes(&memory, "MemTotal:").ok_or_else(|| strange("meminfo"))?,
            fd_limit: fd_limit(&limits).ok_or_else(|| strange("limits"))?,
            container: in_container(),
        })
    }

    /// Processors' worth of time that this process may use.
    fn cpus(&self) -> f64 {
        let cpus = self.cpu_count as f64;
        self.cpu_quota.map_or(cpus, |quota| quota.min(cpus))
    }

    /// The environment of a run that used this much processor time in this time.
    pub(crate) fn environment(
        self,
        description: &Description,
        cpu: Duration,
        wall: Duration,
    ) -> io::Result<Environment> {
        let available = wall.as_secs_f64() * self.cpus();
        let cpu_util_pct = if available > 0.0 { cpu.as_secs_f64() / available * 100.0 } else { 0.0 };
        Ok(Environment {
            os: self.os,
            kernel: self.kernel,
            arch: std::env::consts::ARCH,
            cpu_model: self.cpu_model,
            cpu_count: self.cpu_count,
            cpu_quota: self.cpu_quota,
            memory_bytes: self.memory_bytes,
            fd_limit: self.fd_limit,
            container: self.container,
            backend_version: description.version.clone(),
            backend_settings: description.settings.clone(),
            generator: Generator {
                cpu_util_pct,
                schedule_lag_p99_us: None,
                rss_peak_bytes: Process::rss_peak_bytes()?,
                saturated: cpu_util_pct > SATURATED_PCT,
            },
        })
    }
}

/// What this process holds at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) fds: u64,
    pub(crate) threads: u64,
}

impl Process {
    pub(crate) fn now() -> io::Result<Self> {
        // Reading the directory takes a descriptor itself.
        let fds = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
        let status = fs::read_to_string("/proc/self/status")?;
        let threads = field(&status, "Threads:").and_then(|text| text.parse().ok());
        Ok(Process { fds, threads: threads.ok_or_else(|| strange("status"))? })
    }

    pub(crate) fn rss_bytes() -> io::Result<u64> {
        kilobytes(&fs::read_to_string("/proc/self/status")?, "VmRSS:").ok_or_else(|| strange("status"))
    }

    fn rss_peak_bytes() -> io::Result<u64> {
        kilobytes(&fs::read_to_string("/proc/self/status")?, "VmHWM:").ok_or_else(|| strange("status"))
    }

    /// Processor time used so far, by all threads, in user and kernel mode.
    pub(crate) fn cpu_time() -> io::Result<Duration> {
        cpu_time(&fs::read_to_string("/proc/self/stat")?).ok_or_else(|| strange("stat"))
    }
}

/// How both counts changed.
pub(crate) fn changes(before: Process, after: Process) -> (BeforeAfter, BeforeAfter) {
    (
        BeforeAfter { before: before.fds, after: after.fds },
        BeforeAfter { before: before.threads, after: after.threads },
    )
}

fn strange(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/…/{file} is not as Linux writes it"))
}

/// The rest of the line that begins with `name`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// `0-3,6` are five processors.
fn cpus(list: &str) -> Option<usize> {
    list.split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

fn cpu_model(cpu_info: &str) -> Option<String> {
    // ARM has no model name but a part number, or nothing.
    let value = |name| field(cpu_info, name)?.strip_prefix(':').map(|value| value.trim().to_owned());
    value("model name").or_else(|| value("Hardware")).or_else(|| value("CPU part"))
}

fn os_name(os_release: &str) -> Option<String> {
    Some(field(os_release, "PRETTY_NAME=")?.trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

/// The soft limit, which is the one that counts.
fn fd_limit(limits: &str) -> Option<u64> {
    match field(limits, "Max open files")?.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        soft => soft.parse().ok(),
    }
}

/// `utime` and `stime` are the 14th and 15th word; the second, the name, is in brackets and may hold anything.
fn cpu_time(stat: &str) -> Option<Duration> {
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// The tightest limit of this process' control group and those above it, in processors.
fn cpu_quota() -> Option<f64> {
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let version_2 = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let root = Path::new("/sys/fs/cgroup");
    let inner = root.join(version_2.trim_start_matches('/'));
    let groups = inner.ancestors().take_while(|group| group.starts_with(root));
    let limits = groups.filter_map(|group| quota_2(&fs::read_to_string(group.join("cpu.max")).ok()?));
    limits.reduce(f64::min).or_else(|| {
        let read = |name| fs::read_to_string(root.join("cpu").join(name)).ok()?.trim().parse::<f64>().ok();
        quota(read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?)
    })
}

/// `50000 100000` is half a processor, `max 100000` no limit.
fn quota_2(cpu_max: &str) -> Option<f64> {
    let (limit, period) = cpu_max.trim().split_once(' ')?;
    quota(limit.parse().ok()?, period.parse().ok()?)
}

fn quota(limit: f64, period: f64) -> Option<f64> {
    (limit > 0.0 && period > 0.0).then(|| limit / period)
}

fn in_container() -> bool {
    if ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists()) {
        return true;
    }
    let init = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    ["docker", "kubepods", "containerd", "lxc", "libpod"].iter().any(|word| init.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::read().unwrap();
        assert!(machine.cpu_count >= 1 && machine.memory_bytes > 0 && machine.fd_limit > 0);
        assert!(!machine.kernel.is_empty() && !machine.os.is_empty());
    }

    #[test]
    fn this_process_has_descriptors_threads_and_memory() {
        let process = Process::now().unwrap();
        assert!(process.fds >= 3 && process.threads >= 1, "{process:?}");
        assert!(Process::rss_bytes().unwrap() > 100_000);
        assert!(Process::cpu_time().is_ok());
    }

    #[test]
    fn processors_are_counted_in_lists_of_ranges() {
        assert_eq!([cpus("0"), cpus("0-1"), cpus("0-3,6")], [Some(1), Some(2), Some(5)]);
        assert_eq!([cpus(""), cpus("3-1")], [None, None]);
    }

    #[test]
    fn quotas_are_parts_of_a_period() {
        assert_eq!(quota_2("150000 100000\n"), Some(1.5));
        assert_eq!(quota_2("max 100000\n"), None);
        assert_eq!(quota(-1.0, 100_000.0), None, "version 1 says so for no limit");
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn limits_and_names_are_read_from_their_lines() {
        let limits = "Limit                     Soft Limit  Hard Limit  Units\n\
                      Max open files            1024        4096        files\n";
        assert_eq!(fd_limit(limits), Some(1024));
        assert_eq!(os_name("ID=debian\nPRETTY_NAME=\"Debian 13\"\n").as_deref(), Some("Debian 13"));
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Some CPU\n").as_deref(), Some("Some CPU"));
        assert_eq!(kilobytes("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12 * 1024));
    }
}
