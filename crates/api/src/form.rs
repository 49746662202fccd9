//! Parameters of a request: the query of a GET, the form of a POST.

use model::error_code::ErrorCode;
use model::method::Method;
use model::now::Wall;
use percent_encoding::percent_decode;
use store::Range;

use crate::date;
use crate::error::Refusal;

/// Most parameters of one request; further ones are refused, not dropped.
const MAX_PARAMETERS: usize = 1000;

/// Names and values in the order in which they came. Names are case-sensitive, unknown ones are
/// never looked at (contract 2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`. `StartTime>=2020-01-01` is the name `StartTime>`
    /// and a value, as in upstream's own examples.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut pairs = Vec::new();
        for pair in bytes
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Refusal::new(
                    ErrorCode::INVALID_PARAMETER,
                    format!("More than {MAX_PARAMETERS} parameters"),
                ));
            }
            let split = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = match split {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(Form(pairs))
    }

    /// All of it.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// A parameter as it was given, empty or not; the first if it is repeated.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// A parameter that says something.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// All values of a repeated parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// `true` or `false`, whatever the case. An empty value is as good as none.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.boolean_or(name, ErrorCode::INVALID_PARAMETER)
    }

    /// As [`Form::boolean`], refused with a code of the resource.
    pub fn boolean_or(&self, name: &str, code: ErrorCode) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::new(code, format!("{name} must be true or false"))),
        }
    }

    /// A whole number within bounds.
    pub fn integer(
        &self,
        name: &str,
        bounds: std::ops::RangeInclusive<u64>,
        code: ErrorCode,
    ) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::new(
                code,
                format!(
                    "{name} must be a whole number within {} and {}",
                    bounds.start(),
                    bounds.end()
                ),
            )),
        }
    }

    /// `GET` or `POST`.
    pub fn method(&self, name: &str, code: ErrorCode) -> Result<Option<Method>, Refusal> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|()| {
                    Refusal::new(code, format!("{name} must be GET or POST, not '{text}'"))
                })
            })
            .transpose()
    }

    /// An absolute URL of the web. Absent: `None`. Empty: `Some(None)`, which clears the field.
    pub fn url(&self, name: &str, code: ErrorCode) -> Result<Option<Option<String>>, Refusal> {
        match self.raw(name).map(str::trim) {
            None => Ok(None),
            Some("") => Ok(Some(None)),
            Some(text) if is_web_url(text) => Ok(Some(Some(text.to_owned()))),
            Some(text) => Err(Refusal::new(
                code,
                format!("{name} is not a valid URL: {}", shorten(text)),
            )),
        }
    }

    /// Text that clears its field when empty: absent, cleared, or given.
    pub fn clearable(&self, name: &str) -> Option<Option<String>> {
        self.raw(name)
            .map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// The three range filters of one name: `Name`, `Name<`, `Name>`, all inclusive (contract 2.5).
    pub fn range(&self, name: &str) -> Result<Range, Refusal> {
        let (mut from, mut until) = (None, None);
        let mut narrow = |start: Option<Wall>, end: Option<Wall>| {
            from = from.max(start);
            until = match (until, end) {
                (Some(a), Some(b)) => Some(std::cmp::min::<Wall>(a, b)),
                (a, b) => a.or(b),
            };
        };
        for (suffix, uses_start, uses_end) in
            [("", true, true), ("<", false, true), (">", true, false)]
        {
            let name = format!("{name}{suffix}");
            if let Some(text) = self.text(&name) {
                let (start, end) = date::span(text).ok_or_else(|| {
                    Refusal::new(
                        ErrorCode::INVALID_PARAMETER,
                        format!(
                            "{name} must be like 2020-12-31 or 2020-12-31T23:59:59Z, not '{}'",
                            shorten(text)
                        ),
                    )
                })?;
                narrow(uses_start.then_some(start), uses_end.then_some(end));
            }
        }
        let until = until.map(|end| Wall(end.0 - 1));
        Ok(Range { from, until })
    }
}

/// Whether a text is an absolute `http` or `https` URL.
pub fn is_web_url(text: &str) -> bool {
    text.len() <= 4096
        && url::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A party or a number as it arrives: a `+` that nobody encoded arrives as a space.
pub fn party(text: &str) -> String {
    match text.strip_prefix(' ') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("+{rest}"),
        _ => text.trim().to_owned(),
    }
}

/// The beginning of what somebody sent, for a message.
pub fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

fn decoded(bytes: &[u8]) -> Result<String, Refusal> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| {
            Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "Parameters must be UTF-8, percent-encoded",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_in_order_with_repetitions() {
        let form = Form::parse(b"To=%2B1415&E=a&E=b&Clear=&StartTime>=2020-01-01&x").expect("form");
        assert_eq!(form.text("To"), Some("+1415"));
        assert_eq!(form.all("E").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(form.clearable("Clear"), Some(None));
        assert_eq!(form.clearable("Absent"), None);
        assert_eq!(form.text("StartTime>"), Some("2020-01-01"));
        assert_eq!(form.raw("x"), Some(""));
        assert!(Form::parse(b"a=%ff").is_err());
    }

    #[test]
    fn ranges_include_their_ends() {
        let day = 86_400_000_000;
        let start = 18_262 * day; // 2020-01-01
        let range = |text: &[u8]| {
            let range = Form::parse(text).expect("form").range("T").expect("range");
            (range.from, range.until)
        };
        assert_eq!(
            range(b"T=2020-01-01"),
            (Some(Wall(start)), Some(Wall(start + day - 1)))
        );
        assert_eq!(
            range(b"T%3C=2020-01-01"),
            (None, Some(Wall(start + day - 1)))
        );
        assert_eq!(range(b"T%3E=2020-01-01"), (Some(Wall(start)), None));
        assert_eq!(range(b""), (None, None));
    }
}
