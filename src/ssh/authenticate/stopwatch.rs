//! How long a login takes, the operator's own time not counted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A clock that stands while the operator is asked.
pub(super) struct Stopwatch(Mutex<State>);

struct State {
    spent: Duration,
    /// None: it stands.
    since: Option<Instant>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Mutex::new(State {
            spent: Duration::ZERO,
            since: Some(Instant::now()),
        }))
    }

    /// Waits for something without counting the time.
    pub(super) async fn uncounted<T>(&self, wait: impl Future<Output = T>) -> T {
        self.set(false);
        let value = wait.await;
        self.set(true);
        value
    }

    fn set(&self, running: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.since.take() {
            state.spent += since.elapsed();
        }
        state.since = running.then(Instant::now);
    }

    fn spent(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.spent + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends when so much time has been counted.
    pub(super) async fn ended(&self, after: Duration) {
        while let Some(left) = after
            .checked_sub(self.spent())
            .filter(|left| !left.is_zero())
        {
            // While it stands, what is left doesn't get less.
            tokio::time::sleep(left.max(Duration::from_millis(20))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_of_an_answer_isnt_counted() {
        let watch = Stopwatch::start();
        let limit = Duration::from_millis(200);
        let began = Instant::now();
        let asking = watch.uncounted(tokio::time::sleep(Duration::from_millis(600)));
        tokio::select! {
            () = asking => {}
            () = watch.ended(limit) => panic!("the answer's time was counted"),
        }
        watch.ended(limit).await;
        assert!(began.elapsed() >= Duration::from_millis(750));
    }
}
