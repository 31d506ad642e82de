//! Reading from segment files: pages of places through the bounded memory, values as they are asked for.

use super::AHEAD_BYTES;
use super::failure::{Failure, Fault};
use super::segment::{self, Sealed};
use super::table::{Entry, Found, Page, Place};
use crate::storage::cache::{Owner, PartCache};
use arc_swap::ArcSwapOption;
use rustix::fs::{Advice, fadvise};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Files that are held open at a time.
const OPEN_FILES_MAX: usize = 512;

/// A read that took longer waited for a disk, or for a core.
const READ_SLOW: Duration = Duration::from_micros(40);
/// So often after such a read it is worth saying first what will be read.
const FETCHES_AFTER: u32 = 64;

/// A sealed file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Where its values lie.
    values: (u64, u64),
    handle: ArcSwapOption<File>,
}

impl Segment {
    pub(super) fn new(path: PathBuf, sealed: &Sealed) -> Self {
        let Sealed { number, bytes, values, .. } = *sealed;
        Self { number, path, bytes, values, handle: ArcSwapOption::empty() }
    }

    /// Bytes of all its values, deleted ones included.
    pub(super) const fn value_bytes(&self) -> u64 {
        self.values.1.saturating_sub(self.values.0)
    }

    /// The open file; `true` when it was opened now.
    fn file(&self) -> io::Result<(Arc<File>, bool)> {
        if let Some(file) = self.handle.load_full() {
            return Ok((file, false));
        }
        let file = Arc::new(File::open(&self.path)?);
        // A question reads a block here and a page there: what lies beside them is of no use, and on its way it delays others.
        advise(&file, 0, None, Advice::Random);
        self.handle.store(Some(Arc::clone(&file)));
        Ok((file, true))
    }
}

/// Tells the system how a file is read. Where it cannot be told, reading is slower and nothing else.
fn advise(file: &File, from: u64, bytes: Option<NonZeroU64>, advice: Advice) {
    if let Err(error) = fadvise(file, from, bytes, advice) {
        tracing::debug!(%error, "Failed to advise the system about a file: its reads are not read ahead");
    }
}

/// The way to what is in the files.
#[derive(Debug)]
pub(super) struct Pages {
    cache: Arc<PartCache>,
    opened: Mutex<VecDeque<Weak<Segment>>>,
    /// So often it is still worth it.
    fetching: AtomicU32,
}

impl Pages {
    pub(super) fn new(cache: Arc<PartCache>) -> Self {
        // After a start much has to come from the disk.
        Self { cache, opened: Mutex::default(), fetching: AtomicU32::new(FETCHES_AFTER) }
    }

    /// The open file of a segment; the file that was opened first is closed for it.
    fn file(&self, segment: &Arc<Segment>) -> Result<Arc<File>, Failure> {
        let (file, opened_now) = segment.file().map_err(Failure::at(&segment.path))?;
        if opened_now {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.push_back(Arc::downgrade(segment));
            if opened.len() > OPEN_FILES_MAX
                && let Some(first) = opened.pop_front()
            {
                // A reader that has it open continues reading; the next one opens it again.
                first.upgrade().iter().for_each(|segment| segment.handle.store(None));
            }
        }
        Ok(file)
    }

    fn read_page(&self, segment: &Arc<Segment>, entry: &Entry, page: u32) -> Result<Page, Failure> {
        let file = self.file(segment)?;
        segment::read_page(&file, segment.number, segment.values, entry, page)
            .map_err(Failure::at(&segment.path))
    }

    fn page(&self, segment: &Arc<Segment>, entry: &Entry, page: u32) -> Result<Page, Failure> {
        let read = || self.read_page(segment, entry, page).map(|page| page.bytes());
        self.cache
            .get_owned(Owner::Segment(segment.number), entry.page::<Place>(page).0, read)
            .map(Page::held)
    }

    /// Where the value of a number lies, if there is one.
    pub(super) fn find(
        &self,
        segment: &Arc<Segment>,
        entry: &Entry,
        number: u32,
    ) -> Result<Option<Place>, Failure> {
        if !entry.spans(number) {
            return Ok(None);
        }
        let (mut low, mut high) = (0, entry.pages());
        let mut at = entry.page_of(number);
        while low < high {
            match self.page(segment, entry, at)?.find(number) {
                Found::Here(place) => return Ok(Some(place)),
                Found::Nowhere => return Ok(None),
                Found::InPagesBefore => high = at,
                Found::InPagesAfter => low = at + 1,
            }
            at = low + (high.saturating_sub(low)) / 2;
        }
        Ok(None)
    }

    /// Calls `see` with every place of a group, in the order of numbers. What is read is not kept: it is read once.
    pub(super) fn visit(
        &self,
        segment: &Arc<Segment>,
        entry: &Entry,
        mut see: impl FnMut(Place),
    ) -> Result<(), Failure> {
        for page in 0..entry.pages() {
            self.read_page(segment, entry, page)?.places().for_each(&mut see);
        }
        Ok(())
    }

    /// The values from this place on are read next, one after the other: the system fetches them in one go.
    pub(super) fn read_ahead(&self, segment: &Arc<Segment>, place: Place) -> Result<(), Failure> {
        let bytes = segment.values.1.saturating_sub(place.offset).min(AHEAD_BYTES);
        advise(&*self.file(segment)?, place.offset, NonZeroU64::new(bytes), Advice::WillNeed);
        Ok(())
    }

    /// This value is read soon: where the system has to fetch it, it begins now, in the background.
    pub(super) fn fetch(&self, segment: &Arc<Segment>, place: Place) -> Result<(), Failure> {
        let bytes = NonZeroU64::new(u64::from(place.length));
        advise(&*self.file(segment)?, place.offset, bytes, Advice::WillNeed);
        Ok(())
    }

    /// Asked before a question fetches: whether reads waited for a disk of late. Where all is in memory, saying first what will
    /// be read costs a twentieth of an answer and brings nothing.
    pub(super) fn is_worth_fetching(&self) -> bool {
        self.fetching.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Reads a value.
    pub(super) fn value(&self, segment: &Arc<Segment>, place: Place) -> Result<Vec<u8>, Failure> {
        let file = self.file(segment)?;
        let mut value = vec![0; usize::try_from(place.length).unwrap_or(usize::MAX)];
        let began = Instant::now();
        let read = file.read_exact_at(&mut value, place.offset).map_err(Fault::Io);
        if began.elapsed() > READ_SLOW {
            self.fetching.store(FETCHES_AFTER, Ordering::Relaxed);
        }
        read.map_err(Failure::at(&segment.path)).map(|()| value)
    }
}
