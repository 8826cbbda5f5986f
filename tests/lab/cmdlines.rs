//! What anybody can read in the process table. The hosts' processes are seen from here too:
//! the lab's hosts are containers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A watch over all command lines.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was seen.
pub struct Seen {
    /// Command lines that hold one of the words.
    pub hits: BTreeSet<String>,
    /// How often was looked.
    pub looks: usize,
    /// The longest time between two looks.
    pub gap: Duration,
}

impl Watch {
    /// Looks for these words about every 50 ms, until it is ended.
    pub fn start(words: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut seen = Seen {
                hits: BTreeSet::new(),
                looks: 0,
                gap: Duration::ZERO,
            };
            let mut last = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                seen.hits.extend(look(&words));
                seen.looks += 1;
                thread::sleep(Duration::from_millis(40));
                seen.gap = seen.gap.max(last.elapsed());
                last = Instant::now();
            }
            seen
        });
        Self { stop, thread }
    }

    /// Ends the watch.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn look(words: &[String]) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        words.iter().any(|word| line.contains(word)).then_some(line)
    });
    lines.collect()
}
