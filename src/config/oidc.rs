//! `[access.oidc]`: the provider at which people sign in, and what its roles mean here.

use super::platforms::is_platform_name;
use super::problem::Report;
use super::reader::Section;
use super::secret::{Outside, Secret};
use super::value;
use crate::domain::data_scope::DataScope;
use crate::domain::tariff::RegionPrefix;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// `[access.oidc]`: sign-in by OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// The provider's identifier, an address with https; with http on loopback only.
    pub issuer: String,
    /// The name that the provider knows the service by.
    pub client_id: String,
    /// The secret that the service shows to the provider.
    pub client_secret: Secret,
    /// Authorities that the provider's certificate may be of, in PEM; those that browsers trust unless given.
    pub certificate_authorities: Option<PathBuf>,
    /// What the sign-in page calls the provider.
    pub display_name: String,
    /// What the service asks the provider for; `openid` is among it.
    pub scopes: Vec<String>,
    /// The claim of the ID token that names the person's roles; a path with dots where no claim has the whole name.
    pub role_claim: String,
    /// What values of that claim mean; the first that a person has counts.
    pub grants: Vec<OidcGrant>,
}

/// `[[access.oidc.grant]]`: what a value of the role claim means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcGrant {
    /// The value.
    pub value: String,
    /// The role's name, without a platform.
    pub role: &'static str,
    /// What of the ledger it shows.
    pub scope: DataScope,
}

/// Whether the service may send secrets to an address: encrypted, or to this machine.
pub(crate) fn is_safe_address(address: &str) -> bool {
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return false;
    }
    if scheme == "https" {
        return true;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    scheme == "http" && (host == "localhost" || host.parse().is_ok_and(is_loopback))
}

fn issuer(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#']);
    if is_plain && is_safe_address(&text) {
        return Ok(text);
    }
    Err(format!(
        "`{text}` is no issuer: write its address with https, such as \"https://login.example.org/realms/claims\"; with \
         http on this machine only"
    ))
}

fn scopes(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let scopes = value::texts(value)?;
    let is_scope =
        |scope: &String| scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    match scopes.iter().find(|scope| !is_scope(scope)) {
        Some(scope) => Err(format!("`{scope}` is no scope: it has no blanks, quotes or backslashes")),
        None if !scopes.iter().any(|scope| scope == "openid") => {
            Err("`openid` must be among them: without it the provider sends no ID token".to_owned())
        }
        None => Ok(scopes),
    }
}

/// A role as commands write it: `claims`, `platform:dada`.
fn role(value: &DeValue<'_>) -> Result<(&'static str, Option<String>), String> {
    let text = value::text(value)?;
    let (name, platform) =
        text.split_once(':').map_or((text.as_str(), None), |(name, platform)| (name, Some(platform)));
    let known = super::access::ROLES.into_iter().find(|role| *role == name);
    match (known, platform) {
        (Some("platform"), Some(platform)) if is_platform_name(platform) => {
            Ok(("platform", Some(platform.to_owned())))
        }
        (Some(role), None) if role != "platform" => Ok((role, None)),
        _ => Err(format!("`{text}` is no role: write claims, platform:NAME, auditor, ops or admin")),
    }
}

fn regions(value: &DeValue<'_>) -> Result<Vec<RegionPrefix>, String> {
    let parse = |text: String| {
        RegionPrefix::parse(&text)
            .ok_or_else(|| format!("`{text}` is no region: write 6 digits of GB/T 2260, or the first 4 or 2"))
    };
    let mut regions: Vec<RegionPrefix> =
        value::texts(value)?.into_iter().map(parse).collect::<Result<_, _>>()?;
    regions.sort_unstable();
    regions.dedup();
    Ok(regions)
}

impl OidcGrant {
    fn read(mut section: Section<'_>, report: &mut Report) -> Option<Self> {
        let value = section.need("value", report, value::text);
        let role = section.need("role", report, role);
        let regions = section.read("regions", report, regions).unwrap_or_default();
        let place = section.place();
        section.finish(report);
        let (role, platform) = role?;
        if !regions.is_empty() && role != "claims" {
            let text = format!(
                "`regions` in [[access.oidc.grant]] limit the role claims only: leave them out for {role}"
            );
            report.problem(place, text);
        }
        let scope = match platform {
            Some(platform) => DataScope::Platform(platform),
            None if regions.is_empty() => DataScope::All,
            None => DataScope::Regions(regions),
        };
        Some(Self { value: value?, role, scope })
    }
}

impl OidcSettings {
    /// `None` unless the section is written.
    pub(super) fn read(
        mut section: Section<'_>,
        folder: &Path,
        outside: Outside<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let is_written = section.is_written();
        let client_secret = client_secret(&mut section, outside, report);
        let tables = section.tables("grant", report);
        if is_written && tables.is_empty() {
            let text = "[access.oidc] has no [[access.oidc.grant]], so no person could sign in: say what a value of the role claim means";
            report.problem(section.place(), text);
        }
        let grants: Vec<OidcGrant> =
            tables.into_iter().filter_map(|table| OidcGrant::read(table, report)).collect();
        let settings = Self {
            issuer: needed(&mut section, "issuer", report, issuer),
            client_id: needed(&mut section, "client_id", report, value::text),
            client_secret,
            certificate_authorities: section
                .read("certificate_authorities", report, value::text)
                .map(|path| folder.join(path)),
            display_name: needed(&mut section, "display_name", report, value::text),
            scopes: needed(&mut section, "scopes", report, scopes),
            role_claim: needed(&mut section, "role_claim", report, value::text),
            grants,
        };
        section.finish(report);
        is_written.then_some(settings)
    }
}

/// A key that must be there if the section is.
fn needed<T: Default>(
    section: &mut Section<'_>,
    key: &'static str,
    report: &mut Report,
    parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
) -> T {
    let value = if section.is_written() {
        section.need(key, report, parse)
    } else {
        section.read(key, report, parse)
    };
    value.unwrap_or_default()
}

/// The secret from a file or the environment; the text of the configuration is kept, so it must not hold it.
fn client_secret(section: &mut Section<'_>, outside: Outside<'_>, report: &mut Report) -> Secret {
    let empty = Secret::new("");
    let place = section.place();
    let Some(found) = section.get("client_secret") else {
        if section.is_written() {
            report.problem(
                place,
                "[access.oidc] has no `client_secret`: write { file = \"...\" } or { env = \"...\" }",
            );
        }
        return empty;
    };
    if let Some(secret) = outside.referred(found, "client_secret", report) {
        return secret.unwrap_or(empty);
    }
    let text = "`client_secret` in [access.oidc] must not be written here: write { file = \"...\" } or { env = \"...\" }";
    report.problem(found.place(), text);
    empty
}
