//! What a worker takes from itself before it does anything: it cannot get it back.

use rustix::io::Result;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::setrlimit;

/// What a worker may take in memory beside what it has at its start.
const MEMORY: u64 = 768 * 1024 * 1024;
/// Processor time of a worker in its life, in seconds. The pool ends it long before; this is for a
/// worker that nobody watches any more.
const PROCESSOR: u64 = 30 * 60;
/// Standard input, output and error: there is no room for a fourth.
const STREAMS: u64 = 3;

/// Whether the kernel refuses the system calls that a worker does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    On,
    /// This kernel has none; all other limits hold.
    Missing,
}

/// Gives up all that a worker does not need: more memory, files, processes, and where the kernel
/// can, every system call but those to compute and to use the streams that are open.
pub fn confine() -> Result<Filter> {
    let limit = |what, most| setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nproc, 0)?;
    limit(Resource::Cpu, PROCESSOR)?;
    limit(Resource::As, address_space() + MEMORY)?;
    limit(Resource::Nofile, STREAMS)?;
    kernel()
}

/// The address space that is in use, in bytes.
#[cfg(target_os = "linux")]
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|it| it.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default();
    pages * u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

#[cfg(not(target_os = "linux"))]
fn address_space() -> u64 {
    1 << 40
}

#[cfg(not(target_os = "linux"))]
fn kernel() -> Result<Filter> {
    Ok(Filter::Missing)
}

/// Dies with the process that started it, and asks the kernel for nothing it may not have.
#[cfg(target_os = "linux")]
fn kernel() -> Result<Filter> {
    use rustix::process::Signal;

    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(filter().map_or(Filter::Missing, |()| Filter::On))
}

/// All else is answered with `EPERM`: the C library gets along with that where it looks for a file
/// of time zones.
#[cfg(target_os = "linux")]
const PERMITTED: &[libc::c_long] = &[
    // The streams that are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // The end, also one by a panic or an abort.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
];

#[cfg(target_os = "linux")]
fn filter() -> std::result::Result<(), seccompiler::Error> {
    use seccompiler::BpfProgram;
    use seccompiler::SeccompAction;
    use seccompiler::SeccompFilter;

    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let permitted = PERMITTED.iter().map(|call| (*call, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(permitted, refused, SeccompAction::Allow, arch)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}
