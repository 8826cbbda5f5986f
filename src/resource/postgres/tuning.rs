//! How much memory a database may have on its host, and what follows for its settings.

/// Megabytes of memory below which PostgreSQL isn't run.
const LEAST: u64 = 256;

/// Connections that are let in at once, PostgreSQL's own number.
pub const CONNECTIONS: u64 = 100;

/// The settings of PostgreSQL that follow from its memory; in megabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// All that the container may have.
    pub memory: u64,
    /// Size of /dev/shm, where the workers of one query share what they know.
    pub shm: u64,
    /// `shared_buffers`.
    pub shared_buffers: u64,
    /// `effective_cache_size`.
    pub effective_cache_size: u64,
    /// `maintenance_work_mem`.
    pub maintenance_work_mem: u64,
    /// `work_mem`.
    pub work_mem: u64,
}

impl Tuning {
    /// For a database that may have so much memory.
    pub fn of(memory: u64) -> Self {
        let shared_buffers = (memory / 4).max(32);
        Self {
            memory,
            shm: (memory / 4).max(64),
            shared_buffers,
            effective_cache_size: memory * 3 / 4,
            maintenance_work_mem: (memory / 16).clamp(16, 1024),
            // A connection may take it several times, and few are busy at once.
            work_mem: ((memory - shared_buffers) / (CONNECTIONS * 3)).clamp(4, 64),
        }
    }
}

/// What a database may have of a host with so many megabytes: most of it where the host is there
/// for the database, else a quarter.
pub fn share(host: u64, alone: bool) -> u64 {
    let share = if alone { host * 3 / 4 } else { host / 4 };
    (share / 16 * 16).max(LEAST)
}

/// The host's memory to reckon with: what was noted, unless a good part of it came or went.
/// A new kernel gives a little more or less of the same machine, and no restart is worth that.
pub fn settled(noted: Option<u64>, now: u64) -> u64 {
    noted
        .filter(|noted| noted.abs_diff(now) * 8 <= *noted)
        .unwrap_or(now)
}

/// The megabytes of a size as Docker writes it: digits, and k, m, g or nothing for bytes.
pub fn megabytes(size: &str) -> u64 {
    let digits = size.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().unwrap_or(u64::MAX);
    match size.as_bytes().last() {
        Some(b'g') => number.saturating_mul(1024),
        Some(b'm') => number,
        Some(b'k') => number / 1024,
        _ => number / 1024 / 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_shared_host_and_most_of_one_of_its_own() {
        assert_eq!(share(3915, false), 976);
        assert_eq!(share(3915, true), 2928);
        assert_eq!(share(400, false), 256, "less would not do");
    }

    #[test]
    fn the_settings_stay_within_the_memory() {
        for memory in [256, 512, 976, 2928, 16_384, 262_144] {
            let it = Tuning::of(memory);
            assert_eq!(it.shared_buffers, memory / 4);
            assert!(it.effective_cache_size < memory, "{it:?}");
            let busy = it.shared_buffers + it.maintenance_work_mem * 3 + it.work_mem * 20;
            assert!(busy <= memory, "{it:?}");
        }
    }

    #[test]
    fn a_new_kernel_is_no_resize() {
        assert_eq!(settled(None, 3915), 3915);
        assert_eq!(settled(Some(3915), 3897), 3915);
        assert_eq!(settled(Some(3915), 3930), 3915);
        assert_eq!(settled(Some(3915), 7941), 7941);
        assert_eq!(settled(Some(3915), 1963), 1963);
    }

    #[test]
    fn a_size_is_read_as_docker_reads_it() {
        for (size, is) in [
            ("2g", 2048),
            ("512m", 512),
            ("524288k", 512),
            ("536870912", 512),
        ] {
            assert_eq!(megabytes(size), is, "{size}");
        }
    }
}
