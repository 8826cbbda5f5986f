//! The built binary, and what it says of itself.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_provision");

/// A run of the program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// The program with these arguments, run to its end.
pub fn provision<S: AsRef<OsStr>>(args: &[S]) -> Ended {
    Running::start(args).end()
}

/// Like [`provision`]; anything but exit code 0 is a failed test.
pub fn succeeds<S: AsRef<OsStr> + std::fmt::Debug>(args: &[S]) -> Ended {
    let ended = provision(args);
    assert_eq!(ended.code, Some(0), "provision {args:?}\n{ended}");
    ended
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Most events of a run say that something is in sync.
        let told = self.stdout.lines().filter(|l| !l.contains("\"in_sync\""));
        let told: Vec<&str> = told.collect();
        writeln!(f, "exit code {:?} after {:.1?}", self.code, self.took)?;
        writeln!(f, "{}", told.join("\n"))?;
        write!(f, "stderr: {}", self.stderr)
    }
}

impl Ended {
    /// Its events, where it ran with `--json`.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.stdout.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The events of one kind.
    pub fn told(&self, kind: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == kind);
        events
    }

    /// The closing counts.
    pub fn summary(&self) -> Value {
        let mut all = self.told("finished");
        assert_eq!(all.len(), 1, "one summary\n{self}");
        all.remove(0)
    }

    /// `host step resource` of everything that was changed, sorted.
    pub fn changed(&self) -> Vec<String> {
        names(self.told("changed"))
    }

    /// `host step resource` of everything that a plan found to be otherwise, sorted.
    pub fn differing(&self) -> Vec<String> {
        let mut seen = self.told("seen");
        seen.retain(|event| event["state"]["state"] != "in_sync");
        names(seen)
    }

    /// Failures as (host, stage, everything that is said of them).
    pub fn failures(&self) -> Vec<(String, String, String)> {
        let told = self.events().into_iter().filter_map(|event| {
            let failure = match event["event"].as_str()? {
                "host_failed" => &event["failure"],
                "step_finished" if event["outcome"]["stage"].is_string() => &event["outcome"],
                _ => return None,
            };
            Some((
                text(&event["host"]),
                text(&failure["stage"]),
                failure.to_string(),
            ))
        });
        told.collect()
    }

    /// Holds the run to a proof: exit code 0, and every finding proven.
    pub fn proven(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        let summary = self.summary();
        assert_eq!(summary["unproven"], 0, "{self}");
        assert!(summary["proven"].as_u64() > Some(10), "{self}");
        self
    }
}

fn names(events: Vec<Value>) -> Vec<String> {
    let mut names: Vec<String> = events
        .iter()
        .map(|e| {
            format!(
                "{} {} {}",
                text(&e["host"]),
                text(&e["step"]),
                text(&e["resource"])
            )
        })
        .collect();
    names.sort();
    names
}

/// A JSON string's text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The program while it runs.
pub struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    errors: thread::JoinHandle<String>,
    stdout: String,
    start: Instant,
}

impl Running {
    /// Starts it.
    pub fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(args).env("NO_COLOR", "1");
        Self::of(&mut command)
    }

    /// Starts a command that ends up as the program.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            lines,
            errors,
            stdout: String::new(),
            start: Instant::now(),
        }
    }

    /// Reads on until an event is as wanted; false when the program ends before.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> bool {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return false;
            }
            self.stdout.push_str(&line);
            if serde_json::from_str(&line).is_ok_and(|event| wanted(&event)) {
                return true;
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let mut rest = Vec::new();
        self.lines.read_to_end(&mut rest).unwrap();
        self.stdout.push_str(&String::from_utf8_lossy(&rest));
        let status = self.child.wait().unwrap();
        Ended {
            code: status.code(),
            stdout: self.stdout,
            stderr: self.errors.join().unwrap(),
            took: self.start.elapsed(),
        }
    }
}
