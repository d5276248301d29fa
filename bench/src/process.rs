//! What a process costs, read from `/proc`: Linux only.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A process and everything below it.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

/// How often a second the kernel counts CPU time: `USER_HZ`, 100 on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// The part of `/proc/<pid>/stat` that is used here.
#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    own: u32,
    /// Of children that have ended and were waited for.
    ended_children: u32,
}

impl Process {
    /// CPU time so far, that of children included.
    pub fn cpu(self) -> Duration {
        let all = stats();
        let mut ticks = all.get(&self.0).map_or(0, |it| it.ended_children);
        let mut left = vec![self.0];
        while let Some(pid) = left.pop() {
            ticks += all.get(&pid).map_or(0, |it| it.own);
            left.extend(all.iter().filter(|(_, it)| it.parent == pid).map(|(pid, _)| pid));
        }
        TICK * ticks
    }

    /// CPU time so far of the process alone.
    pub fn own_cpu(self) -> Duration {
        TICK * stat(self.0).map_or(0, |it| it.own)
    }

    /// Resident memory of the process alone, in bytes.
    pub fn memory(self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory since [`Self::forget_peak`], in bytes.
    pub fn peak_memory(self) -> u64 {
        self.status("VmHWM:")
    }

    pub fn forget_peak(self) {
        // Not possible for a process of another user; then the peak is that of its whole life.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
    }

    pub fn parent(self) -> Option<Self> {
        stat(self.0).map(|it| Self(it.parent))
    }

    fn status(self, member: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(member)).unwrap_or_default();
        let kilobytes = line.trim().trim_end_matches(" kB").parse().unwrap_or(0_u64);
        kilobytes * 1024
    }
}

/// CPU time of the whole machine so far, over all its cores.
pub fn machine_cpu() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u32> =
        line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    TICK * [0, 1, 2, 5, 6, 7].iter().filter_map(|field| fields.get(*field)).sum::<u32>()
}

fn stats() -> HashMap<u32, Stat> {
    let Ok(folder) = fs::read_dir("/proc") else { return HashMap::new() };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `pid (name) state ppid … utime stime cutime cstime …`. The name may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<u32>().ok();
    Some(Stat {
        parent: number(1)?,
        own: number(11)? + number(12)?,
        ended_children: number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194304 130 0 0 0 11 22 33 44 20 0 1 0 213950";
        let stat = parse(text).map(|it| (it.parent, it.own, it.ended_children));
        assert_eq!(stat, Some((7, 33, 77)));
    }

    #[test]
    fn this_process_has_memory_and_a_parent() {
        let this = Process(std::process::id());
        assert!(this.memory() > 1 << 20);
        assert!(this.peak_memory() > 1 << 20);
        assert!(this.parent().is_some());
    }
}
