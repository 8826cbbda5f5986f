//! Commands in the containers of a site that stands, as an operator calls them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::program::PROGRAM;
use crate::servers::{console, converged};
use crate::site;

/// Calls the program with this on stdin.
fn call(arguments: &[&str], stdin: &[u8]) -> Output {
    let file = site::file();
    let (verb, rest) = arguments.split_first().unwrap();
    let mut child = Command::new(PROGRAM)
        .args([verb, "--site", file.to_str().unwrap()])
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let typing = std::thread::spawn(move || {
        // A command that doesn't read all of it has said why.
        let _ = keyboard.write_all(&stdin);
    });
    let output = child.wait_with_output().unwrap();
    typing.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn streams() {
    converged();
    let checked = call(&["manage", "check"], b"");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(
        text(&checked.stdout).contains("System check identified no issues"),
        "{checked:?}"
    );

    let wrong = call(&["manage", "nonsense"], b"");
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(text(&wrong.stderr).contains("Unknown command"), "{wrong:?}");
    assert!(wrong.stdout.is_empty(), "{wrong:?}");
    let exits = call(&["manage", "shell", "-c", "raise SystemExit(42)"], b"");
    assert_eq!(exits.status.code(), Some(42), "{exits:?}");

    let dumped = call(&["manage", "dumpdata", "auth"], b"");
    assert_eq!(dumped.status.code(), Some(0), "{dumped:?}");
    let dump: serde_json::Value = serde_json::from_slice(&dumped.stdout).unwrap();
    assert!(!dump.as_array().unwrap().is_empty());
    // What came out of one host's container goes back in through the other's.
    let loaded = call(
        &["manage", "--host", "app2", "loaddata", "--format=json", "-"],
        &dumped.stdout,
    );
    assert_eq!(loaded.status.code(), Some(0), "{loaded:?}");
    assert!(text(&loaded.stdout).contains("Installed"), "{loaded:?}");

    let digest = "import hashlib, sys; d = hashlib.sha256(sys.stdin.buffer.read()); \
                  print(d.hexdigest()); print('apart', file=sys.stderr)";
    let bytes: Vec<u8> = (0..=255).cycle().take(96 << 20).collect();
    let hashed = call(&["manage", "shell", "-c", digest], &bytes);
    let wanted = sha256(&bytes);
    assert!(text(&hashed.stdout).trim().ends_with(&wanted), "{hashed:?}");
    assert!(text(&hashed.stderr).contains("apart"), "{hashed:?}");

    let inside = call(&["shell"], b"id -u; echo \"$0\"; exit 9\n");
    assert_eq!(inside.status.code(), Some(9), "{inside:?}");
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

pub fn terminal() {
    converged();
    let file = site::file();
    let code = "import os, sys; print(sys.stdin.isatty(), os.ttyname(0), \
                tuple(os.get_terminal_size()), os.environ['TERM']); raise SystemExit(5)";
    let line = format!(
        "stty cols 111 rows 33; stty -g >&2; '{PROGRAM}' manage --site '{}' shell -c \"$CODE\"; \
         code=$?; stty -g >&2; exit $code",
        file.display()
    );
    let shown = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("CODE", code)
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let screen = text(&shown.stdout);
    assert!(screen.contains("True /dev/pts/"), "{screen}");
    assert!(screen.contains("(111, 33) xterm-256color"), "{screen}");
    assert_eq!(shown.status.code(), Some(5), "{screen}");
    let rows: Vec<&str> = screen.lines().map(str::trim).collect();
    let settings: Vec<&&str> = rows
        .iter()
        .filter(|row| row.matches(':').count() > 20)
        .collect();
    assert_eq!(settings.len(), 2, "{screen}");
    assert_eq!(settings[0], settings[1], "{screen}");
}

pub fn logs() {
    converged();
    let all = call(&["logs", "--tail", "all"], b"");
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    let printed = text(&all.stdout);
    for host in ["app1 ", "app2 ", "proxy"] {
        let label = format!("{host} | ");
        assert!(
            printed.lines().any(|line| line.starts_with(&label)),
            "{host}: {printed}"
        );
    }
    let one = call(&["logs", "app", "--host", "app1", "-n", "3"], b"");
    let lines = text(&one.stdout);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines.lines().all(|line| line.starts_with("polls-app")),
        "{lines}"
    );

    // What follows is ended by Ctrl-C, here and on the servers.
    let file = site::file();
    let following = Command::new(PROGRAM)
        .args(["logs", "--follow", "--site", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let running = "pgrep -f '[c]ompose.* logs .*--follow' | wc -l";
    let until = |wanted: bool| {
        for _ in 0..200 {
            if (console("app1", running).trim() != "0") == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("following on app1 should be {wanted}");
    };
    until(true);
    let interrupt = ["-s", "INT", &following.id().to_string()].map(str::to_owned);
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    let ended = following.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    until(false);
}

pub fn stopped() {
    converged();
    console("app1", "docker stop polls-app");
    let refused = call(&["manage", "check"], b"");
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let stderr = text(&refused.stderr);
    assert!(
        stderr.contains("polls-app is exited, not running"),
        "{stderr}"
    );
    assert!(stderr.contains("`provision run` starts it"), "{stderr}");
    console("app1", "docker start polls-app");
}
