//! A small file system in memory, seen by one process of the tests only.

use crate::testkit::skipped::skipped;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where it is mounted, for the process that sees it.
const MOUNTED: &str = "COVERLEDGER_TEST_SMALL_FILE_SYSTEM";
/// Its size; `mount` reads it.
const SIZE: &str = "size=64m";

/// The small file system, in the process that sees it. Any other starts this program again, at the test `name`, with a mount
/// of its own: as root, or as root of a user namespace. Where neither is allowed (in most containers) it reports that;
/// tests with an injected error cover full disks everywhere.
pub(crate) fn file_system(name: &str) -> Option<PathBuf> {
    if let Some(mounted) = std::env::var_os(MOUNTED) {
        return Some(PathBuf::from(mounted));
    }
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let folder = TempDir::new().unwrap();
    let works = |way: &&&[&str]| {
        let mount = ["mount", "-t", "tmpfs", "-o", SIZE, "none"];
        let output = Command::new("unshare").args(**way).args(mount).arg(folder.path()).output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        skipped(
            "a full disk",
            "run as root, or let users have namespaces of their own (sysctl kernel.unprivileged_userns_clone=1 \
             kernel.apparmor_restrict_unprivileged_userns=0): a small tmpfs is mounted",
        );
        return None;
    };
    let output = Command::new("unshare")
        .args(*way)
        .args(["sh", "-c", "mount -t tmpfs -o \"$1\" none \"$0\" && shift && exec \"$@\""])
        .args([folder.path().as_os_str(), SIZE.as_ref(), std::env::current_exe().unwrap().as_os_str()])
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MOUNTED, folder.path())
        .output()
        .unwrap();
    println!("run on a tmpfs: {}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    None
}

/// Fills the file system but for so many bytes. Returns the file that takes the space.
pub(crate) fn leave_free(mounted: &Path, bytes: usize) -> PathBuf {
    let path = mounted.join("ballast");
    let mut ballast = File::create(&path).unwrap();
    let page = [0; 4_096];
    let full = loop {
        if let Err(error) = ballast.write_all(&page) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    let full = ballast.metadata().unwrap().len();
    ballast.set_len(full.saturating_sub(u64::try_from(bytes).unwrap())).unwrap();
    path
}
