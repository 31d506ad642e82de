//! Values on their way into a storage.

use super::error::{StorageError, StorageResult};
use super::key::ValueKey;
#[cfg(feature = "object-store")]
use super::object;
use super::{Session, VALUE_BYTES_MAX, faults, local, memory};

/// What is known of values before they are written: where they are best stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Few or many values that are soon written again as part of larger ones: those of a commit.
    ShortLived,
    /// Many values that stay for long: those of a compaction.
    LongLived,
}

/// Values on their way into a storage. They can be read after [`Upload::seal`], and are durable when the root next changes.
///
/// Each writer has one of its own. Keys are new: a value is never changed.
#[derive(Debug)]
pub struct Upload {
    session: Session,
    engine: Engine,
}

#[derive(Debug)]
pub(super) enum Engine {
    Local(Box<local::ValueWriter>),
    Memory(memory::Upload),
    #[cfg(feature = "object-store")]
    Object(object::Upload),
    Faults(faults::Upload),
}

impl Upload {
    pub(super) const fn new(session: Session, engine: Engine) -> Self {
        Self { session, engine }
    }

    /// The session that it belongs to.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Puts a value. It can be read only after [`Self::seal`].
    ///
    /// # Errors
    /// The storage fails, or the value is larger than [`VALUE_BYTES_MAX`].
    pub fn put(&self, key: &ValueKey, value: Vec<u8>) -> StorageResult<()> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(StorageError::TooLarge { bytes: value.len() });
        }
        match &self.engine {
            Engine::Local(upload) => upload.put(key, value),
            Engine::Memory(upload) => upload.put(key, value),
            #[cfg(feature = "object-store")]
            Engine::Object(upload) => upload.put(key, value),
            Engine::Faults(upload) => upload.put(key, value),
        }
    }

    /// Makes everything that was put readable, and durable at the latest when [`Session::swap_root`] next returns. The upload
    /// may continue with other values.
    ///
    /// # Errors
    /// The storage fails. What was put is then lost, or left over: the next start collects it.
    pub fn seal(&self) -> StorageResult<()> {
        match &self.engine {
            Engine::Local(upload) => upload.sync(),
            Engine::Memory(upload) => upload.seal(),
            #[cfg(feature = "object-store")]
            Engine::Object(upload) => upload.seal(),
            Engine::Faults(upload) => upload.seal(),
        }
    }
}
