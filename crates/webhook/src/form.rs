//! Ordered parameters, as a query or as a form body.

use url::form_urlencoded::{Serializer, parse};

/// Names and values in the order in which they are sent. Names may repeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `application/x-www-form-urlencoded` (WHATWG URL, section 5.2): a space is `+`, everything
    /// but `*-._` and ASCII letters and digits is escaped.
    pub fn to_form(&self) -> String {
        Serializer::new(String::new())
            .extend_pairs(self.0.iter())
            .finish()
    }

    /// Reads a form or a query; never fails, as browsers and helper libraries do not.
    pub fn from_form(form: &[u8]) -> Self {
        Self(parse(form).into_owned().collect())
    }

    /// The URL with these parameters behind its own query, which is kept byte for byte. The
    /// fragment stays last.
    pub fn append_to(&self, url: &str) -> String {
        if self.0.is_empty() {
            return url.to_owned();
        }
        let (base, fragment) = match url.split_once('#') {
            Some((base, fragment)) => (base, Some(fragment)),
            None => (url, None),
        };
        let joint = match base.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some((_, query)) if query.ends_with('&') => "",
            Some(_) => "&",
        };
        let mut appended = format!("{base}{joint}{}", self.to_form());
        if let Some(fragment) = fragment {
            appended.push('#');
            appended.push_str(fragment);
        }
        appended
    }
}

impl From<Vec<(String, String)>> for Parameters {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(
            pairs
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }

    #[test]
    fn the_body_is_what_form_decoders_expect() {
        let given = parameters(&[("From", "+1415"), ("Body", "a b&c=d~é*"), ("Empty", "")]);
        assert_eq!(
            given.to_form(),
            "From=%2B1415&Body=a+b%26c%3Dd%7E%C3%A9*&Empty="
        );
        assert_eq!(Parameters::from_form(given.to_form().as_bytes()), given);
    }

    #[test]
    fn the_own_query_is_kept() {
        let given = parameters(&[("b", "2 3")]);
        assert_eq!(given.append_to("http://h/p"), "http://h/p?b=2+3");
        assert_eq!(given.append_to("http://h/p?"), "http://h/p?b=2+3");
        assert_eq!(
            given.append_to("http://h/p?a=%20x"),
            "http://h/p?a=%20x&b=2+3"
        );
        assert_eq!(
            given.append_to("http://h/p?a#rc=2"),
            "http://h/p?a&b=2+3#rc=2"
        );
        assert_eq!(parameters(&[]).append_to("http://h/p?a"), "http://h/p?a");
    }
}
