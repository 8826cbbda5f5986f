//! The scripts that let an operation outlive its connection, and those that keep others away,
//! run for real by this machine's sh in a directory of their own. Without systemd as process 1 a
//! job gets a session of its own and no scope.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use provision::shell::{Cmd, Script};

const JOB: Script = Script(include_str!("../src/engine/sh/job.sh"));
const RUN: &str = include_str!("../src/engine/sh/job-run.sh");
const FOLLOW: &str = include_str!("../src/engine/sh/job-follow.sh");
const LOCK: Script = Script(include_str!("../src/engine/sh/lock.sh"));
const TURN: Script = Script(include_str!("../src/engine/sh/turn.sh"));

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A host's directories, which go away.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir(host.at("state")).unwrap();
        fs::create_dir(host.at("run")).unwrap();
        host
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// A job that runs `text`, and may take its time.
    fn job(&self, fence: &str, input: bool, text: &str) -> Command {
        self.job_within("60", fence, input, text)
    }

    /// A job that may take so many seconds.
    fn job_within(&self, limit: &str, fence: &str, input: bool, text: &str) -> Command {
        let spool = if input {
            self.path("run/input")
        } else {
            "-".to_owned()
        };
        let cmd = Cmd::script(JOB, [self.path("run/job"), spool])
            .args([ID, &self.path("run/holder"), fence, FOLLOW, RUN])
            .args([self.path("state/operation"), limit.to_owned()])
            .args(["do it", "sh", "-c", text]);
        command(&cmd)
    }

    fn follow(&self) -> Output {
        let cmd = Cmd::script(Script(FOLLOW), [self.path("run/job"), ID.to_owned()]);
        command(&cmd).output().unwrap()
    }

    fn turn(&self, fence: &str, text: &str) -> Command {
        let files = [self.path("state/operation"), self.path("run/holder")];
        let cmd = Cmd::script(TURN, files).args([fence, "a short one", "sh", "-c", text]);
        command(&cmd)
    }

    fn lock(&self, fence: &str, before: &str) -> Holding {
        let files = [self.path("state"), self.path("run")];
        let receipt = self.path("receipt");
        let cmd = Cmd::script(LOCK, files).args(["me", &receipt, fence, before]);
        Holding::start(command(&cmd))
    }

    /// Whether an operation goes on.
    fn is_busy(&self) -> bool {
        let mut flock = Command::new("flock");
        flock.arg("--nonblock").arg(self.at("state/operation"));
        !flock.arg("true").status().unwrap().success()
    }
}

fn command(cmd: &Cmd) -> Command {
    let mut command = Command::new(&cmd.argv()[0]);
    command.args(&cmd.argv()[1..]);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process whose lines are read while it runs.
struct Holding {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
}

impl Holding {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn end(mut self) -> Option<i32> {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let start = Instant::now();
    while !seen() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn exists(path: &Path) -> bool {
    path.exists()
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn mark(end: &str) -> String {
    format!("\nprovision:{ID} {end}\n")
}

#[test]
fn a_job_makes_files_as_it_would_without_being_one() {
    for (mask, mode) in [("022", "644"), ("002", "664"), ("077", "600")] {
        let host = Host::new();
        let made = host.path("made");
        let text = format!("umask; : >'{made}'; stat -c %a '{made}'; stat -c %a \"$0\"");
        let noted = host.path(&format!("run/job/{ID}/out"));
        let mut job = host.job("-", false, &text.replace("$0", &noted));
        let args: Vec<_> = job.get_args().map(ToOwned::to_owned).collect();
        let mut masked = Command::new("sh");
        masked.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", mask]);
        masked.arg(job.get_program()).args(args);
        masked.stdin(Stdio::null());
        job = masked;
        let output = job.output().unwrap();
        let (out, _) = said(&output);
        let lines: Vec<&str> = out.lines().collect();
        assert!(
            lines
                .windows(3)
                .any(|seen| seen == [&format!("0{mask}"), mode, "600"]),
            "{mask}: {out}"
        );
    }
}

#[test]
fn a_job_shows_both_its_streams_apart_and_its_exit_status() {
    let host = Host::new();
    let done = host.job("-", false, "echo out; echo err >&2; printf open; exit 7");
    let (out, err) = said(&{ done }.output().unwrap());
    assert_eq!(out, format!("out\nopen{}", mark("7")));
    assert_eq!(err, "err\n");
    // Whoever asks later gets the same.
    let (out, err) = said(&host.follow());
    assert_eq!(out, format!("out\nopen{}", mark("7")));
    assert_eq!(err, "err\n");
}

#[test]
fn a_job_goes_on_when_its_connection_is_killed_and_runs_once() {
    let host = Host::new();
    let (count, go) = (host.path("count"), host.path("let it end"));
    let text = format!(
        "echo began; echo x >>'{count}'; until [ -e '{go}' ]; do sleep 0.02; done; echo ended"
    );
    let mut started = Holding::start(host.job("-", false, &text));
    assert_eq!(started.line(), "began");
    started.child.kill().unwrap();
    started.child.wait().unwrap();
    assert!(host.is_busy(), "the job holds the turn by itself");
    fs::write(&go, "").unwrap();
    let (out, _) = said(&host.follow());
    assert_eq!(out, format!("began\nended\n{}", mark("0")));
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    assert!(!host.is_busy());
}

#[test]
fn a_job_reads_its_whole_input_and_nothing_is_left_of_it() {
    let host = Host::new();
    let text = "cat; stat -L -c ' %a' /proc/self/fd/0";
    let mut job = host.job("-", true, text);
    let mut child = job.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a\0secret").unwrap();
    stdin.write_all(ID.as_bytes()).unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    assert_eq!(said(&done).0, format!("a\0secret 600\n{}", mark("0")));
    let left: Vec<_> = fs::read_dir(host.at("run/input")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_job_whose_input_is_cut_off_is_never_started() {
    let host = Host::new();
    let ran = host.path("ran");
    let mut job = host.job("-", true, &format!("touch '{ran}'"));
    let mut child = job.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"half of it").unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(74));
    assert_eq!(said(&host.follow()).0, mark("gone"));
    assert!(!exists(&host.at("ran")));
    let left: Vec<_> = fs::read_dir(host.at("run/input")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_job_that_was_asked_for_before_it_started_never_starts() {
    let host = Host::new();
    assert_eq!(said(&host.follow()).0, mark("gone"));
    let ran = host.path("ran");
    let late = host.job("-", false, &format!("touch '{ran}'"));
    let late = { late }.output().unwrap();
    assert!(!late.status.success(), "{late:?}");
    assert!(!exists(&host.at("ran")));
}

#[test]
fn a_job_that_is_killed_is_gone_and_no_success() {
    let host = Host::new();
    let mut started = Holding::start(host.job("-", false, "echo began; exec sleep 600"));
    assert_eq!(started.line(), "began");
    let pid = fs::read_to_string(host.at("run/job").join(ID).join("pid")).unwrap();
    // All of its session, as a scope that is stopped.
    let killed = Command::new("pkill")
        .args(["-KILL", "-s", pid.trim()])
        .status();
    assert!(killed.unwrap().success());
    until("it says so", || {
        started.line() == format!("provision:{ID} gone")
    });
    until("its turn is over", || !host.is_busy());
}

#[test]
fn a_job_that_takes_too_long_is_ended_on_the_server() {
    let host = Host::new();
    let start = Instant::now();
    let done = host.job_within("5", "-", false, "sleep 600");
    assert_eq!(said(&{ done }.output().unwrap()).0, mark("124"));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_job_waits_for_its_turn_and_says_for_what() {
    let host = Host::new();
    let mut short = Holding::start(host.turn("-", "echo in; cat"));
    assert_eq!(short.line(), "in");
    let mut job = Holding::start(host.job("-", false, "echo now"));
    assert_eq!(
        job.line(),
        "provision:waiting a short one is still being done"
    );
    assert_eq!(short.end(), Some(0));
    assert_eq!(job.line(), "now");
    assert_eq!(job.end(), Some(0));
}

#[test]
fn a_second_run_is_refused_and_a_killed_one_frees_its_host() {
    let host = Host::new();
    fs::write(host.at("receipt"), "").unwrap();
    let mut first = host.lock("aa", "-");
    assert_eq!(first.line(), "provision:locked");
    assert!(!exists(&host.at("receipt")));
    let mut second = host.lock("bb", "-");
    assert_eq!(second.line(), "provision:held me");
    assert_eq!(second.end(), Some(6));
    // Nor does another run's name help.
    let mut third = host.lock("cc", "dd");
    assert_eq!(third.line(), "provision:held me");
    assert_eq!(third.end(), Some(6));
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut fourth = host.lock("ee", "-");
    assert_eq!(fourth.line(), "provision:locked");
    assert_eq!(fourth.end(), Some(0));
    assert!(!exists(&host.at("run/holder")));
}

#[test]
fn the_next_connection_of_a_run_takes_its_lock_over() {
    let host = Host::new();
    let mut first = host.lock("aa", "-");
    assert_eq!(first.line(), "provision:locked");
    // Its stdin stays open: this server has not heard that the connection broke.
    let mut second = host.lock("bb", "aa");
    assert_eq!(second.line(), "provision:locked");
    assert!(!first.child.wait().unwrap().success());
    let late = host.turn("aa", "echo acted");
    let late = { late }.output().unwrap();
    assert_eq!((late.status.code(), said(&late).0.as_str()), (Some(75), ""));
    let late = host.job("aa", false, "echo acted");
    assert_eq!({ late }.output().unwrap().status.code(), Some(75));
    let now = host.turn("bb", "echo acted");
    assert_eq!(said(&{ now }.output().unwrap()).0, "acted\n");
    assert_eq!(second.end(), Some(0));
}

#[test]
fn a_run_that_takes_its_lock_over_leaves_its_job_alone_and_forgets_it_when_told() {
    let host = Host::new();
    let mut first = host.lock("aa", "-");
    assert_eq!(first.line(), "provision:locked");
    let go = host.path("let it end");
    let text = format!("echo began; until [ -e '{go}' ]; do sleep 0.02; done");
    let mut job = Holding::start(host.job("aa", false, &text));
    assert_eq!(job.line(), "began");
    let mut second = host.lock("bb", "aa");
    assert_eq!(second.line(), "provision:locked");
    assert!(host.is_busy());
    fs::write(go, "").unwrap();
    assert_eq!(job.end(), Some(0));
    let dir = host.at("run/job").join(ID);
    assert!(exists(&dir));
    let told = writeln!(second.stdin.as_mut().unwrap(), "{ID}");
    told.unwrap();
    until("it is removed", || !exists(&dir));
    assert_eq!(second.end(), Some(0));
}

#[test]
fn a_later_run_waits_for_the_job_of_a_killed_one_and_says_that_things_changed() {
    let host = Host::new();
    let mut first = host.lock("aa", "-");
    assert_eq!(first.line(), "provision:locked");
    let go = host.path("let it end");
    let text = format!("echo began; until [ -e '{go}' ]; do sleep 0.02; done");
    let mut job = Holding::start(host.job("aa", false, &text));
    assert_eq!(job.line(), "began");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut second = host.lock("bb", "-");
    assert_eq!(
        second.line(),
        "provision:waiting do it is still being done for a run that ended"
    );
    fs::write(go, "").unwrap();
    until("it holds the host", || {
        second.line() == "provision:locked anew"
    });
    assert!(!exists(&host.at("run/job").join(ID)));
    assert_eq!(second.end(), Some(0));
    assert_eq!(job.end(), Some(0));
}

#[test]
fn an_operation_that_hangs_on_a_dead_connection_is_ended_by_the_next_one() {
    let host = Host::new();
    let mut first = host.lock("aa", "-");
    assert_eq!(first.line(), "provision:locked");
    // A process group of its own, as sshd gives each command.
    let mut hanging = host.turn("aa", "echo reads; cat");
    std::os::unix::process::CommandExt::process_group(&mut hanging, 0);
    let mut hanging = Holding::start(hanging);
    assert_eq!(hanging.line(), "reads");
    let start = Instant::now();
    let mut second = host.lock("bb", "aa");
    assert_eq!(second.line(), "provision:locked");
    assert!(start.elapsed() > Duration::from_secs(5), "it had its time");
    assert!(!hanging.child.wait().unwrap().success());
    assert!(!host.is_busy());
    assert_eq!(second.end(), Some(0));
}
