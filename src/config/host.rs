//! Names of hosts, as a `Host` header has them.

use super::value;
use toml::de::DeValue;

/// A name or address, with or without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    host: String,
    port: Option<u16>,
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            // Colons inside brackets are those of an address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match address {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        is_host.then_some(Self { host, port })
    }

    /// Whether a request names this host.
    pub fn is(&self, host: &str, port: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(host) && (self.port.is_none() || self.port == port)
    }
}

/// A list of names of hosts.
pub(super) fn names(value: &DeValue<'_>) -> Result<Vec<HostName>, String> {
    let parse = |text: String| {
        HostName::parse(&text).ok_or_else(|| {
            format!("`{text}` is no host: write a name or an address, with or without a port, such as \"coverledger.example\"")
        })
    };
    value::texts(value)?.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_name_and_perhaps_a_port() {
        let name = HostName::parse("Coverledger.Example").unwrap();
        assert!(name.is("coverledger.example", None) && name.is("COVERLEDGER.example", Some(99)));
        let with_port = HostName::parse("[2001:db8::1]:8443").unwrap();
        assert!(with_port.is("[2001:db8::1]", Some(8_443)) && !with_port.is("[2001:db8::1]", None));
        assert!(HostName::parse("[::1]").unwrap().is("[::1]", Some(1)));
        for wrong in
            ["", "http://a", "a/b", "*", "*.example", "a:b", "a:99999", ":80", "2001:db8::1", "[x]", "a b"]
        {
            assert_eq!(HostName::parse(wrong), None, "{wrong}");
        }
    }
}
