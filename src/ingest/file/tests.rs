//! Every byte arrives once, in order, whatever the input is wrapped in.

use super::{FileError, LineReader, OversizedLine};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// Line, bytes, content hash.
type Line = (u64, Vec<u8>, [u8; 16]);

fn all(mut reader: LineReader) -> Result<(Vec<Line>, Vec<OversizedLine>), FileError> {
    let (mut lines, mut oversized) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block()? {
        assert!(block.line_count() > 0);
        assert_eq!(block.line_count(), block.lines().count() + usize::from(block.oversized().is_some()));
        lines.extend(block.lines().map(|line| (line.line, line.bytes.to_vec(), line.content_hash())));
        oversized.extend(block.oversized().cloned());
    }
    assert!(reader.next_block()?.is_none(), "the end stays the end");
    Ok((lines, oversized))
}

fn expected(content: &[u8]) -> Vec<Line> {
    let mut end = 0;
    let mut lines = Vec::new();
    for (line, number) in content.split_inclusive(|&byte| byte == b'\n').zip(1..) {
        let bytes = line.strip_suffix(b"\n").unwrap_or(line);
        let hash = xxh3_128(&content[..end + bytes.len()]).to_be_bytes();
        lines.push((number, bytes.to_vec(), hash));
        end += line.len();
    }
    lines
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// About 3 MB in lines of all kinds: empty ones, carriage returns, bytes that are no text, one of a megabyte.
fn sample() -> Vec<u8> {
    let mut content = Vec::new();
    for number in 0_u32..10_000 {
        content.extend_from_slice(number.to_be_bytes().repeat(number as usize % 90).as_slice());
        content.extend_from_slice(if number % 7 == 0 { b"\r\n" } else { b"\n" });
    }
    content.extend_from_slice(&[b'x'; 1_500_000]);
    content.extend_from_slice(b"\n\nthe last line has no end");
    content
}

#[test]
fn all_wrappings_give_the_same_lines() {
    let content = sample();
    let (first, second) = content.split_at(content.len() / 3);
    let lines = expected(&content);
    for (name, wrapped) in [
        ("plain.jsonl", content.clone()),
        ("one.jsonl.gz", gzip(&content)),
        ("two.jsonl.GZ", [gzip(first), gzip(second)].concat()),
        ("one.jsonl.zst", zstandard(&content)),
        ("two.zst", [zstandard(first), zstandard(b""), zstandard(second)].concat()),
    ] {
        let (_folder, path) = file(name, &wrapped);
        let reader = LineReader::open(&path).unwrap();
        let progress = reader.progress();
        assert_eq!(progress.bytes_total(), Some(wrapped.len() as u64));
        let (read, oversized) = all(reader).unwrap();
        assert!(read == lines, "{name}");
        assert!(oversized.is_empty());
        assert_eq!(progress.bytes_read(), wrapped.len() as u64, "{name}");
    }
}

#[test]
fn an_empty_input_has_no_lines_and_an_empty_line_is_one() {
    let read = |content: &'static [u8]| all(LineReader::new("test", content, None)).unwrap().0.len();
    assert_eq!(read(b""), 0);
    assert_eq!(read(b"\n"), 1);
    assert_eq!(read(b"\n\n"), 2);
    assert_eq!(read(b"a\nb"), 2);
}

#[test]
fn a_file_that_breaks_off_gives_its_whole_lines_and_then_an_error() {
    let content = sample();
    for (name, wrapped) in [("cut.gz", gzip(&content)), ("cut.zst", zstandard(&content))] {
        let (_folder, path) = file(name, &wrapped[..wrapped.len() * 2 / 3]);
        let mut reader = LineReader::open(&path).unwrap();
        let mut lines = 0;
        let error = loop {
            match reader.next_block() {
                Ok(Some(block)) => lines += block.line_count(),
                Ok(None) => panic!("{name}: the end went unnoticed"),
                Err(error) => break error,
            }
        };
        let message = error.to_string();
        assert!(message.contains(name) && message.contains(&format!("line {lines}")), "{message}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("no/such/file.jsonl")] {
        let error = LineReader::open(path).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    let (_folder, path) = file("text.gz", b"this is not gzip\n");
    assert!(matches!(all(LineReader::open(&path).unwrap()), Err(FileError::Read { line: 0, .. })));
}

#[test]
fn a_line_without_bounds_is_counted_and_not_kept() {
    let size = 200 << 20;
    let input =
        std::io::Cursor::new(b"first\n").chain(std::io::repeat(b'x').take(size)).chain(&b"\nlast"[..]);
    let (lines, oversized) = all(LineReader::new("test", input, None)).unwrap();
    assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((oversized.len(), oversized[0].line, oversized[0].length), (1, 2, size));
}

proptest! {
    #[test]
    fn any_content_in_any_blocks_gives_the_same_lines(
        content in prop::collection::vec(prop::sample::select(vec![b'\n', b'a', b'\r', 0xff]), 0..300),
        block_bytes in 1_usize..40,
        more in 0_usize..40,
    ) {
        let line_bytes_max = 2 * block_bytes + more;
        let reader = LineReader::new("test", std::io::Cursor::new(content.clone()), None)
            .with_limits(block_bytes, line_bytes_max);
        let (lines, oversized) = all(reader).unwrap();
        let (long, short): (Vec<Line>, Vec<Line>) =
            expected(&content).into_iter().partition(|line| line.1.len() > line_bytes_max);
        prop_assert_eq!(lines, short);
        let long: Vec<OversizedLine> = long
            .into_iter()
            .map(|(line, bytes, content_hash)| OversizedLine {
                line,
                length: bytes.len() as u64,
                sha256: Sha256::digest(&bytes).into(),
                content_hash,
            })
            .collect();
        prop_assert_eq!(oversized, long);
    }
}
