//! Memory, CPU time, threads and open files of a process, as the kernel accounts for them. The parsing is pure;
//! [`Process`] reads `/proc`.

use std::{fs, path::PathBuf, time::Duration};

use crate::Result;

/// The unit of times in `/proc/PID/stat` (`USER_HZ`), which is the same on x86-64 and arm64.
const TICK: Duration = Duration::from_millis(10);

/// A process by its id.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// This process.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The process whose id a file holds.
    pub fn of_file(path: &std::path::Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(text.trim().parse()?))
    }

    /// Its memory and threads.
    pub fn status(self) -> Result<Status> {
        let text = fs::read_to_string(self.path("status"))?;
        Ok(Status::parse(&text).ok_or("/proc/PID/status has no VmRSS, VmHWM or Threads")?)
    }

    /// The size of the executable that it runs, also if a script has started it.
    pub fn program_bytes(self) -> Result<u64> {
        Ok(fs::metadata(self.path("exe"))?.len())
    }

    /// Sets the peak of its memory back to what it has now.
    pub fn forget_peak(self) -> Result<()> {
        // 5: the peak of the resident memory; see proc_pid_clear_refs(5).
        Ok(fs::write(self.path("clear_refs"), "5")?)
    }

    /// The CPU time that it has used so far, in seconds, in user and kernel mode, by threads that have ended as well.
    pub fn cpu_seconds(self) -> Result<f64> {
        let text = fs::read_to_string(self.path("stat"))?;
        Ok(cpu_time(&text).ok_or("/proc/PID/stat has no utime and stime")?.as_secs_f64())
    }

    /// Its open files, and how many of them are sockets.
    pub fn files(self) -> Result<Files> {
        let mut files = Files::default();
        for entry in fs::read_dir(self.path("fd"))? {
            // A file that was closed since the directory was read does not count.
            let Ok(target) = fs::read_link(entry?.path()) else { continue };
            if target.to_string_lossy().starts_with("socket:") {
                files.sockets += 1;
            } else {
                files.others += 1;
            }
        }
        Ok(files)
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

/// The values of `/proc/PID/status` that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Resident memory, in bytes.
    pub resident: u64,
    /// The peak of the resident memory since the start, or since [`Process::forget_peak`], in bytes.
    pub peak: u64,
    /// How many threads there are.
    pub threads: u64,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes = |name: &str| field(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok();
        Some(Self {
            resident: kilobytes("VmRSS")? * 1024,
            peak: kilobytes("VmHWM")? * 1024,
            threads: field("Threads")?.trim().parse().ok()?,
        })
    }
}

/// Open files of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Sockets, which come and go with the connections in the pools.
    pub sockets: u64,
    /// Everything else.
    pub others: u64,
}

fn cpu_time(stat: &str) -> Option<Duration> {
    // The name of the program comes in parentheses and may hold spaces and parentheses; utime and stime are the 12th and 13th
    // field after it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.trim().parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_threads_are_read_in_the_kernels_format() {
        let text = "Name:\tcce-backup-watc\nVmPeak:\t  300000 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t4\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status, Status { resident: 10_240 * 1024, peak: 20_480 * 1024, threads: 4 });
        assert_eq!(Status::parse("Name:\tkthreadd\nThreads:\t1\n"), None, "a kernel thread has no memory");
    }

    #[test]
    fn a_program_may_have_spaces_and_parentheses_in_its_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 4 0 100 1000 200";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let status = Process::own().status().unwrap();
        assert!(status.resident > 0 && status.peak >= status.resident && status.threads > 0);
        Process::own().forget_peak().unwrap();
        let before = Process::own().files().unwrap();
        let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(Process::own().files().unwrap().sockets > 0, "{before:?}");
        assert!(Process::own().cpu_seconds().is_ok() && Process::own().program_bytes().unwrap() > 0);
    }
}
