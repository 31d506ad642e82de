//! Query strings, strictly: a mistake must not quietly become another question.

use super::problem::{Kind, Problem};
use crate::coverage::instant::{check_year, parse_from, parse_known_at};
use crate::coverage::question::QuestionError;
use crate::domain::time::{UtcMillis, Zone};
use crate::domain::view::KnownAt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str};

/// What a value in an address has to escape: all but the unreserved characters of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters of one query string at most.
const PARAMETERS_MAX: usize = 256;
/// Bytes of one query string at most.
const BYTES_MAX: usize = 128 * 1024;
/// Characters of an unknown name that a message repeats.
const NAME_CHARACTERS_MAX: usize = 64;

/// The parameters of a request, decoded.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string that may have the `known` parameters.
    pub(super) fn strict(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let query = Self::lenient(raw)?;
        query.check_names(known)?;
        Ok(query)
    }

    /// Refuses the first parameter that is not among the `known` ones.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), Problem> {
        let Some((name, _)) = self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let name = shortened(name);
        let rest = match known {
            [] => "this resource takes no parameters".to_owned(),
            known => format!("the parameters of this resource are: {}", known.join(", ")),
        };
        let detail = format!("there is no parameter `{name}`; {rest}");
        Err(Problem::of(Kind::UnknownParameter, name, detail))
    }

    /// Reads a query string; ignores unknown parameters.
    pub(super) fn lenient(raw: Option<&str>) -> Result<Self, Problem> {
        let raw = raw.unwrap_or_default();
        if raw.len() > BYTES_MAX {
            return Err(Problem::new(Kind::BadRequest, format!("it has more than {BYTES_MAX} bytes")));
        }
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() >= PARAMETERS_MAX {
                return Err(Problem::new(Kind::BadRequest, format!("more than {PARAMETERS_MAX} parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    let detail =
                        "a percent sign must be followed by two hexadecimal digits, and the bytes be UTF-8";
                    return Err(Problem::new(Kind::BadRequest, detail));
                }
            }
        }
        Ok(Self { pairs })
    }

    /// Every value of a parameter.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// The value of a parameter that may be given once.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::of(Kind::BadParameter, name, format!("{name} is given more than once"))),
        }
    }

    /// The value of a parameter that is needed.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, Problem> {
        self.one(name)?.ok_or_else(|| missing(name))
    }

    /// A parameter that holds a time.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.one(name)?.map(plus_for_space))
    }

    /// An instant that an answer in this zone can write.
    pub(super) fn instant(&self, name: &'static str, zone: &Zone) -> Result<Option<UtcMillis>, Problem> {
        let Some(text) = self.time(name)? else { return Ok(None) };
        parse_from(&text)
            .and_then(|at| check_year(at, zone).map(|()| Some(at)))
            .map_err(|error| QuestionError::Time { field: name, error }.into())
    }

    /// A parameter that is `true` or `false`, which is the default.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::of(Kind::BadParameter, name, format!("{name} must be true or false"))),
        }
    }

    /// The earlier state that is asked for, if any.
    pub(super) fn known_at(&self) -> Result<Option<KnownAt>, Problem> {
        let Some(text) = self.time("known_at")? else { return Ok(None) };
        let known_at = parse_known_at(&text).map_err(|error| {
            let detail =
                format!("known_at: {error}; give the number of a commit, or an instant with its seconds");
            Problem::of(Kind::BadParameter, "known_at", detail)
        })?;
        Ok(Some(known_at))
    }

    /// Rows of a page, at most `rows_max`, which is also the default.
    pub(super) fn limit(&self, rows_max: usize) -> Result<usize, Problem> {
        let Some(text) = self.one("limit")? else { return Ok(rows_max) };
        let limit = text.parse().ok().filter(|limit| (1..=rows_max).contains(limit));
        limit.ok_or_else(|| {
            Problem::of(Kind::BadParameter, "limit", format!("limit must be a number from 1 to {rows_max}"))
        })
    }
}

pub(super) fn missing(name: &'static str) -> Problem {
    Problem::of(Kind::MissingParameter, name, format!("{name} is missing"))
}

/// A name that a client chose, short enough to be repeated to it.
pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// `+` means a space in a query string. No time has a space where the sign of its offset belongs, so one that stands
/// there was an unescaped plus.
fn plus_for_space(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((time, offset))
            if time.contains(['T', 't']) && offset.len() == 5 && offset.as_bytes().get(2) == Some(&b':') =>
        {
            format!("{time}+{offset}")
        }
        _ => text.to_owned(),
    }
}

/// The text of a name or value; `None` for a percent sign without two hexadecimal digits, or bytes that are not UTF-8,
/// which the decoders of forms would guess at.
fn decoded(text: &str) -> Option<String> {
    let is_escape =
        |rest: &str| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let is_strict = text.split('%').skip(1).all(is_escape);
    let spaced = text.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8().ok()?;
    is_strict.then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::utf8_percent_encode;

    #[test]
    fn values_are_decoded_and_mistakes_are_not_guessed_at() {
        let query = Query::strict(Some("a=x%20%E4%B8%AD+y&b=&a=2&c"), &["a", "b", "c"]).unwrap();
        assert_eq!(query.all("a"), ["x 中 y", "2"]);
        assert_eq!(query.one("b").unwrap(), Some(""));
        assert_eq!(query.one("c").unwrap(), Some(""));
        assert_eq!(query.one("a").unwrap_err().kind, Kind::BadParameter);
        assert_eq!(query.need("d").unwrap_err().kind, Kind::MissingParameter);
        for bad in ["a=%", "a=%4", "a=%zz", "a=%FF", "%FF=1"] {
            assert_eq!(Query::lenient(Some(bad)).unwrap_err().kind, Kind::BadRequest, "{bad}");
        }
        assert_eq!(Query::strict(Some("A=1"), &["a"]).unwrap_err().kind, Kind::UnknownParameter);
        let many = "a&".repeat(PARAMETERS_MAX + 1);
        assert_eq!(Query::lenient(Some(&many)).unwrap_err().kind, Kind::BadRequest);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let text = "R 1+2&中=%";
        let encoded = utf8_percent_encode(text, UNRESERVED).to_string();
        assert_eq!(encoded, "R%201%2B2%26%E4%B8%AD%3D%25");
        assert_eq!(decoded(&encoded).as_deref(), Some(text));
    }

    #[test]
    fn an_unescaped_plus_is_understood() {
        assert_eq!(plus_for_space("2013-03-01T00:00:00 00:00"), "2013-03-01T00:00:00+00:00");
        assert_eq!(plus_for_space("2013-03-01T00:00 08:00"), "2013-03-01T00:00+08:00");
        assert_eq!(plus_for_space("2013-03-01 00:00"), "2013-03-01 00:00");
        assert_eq!(plus_for_space("2013-03-01T00:00:00Z"), "2013-03-01T00:00:00Z");
    }
}
