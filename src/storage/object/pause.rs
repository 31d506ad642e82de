//! A pause of a task on the engine's own runtime, where no thread may sleep.

use std::time::Duration;

pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
