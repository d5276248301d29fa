//! What code of a worker could do if it broke out of its engine: the tests of this crate start it and
//! read what it could.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::setrlimit;
use sandbox::confine;
use sandbox::confine::Filter;

fn main() -> std::io::Result<()> {
    let own = rustix::process::getpid();
    let filter = confine::confine()?;
    let more = Rlimit { current: Some(1 << 40), maximum: Some(1 << 40) };
    let attempts = [
        ("filter of system calls", filter == Filter::On),
        ("read a file", File::open("/proc/self/cmdline").is_ok()),
        ("write a file", File::create("/tmp/sandbox-probe").is_ok()),
        ("connect", TcpStream::connect("127.0.0.1:9").is_ok()),
        ("open a socket", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("open a pair of sockets", UnixStream::pair().is_ok()),
        ("start a program", Command::new("/proc/self/exe").spawn().is_ok()),
        ("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
        ("send a signal", rustix::process::test_kill_process(own).is_ok()),
        ("take 2 GB of memory", Vec::<u8>::new().try_reserve_exact(2 << 30).is_ok()),
        ("raise a limit", setrlimit(Resource::As, more).is_ok()),
        ("see an environment", std::env::vars_os().next().is_some()),
    ];
    for (attempt, is_done) in attempts {
        writeln!(std::io::stdout(), "{attempt}: {}", if is_done { "yes" } else { "no" })?;
    }
    Ok(())
}
