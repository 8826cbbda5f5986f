//! A pseudo-terminal with the built binary on it: script(1) of util-linux makes it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody at a terminal.
pub struct Terminal {
    script: Child,
    keyboard: Option<ChildStdin>,
    screen: Arc<Mutex<Vec<u8>>>,
    /// Ends with the screen.
    reader: Option<thread::JoinHandle<()>>,
    home: PathBuf,
    /// How much of the screen has been read.
    at: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    /// All that was on the screen.
    pub screen: String,
    /// The terminal's settings, before and after.
    pub settings: [String; 2],
}

impl Ended {
    /// The rows that stay on the screen: those that are wiped again left out.
    pub fn rows(&self) -> Vec<String> {
        let rows = self.screen.split('\n').map(|row| {
            let row = row.trim_end_matches('\r');
            let shown = row.rsplit(['\r']).next().unwrap_or_default();
            plain(shown.rsplit("\u{1b}[2K").next().unwrap_or_default())
        });
        rows.collect()
    }
}

/// Text without colours and movements.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Whether there is a script(1) that can do it; if not, says so.
fn there_is_one() -> bool {
    let asked = Command::new("script").arg("--version").output();
    if asked.is_ok_and(|asked| String::from_utf8_lossy(&asked.stdout).contains("util-linux")) {
        return true;
    }
    let why = "left out: there is no script(1) of util-linux here (bsdutils)";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("{why}");
    false
}

impl Terminal {
    /// Calls `provision` on a terminal of its own. None where that can't be had.
    pub fn call(home: &Path, arguments: &str) -> Option<Self> {
        Self::call_with(home, arguments, &[])
    }

    /// The same, with more in the environment.
    pub fn call_with(home: &Path, arguments: &str, more: &[(&str, &str)]) -> Option<Self> {
        if !there_is_one() {
            return None;
        }
        let program = env!("CARGO_BIN_EXE_provision");
        // The shell outlives Ctrl-C, to say what the terminal is like afterwards.
        let line = format!(
            "trap : INT; tty >pts; stty cols 120 rows 40; stty -g >before; '{program}' {arguments}; \
             code=$?; stty -g >after; exit $code"
        );
        let mut script = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--echo", "always"])
            .args(["--command", &line, "/dev/null"])
            .current_dir(home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut shown, seen) = (script.stdout.take().unwrap(), Arc::clone(&screen));
        let reader = thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = shown.read(&mut piece) {
                seen.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        Some(Self {
            keyboard: script.stdin.take(),
            script,
            screen,
            reader: Some(reader),
            home: home.to_owned(),
            at: 0,
        })
    }

    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until this is on the screen, after what was waited for before.
    pub fn shows(&mut self, text: &str) {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if let Some(found) = screen[self.at..].find(text) {
                self.at += found + text.len();
                return;
            }
            let gone = matches!(self.script.try_wait(), Ok(Some(_)));
            if gone && self.reader.is_some() {
                // The last of it may still be on its way.
                self.read_all();
                continue;
            }
            if gone || begin.elapsed() > PATIENCE {
                panic!("{text:?} doesn't come (ended: {gone}): {screen}");
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until all that is shown was read, which is once nobody shows anything any more.
    fn read_all(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Waits until what is typed isn't shown: that is so a moment after a question came.
    pub fn hides(&self) {
        let pts = std::fs::read_to_string(self.home.join("pts")).unwrap();
        let begin = Instant::now();
        loop {
            let asked = Command::new("stty").args(["-a", "-F", pts.trim()]).output();
            let said = String::from_utf8(asked.unwrap().stdout).unwrap();
            if said.split_whitespace().any(|word| word == "-echo") {
                return;
            }
            let waited = begin.elapsed();
            assert!(waited < PATIENCE, "it is shown: {said} {}", self.screen());
            sleep(Duration::from_millis(10));
        }
    }

    /// Types this, once it isn't shown.
    pub fn types_hidden(&mut self, keys: &str) {
        self.hides();
        self.types(keys);
    }

    /// Types this.
    pub fn types(&mut self, keys: &str) {
        // A moment, as people take one.
        sleep(Duration::from_millis(100));
        let keyboard = self.keyboard.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits for a question and answers it; nobody sees the answer.
    pub fn answers(&mut self, question: &str, answer: &str) {
        self.shows(question);
        self.types_hidden(&format!("{answer}\n"));
    }

    /// Waits for the end.
    pub fn ends(mut self) -> Ended {
        let begin = Instant::now();
        let code = loop {
            if let Some(status) = self.script.try_wait().unwrap() {
                break status.code().unwrap();
            }
            if begin.elapsed() > PATIENCE {
                panic!("it doesn't end: {}", self.screen());
            }
            sleep(Duration::from_millis(10));
        };
        self.read_all();
        let settings = ["before", "after"]
            .map(|when| std::fs::read_to_string(self.home.join(when)).unwrap_or_default());
        Ended {
            code,
            screen: self.screen(),
            settings,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It hangs up the terminal, and with it what runs there. It fails where it has ended.
        self.keyboard = None;
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
