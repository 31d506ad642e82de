//! Work beside commits: merging runs, dropping days, backups, disk space, cache warm-up.

pub mod backup;
pub mod cache_warmup;
pub mod compaction;
pub mod disk_space;
pub mod retention;
