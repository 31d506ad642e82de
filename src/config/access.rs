//! `[access]`, and what of `[http]` guards the connection: TLS, or a proxy that has it.

use super::oidc::OidcSettings;
use super::problem::Report;
use super::reader::Section;
use super::secret::Outside;
use super::value;
use ipnet::IpNet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Roles of which a reason may be asked.
pub(super) const ROLES: [&str; 5] = ["claims", "platform", "auditor", "ops", "admin"];

/// `[access]`: who may ask, how long sessions last, and how often one may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSettings {
    /// A session ends so long after its last request, in milliseconds.
    pub session_idle_ms: i64,
    /// A session ends so long after it began, in milliseconds.
    pub session_max_ms: i64,
    /// Failed sign-ins in a row that lock a name.
    pub lockout_failures: u32,
    /// How long a lock lasts, in milliseconds.
    pub lockout_ms: i64,
    /// Requests of one principal in a second, in the long run.
    pub requests_per_second: NonZeroU32,
    /// Requests of one principal at once after a pause.
    pub requests_burst: NonZeroU32,
    /// The roles that must state a reason or case number with every question about a rider or an order.
    pub reason_required: Vec<String>,
    /// The provider at which people sign in; `None` where they have accounts of the service only.
    pub oidc: Option<OidcSettings>,
}

/// `[http.tls]`: files in PEM, relative to the configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[http] behind_proxy`: the proxies that have TLS and may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether a connection from this address comes from one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn nonzero(max: u64) -> impl Fn(&DeValue<'_>) -> Result<NonZeroU32, String> {
    move |value| {
        let number: u32 = value::integer(1, max)(value)?;
        NonZeroU32::new(number).ok_or_else(|| format!("write a whole number from 1 to {max}"))
    }
}

fn roles(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let roles = value::texts(value)?;
    match roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
        Some(role) => Err(format!("`{role}` is no role: write some of {}", ROLES.join(", "))),
        None => Ok(roles),
    }
}

fn networks(value: &DeValue<'_>) -> Result<TrustedProxies, String> {
    let parse = |text: String| {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            format!("`{text}` is no address or network, such as \"10.0.0.5\" or \"10.0.0.0/24\"")
        })
    };
    let networks: Vec<IpNet> = value::texts(value)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    match networks.iter().find(|network| network.prefix_len() == 0) {
        Some(_) => Err("a network of all addresses trusts everybody: name those of the proxies".to_owned()),
        None if networks.is_empty() => Err("name the addresses of the proxies, or leave it out".to_owned()),
        None => Ok(TrustedProxies(networks)),
    }
}

/// The trusted proxies of `[http]`.
pub(super) fn behind_proxy(section: &mut Section<'_>, report: &mut Report) -> Option<TrustedProxies> {
    section.read("behind_proxy", report, networks)
}

impl TlsSettings {
    /// `None` unless the section is written.
    pub(super) fn read(mut section: Section<'_>, folder: &Path, report: &mut Report) -> Option<Self> {
        let is_written = section.is_written();
        let mut file = |key| {
            let path = if is_written {
                section.need(key, report, value::text)
            } else {
                section.read(key, report, value::text)
            };
            folder.join(path.unwrap_or_default())
        };
        let settings = Self { certificate: file("certificate"), key: file("key") };
        section.finish(report);
        is_written.then_some(settings)
    }
}

impl AccessSettings {
    /// These settings with what a running service may take over of `new`: all but the provider at which people sign in.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        Self { oidc: self.oidc.clone(), ..new.clone() }
    }

    /// `None` unless the section is written.
    pub(super) fn read(
        mut section: Section<'_>,
        folder: &Path,
        outside: Outside<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let is_written = section.is_written();
        let settings = Self {
            oidc: OidcSettings::read(section.sub("oidc", report), folder, outside, report),
            session_idle_ms: section
                .read("session_idle", report, value::duration("1m", "24h"))
                .unwrap_or_default(),
            session_max_ms: section
                .read("session_max", report, value::duration("1m", "7d"))
                .unwrap_or_default(),
            lockout_failures: section
                .read("lockout_failures", report, value::integer(3, 1_000))
                .unwrap_or_default(),
            lockout_ms: section.read("lockout", report, value::duration("1s", "24h")).unwrap_or_default(),
            requests_per_second: section
                .read("requests_per_second", report, nonzero(1_000_000))
                .unwrap_or(NonZeroU32::MIN),
            requests_burst: section
                .read("requests_burst", report, nonzero(1_000_000))
                .unwrap_or(NonZeroU32::MIN),
            reason_required: section.read("reason_required", report, roles).unwrap_or_default(),
        };
        section.finish(report);
        is_written.then_some(settings)
    }
}
