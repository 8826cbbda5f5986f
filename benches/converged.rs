//! A run that has nothing to do, against plain `ssh HOST true` to the same hosts side by side.
//!
//! On a lab that is up and converged: `cargo bench --bench converged`, as root. Ends with 1 if
//! the run takes more than 1.5 times as long or more than 40 MB, with 2 if there is nothing to
//! measure.

use std::fmt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::lab::{self, MACHINES, Options, Purpose};

/// Rounds; each measures both, in turn, so that what else the machine does hits both alike.
const ROUNDS: usize = 10;
/// How many times as long as plain ssh a run may take.
const RATIO: f64 = 1.5;
/// Megabytes (of 1000 kB) that a run may have resident at its peak.
const MEMORY_MB: f64 = 40.0;
/// Runs whose memory is watched; apart from those that are timed.
const WATCHED: usize = 3;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Why there is nothing to measure.
struct Unfit(String);

impl<E: fmt::Display> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn unfit<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit(why.into()))
}

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Unfit(why)) => {
            eprintln!("not measured: {why}");
            ExitCode::from(2)
        }
    }
}

fn measure() -> Result<bool, Unfit> {
    let options = Options {
        directory: std::env::var_os("PROVISION_LAB_DIRECTORY").map(Into::into),
        ..Options::default()
    };
    let site = match lab::status(&options) {
        Ok(status) if status.hosts.iter().all(|host| host.pid.is_some()) => status.site,
        Ok(_) => return unfit("a host of the lab is off; see `provision lab status`"),
        Err(e) => {
            let up = "as root: provision lab run --install";
            return unfit(format!("no lab to measure on: {e}\nbring one up, {up}"));
        }
    };
    let provision = |verb: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(verb).arg("--json").arg(&site);
        command
    };
    // Asked of the plan, so that measuring never changes anything.
    is_converged(provision(&["plan"]))?;
    let run = || provision(&["run", "--yes"]);

    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(timed(ssh(&options)?)?);
        ours.push(timed(vec![run()])?);
    }
    let mut peak = 0.0_f64;
    for _ in 0..WATCHED {
        peak = peak.max(peak_mb(run())?);
    }
    let (ours, plain) = (median(ours), median(plain));
    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    println!("provision run, nothing to do   {ours:>9.1?}   median of {ROUNDS}");
    println!("ssh HOST true, side by side    {plain:>9.1?}   median of {ROUNDS}");
    println!("ratio                          {ratio:>9.2}   at most {RATIO}");
    println!("memory at its peak             {peak:>6.1} MB   at most {MEMORY_MB:.0} MB");
    Ok(ratio <= RATIO && peak <= MEMORY_MB)
}

/// That there is nothing to do, and that finding out costs one connection and one exec a host.
fn is_converged(mut plan: Command) -> Result<(), Unfit> {
    let output = plan.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let count = |key: &str| last[key].as_u64();
    let hosts = u64::try_from(hosts().count())?;
    let differs = count("changed") != Some(0) || count("unknown") != Some(0);
    if !output.status.success() || differs {
        let next = "provision run --yes SITE, until it has nothing to do";
        return unfit(format!("the lab is not converged: {last}\ndo {next}"));
    }
    if count("connections") != Some(hosts) || count("execs") != Some(hosts) {
        return unfit(format!(
            "a run must cost a connection and an exec a host: {last}"
        ));
    }
    Ok(())
}

/// The hosts of the lab's site.
fn hosts() -> impl Iterator<Item = &'static str> {
    MACHINES
        .iter()
        .filter(|machine| matches!(machine.purpose, Purpose::Host(_)))
        .map(|machine| machine.name)
}

/// OpenSSH to each host.
fn ssh(options: &Options) -> Result<Vec<Command>, Unfit> {
    hosts()
        .map(|host| {
            let mut command = lab::ssh_command(options, host, "deploy")?;
            command.arg("true");
            Ok(command)
        })
        .collect()
}

fn start(mut command: Command) -> Result<Child, Unfit> {
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

/// Wall time of commands that run side by side.
fn timed(commands: Vec<Command>) -> Result<Duration, Unfit> {
    let begin = Instant::now();
    let children: Result<Vec<Child>, Unfit> = commands.into_iter().map(start).collect();
    for mut child in children? {
        if !child.wait()?.success() {
            return unfit("a command that is timed failed");
        }
    }
    Ok(begin.elapsed())
}

/// The most a command has resident, in megabytes, by the kernel's own high-water mark.
fn peak_mb(command: Command) -> Result<f64, Unfit> {
    let mut child = start(command)?;
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        if let Some(kib) = kib.and_then(|kib| kib.trim().parse::<f64>().ok()) {
            peak = peak.max(kib * 1.024 / 1000.0);
        }
        sleep(LOOK);
    }
    if peak == 0.0 {
        return unfit("the kernel told nothing of the program's memory");
    }
    Ok(peak)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
