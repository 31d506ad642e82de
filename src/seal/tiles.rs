//! Trees in tiles, as in C2SP tlog-tiles: 256 hashes of one level in one immutable file, and bundles of log entries.

use super::hash::Hash;
use super::merkle::{self, Subtrees};
use thiserror::Error;

/// The hashes of a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Tree levels in one tile.
const TILE_HEIGHT: u32 = 8;
/// The longest entry of a log, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// What a file of a tiled log contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree level `8 * level`.
    Hashes {
        /// 0 to 6.
        level: u8,
    },
    /// The entries themselves.
    Entries,
}

/// Which file of a tiled log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Hashes of a level, or entries.
    pub kind: TileKind,
    /// The place in its level.
    pub index: u64,
    /// 1 to 256; less than 256 in a partial tile.
    pub width: u16,
}

impl TileId {
    /// The path below the prefix of the log, e.g. `tile/0/x001/067.p/17`.
    pub fn path(self) -> String {
        let kind = match self.kind {
            TileKind::Hashes { level } => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let mut parts = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            parts.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        parts.reverse();
        let partial = if self.width == TILE_WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{kind}/{}{partial}", parts.join("/"))
    }

    /// Reads a path; `None` for one that [`Self::path`] does not make.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes { level: level.parse().ok().filter(|level| *level <= 6)? },
        };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for part in digits.split('/') {
            let part: u64 = part.trim_start_matches('x').parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(part)?;
        }
        let tile = Self { kind, index, width };
        (width > 0 && tile.path() == path).then_some(tile)
    }

    /// The tile of `level` that contains the hash at `at` in its level, as a tree of `size` leaves has it; `None` outside.
    fn holding(level: u8, at: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
        let index = at / u64::from(TILE_WIDTH);
        let first = index * u64::from(TILE_WIDTH);
        if at >= hashes {
            return None;
        }
        let width = u16::try_from((hashes - first).min(u64::from(TILE_WIDTH))).ok()?;
        Some(Self { kind: TileKind::Hashes { level }, index, width })
    }
}

/// The files that a log of `size` entries has and one of `before` has not, lowest level first.
pub fn added_tiles(before: u64, size: u64) -> Vec<TileId> {
    let mut added = Vec::new();
    let width = u64::from(TILE_WIDTH);
    for level in 0..=6_u8 {
        let shift = TILE_HEIGHT * u32::from(level);
        let (old, new) = (before >> shift, size >> shift);
        if old == new {
            break;
        }
        for index in (old / width)..new.div_ceil(width) {
            let Some(tile) = TileId::holding(level, index * width, size) else { continue };
            if level == 0 {
                added.push(TileId { kind: TileKind::Entries, ..tile });
            }
            added.push(tile);
        }
    }
    added
}

/// A tree of `size` leaves whose tiles `fetch` reads as hashes.
pub struct TiledTree<F> {
    size: u64,
    fetch: F,
}

impl<F, E> TiledTree<F>
where
    F: Fn(TileId) -> Result<Vec<Hash>, E>,
    E: From<TileError>,
{
    /// The tree; `fetch` gives all hashes of a tile.
    pub const fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch }
    }
}

impl<F, E> Subtrees for TiledTree<F>
where
    F: Fn(TileId) -> Result<Vec<Hash>, E>,
    E: From<TileError>,
{
    type Error = E;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, E> {
        let outside = || E::from(TileError::Outside { level, index, size: self.size });
        let tile_level = u8::try_from(level / TILE_HEIGHT).map_err(|_| outside())?;
        let height = level % TILE_HEIGHT;
        let (first, count) = (index << height, 1_u64 << height);
        let tile = TileId::holding(tile_level, first, self.size).ok_or_else(outside)?;
        let hashes = (self.fetch)(tile)?;
        let skipped = usize::try_from(first % u64::from(TILE_WIDTH)).map_err(|_| outside())?;
        let count = usize::try_from(count).map_err(|_| outside())?;
        let part = hashes.get(skipped..skipped + count).ok_or_else(outside)?;
        let mut builder = merkle::TreeBuilder::new();
        part.iter().for_each(|hash| builder.push(*hash, |_, _, _| {}));
        Ok(builder.root())
    }
}

/// The bytes of a tile of hashes.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile of hashes.
///
/// # Errors
/// The length is not that of `width` hashes.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() != usize::from(width) {
        return Err(TileError::Length { bytes: bytes.len(), width });
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// A bundle of entries: each with its length as two bytes, high byte first.
///
/// # Errors
/// An entry is longer than [`ENTRY_BYTES_MAX`].
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| TileError::LongEntry(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
///
/// # Errors
/// The bundle ends within an entry.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<2>().ok_or(TileError::TornBundle)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, behind) = behind.split_at_checked(length).ok_or(TileError::TornBundle)?;
        entries.push(entry);
        rest = behind;
    }
    Ok(entries)
}

/// Why a tile or bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TileError {
    /// A tile of the wrong length.
    #[error("a tile of {width} hashes has {bytes} bytes; it should have {} bytes: fetch it again", usize::from(*width) * 32)]
    Length {
        /// Its length.
        bytes: usize,
        /// The hashes it should have.
        width: u16,
    },
    /// A bundle that ends within an entry.
    #[error("a bundle ends within an entry: fetch it again")]
    TornBundle,
    /// An entry that is too long for a bundle.
    #[error("an entry of {0} bytes is longer than {ENTRY_BYTES_MAX} bytes, the longest that a log takes")]
    LongEntry(usize),
    /// A subtree outside the tree.
    #[error("subtree {index} of level {level} is not in a tree of {size} leaves")]
    Outside {
        /// Level of the subtree.
        level: u32,
        /// Index of the subtree.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
}

#[cfg(test)]
mod tests;
