//! Programs that tests write and run at once.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes something to be run. A child does it: while this process itself had the file open for
/// writing, another test's fork would inherit that, and the kernel runs nothing that is being
/// written (`ETXTBSY`, execve(2)).
pub fn write(path: &Path, text: &str) {
    let mut child = Command::new("sh")
        .args(["-c", "cat >\"$1\" && chmod 755 -- \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{}", path.display());
}
