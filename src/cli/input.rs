//! A file that a command reads twice: once to check it, once to use it.

use anyhow::Context;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

/// An input that can be read again from its start.
#[derive(Debug)]
pub(super) enum Input {
    /// A file on a disk.
    File(File),
    /// What came through a pipe.
    Memory(Cursor<Vec<u8>>),
}

impl Input {
    /// Opens a file; `-` is standard input, which is read whole.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Self::whole(io::stdin().lock()).context("Failed to read standard input");
        }
        let name = path.display();
        let file = File::open(path).with_context(|| format!("Failed to open {name}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(Self::File(file));
        }
        Self::whole(file).with_context(|| format!("Failed to read {name}"))
    }

    fn whole(mut from: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        Ok(Self::Memory(Cursor::new(bytes)))
    }

    /// Bytes of it.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.metadata().map_or(0, |metadata| metadata.len()),
            Self::Memory(bytes) => u64::try_from(bytes.get_ref().len()).unwrap_or(u64::MAX),
        }
    }

    /// From the start again.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.rewind(),
            Self::Memory(bytes) => bytes.rewind(),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}
