//! A browser, as far as signing in needs one: cookies by path, redirects, a page that leads on by itself, forms. Like one, it
//! sends the cookies of a machine to all of its ports.

use super::http::{self, Reply};

/// Redirects that it follows in a row.
const HOPS_MAX: usize = 10;

/// A page and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    /// What follows `before` up to the next quote, as text.
    #[track_caller]
    pub(crate) fn value(&self, before: &str) -> String {
        let (_, after) = self
            .body
            .split_once(before)
            .unwrap_or_else(|| panic!("no {before} in {}: {}", self.url, self.body));
        unescaped(after.split('"').next().unwrap())
    }

    /// Where a redirect, or a page that leads on by itself, goes.
    pub(crate) fn leads_to(&self) -> Option<String> {
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location").then(|| value.to_owned())
        };
        let location = self.head.lines().find_map(header).filter(|_| (301..400).contains(&self.status));
        let refresh = self.body.split_once("http-equiv=\"refresh\" content=\"0; url=");
        location.or_else(|| Some(unescaped(refresh?.1.split('"').next()?)))
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&")
}

/// Cookies and nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    /// Name, value and path.
    pub(crate) cookies: Vec<(String, String, String)>,
}

impl Browser {
    /// One request, without following.
    pub(crate) fn hop(&mut self, url: &str, form: Option<&str>) -> Page {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} is no address"));
        let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let sent = self.cookies.iter().filter(|(_, _, of)| path.starts_with(of.as_str()));
        let sent: Vec<String> = sent.map(|(name, value, _)| format!("{name}={value}")).collect();
        let headers =
            if sent.is_empty() { String::new() } else { format!("Cookie: {}\r\n", sent.join("; ")) };
        let reply = match form {
            None => http::get(address, path, &headers),
            Some(form) => {
                let headers = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
                http::post(address, path, &headers, form.as_bytes())
            }
        };
        let Reply { status, head, body } = reply.unwrap_or_else(|| panic!("{url} does not answer"));
        for line in head.lines().filter_map(|line| line.split_once(": ")) {
            if line.0.eq_ignore_ascii_case("set-cookie") {
                self.keep(line.1);
            }
        }
        Page { url: url.to_owned(), status, head, body }
    }

    fn keep(&mut self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<&str> = parts.collect();
        let path = attributes.iter().find_map(|part| part.strip_prefix("Path=")).unwrap_or("/");
        self.cookies.retain(|(known, _, of)| (known.as_str(), of.as_str()) != (name, path));
        if !attributes.contains(&"Max-Age=0") {
            self.cookies.push((name.to_owned(), value.to_owned(), path.to_owned()));
        }
    }

    /// Opens an address, or sends a form to it, and follows to the last page.
    pub(crate) fn go(&mut self, url: &str, form: Option<&str>) -> Page {
        let mut page = self.hop(url, form);
        for _ in 0..HOPS_MAX {
            let Some(next) = page.leads_to() else { return page };
            page = self.hop(&absolute(&page.url, &next), None);
        }
        panic!("{url} leads on and on, to {}", page.url);
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _, _)| known == name).map(|(_, value, _)| value.as_str())
    }
}

/// The address of a link on a page.
pub(crate) fn absolute(page: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    let host = page.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{host}{link}")
}
