//! How the engine works. The defaults are for a service; tests shorten times.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of the engine that are not about which bucket it is.
#[derive(Clone, Debug)]
pub struct ObjectOptions {
    /// Names of objects begin with it; empty = at the top of the bucket. Without a slash at either end.
    pub prefix: String,
    /// A writer that created no slot for so long, by the observer's own clock, is taken for dead.
    pub lease: Duration,
    /// A writer with nothing to commit creates a slot so often.
    pub heartbeat: Duration,
    /// A request that fails is sent again for so long.
    pub patience: Duration,
    /// What does not count any more is kept for so long, by the clock of the store.
    pub keep: Duration,
    /// One that follows without meeting a new slot looks so often whether the slots that come next were collected.
    pub marks_every: Duration,
    /// How often it is looked for what may be deleted.
    pub collect_every: Duration,
    /// Slots from one full checkpoint to the next.
    pub full_every: u64,
    /// Appended entries in memory, after which they are written to pages in the store.
    pub appended_max: usize,
    /// Bytes of small values that wait for the next slot at most.
    pub inline_bytes_max: usize,
    /// Bytes of values after which an upload begins another segment.
    pub segment_bytes: usize,
    /// Folder and bytes of the cache of segments on this machine's disk.
    pub cache: Option<(PathBuf, u64)>,
    /// File in which this machine's writers are recorded: the next one need not wait for the lease of one that was killed.
    pub writer_record: Option<PathBuf>,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            patience: Duration::from_secs(30),
            keep: Duration::from_secs(7 * 86_400),
            marks_every: Duration::from_secs(2),
            collect_every: Duration::from_secs(3_600),
            full_every: 1_000,
            appended_max: 2_000,
            inline_bytes_max: 256 << 10,
            segment_bytes: 32 << 20,
            cache: None,
            writer_record: None,
        }
    }
}
