//! Logs in a folder of their own: checked there, in backups and back again, and never begun twice.

use super::*;

/// The folder of the logs, in the folder of the configuration.
const FAST: &str = "[answers]\ndir = \"fast\"\n";

impl Place {
    fn asked(&self) -> u64 {
        let mut program = self.serve();
        let reply = http::get(&program.address(), &format!("/v1/coverage?rider_id=R1&{AT}"), "").unwrap();
        assert_eq!(program.terminate(), Some(0));
        entry_of(&reply.head)
    }

    /// A start that is refused; returns what it says.
    #[track_caller]
    fn refused(&self) -> String {
        let (code, said) = self.serve().end();
        assert_eq!(code, Some(1), "{said}");
        said
    }
}

#[test]
fn logs_in_a_folder_of_their_own_are_verified_and_a_backup_brings_them_back() {
    let place = Place::with_logs_in("fast", FAST);
    // As at the top of a disk.
    fs::create_dir_all(place.path("fast/lost+found")).unwrap();
    let mut program = place.serve();
    program.get(&format!("/v1/coverage?rider_id=R1&{AT}"));
    let backups = [place.path("beside"), place.path("without")];
    place.done(&["backup", backups[0].to_str().unwrap()]);
    for inside in ["fast", "fast/backup"] {
        let output = place.run(&["backup", place.path(inside).to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("the folder of the answer logs"), "{said}");
    }
    assert_eq!(program.terminate(), Some(0));
    assert!(!place.path("data/answers").exists());
    place.done(&["backup", backups[1].to_str().unwrap()]);
    for args in [&["answers", "verify"][..], &["verify"]] {
        let said = place.done(args);
        assert!(said.contains("answer log main") && !said.contains("lost"), "{said}");
    }
    for (nth, backup) in backups.iter().enumerate() {
        assert!(backup.join("answers/main").is_dir());
        fs::rename(place.path("data"), place.path(&format!("data-{nth}"))).unwrap();
        fs::rename(place.path("fast"), place.path(&format!("fast-{nth}"))).unwrap();
        place.done(&["restore", "--from", backup.to_str().unwrap()]);
        assert!(!place.path("data/answers").exists());
        let last = *place.entries().last_key_value().unwrap().0;
        assert!(place.done(&["verify"]).contains("answer log main"));
        assert_eq!(place.asked(), last + 1);
    }
    // What is there stays.
    fs::rename(place.path("data"), place.path("data-2")).unwrap();
    let before = place.entries();
    let output = place.run(&["restore", "--from", backups[0].to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("fast/main is there and stays"), "{said}");
    assert_eq!(place.entries(), before);
    damaged_is_found(&place, &place.log());
}

#[test]
fn a_log_does_not_begin_again_in_another_folder() {
    let mut place = Place::new();
    let first = place.asked();
    place.configure("0.25", FAST);
    let said = place.refused();
    assert!(said.contains("it began in") && said.contains("data/answers/main to"), "{said}");
    for args in [&["answers", "verify"][..], &["verify"], &["doctor"]] {
        let output = place.run(args);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("it began in"), "{args:?}: {said}");
    }
    // Moved as the message says, it goes on, with an entry about the configuration.
    fs::create_dir_all(place.path("fast")).unwrap();
    fs::rename(place.log(), place.path("fast/main")).unwrap();
    place.answers = "fast";
    assert_eq!(place.asked(), first + 2);
    // Back again, and with its disk away.
    place.configure("0.25", "");
    assert!(place.refused().contains("it began in"));
    place.configure("0.25", FAST);
    fs::rename(place.path("fast"), place.path("unmounted")).unwrap();
    fs::create_dir(place.path("fast")).unwrap();
    let said = place.refused();
    assert!(said.contains("has no entry there; mount its disk"), "{said}");
    fs::remove_dir_all(place.path("fast")).unwrap();
    fs::rename(place.path("unmounted"), place.path("fast")).unwrap();
    assert_eq!(place.asked(), first + 3);
}

#[test]
fn two_processes_cannot_have_one_log() {
    let place = Place::with_logs_in("fast", FAST);
    let mut program = place.serve();
    program.address();
    let other = Place::with_logs_in("data/answers", "");
    let more = |name: &str| format!("[answers]\ndir = {:?}\nname = \"{name}\"\n", place.path("fast"));
    other.configure("0.25", &more("main"));
    assert!(other.refused().contains("another process has it; give this one another name in [answers]"));
    other.configure("0.25", &more("east-1"));
    assert_eq!(other.serve_and_stop(), Some(0));
    assert_eq!(program.terminate(), Some(0));
    assert!(place.done(&["answers", "verify"]).contains("answer log east-1"));
}
