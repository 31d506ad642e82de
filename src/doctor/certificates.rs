//! Certificates and keys that the configuration names.

use super::report::{Area, Report};
use crate::certificate::expiries;
use crate::config::Config;
use crate::domain::time::{DAY_MS, UtcMillis, Zone};
use crate::http::TlsKeys;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The report names a certificate that expires sooner.
const SOON_MS: i64 = 30 * DAY_MS;

/// Options of librdkafka that name files with certificates.
const KAFKA_FILES: [&str; 2] = ["ssl.ca.location", "ssl.certificate.location"];

/// Looks at every certificate as of `now`.
pub fn examine(config: &Config, now: UtcMillis, report: &mut Report) {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    if let Some(tls) = &config.http.tls {
        files.push(("certificate of [http.tls]".to_owned(), tls.certificate.clone()));
        pair(config, report);
        closed(&tls.key, report);
    }
    let oidc = config.access.as_ref().and_then(|access| access.oidc.as_ref());
    if let Some(authorities) = oidc.and_then(|oidc| oidc.certificate_authorities.clone()) {
        files.push(("certificate_authorities of [access.oidc]".to_owned(), authorities));
    }
    if let Some(authorities) = config.buckets.ca_file.clone() {
        files.push(("ca_file of [storage]".to_owned(), authorities));
    }
    for option in KAFKA_FILES {
        let value = config.kafka.as_ref().and_then(|kafka| kafka.options.get(option));
        // A folder of authorities, or the word of librdkafka for looking around.
        if let Some(path) = value
            .map(|value| PathBuf::from(value.expose()))
            .filter(|path| path.is_file() || path.is_absolute() && !path.is_dir())
        {
            files.push((format!("{option} of [kafka] options"), path));
        }
    }
    if files.is_empty() {
        report.ok(Area::Certificates, "certificate", "the configuration names no certificate");
    }
    for (what, path) in files {
        expiry((&what, &path), (now, &config.zone), report);
    }
}

fn is_authority(what: &str) -> bool {
    ["authorities", "ssl.ca.location", "ca_file"].iter().any(|name| what.contains(name))
}

fn expiry((what, path): (&str, &Path), (now, zone): (UtcMillis, &Zone), report: &mut Report) {
    let place = format!("{what} ({})", path.display());
    let pem = match fs::read(path) {
        Ok(pem) => pem,
        Err(error) => {
            let found = format!("Failed to read the {place}: {error}");
            return report.problem(
                Area::Certificates,
                "certificate",
                found,
                "put the file there, or correct its name",
            );
        }
    };
    // Of authorities one is enough; of a chain every one is needed.
    let whole =
        |all: Vec<UtcMillis>| if is_authority(what) { all.into_iter().max() } else { all.into_iter().min() };
    let at = match expiries(&pem) {
        Ok(all) => whole(all).unwrap_or(now),
        Err(error) => {
            let found = format!("Failed to read the {place}: {error}");
            return report.problem(
                Area::Certificates,
                "certificate",
                found,
                "put a certificate in PEM there",
            );
        }
    };
    let (until, left) = (zone.rfc3339(at), at.since(now));
    let todo = "renew it: docs/runbooks.md, Certificate expired";
    if left <= 0 {
        report.problem(Area::Certificates, "certificate", format!("the {place} expired at {until}"), todo);
    } else if left < SOON_MS {
        let found = format!("the {place} expires at {until}, in {} days", left / DAY_MS);
        report.warning(Area::Certificates, "certificate", found, todo);
    } else {
        report.ok(Area::Certificates, "certificate", format!("the {place} is good until {until}"));
    }
}

/// Whether certificate and key belong together.
fn pair(config: &Config, report: &mut Report) {
    let Some(tls) = &config.http.tls else { return };
    match TlsKeys::load(tls) {
        Ok(_) => report.ok(Area::Certificates, "pair", "certificate and key of [http.tls] belong together"),
        Err(error) => {
            report.problem(Area::Certificates, "pair", error.to_string(), "put the right pair in place")
        }
    }
}

/// Whether others can read a key.
fn closed(key: &Path, report: &mut Report) {
    let Ok(found) = fs::metadata(key) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 == 0 {
        report.ok(Area::Certificates, "key", format!("the key {} is closed to other users", key.display()));
    } else {
        let found =
            format!("the key {} can be read by every user of this machine (mode {mode:o})", key.display());
        report.warning(Area::Certificates, "key", found, "`chmod 640` it, with the group of the service");
    }
}
