//! Space for new values: below a configured free space nothing more is taken in, so that a disk that fills up stops the intake
//! and not the answers, and leaves space for the repair.

use crate::ledger::error::{LedgerError, LedgerResult};
use crate::ledger::options::LedgerOptions;
use crate::storage::Storage;
use crate::wait::pace;
use std::time::Duration;

/// How often a waiting command checks the free space again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The free space of the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FreeSpace {
    /// Bytes free now.
    pub bytes: u64,
    /// Bytes at which the intake continues.
    pub needed: u64,
    /// Whether there is too little.
    pub is_short: bool,
    /// Whether that is new.
    pub has_changed: bool,
}

/// Watches the free space.
#[derive(Clone, Debug)]
pub struct DiskSpace {
    storage: Storage,
    min_free_bytes: u64,
    is_short: bool,
}

impl DiskSpace {
    /// Of the storage of a ledger, which must exist.
    pub fn of(options: &LedgerOptions) -> Self {
        Self { storage: options.storage.clone(), min_free_bytes: options.min_free_bytes, is_short: false }
    }

    /// Asks the storage; one without a limit is never short.
    ///
    /// # Errors
    /// The storage cannot be asked.
    pub fn look(&mut self) -> LedgerResult<FreeSpace> {
        Ok(self.judge(self.storage.free_bytes()?.unwrap_or(u64::MAX)))
    }

    /// Short below the limit, and until an eighth more is free: it must not switch back and forth with every file.
    fn judge(&mut self, bytes: u64) -> FreeSpace {
        let needed = self.min_free_bytes.saturating_add(self.min_free_bytes / 8);
        let limit = if self.is_short { needed } else { self.min_free_bytes };
        let was_short = std::mem::replace(&mut self.is_short, bytes < limit);
        FreeSpace { bytes, needed, is_short: self.is_short, has_changed: was_short != self.is_short }
    }

    /// Gives up where [`Self::wait`] would wait.
    ///
    /// # Errors
    /// [`LedgerError::NoRoom`] when there is too little, and as [`Self::look`].
    pub fn require(&mut self) -> LedgerResult<()> {
        let free = self.look()?;
        if free.is_short {
            return Err(LedgerError::NoRoom { bytes: free.bytes, needed: free.needed });
        }
        Ok(())
    }

    /// Waits until enough space is free; calls `tell` when waiting begins and when it is over.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn wait(&mut self, tell: &mut dyn FnMut(&FreeSpace)) -> LedgerResult<()> {
        loop {
            let free = self.look()?;
            if free.has_changed {
                tell(&free);
            }
            if !free.is_short {
                return Ok(());
            }
            pace(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_below_the_limit_and_until_an_eighth_more_is_free() {
        let mut disk_space = DiskSpace { storage: Storage::memory(), min_free_bytes: 800, is_short: false };
        let mut seen = Vec::new();
        for bytes in [801, 800, 799, 700, 800, 899, 900, 899, 800, 0] {
            let free = disk_space.judge(bytes);
            seen.push((free.is_short, free.has_changed));
            assert_eq!((free.bytes, free.needed), (bytes, 900));
        }
        let (yes, no) = (true, false);
        let expected = [
            (no, no),
            (no, no),
            (yes, yes),
            (yes, no),
            (yes, no),
            (yes, no),
            (no, yes),
            (no, no),
            (no, no),
            (yes, yes),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn with_no_limit_it_is_never_short() {
        let mut disk_space = DiskSpace { storage: Storage::memory(), min_free_bytes: 0, is_short: false };
        assert!(!disk_space.judge(0).is_short);
    }
}
