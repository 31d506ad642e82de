//! Files beside the chain: small objects in the bucket of a ledger that decide nothing about it, such as shipped logs and tiles.
//!
//! They are put as a whole, and read as a whole. Only [`SideFiles::create`] says who was first.

use super::error::{StorageError, StorageResult};
use super::memory::Memory;
#[cfg(feature = "object-store")]
use super::object::ObjectSide;
use super::requests::StoreFigures;
use std::sync::Arc;

/// Bytes of a file at most.
pub const SIDE_FILE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 512;

/// A file of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFile {
    /// Its name, from the top of the files on.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// The files beside the chain of a storage. Clones are the same files.
#[derive(Clone, Debug)]
pub struct SideFiles(pub(super) Engine);

#[derive(Clone, Debug)]
pub(super) enum Engine {
    Memory(Memory),
    #[cfg(feature = "object-store")]
    Object(ObjectSide),
}

/// Whether a name is made of parts of letters, digits, `-`, `_`, `.` and `~` between slashes.
fn is_name(name: &str) -> bool {
    let in_part = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(in_part);
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part)
}

fn check(name: &str, bytes: usize) -> StorageResult<()> {
    let refused = |message: String| StorageError::File { action: "write", path: name.into(), message };
    if !is_name(name) {
        return Err(refused("it is no name of a file in a bucket; report this as a defect".to_owned()));
    }
    if bytes > SIDE_FILE_BYTES_MAX {
        return Err(refused(format!(
            "it has {bytes} bytes, and a file in a bucket has {SIDE_FILE_BYTES_MAX} at most"
        )));
    }
    Ok(())
}

impl SideFiles {
    /// What was asked of the store for them; `None` where they lie in none.
    pub fn figures(&self) -> Option<Arc<StoreFigures>> {
        match &self.0 {
            Engine::Memory(_) => None,
            #[cfg(feature = "object-store")]
            Engine::Object(object) => Some(object.figures()),
        }
    }

    /// Writes a file, in the place of one of this name.
    ///
    /// # Errors
    /// The store fails; the name or the length is not allowed.
    pub fn put(&self, name: &str, bytes: &[u8]) -> StorageResult<()> {
        check(name, bytes.len())?;
        match &self.0 {
            Engine::Memory(memory) => memory.side().insert(name.to_owned(), bytes.to_vec()),
            #[cfg(feature = "object-store")]
            Engine::Object(object) => return object.put(name, bytes),
        };
        Ok(())
    }

    /// Writes a file unless there is another of this name; whether it is there now with these bytes.
    ///
    /// # Errors
    /// As [`Self::put`]. Then it is open whether it is there.
    pub fn create(&self, name: &str, bytes: &[u8]) -> StorageResult<bool> {
        check(name, bytes.len())?;
        match &self.0 {
            Engine::Memory(memory) => {
                Ok(memory.side().entry(name.to_owned()).or_insert_with(|| bytes.to_vec()) == bytes)
            }
            #[cfg(feature = "object-store")]
            Engine::Object(object) => object.create(name, bytes),
        }
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// The store fails, or the file is longer than [`SIDE_FILE_BYTES_MAX`].
    pub fn get(&self, name: &str) -> StorageResult<Option<Vec<u8>>> {
        match &self.0 {
            Engine::Memory(memory) => Ok(memory.side().get(name).cloned()),
            #[cfg(feature = "object-store")]
            Engine::Object(object) => object.get(name),
        }
    }

    /// The files of a folder and below it whose names come after `after`, by name.
    ///
    /// # Errors
    /// The store fails.
    pub fn list(&self, folder: &str, after: Option<&str>) -> StorageResult<Vec<SideFile>> {
        match &self.0 {
            Engine::Memory(memory) => {
                let begin = format!("{folder}/");
                let is_wanted =
                    |name: &str| name.starts_with(&begin) && after.is_none_or(|after| name > after);
                let files = memory.side();
                let wanted = files.iter().filter(|(name, _)| is_wanted(name));
                let file = |(name, bytes): (&String, &Vec<u8>)| SideFile {
                    name: name.clone(),
                    bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                };
                Ok(wanted.map(file).collect())
            }
            #[cfg(feature = "object-store")]
            Engine::Object(object) => object.list(folder, after),
        }
    }

    /// Deletes files; one that is not there is no problem.
    ///
    /// # Errors
    /// The store fails.
    pub fn delete(&self, names: &[String]) -> StorageResult<()> {
        match &self.0 {
            Engine::Memory(memory) => {
                names.iter().for_each(|name| drop(memory.side().remove(name)));
                Ok(())
            }
            #[cfg(feature = "object-store")]
            Engine::Object(object) => object.delete(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Storage;

    #[test]
    fn files_are_put_created_once_listed_and_deleted_in_every_engine_that_has_them() {
        for storage in [
            Storage::memory(),
            #[cfg(feature = "object-store")]
            crate::storage::object::tests::in_memory(),
        ] {
            let files = storage.side_files().unwrap().unwrap();
            assert_eq!(files.get("a/one").unwrap(), None);
            files.put("a/one", b"1").unwrap();
            files.put("a/one", b"one").unwrap();
            files.put("a/b/two", b"").unwrap();
            files.put("ab/three", b"3").unwrap();
            assert!(files.create("a/first", b"mine").unwrap() && files.create("a/first", b"mine").unwrap());
            assert!(!files.create("a/first", b"other").unwrap());
            assert_eq!(files.get("a/one").unwrap().as_deref(), Some(b"one".as_slice()));
            let names = |after| -> Vec<(String, u64)> {
                files.list("a", after).unwrap().into_iter().map(|file| (file.name, file.bytes)).collect()
            };
            let all = [("a/b/two", 0), ("a/first", 4), ("a/one", 3)].map(|(name, n)| (name.to_owned(), n));
            assert_eq!(names(None), all);
            assert_eq!(names(Some("a/b/two")), all[1..]);
            files.delete(&["a/one".to_owned(), "a/absent".to_owned()]).unwrap();
            assert_eq!(names(None), all[..2]);
            for wrong in ["", "/a", "a//b", "a/../b", "a b", "a/\u{e9}"] {
                assert!(files.put(wrong, b"x").is_err(), "{wrong}");
            }
            assert!(files.put("large", &vec![0; SIDE_FILE_BYTES_MAX + 1]).is_err());
        }
        assert!(Storage::local("/absent").side_files().unwrap().is_none());
    }
}
