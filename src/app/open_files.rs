//! Open files: however many connections there are, the ledger can open one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Kept for the ledger's files and for connections to brokers.
const KEPT: u64 = 384;

/// Raises the limit of this process as far as it may, and returns how many connections fit below it.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        warn!(%error, "Failed to raise the limit of open files: fewer connections are accepted; raise it in the supervisor (LimitNOFILE)");
    }
    connections_within(getrlimit(Resource::Nofile).current)
}

/// Of a small limit, half is kept.
fn connections_within(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        let connections = limit.saturating_sub(KEPT).max(limit / 2).max(1);
        usize::try_from(connections).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_ledger() {
        assert_eq!(connections_within(Some(1_024)), 640);
        assert_eq!(connections_within(Some(256)), 128);
        assert_eq!(connections_within(Some(20_000)), 19_616);
        assert_eq!(connections_within(None), usize::MAX);
        // This process may have as many as it is allowed, afterwards.
        let connections = connections_max();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(limit.current.is_none_or(|limit| u64::try_from(connections).unwrap() < limit));
    }
}
