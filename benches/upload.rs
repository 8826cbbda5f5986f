//! An upload as a build context goes, against scp(1), to OpenSSH's sshd on loopback.
//!
//! `cargo bench --bench upload`, where openssh-server and openssh-client are installed. Ends with
//! 1 if it takes more than 1.3 times as long as scp does with its own choice of cipher, or more
//! than 64 MB of memory; with 2 if there is nothing to measure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the server it measures on is that of the tests"
)]

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use provision::ssh::{Exec, Input, Session};

#[allow(dead_code, reason = "shared with the tests of the ssh room")]
#[path = "../tests/ssh/server.rs"]
mod server;
#[allow(dead_code, reason = "shared with the tests of the ssh room")]
#[path = "../tests/ssh/sshd.rs"]
mod sshd;

use sshd::Sshd;

/// How much is sent (MiB). Random, so that nothing is gained by squeezing it.
const SIZE: usize = 200;
/// Rounds; each measures all, in turn, so that what else the machine does hits all alike.
const ROUNDS: usize = 5;
/// How many times as long as scp an upload may take.
const RATIO: f64 = 1.3;
/// Megabytes (of 1000 kB) that this program may have resident at its peak.
const MEMORY_MB: f64 = 64.0;
/// Bytes in one piece of the stream, and how many may wait: as engine/context.rs makes them.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 8;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("not measured: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure() -> Result<bool, Box<dyn Error>> {
    let Some(sshd) = Sshd::start("Subsystem sftp internal-sftp") else {
        return Err("there is no sshd here".into());
    };
    let dir = sshd.dir.path();
    let (source, there) = (dir.join("source"), dir.join("there"));
    write_random(&source)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut ours, mut plain, mut gcm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(timed(&there, || scp(&sshd, &source, &there, &[]))?);
        ours.push(timed(&there, || {
            runtime.block_on(upload(&sshd, &source, &there))
        })?);
        let cipher = ["-c", "aes256-gcm@openssh.com"];
        gcm.push(timed(&there, || scp(&sshd, &source, &there, &cipher))?);
    }
    let memory = peak_mb()?;
    let (ours, plain, gcm) = (median(ours), median(plain), median(gcm));
    let rate = |time: Duration| SIZE as f64 / time.as_secs_f64();
    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    for (what, time) in [
        ("ours", ours),
        ("scp, its own choice of cipher", plain),
        ("scp, aes256-gcm", gcm),
    ] {
        println!("{what:<31}{time:>9.2?}  {:>5.0} MiB/s", rate(time));
    }
    println!("ratio to scp                   {ratio:>9.2}   at most {RATIO}");
    let to_gcm = ours.as_secs_f64() / gcm.as_secs_f64();
    println!("ratio to scp with aes256-gcm   {to_gcm:>9.2}");
    println!("memory at its peak             {memory:>6.1} MB   at most {MEMORY_MB:.0} MB");
    Ok(ratio <= RATIO && memory <= MEMORY_MB)
}

fn write_random(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..SIZE {
        getrandom::fill(&mut piece).map_err(|error| error.to_string())?;
        file.write_all(&piece)?;
    }
    Ok(())
}

/// How long it takes until all of it is there, the connection included.
fn timed(
    there: &Path,
    send: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    send()?;
    let took = begin.elapsed();
    let size = std::fs::metadata(there)?.len();
    if size != u64::try_from(SIZE << 20)? {
        return Err(format!("{size} bytes arrived").into());
    }
    std::fs::remove_file(there)?;
    Ok(took)
}

fn scp(sshd: &Sshd, source: &Path, there: &Path, more: &[&str]) -> Result<(), Box<dyn Error>> {
    let target = sshd.target("here");
    let status = Command::new("scp")
        .args(["-q", "-F", "none", "-o", "BatchMode=yes"])
        .args(["-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
        .args(["-o", "IdentitiesOnly=yes", "-i"])
        .arg(sshd.dir.path().join("key"))
        .args(["-P", &sshd.port.to_string()])
        .args(more)
        .arg(source)
        .arg(format!("{}@127.0.0.1:{}", target.user, there.display()))
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("scp ended with {status}").into()),
    }
}

async fn upload(sshd: &Sshd, source: &Path, there: &Path) -> Result<(), Box<dyn Error>> {
    let (dialer, _notes) = sshd::dialer();
    let session: Session = dialer.connect(&sshd.target("here")).await?;
    let (sender, pieces) = tokio::sync::mpsc::channel(WAITING);
    let mut file = File::open(source)?;
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let piece = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    Ok(piece)
                }
                Err(error) => Err(error),
            };
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    let mut exec = Exec::new(format!("cat >'{}'", there.display()));
    exec.input = Input::Stream(pieces);
    let done = session.exec(exec).await?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("the upload ended with {}", done.status).into()),
    }
}

/// The most this program had resident, in megabytes, by the kernel's own high-water mark.
fn peak_mb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.ok_or("the kernel tells nothing of memory")?.parse()?;
    Ok(kib * 1.024 / 1000.0)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
