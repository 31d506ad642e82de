//! The disk of the data directory, and that of the answer logs where they lie elsewhere: space, file system, speed of writes, who may
//! read it.

use super::report::{Area, Report};
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Small writes that are synced, each.
const SYNCS: usize = 24;
/// What one of them writes.
const SMALL_BYTES: usize = 4 << 10;
/// What is written in one piece and synced.
const LARGE_BYTES: usize = 32 << 20;
/// An fsync that takes longer delays commits and answers.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// One that takes longer makes lag.
const BAD_SYNC: Duration = Duration::from_millis(100);
/// A disk that writes less in a second is slow.
const SLOW_BYTES_PER_S: u128 = 50_000_000;

/// With less free space than this, an answer log cannot prepare its next files, and no answer is sent.
const ANSWERS_MIN_BYTES: u64 = 16 << 20;
/// With less, it has room for some hundred thousand answers.
const ANSWERS_LOW_BYTES: u64 = 256 << 20;

/// How the configuration names the folders.
const DATA_DIR: &str = "`data_dir` under [ledger]";
const ANSWERS_DIR: &str = "`dir` under [answers]";

/// File systems by their numbers, with what is wrong with them.
const FILE_SYSTEMS: [(u64, &str, Option<Unfit>); 11] = [
    (0xEF53, "ext4", None),
    (0x5846_5342, "xfs", None),
    (0x9123_683E, "btrfs", None),
    (0xF2F5_2010, "f2fs", None),
    (0x2FC1_2FC1, "zfs", None),
    (0x0102_1994, "tmpfs", Some(Unfit::Memory)),
    (0x8584_58F6, "ramfs", Some(Unfit::Memory)),
    (0x794C_7630, "overlayfs", Some(Unfit::Container)),
    (0x6969, "NFS", Some(Unfit::Network)),
    (0xFF53_4D42, "CIFS", Some(Unfit::Network)),
    (0x6573_5546, "FUSE", Some(Unfit::Network)),
];

/// Why a file system is not for a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfit {
    /// It is in memory.
    Memory,
    /// It belongs to a container and goes with it.
    Container,
    /// Another machine or program is behind it.
    Network,
}

/// Looks at the disk of `folder`, the data directory, which need not exist yet.
pub fn examine(folder: &Path, min_free_bytes: u64, report: &mut Report) {
    let Some(there) = look(folder, DATA_DIR, report) else { return };
    free_space(there, min_free_bytes, report);
    if let Some(speed) = measured(there, report) {
        speed.judge_syncs(there, report);
        speed.judge_large(report);
    }
}

/// Looks at the disk of `folder`, which has the answer logs instead of the data directory, and need not exist yet.
pub fn examine_answers(folder: &Path, data_dir: &Path, report: &mut Report) {
    let Some(there) = look(folder, ANSWERS_DIR, report) else { return };
    room_for_answers(there, report);
    if let Some(speed) = measured(there, report) {
        speed.judge_syncs(there, report);
    }
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    if device(there).is_some_and(|here| device(data_dir) == Some(here)) {
        let found = format!("{} is on the file system of {}", folder.display(), data_dir.display());
        let todo = "an answer waits for what ingest writes, as it does without `dir` under [answers]: name a folder on another disk";
        report.warning(Area::Disk, "answers_disk", found, todo);
    }
}

/// The folder or, where that is not there, the one that would hold it: who may read it, and its file system.
fn look<'a>(folder: &'a Path, key: &str, report: &mut Report) -> Option<&'a Path> {
    let Some(there) = folder.ancestors().find(|above| above.is_dir()) else {
        let found = format!("{} and no folder above it can be found", folder.display());
        report.problem(Area::Disk, "folder", found, format!("correct {key}, or mount the disk"));
        return None;
    };
    // A relative path ends in an empty one.
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    if there == folder {
        permissions(folder, report);
    } else {
        let found = format!("{} does not exist yet; {} would hold it", folder.display(), there.display());
        report.warning(
            Area::Disk,
            "folder",
            found,
            "a start makes it; if something should be there, mount its disk first",
        );
    }
    file_system(there, key, report);
    Some(there)
}

fn measured(folder: &Path, report: &mut Report) -> Option<Speed> {
    let failed = |error: io::Error| {
        report.problem(
            Area::Disk,
            "write",
            format!("Failed to write and sync a file in {}: {error}", folder.display()),
            "check the rights of this user and the health of the disk (`dmesg`, SMART)",
        );
    };
    measure(folder).map_err(failed).ok()
}

fn room_for_answers(folder: &Path, report: &mut Report) {
    let free = match fs2::available_space(folder) {
        Ok(free) => free,
        Err(error) => {
            let found = format!("Failed to ask for the free space of {}: {error}", folder.display());
            return report.problem(Area::Disk, "answers_free_space", found, "check that the disk is mounted");
        }
    };
    let found = format!("{} MiB are free for answer logs in {}", free >> 20, folder.display());
    let todo = "free some space or enlarge the disk: without space for the next file of 4 MiB no answer is sent; `retention` under \
                [answers] bounds the logs";
    if free < ANSWERS_MIN_BYTES {
        report.problem(Area::Disk, "answers_free_space", found, todo);
    } else if free < ANSWERS_LOW_BYTES {
        report.warning(Area::Disk, "answers_free_space", found, todo);
    } else {
        report.ok(Area::Disk, "answers_free_space", found);
    }
}

fn permissions(folder: &Path, report: &mut Report) {
    match fs::metadata(folder) {
        Ok(found) if found.permissions().mode() & 0o007 != 0 => report.warning(
            Area::Disk,
            "permissions",
            format!(
                "{} can be entered by every user of this machine (mode {:o})",
                folder.display(),
                found.permissions().mode() & 0o777
            ),
            "it names riders: `chmod 750` it",
        ),
        Ok(_) => {
            report.ok(Area::Disk, "permissions", format!("{} is closed to other users", folder.display()))
        }
        Err(error) => report.problem(
            Area::Disk,
            "permissions",
            format!("Failed to look at {}: {error}", folder.display()),
            "check the rights of this user",
        ),
    }
}

fn file_system(folder: &Path, key: &str, report: &mut Report) {
    let found = match statfs(folder) {
        Ok(found) => found,
        Err(error) => {
            let found = format!("Failed to ask for the file system of {}: {error}", folder.display());
            return report.problem(Area::Disk, "file_system", found, "check that the disk is mounted");
        }
    };
    // The number is 32 bits wide; some systems keep it in a signed field.
    let magic = u64::try_from(found.f_type & 0xFFFF_FFFF).unwrap_or_default();
    let known = FILE_SYSTEMS.iter().find(|(number, _, _)| *number == magic);
    let (name, unfit) = known.map_or(("an unknown file system", None), |(_, name, unfit)| (*name, *unfit));
    let place = format!("{} is on {name}", folder.display());
    match unfit {
        None => report.ok(Area::Disk, "file_system", place),
        Some(Unfit::Memory) => report.problem(
            Area::Disk,
            "file_system",
            format!("{place}, which is in memory: everything is lost with the machine"),
            format!("put {key} on a disk"),
        ),
        Some(Unfit::Container) => report.warning(
            Area::Disk,
            "file_system",
            format!("{place}: the layer of a container goes with the container"),
            format!("mount a volume at {key}"),
        ),
        Some(Unfit::Network) => report.warning(
            Area::Disk,
            "file_system",
            format!("{place}: locks and fsync may mean less there than on a disk"),
            format!("put {key} on a disk of this machine, or make sure that fsync is durable and locks are exclusive"),
        ),
    }
    if statvfs(folder).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        let found = format!("{} is mounted read-only", folder.display());
        report.problem(
            Area::Disk,
            "read_only",
            found,
            "look at `dmesg` for the cause, then mount it for writing",
        );
    }
}

fn free_space(folder: &Path, min_free_bytes: u64, report: &mut Report) {
    let free = match fs2::available_space(folder) {
        Ok(free) => free,
        Err(error) => {
            let found = format!("Failed to ask for the free space of {}: {error}", folder.display());
            return report.problem(Area::Disk, "free_space", found, "check that the disk is mounted");
        }
    };
    let (free_mib, min_mib) = (free >> 20, min_free_bytes >> 20);
    let found =
        format!("{free_mib} MiB are free; below {min_mib} MiB (ledger.min_free_bytes) nothing is taken in");
    if free < min_free_bytes {
        report.problem(
            Area::Disk,
            "free_space",
            found,
            "free some space: reading continues once an eighth more than that is free",
        );
    } else if free < min_free_bytes.saturating_mul(4) {
        report.warning(
            Area::Disk,
            "free_space",
            found,
            "free some space or enlarge the disk; compaction needs space, too",
        );
    } else {
        report.ok(Area::Disk, "free_space", found);
    }
}

/// What the disk did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Speed {
    /// The middle of the small synced writes.
    sync_middle: Duration,
    /// The slowest of them.
    sync_max: Duration,
    /// The large write, synced.
    large: Duration,
}

/// Writes into a file without a name: nothing remains of it, whatever happens.
fn measure(folder: &Path) -> io::Result<Speed> {
    let mut file = tempfile::tempfile_in(folder)?;
    let small = [0x5A; SMALL_BYTES];
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        took.push(synced(&mut file, |file| file.write_all(&small))?);
    }
    took.sort_unstable();
    file.seek(SeekFrom::Start(0))?;
    let piece = vec![0xA5; 1 << 20];
    let large =
        synced(&mut file, |file| (0..LARGE_BYTES / piece.len()).try_for_each(|_| file.write_all(&piece)))?;
    let at = |nth: usize| took.get(nth).copied().unwrap_or_default();
    Ok(Speed { sync_middle: at(SYNCS / 2), sync_max: at(SYNCS - 1), large })
}

fn synced(file: &mut File, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Duration> {
    let started = Instant::now();
    write(file)?;
    file.sync_data()?;
    Ok(started.elapsed())
}

impl Speed {
    fn judge_syncs(self, folder: &Path, report: &mut Report) {
        let (middle, max) = (self.sync_middle.as_micros(), self.sync_max.as_micros());
        let found =
            format!("an fsync in {} takes {middle} µs, at most {max} µs of {SYNCS}", folder.display());
        let todo = "give the ledger a disk of its own with power-loss protection; a write of the answer log and every commit wait for it";
        if self.sync_middle > BAD_SYNC {
            report.problem(Area::Disk, "fsync", found, todo);
        } else if self.sync_middle > SLOW_SYNC || self.sync_max > BAD_SYNC.saturating_mul(3) {
            report.warning(Area::Disk, "fsync", found, todo);
        } else {
            report.ok(Area::Disk, "fsync", found);
        }
    }

    fn judge_large(self, report: &mut Report) {
        let bytes_per_s =
            u128::try_from(LARGE_BYTES).unwrap_or_default() * 1_000_000 / self.large.as_micros().max(1);
        let found = format!("it writes {} MB/s", bytes_per_s / 1_000_000);
        if bytes_per_s < SLOW_BYTES_PER_S {
            report.warning(
                Area::Disk,
                "write_speed",
                found,
                "compaction writes everything several times: use a faster disk",
            );
        } else {
            report.ok(Area::Disk, "write_speed", found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn levels(report: &Report) -> Vec<(&'static str, Level)> {
        report.findings.iter().map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn speed_is_judged_by_what_waits_for_it() {
        let ms = Duration::from_millis;
        let speed =
            |middle, max, large| Speed { sync_middle: ms(middle), sync_max: ms(max), large: ms(large) };
        let judge = |speed: Speed| {
            let mut report = Report::default();
            speed.judge_syncs(Path::new("/data"), &mut report);
            speed.judge_large(&mut report);
            levels(&report)
        };
        use Level::{Ok, Problem, Warning};
        assert_eq!(judge(speed(2, 9, 100)), [("fsync", Ok), ("write_speed", Ok)]);
        assert_eq!(judge(speed(21, 90, 100)), [("fsync", Warning), ("write_speed", Ok)]);
        assert_eq!(judge(speed(2, 400, 100)), [("fsync", Warning), ("write_speed", Ok)]);
        assert_eq!(judge(speed(101, 400, 2_000)), [("fsync", Problem), ("write_speed", Warning)]);
    }

    #[test]
    fn a_disk_is_measured_and_nothing_remains() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        examine(folder.path(), 0, &mut report);
        for check in ["permissions", "file_system", "free_space", "fsync", "write_speed"] {
            assert!(levels(&report).iter().any(|(name, _)| *name == check), "{check}: {report:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn memory_is_no_disk_and_an_open_folder_is_told() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut report = Report::default();
        examine(folder.path(), u64::MAX, &mut report);
        let levels = levels(&report);
        assert!(levels.contains(&("file_system", Level::Problem)), "{report:?}");
        assert!(levels.contains(&("permissions", Level::Warning)), "{report:?}");
        assert!(levels.contains(&("free_space", Level::Problem)), "{report:?}");
    }

    #[test]
    fn the_disk_of_the_answer_logs_is_looked_at_as_well() {
        let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let mut report = Report::default();
        examine_answers(folder.path(), memory.path(), &mut report);
        let found = levels(&report);
        for check in ["permissions", "file_system", "fsync"] {
            assert!(found.iter().any(|(name, _)| *name == check), "{check}: {report:?}");
        }
        assert!(found.contains(&("answers_free_space", Level::Ok)), "{report:?}");
        assert!(!found.iter().any(|(name, _)| *name == "answers_disk"), "{report:?}");
        let mut report = Report::default();
        examine_answers(&folder.path().join("a"), folder.path(), &mut report);
        let found = levels(&report);
        assert!(found.contains(&("folder", Level::Warning)), "{report:?}");
        assert!(found.contains(&("answers_disk", Level::Warning)), "{report:?}");
        let mut report = Report::default();
        examine_answers(Path::new("/proc/nothing"), folder.path(), &mut report);
        let found = levels(&report);
        assert!(found.contains(&("write", Level::Problem)), "{report:?}");
        assert!(found.contains(&("answers_free_space", Level::Problem)), "{report:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        examine(&folder.path().join("a/b"), 0, &mut report);
        assert_eq!(
            report.findings.first().map(|finding| (finding.check, finding.level)),
            Some(("folder", Level::Warning))
        );
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut report = Report::default();
        examine(Path::new("/proc/nothing"), 0, &mut report);
        assert!(levels(&report).contains(&("write", Level::Problem)), "{report:?}");
    }
}
