//! `[storage]`: the bucket of an object store in which the ledger lies, if it is not in the data directory.

use super::problem::Report;
use super::reader::Section;
use super::value;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// Longest name of a bucket, and the shortest.
const BUCKET_CHARS: std::ops::RangeInclusive<usize> = 3..=63;
/// Longest prefix of names.
const PREFIX_CHARS_MAX: usize = 200;
/// Gateways at most.
const ENDPOINTS_MAX: usize = 16;

/// A bucket, and how it is reached: `[storage]`. Credentials are not part of it: they come from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// The bucket.
    pub bucket: String,
    /// Names of objects begin with it; empty = at the top.
    pub prefix: String,
    /// Addresses of gateways; empty = those of AWS.
    pub endpoints: Vec<String>,
    /// The region; `None` = from the environment.
    pub region: Option<String>,
    /// Whether the bucket is part of the path of an address instead of its host.
    pub is_path_style: bool,
    /// Authorities to trust besides those of this machine, in PEM.
    pub ca_file: Option<PathBuf>,
    /// A proxy for all requests; `None` = from the environment.
    pub proxy: Option<String>,
    /// What the cache of segments takes on the disk of the data directory at most.
    pub cache_bytes: u64,
    /// How often a reader or a standby looks for new commits.
    pub follow_every: Duration,
    /// Once a reader could not confirm for so long that its state is the newest, its answers about the present are undetermined.
    pub staleness_max: Duration,
}

impl StorageSettings {
    /// `s3://bucket/prefix`, for messages.
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    /// The same way to another bucket, or to another prefix of one.
    ///
    /// # Errors
    /// `url` is no `s3://BUCKET/PREFIX`.
    pub fn to(&self, url: &str) -> Result<Self, String> {
        let (bucket, prefix) = place(url)?;
        Ok(Self { bucket, prefix, ..self.clone() })
    }

    /// How buckets are reached, and whether the ledger lies in the one that is named.
    pub(super) fn read(mut section: Section<'_>, folder: &Path, report: &mut Report) -> (Self, bool) {
        let url = section.read("url", report, location);
        let endpoints = section.read("endpoints", report, endpoints).unwrap_or_default();
        let region = section.read("region", report, value::text);
        let is_path_style = section.read("path_style", report, value::boolean).unwrap_or(true);
        if let Some(endpoint) =
            endpoints.iter().find(|endpoint| !is_path_style && has_number_as_host(endpoint))
        {
            let text = format!(
                "`path_style = false` puts the bucket before the host of an endpoint, and {endpoint} has no name before which it could \
                 stand: write a name, or remove `path_style`"
            );
            report.problem(section.place(), text);
        }
        let ca_file = section.read("ca_file", report, value::text).map(|file| folder.join(file));
        let proxy = section.read("proxy", report, address);
        let cache_bytes =
            section.read("cache_bytes", report, value::size("16MiB", "1024TiB")).unwrap_or_default();
        let mut ms = |name, min, max| {
            let read = section.read(name, report, value::duration(min, max));
            Duration::from_millis(read.unwrap_or_default())
        };
        let (follow_every, staleness_max) =
            (ms("follow_every", "50ms", "10s"), ms("staleness_max", "500ms", "1m"));
        if !staleness_max.is_zero() && follow_every.saturating_mul(2) > staleness_max {
            let text = "`staleness_max` must be twice `follow_every` at least: a reader that looks less often would be behind \
                        between two looks";
            report.problem(section.place(), text.to_owned());
        }
        if url.is_some() && !cfg!(feature = "object-store") {
            let text = "this program was built without object storage (its feature `object-store`): use one that has it, or \
                        remove `url`";
            report.problem(section.place(), text.to_owned());
        }
        section.finish(report);
        let is_named = url.is_some();
        let (bucket, prefix) = url.unwrap_or_default();
        let settings = Self {
            bucket,
            prefix,
            endpoints,
            region,
            is_path_style,
            ca_file,
            proxy,
            cache_bytes,
            follow_every,
            staleness_max,
        };
        (settings, is_named)
    }
}

/// Whether a command means a bucket by this.
pub fn is_bucket(text: &str) -> bool {
    text.contains("://")
}

fn location(value: &DeValue<'_>) -> Result<(String, String), String> {
    place(&value::text(value)?)
}

/// Bucket and prefix of `s3://bucket/prefix`.
fn place(text: &str) -> Result<(String, String), String> {
    let wrong =
        || format!("`{text}` is no place in an object store: write s3://BUCKET or s3://BUCKET/PREFIX");
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let in_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !BUCKET_CHARS.contains(&bucket.len()) || !bucket.chars().all(in_bucket) {
        return Err(format!("`{bucket}` is no name of a bucket: it has 3 to 63 of a-z, 0-9, - and ."));
    }
    let prefix = prefix.trim_end_matches('/');
    let in_prefix = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(in_prefix);
    if !prefix.is_empty() && (prefix.len() > PREFIX_CHARS_MAX || !prefix.split('/').all(is_part)) {
        return Err(format!(
            "`{prefix}` is no prefix of names: write parts of letters, digits, -, _ and . between slashes"
        ));
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

/// `http://` or `https://`, and no user in it: it is part of messages, and of what the ledger keeps of the configuration.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#']))
}

/// Whether its host is an IP address.
fn has_number_as_host(address: &str) -> bool {
    let host = address.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.starts_with('[') || name.parse::<Ipv4Addr>().is_ok()
}

fn address(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let want =
        "write http://HOST:PORT or https://HOST:PORT, without a user: credentials come from the environment";
    if is_address(&text) { Ok(text) } else { Err(want.to_owned()) }
}

fn endpoints(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let found = value::texts(value)?;
    if found.len() > ENDPOINTS_MAX || !found.iter().all(|text| is_address(text)) {
        return Err(format!(
            "write at most {ENDPOINTS_MAX} addresses as http://HOST:PORT or https://HOST:PORT, without a user: credentials come \
             from the environment"
        ));
    }
    Ok(found)
}
