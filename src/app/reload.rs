//! SIGHUP: the configuration is read again, and what is safe to change in a running service comes into force.
//!
//! What decides about orders, answers and storage needs a restart, which puts it in force by a commit of its own. The log says which
//! tables are in force now and which wait for that.

use super::access_control::terms;
use super::service::Service;
use crate::access::Access;
use crate::config::{Config, HttpSettings};
use crate::http::HttpState;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tracing::{error, info, warn};

/// What the service was started with, and what changes of it go to.
pub(super) struct Reloader {
    pub(super) file: PathBuf,
    pub(super) in_force: Config,
    pub(super) state: HttpState<Service>,
    pub(super) access: Option<Arc<Access>>,
}

/// Reads the configuration whenever `asked` is notified, until the runtime ends.
pub(super) fn watch(runtime: &Runtime, asked: Arc<Notify>, mut reloader: Reloader) {
    runtime.spawn(async move {
        loop {
            asked.notified().await;
            let working = tokio::task::spawn_blocking(move || {
                reloader.reload();
                reloader
            });
            match working.await {
                Ok(done) => reloader = done,
                Err(problem) => {
                    error!(%problem, "Failed to read the configuration again: report this as a defect; SIGHUP does nothing until the next start");
                    return;
                }
            }
        }
    });
}

impl Reloader {
    fn reload(&mut self) {
        let file = self.file.display();
        let new = match Config::load(&self.file, &|name| std::env::var(name).ok()) {
            Ok(new) => new,
            Err(errors) => {
                for problem in &errors.problems {
                    error!("{problem}");
                }
                error!(
                    "Failed to read {file} again: it has {} errors; the configuration before stays in force",
                    errors.problems.len()
                );
                return;
            }
        };
        for warning in &new.warnings {
            warn!("{warning}");
        }
        let (changed, waiting) = compare(&self.in_force, &new);
        self.state.reload(&new.http, &new.display_names, new.access.as_ref());
        if let Some((access, settings)) = self.access.as_ref().zip(new.access.as_ref()) {
            access.reload(terms(settings));
        }
        self.in_force.http = self.in_force.http.reloaded(&new.http);
        self.in_force.display_names = new.display_names;
        if let (Some(before), Some(after)) = (&self.in_force.access, &new.access) {
            self.in_force.access = Some(before.reloaded(after));
        }
        let list = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        info!(in_force = list(&changed), "{file} was read again");
        if !waiting.is_empty() {
            warn!(
                waiting = list(&waiting),
                "these parts of the configuration changed and need a restart: until then the ones before are in force"
            );
        }
    }
}

/// What changed: what may come into force now, and what needs a restart.
fn compare(before: &Config, new: &Config) -> (Vec<&'static str>, Vec<&'static str>) {
    // Whether reads may wait follows from [storage], which is compared by itself.
    let new_http = HttpSettings { reads_may_wait: before.http.reads_may_wait, ..new.http.clone() };
    let (http, access) = (before.http.reloaded(&new_http), before.access.as_ref().zip(new.access.as_ref()));
    let access_now = access.map(|(before, new)| before.reloaded(new));
    let now = [
        ("[http]", http != before.http),
        ("[access]", access_now.is_some() && access_now != before.access),
        ("display names of platforms", new.display_names != before.display_names),
    ];
    let later = [
        ("timezone", new.zone.name() != before.zone.name()),
        ("tariff", new.tariff.version() != before.tariff.version()),
        ("platforms", new.platforms != before.platforms),
        ("[ledger]", new.ledger != before.ledger),
        ("[storage]", new.storage != before.storage),
        ("[ingest]", new.ingest != before.ingest),
        ("[http]", new_http != http),
        ("[access]", new.access != access_now),
        ("[answers]", new.answers != before.answers),
        ("[kafka]", new.kafka != before.kafka),
        ("[seal]", new.seal != before.seal),
        ("[limits]", new.limits != before.limits),
        ("[shutdown]", new.shutdown != before.shutdown),
    ];
    let names =
        |parts: &[(&'static str, bool)]| parts.iter().filter(|part| part.1).map(|part| part.0).collect();
    (names(&now), names(&later))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(before: &str, new: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let config = |text: &str| Config::from_text(text).unwrap();
        compare(&config(before), &config(new))
    }

    #[test]
    fn each_part_is_in_force_now_or_waits() {
        let none: (Vec<&str>, Vec<&str>) = (vec![], vec![]);
        let rate = "[[rate]]\ncategory = \"c\"\nper_order = \"1\"\n";
        assert_eq!(parts(rate, rate), none);
        assert_eq!(parts("", "[http]\npage_rows_max = 7\n"), (vec!["[http]"], vec![]));
        assert_eq!(
            parts("", "[http]\ntimeout = \"9s\"\nrider_ids_max = 3\n"),
            (vec!["[http]"], vec!["[http]"])
        );
        let access = |more: &str| format!("[access]\n{more}");
        assert_eq!(parts(&access(""), &access("lockout_failures = 9\n")), (vec!["[access]"], vec![]));
        assert_eq!(parts("", &access("")), (vec![], vec!["[access]"]));
        assert_eq!(parts("", rate), (vec![], vec!["tariff"]));
        assert_eq!(parts("", "timezone = \"UTC\"\n").1, ["timezone"]);
        assert_eq!(
            parts("", "[ingest]\nbatch_ms = 9\n[shutdown]\ngrace = \"9s\"\n").1,
            ["[ingest]", "[shutdown]"]
        );
        let named =
            |name: &str| format!("[platform.dada]\nrecords_from = 2025-07-01\ndisplay_name = \"{name}\"\n");
        #[cfg(feature = "object-store")]
        assert_eq!(parts("", "[storage]\nurl = \"s3://ledger/nation\"\n").1, ["[storage]"]);
        assert_eq!(parts(&named("A"), &named("B")), (vec!["display names of platforms"], vec![]));
        assert_eq!(parts(&named("A"), &named("A").replace("07-01", "08-01")).1, ["platforms"]);
    }
}
