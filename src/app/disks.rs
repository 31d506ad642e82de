//! The disks on which a process writes: that of the data directory, which beside a ledger in a bucket has the cache, and that of an answer
//! log in a folder of its own.

use crate::config::Config;
use crate::telemetry::metrics::Metrics;
use std::path::{Path, PathBuf};

/// Folders whose free space goes to the metrics.
#[derive(Clone, Debug)]
pub struct Disks {
    data_dir: PathBuf,
    answers: Option<PathBuf>,
}

impl Disks {
    /// Of a configuration.
    pub fn of(config: &Config) -> Self {
        let answers = config.answers.dir.clone().filter(|_| config.answers.keeps_log);
        Self { data_dir: config.ledger.data_dir.clone(), answers }
    }

    /// Sets the metrics of free space. One that cannot be asked is absent, not zero.
    pub fn sample(&self, metrics: &Metrics) {
        let free = |folder: &Path| fs2::available_space(folder).ok();
        metrics.disks(free(&self.data_dir), self.answers.as_deref().and_then(free));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_that_of_the_folders_and_unknown_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let config = |more: &str| {
            Config::from_text(&format!("[ledger]\ndata_dir = {data_dir:?}\n[answers]\n{more}")).unwrap()
        };
        let with_dir = format!("dir = {:?}\n", folder.path().join("fast"));
        let metrics = Metrics::new().unwrap();
        let told = |config: &Config| {
            Disks::of(config).sample(&metrics);
            let figures = metrics.figures();
            (figures.disk_free_bytes.is_some(), figures.answers_free_bytes.is_some())
        };
        assert_eq!(told(&config(&with_dir)), (false, false));
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::create_dir(folder.path().join("fast")).unwrap();
        assert_eq!(told(&config(&with_dir)), (true, true));
        assert_eq!(told(&config(&format!("log = false\n{with_dir}"))), (true, false));
        assert_eq!(told(&config("")), (true, false));
        let free = metrics.figures().disk_free_bytes.unwrap();
        assert!(free > 0 && free < u64::MAX / 4, "{free}");
        std::fs::remove_dir(&data_dir).unwrap();
        assert_eq!(told(&config("")), (false, false));
    }
}
