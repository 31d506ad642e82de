//! Every byte arrives once, in order, whatever the input is wrapped in.

use super::FileError;
use super::LineReader;
use super::OversizedLine;
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

/// A frame without content.
fn skippable(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes().into_iter().rev();
    [0x53, 0x2a, 0x4d, 0x18].into_iter().chain(length).chain(bytes.iter().copied()).collect()
}

/// As `zstd --long=LOG` writes it from a pipe.
fn long_window(content: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
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
        // Names do not matter.
        ("orders.jsonl.gz.1", gzip(&content)),
        ("orders.zstd", zstandard(&content)),
        ("orders.jsonl", gzip(&content)),
        ("orders.gz", zstandard(&content)),
        ("plain.gz", content.clone()),
        ("marked.jsonl", [b"\xef\xbb\xbf", content.as_slice()].concat()),
        ("marked.jsonl.gz", gzip(&[b"\xef\xbb\xbf", content.as_slice()].concat())),
        // As they come from tapes and block devices, and from tools that write several members.
        ("padded.gz", [gzip(&content), vec![0; 100_000]].concat()),
        ("padded-between.gz", [gzip(first), vec![0; 512], gzip(second), vec![0; 3]].concat()),
        (
            "skippable.zst",
            [skippable(b"index"), zstandard(first), skippable(b""), zstandard(second)].concat(),
        ),
        ("long.zst", long_window(&content, 28)),
        ("longest.zst", long_window(&content, 31)),
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

/// Lines until it breaks, and what is said then.
fn broken(wrapped: &[u8], name: &str) -> (usize, String) {
    let (_folder, path) = file(name, wrapped);
    let mut reader = match LineReader::open(&path) {
        Ok(reader) => reader,
        Err(error) => return (0, error.to_string()),
    };
    let mut lines = 0;
    loop {
        match reader.next_block() {
            Ok(Some(block)) => lines += block.line_count(),
            Ok(None) => panic!("{name}: the end went unnoticed"),
            Err(error) => return (lines, error.to_string()),
        }
    }
}

#[test]
fn a_file_that_breaks_off_gives_its_whole_lines_and_then_an_error() {
    let content = sample();
    let third = content.len() / 3;
    for (name, wrapped) in [("cut.gz", gzip(&content)), ("cut.zst", zstandard(&content))] {
        for length in [wrapped.len() * 2 / 3, wrapped.len() - 1, wrapped.len() / 100, 30] {
            let (lines, message) = broken(&wrapped[..length], name);
            assert!(message.contains(name) && message.contains(&format!("line {lines}:")), "{message}");
            assert!(length < wrapped.len() / 2 || lines > 1_000, "{name}: {lines} lines of {length} bytes");
        }
    }
    // A gzip member gives every byte before its end, and with them every whole line.
    let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
    let all = gzip(&content);
    assert_eq!(broken(&all[..all.len() - 1], "cut.gz").0, lines(&content));
    let two = [gzip(&content[..third]), gzip(&content[third..])[..9].to_vec()].concat();
    assert_eq!(broken(&two, "cut.gz").0, lines(&content[..third]));
    let followed = [gzip(&content), b"{\"platform\":1}\n".to_vec()].concat();
    let (read, message) = broken(&followed, "followed.gz");
    assert_eq!(read, lines(&content), "{message}");
}

#[test]
fn a_cut_file_of_short_lines_loses_none_before_the_cut() {
    let content: Vec<u8> = (0..3_000)
        .flat_map(|n| format!("{{\"line\":{n},\"x\":{}}}\n", n * 7_919 % 10_007).into_bytes())
        .collect();
    let wrapped = gzip(&content);
    let cut = &wrapped[..wrapped.len() * 2 / 3];
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(cut).read_to_end(&mut whole).unwrap_err();
    let expected = whole.iter().filter(|&&byte| byte == b'\n').count();
    assert!(expected > 1_000);
    let (lines, message) = broken(cut, "cut.gz");
    assert_eq!(lines, expected);
    assert!(message.contains(&format!("beyond line {expected}:")), "{message}");
    assert_eq!(broken(b"", "orders.jsonl.gz.1").0, 0, "an empty file that should be packed was cut off");
}

#[test]
fn a_window_above_the_bound_is_named() {
    // A frame header alone: magic, no checksum, window of 2^32, one raw block of nothing.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 22 << 3, 1, 0, 0];
    let (_folder, path) = file("longer.zst", &frame);
    let mut reader = LineReader::open(&path).unwrap();
    let error = reader.next_block().unwrap_err();
    let said = error.to_string();
    assert!(said.contains("2^31") && said.contains("--long=32"), "{said}");
}

#[test]
fn what_is_no_json_lines_is_refused_by_name() {
    for (content, what) in [
        (b"\xfd7zXZ\0\0\x04".to_vec(), "xz"),
        (b"BZh91AY&SY".to_vec(), "bzip2"),
        (gzip(b"PK\x03\x04\x14\0"), "zip"),
        (zstandard(b"[{\"platform\":\"aa\"}]"), "JSON array"),
        (gzip(&zstandard(b"{}")), "Zstandard inside"),
        (gzip(&gzip(b"{}")), "gzip inside"),
        (b"\xef\xbb\xbforder_id,rider_id\n1,R1\n".to_vec(), "CSV"),
    ] {
        let (_folder, path) = file("orders.jsonl", &content);
        let error = LineReader::open(&path).err().unwrap();
        assert!(matches!(error, FileError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(what) && error.to_string().contains("orders.jsonl"), "{error}");
    }
}

#[test]
fn a_byte_order_mark_alone_is_an_empty_input_and_only_the_first_is_skipped() {
    let read =
        |content: &[u8]| all(LineReader::look("test", std::io::Cursor::new(content.to_vec()), None).unwrap());
    assert_eq!(read(b"\xef\xbb\xbf").unwrap().0.len(), 0);
    assert_eq!(read(b"\xef\xbb\xbfa\n\xef\xbb\xbfb").unwrap().0, expected(b"a\n\xef\xbb\xbfb"));
    assert_eq!(read(b"\xef\xbb").unwrap().0, expected(b"\xef\xbb"));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("no/such/file.jsonl")] {
        let error = LineReader::open(path).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
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
