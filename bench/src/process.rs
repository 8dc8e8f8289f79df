//! Memory, CPU time, threads and open files of a process, as the kernel accounts for them in `/proc`.

use std::{fs, path::Path, str::FromStr};

use crate::Result;

/// The unit of times in `/proc/PID/stat` (`USER_HZ`), which is the same on x86-64 and arm64: so many in a second.
const TICKS: f64 = 100.0;

/// A process by its id.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// The process whose id a file holds.
    pub fn of_file(path: &Path) -> Result<Self> {
        Ok(Self(fs::read_to_string(path)?.trim().parse()?))
    }

    /// Resident memory, in bytes.
    pub fn memory(self) -> Result<f64> {
        Ok(self.status::<f64>("VmRSS:")? * 1024.0)
    }

    /// The peak of resident memory since the start, or since [`Process::forget_peak`], in bytes.
    pub fn peak(self) -> Result<f64> {
        Ok(self.status::<f64>("VmHWM:")? * 1024.0)
    }

    /// How many threads there are.
    pub fn threads(self) -> Result<usize> {
        self.status("Threads:")
    }

    /// Sets the peak of its memory back to what it has now.
    pub fn forget_peak(self) -> Result<()> {
        // 5: the peak of the resident memory; see proc_pid_clear_refs(5).
        Ok(fs::write(self.path("clear_refs"), "5")?)
    }

    /// The size of the executable that it runs, also if a script has started it.
    pub fn program_bytes(self) -> Result<u64> {
        Ok(fs::metadata(self.path("exe"))?.len())
    }

    /// The CPU time that it has used so far, in seconds, in user and kernel mode, by threads that have ended as well.
    pub fn cpu_seconds(self) -> Result<f64> {
        cpu_seconds(&fs::read_to_string(self.path("stat"))?)
    }

    /// How many of its open files are sockets, and how many are not.
    pub fn files(self) -> Result<(usize, usize)> {
        // A file that was closed since the directory was read does not count.
        let targets =
            fs::read_dir(self.path("fd"))?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let (sockets, others): (Vec<_>, Vec<_>) =
            targets.partition(|target| target.to_string_lossy().starts_with("socket:"));
        Ok((sockets.len(), others.len()))
    }

    /// A number of `/proc/PID/status`; those of memory are in kB.
    fn status<T: FromStr>(self, name: &str) -> Result<T> {
        let text = fs::read_to_string(self.path("status"))?;
        let value =
            text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
        Ok(value.ok_or_else(|| format!("/proc/PID/status has no {name}"))?)
    }

    fn path(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0)
    }
}

fn cpu_seconds(stat: &str) -> Result<f64> {
    // The name of the program comes in parentheses and may hold spaces and parentheses; utime and stime are the 12th and 13th
    // field after it.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/PID/stat has no name")?;
    let times: Vec<f64> =
        fields.split(' ').skip(11).take(2).map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok(times.iter().sum::<f64>() / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_spaces_and_parentheses_in_its_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 4 0 100 1000 200";
        assert!((cpu_seconds(stat).unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let own = Process(std::process::id());
        assert!(own.memory().unwrap() > 0.0 && own.threads().unwrap() > 0);
        own.forget_peak().unwrap();
        assert!(own.peak().unwrap() > 0.0);
        let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(own.files().unwrap().0 > 0 && own.program_bytes().unwrap() > 0);
        assert!(own.status::<usize>("VmNothing:").is_err());
    }
}
