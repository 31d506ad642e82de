//! Changed bytes and torn ends.

use super::*;
use std::fs;

/// Flips of a byte: one bit, the highest bit, all.
const FLIPS: [u8; 3] = [0x01, 0x80, 0xff];

#[test]
fn every_changed_byte_of_every_entry_is_found_and_named() {
    let (dir, folder) = log_with(3);
    let path = newest(&folder);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &whole).collect();
    assert_eq!(ends.len(), 3);
    for at in 0..whole.len() {
        // The end of a line belongs to it.
        let number = 1 + ends.iter().filter(|end| **end < at).count();
        for flip in FLIPS {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            let report = chain::verify(&folder).unwrap();
            let named = report.problems.iter().any(|problem| problem.contains(&format!("entry {number}")));
            assert!(named, "byte {at} of entry {number}, flipped by {flip}: {:?}", report.problems);
            let opened = Running::open(dir.path());
            assert!(
                matches!(&opened, Err(AnswerLogError::Damaged { .. })),
                "byte {at} of entry {number}, flipped by {flip}, was not noticed"
            );
            // What was refused was not changed either.
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(chain::verify(&folder).unwrap().holds());
    Running::open(dir.path()).unwrap().close();
}

#[test]
fn a_lost_end_is_found_by_the_witness() {
    let (dir, folder) = log_with(3);
    let path = newest(&folder);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &whole).collect();
    for length in [0, ends[0] + 1, ends[1] + 1, ends[2]] {
        fs::write(&path, &whole[..length]).unwrap();
        let problems = chain::verify(&folder).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains("but entry 3 was written")), "{problems:?}");
        assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::Damaged { .. })), "{length} bytes");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn an_exchanged_entry_with_a_right_digest_of_its_own_is_found_by_the_next_one() {
    let (dir, folder) = log_with(3);
    let path = newest(&folder);
    let whole = fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut entry, _) = Entry::parse(lines[1].trim_ascii_end()).unwrap();
    entry.at_ms += 1;
    let (exchanged, _) = entry.line().unwrap();
    fs::write(&path, [lines[0], &exchanged, lines[2]].concat()).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("entry 3")), "{problems:?}");
    assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::Damaged { .. })));
}

#[test]
fn an_exchanged_entry_at_the_end_of_a_file_is_found_by_the_next_file() {
    let (dir, folder) = log_with(2);
    let running = Running::open(dir.path()).unwrap();
    running.append(answer("R1", None, 1)).unwrap();
    running.close();
    let all = segment::list(&folder).unwrap();
    assert_eq!(all.len(), 2);
    let first = fs::read(&all[0].1).unwrap();
    let lines: Vec<&[u8]> = first.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut entry, _) = Entry::parse(lines[1].trim_ascii_end()).unwrap();
    entry.at_ms += 1;
    fs::write(&all[0].1, [lines[0], &entry.line().unwrap().0].concat()).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("entry 3")), "{problems:?}");
    assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::Damaged { .. })));
}

#[test]
fn a_replaced_end_is_found_by_the_witness() {
    let (dir, folder) = log_with(2);
    // Another log with other answers is whole in itself.
    let (other, other_folder) = (TempDir::new().unwrap(), "main");
    let running = Running::open(other.path()).unwrap();
    (0..2).for_each(|_| assert!(running.append(answer("R9", None, 1)).is_ok()));
    running.close();
    fs::copy(newest(&other.path().join(other_folder)), newest(&folder)).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("another digest")), "{problems:?}");
    assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::Damaged { .. })));
}

#[test]
fn what_a_crash_tears_is_cut_off_wherever_it_tears() {
    let (dir, folder) = log_with(2);
    let path = newest(&folder);
    let two = fs::read(&path).unwrap();
    let report = chain::verify(&folder).unwrap();
    // A third entry that was being written, on a file that still has its zeros.
    let entry = Entry {
        number: 3,
        group: 3,
        at_ms: 9,
        previous: Digest::parse(&report.digest).unwrap(),
        content: answer("R3", None, 9).content,
    };
    let (line, _) = entry.line().unwrap();
    for written in 0..=line.len() {
        let bytes = [two.as_slice(), &line[..written], &vec![0; 100 + line.len() - written]].concat();
        fs::write(&path, bytes).unwrap();
        let running = Running::open(dir.path()).unwrap();
        let is_whole = written == line.len();
        assert_eq!(running.log.last(), if is_whole { 3 } else { 2 }, "{written} bytes of the third");
        assert_eq!(running.log.cut_bytes() > 0, written > 0 && !is_whole, "{written} bytes of the third");
        drop(running.log);
        running.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let last = if is_whole { 3 } else { 2 };
        let after = chain::verify(&folder).unwrap();
        assert!(after.holds() && after.last == last, "{written}: {:?}", after.problems);
    }
}

#[test]
fn entries_are_found_under_the_name_that_their_file_had_before_it_was_durable() {
    let (dir, folder) = log_with(2);
    let running = Running::open(dir.path()).unwrap();
    running.append(answer("R3", None, 3)).unwrap();
    running.close();
    let newest_file = newest(&folder);
    fs::rename(&newest_file, folder.join("next")).unwrap();
    let before = chain::verify(&folder).unwrap();
    assert!(before.holds() && before.last == 3, "{:?}", before.problems);
    let again = Running::open(dir.path()).unwrap();
    assert!(newest_file.is_file());
    assert_eq!(again.append(answer("R4", None, 4)).unwrap(), 4);
    assert_eq!(again.log.entry(3).unwrap().unwrap().at_ms, 3);
    again.close();
    let after = chain::verify(&folder).unwrap();
    assert!(after.holds() && after.last == 4, "{:?}", after.problems);
}

#[test]
fn only_what_was_never_acknowledged_is_cut_off() {
    let (dir, folder) = log_with(1);
    let path = newest(&folder);
    let one = fs::read(&path).unwrap();
    let link = chain::verify(&folder).unwrap().digest;
    let line = |number: u64, group: u64, previous: Digest| {
        let content = answer("R3", None, 9).content;
        Entry { number, group, at_ms: 9, previous, content }.line().unwrap()
    };
    let (second, digest) = line(2, 2, Digest::parse(&link).unwrap());
    let mut torn = second.clone();
    torn[80] = 0;
    for (group, is_cut) in [(2, true), (3, false)] {
        // The third was written with the second, or after the second was durable.
        let (third, _) = line(3, group, digest);
        fs::write(&path, [one.as_slice(), &torn, &third].concat()).unwrap();
        match Running::open(dir.path()) {
            Ok(running) => {
                assert!(is_cut && running.log.last() == 1 && running.log.cut_bytes() > 0);
                running.close();
            }
            Err(AnswerLogError::Damaged { problem }) => {
                assert!(!is_cut && problem.contains("entry 2"), "{problem}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_missing_file_and_a_strange_line_are_found() {
    let (dir, folder) = log_with(2);
    for _ in 0..2 {
        let running = Running::open(dir.path()).unwrap();
        running.append(answer("R1", None, 1)).unwrap();
        running.close();
    }
    let all = segment::list(&folder).unwrap();
    let second = fs::read(&all[1].1).unwrap();
    fs::remove_file(&all[1].1).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("where entry 3 belongs")), "{problems:?}");
    assert!(matches!(Running::open(dir.path()), Err(AnswerLogError::Damaged { .. })));
    // A line with a digest of its own that is no entry.
    let json = b"{\"number\":3}";
    let strange = [Digest::of(json).to_string().as_bytes(), b" ", json, b"\n"].concat();
    fs::write(&all[1].1, strange).unwrap();
    let problems = chain::verify(&folder).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("entry 3")), "{problems:?}");
    fs::write(&all[1].1, second).unwrap();
    assert!(chain::verify(&folder).unwrap().holds());
}
