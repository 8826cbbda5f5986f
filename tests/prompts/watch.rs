//! Whether a word is to be seen: in the process table, or in files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A watch over the command lines and environments of all processes, those of the servers too:
/// they run here.
pub struct Watch {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    thread: JoinHandle<BTreeSet<String>>,
}

/// How long looking at all processes may take.
const LIMIT: Duration = Duration::from_secs(120);

impl Watch {
    /// Looks for these words again and again until it is ended.
    pub fn start(words: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&looks));
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let thread = thread::spawn(move || {
            let mut hits = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                look(&words, &mut hits);
                count.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(3));
            }
            hits
        });
        Self {
            stop,
            looks,
            thread,
        }
    }

    /// Waits until all processes were looked at, from now on.
    pub fn whole_look(&self) {
        // The one that goes on has begun before.
        let enough = self.looks.load(Ordering::SeqCst) + 2;
        let begin = Instant::now();
        while self.looks.load(Ordering::SeqCst) < enough {
            assert!(begin.elapsed() < LIMIT, "a look takes more than {LIMIT:?}");
            thread::sleep(Duration::from_millis(3));
        }
    }

    /// What held one of the words.
    pub fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look(words: &[String], hits: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for what in ["cmdline", "environ"] {
            // It may have ended, or be somebody else's.
            let Ok(bytes) = std::fs::read(entry.path().join(what)) else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
            if words.iter().any(|word| text.contains(word.as_str())) {
                hits.insert(format!("{what} of {process}: {text}"));
            }
        }
    }
}

/// The files below a directory that hold one of the words, or have it in their name.
pub fn in_files(dir: &Path, words: &[&str]) -> Vec<String> {
    let mut hits = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let shown = path.display().to_string();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            hits.extend(in_files(&path, words));
        }
        let bytes = match kind.is_file() {
            true => std::fs::read(&path).unwrap_or_default(),
            false => Vec::new(),
        };
        let text = String::from_utf8_lossy(&bytes);
        if words.iter().any(|w| text.contains(w) || shown.contains(w)) {
            hits.push(shown);
        }
    }
    hits
}
