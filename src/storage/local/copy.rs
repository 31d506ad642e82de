//! Segment files of a checkpoint: they are immutable, so they are linked, or copied to another file system.

use super::segments::Segments;
use super::table::{self, Group};
use crate::storage::error::StorageError;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are copied between two looks at whether to stop.
const COPIED_AT_ONCE: u64 = 64 << 20;

impl Segments {
    /// Links the files with a wanted group, or copies them; returns how many of each.
    pub(super) fn copy_to(
        &self,
        folder: &Path,
        wanted: &dyn Fn(Group) -> bool,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(u64, u64), StorageError> {
        let mut done = BTreeSet::new();
        let (mut linked, mut copied) = (0, 0);
        loop {
            let catalog = self.catalog();
            let needed: BTreeSet<u64> = catalog
                .layers_from(table::first_group(&[]))
                .filter(|(group, _)| wanted(*group))
                .flat_map(|(_, layers)| layers)
                .map(|layer| layer.segment.number)
                .collect();
            let mut moved = None;
            for segment in catalog.segments().filter(|segment| needed.contains(&segment.number)) {
                if done.contains(&segment.number) {
                    continue;
                }
                let target = folder.join(segment.path.file_name().unwrap_or_default());
                match link_or_copy(&segment.path, &target, stop) {
                    Ok(true) => linked += 1,
                    Ok(false) => copied += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        moved = Some((segment.path.clone(), error));
                        continue;
                    }
                    Err(error) => return Err(StorageError::at("copy a segment file", &target)(error)),
                }
                done.insert(segment.number);
                progress(linked + copied, u64::try_from(needed.len()).unwrap_or(u64::MAX));
            }
            match moved {
                // Its live values were moved to a newer file meanwhile.
                Some(_) if !Arc::ptr_eq(&catalog, &self.catalog()) => {}
                Some((path, error)) => return Err(StorageError::at("copy a segment file", &path)(error)),
                None => return Ok((linked, copied)),
            }
        }
    }
}

/// Whether it was linked. A copy is durable.
fn link_or_copy(from: &Path, to: &Path, stop: &AtomicBool) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
        // Another file system, one without links, or too many of them.
        Err(_) => {}
    }
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the process is stopping"));
        }
        if io::copy(&mut source.by_ref().take(COPIED_AT_ONCE), &mut target)? == 0 {
            target.sync_all()?;
            return Ok(false);
        }
    }
}
