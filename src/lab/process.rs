//! Processes that outlive this program, known again by their id and start time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use super::command::{last_lines, run};
use super::layout::{read, text};

/// Writes its own line of /proc/PID/stat (which holds its id and start time, both kept by
/// exec) before it becomes the program: there is no moment in which the program runs and
/// isn't on record. It also enters the control groups named before `--`.
const LAUNCH: &str = r#"record=$1; shift
cat "/proc/$$/stat" >"$record"
while [ "$1" != -- ]; do echo "$$" >"$1/cgroup.procs"; shift; done
shift
exec "$@""#;

/// One process, told apart from a later one of the same id by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub pid: u32,
    /// Clock ticks after boot at which it started.
    start: u64,
}

/// The fields of /proc/PID/stat that matter here (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    state: char,
    parent: u32,
    start: u64,
}

/// Reads a line of /proc/PID/stat. The program's name is in parentheses and may itself
/// hold spaces and parentheses, so fields are counted after the last one.
fn parse(line: &str) -> Option<Stat> {
    let pid = line.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split_whitespace().collect();
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

impl Process {
    /// The process a record names, if it is still that one and alive.
    pub fn recorded(record: &Path) -> Option<Self> {
        let stat = parse(&fs::read_to_string(record).ok()?)?;
        let process = Self {
            pid: stat.pid,
            start: stat.start,
        };
        process.alive().then_some(process)
    }

    /// Whether it still runs.
    pub fn alive(&self) -> bool {
        stat(self.pid).is_some_and(|now| now.start == self.start && !matches!(now.state, 'Z' | 'X'))
    }

    /// Its children.
    pub fn children(&self) -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
            .filter(|stat| stat.parent == self.pid && !matches!(stat.state, 'Z' | 'X'))
            .map(|stat| Self {
                pid: stat.pid,
                start: stat.start,
            })
            .collect()
    }

    /// Sends a signal, if it still is the same process. One that ends meanwhile is no error.
    pub fn signal(&self, signal: &str) -> Result<(), Error> {
        if !self.alive() {
            return Ok(());
        }
        let pid = self.pid.to_string();
        match run("kill", &["-s", signal, &pid]) {
            Err(error) if self.alive() => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for its end; false when it still runs after `limit`.
    pub fn gone_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.alive() {
            if Instant::now() > end {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Ends it: asks first, then forces.
    pub fn end(&self) -> Result<(), Error> {
        self.signal("TERM")?;
        if !self.gone_within(Duration::from_secs(3)) {
            self.signal("KILL")?;
            self.gone_within(Duration::from_secs(3));
        }
        Ok(())
    }
}

/// A program to be started on its own.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    /// Where its record (`pid`) and log (`log`) go.
    pub dir: PathBuf,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables for it.
    pub env: Vec<(&'static str, &'static str)>,
    /// Control groups it enters first.
    pub groups: Vec<PathBuf>,
}

impl Daemon {
    /// The record of a daemon in this directory.
    pub fn record(dir: &Path) -> PathBuf {
        dir.join("pid")
    }

    /// Starts it in a session of its own, so that it survives this program and its terminal.
    pub fn start(&self) -> Result<Process, Error> {
        let log = self.dir.join("log");
        let out = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::file("write", &log))?;
        let err = out.try_clone().map_err(Error::file("write", &log))?;
        let record = Self::record(&self.dir);
        let _ = fs::remove_file(&record);
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-euc", LAUNCH, "provision-lab", text(&record)])
            .args(&self.groups)
            .arg("--")
            .args(&self.argv)
            .envs(self.env.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let command = command.spawn();
        let mut child = command.map_err(|source| Error::Start {
            command: self.argv.join(" "),
            source,
        })?;
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(process) = Process::recorded(&record) {
                // Reaped in the background, so that it never stands as a zombie while a
                // long-lived caller (a test) goes on.
                thread::spawn(move || child.wait());
                return Ok(process);
            }
            if Instant::now() > end || child.try_wait().ok().flatten().is_some() {
                return Err(self.not_ready(30));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until `ready` says so; fails at once when the process ends.
    pub fn ready(
        &self,
        process: Process,
        seconds: u64,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !ready() {
            if Instant::now() > end || !process.alive() {
                return Err(self.not_ready(seconds));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn not_ready(&self, seconds: u64) -> Error {
        let log = self.dir.join("log");
        Error::NotReady {
            what: self.argv.first().cloned().unwrap_or_default(),
            seconds,
            tail: last_lines(&read(&log).unwrap_or_default()),
            log,
        }
    }
}

/// A thread's result; its panic goes on in this thread.
pub(super) fn joined(handle: thread::ScopedJoinHandle<'_, Result<(), Error>>) -> Result<(), Error> {
    match handle.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_even_when_the_programs_name_holds_spaces_and_parentheses() {
        let line = "4711 (a) S (b) S 12 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 1";
        let stat = parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                pid: 4711,
                state: 'S',
                parent: 12,
                start: 98765
            }
        );
        assert_eq!(parse("garbage"), None);
        assert_eq!(parse(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_daemon_is_on_record_and_its_record_no_longer_counts_once_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let daemon = Daemon {
            dir: dir.path().into(),
            argv: vec!["sleep".into(), "600".into()],
            env: vec![],
            groups: vec![],
        };
        let process = daemon.start().unwrap();
        let record = Daemon::record(dir.path());
        assert_eq!(Process::recorded(&record), Some(process));
        process.end().unwrap();
        assert_eq!(Process::recorded(&record), None);
        assert!(!process.alive());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_record_of_another_process_with_the_same_id_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("pid");
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        fs::write(&record, &own).unwrap();
        assert!(Process::recorded(&record).is_some());
        let start = parse(&own).unwrap().start.to_string();
        fs::write(&record, own.replace(&format!(" {start} "), " 1 ")).unwrap();
        assert_eq!(Process::recorded(&record), None);
    }
}
