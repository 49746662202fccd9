//! Files of environment variables, as the dotenv libraries read them: `NAME=value`, with comments,
//! quotes and `export`. A value can be changed while every other byte stays.

/// A file, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DotEnv {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// With its end of line.
    text: String,
    /// The name and the value, where it sets one.
    set: Option<(String, String)>,
}

impl DotEnv {
    /// Reads a file. What sets nothing is kept as it is.
    pub fn parse(text: &str) -> Self {
        let lines = text.split_inclusive('\n').map(|text| Line {
            set: assignment(text),
            text: text.to_owned(),
        });
        DotEnv {
            lines: lines.collect(),
        }
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .filter_map(|line| Some(line.set.as_ref()?.0.as_str()))
    }

    /// The value of the first of these names that is there; the last line wins, as in a shell.
    pub fn first_of<'a>(&'a self, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
        let value = |wanted: &str| {
            let mut set = self.lines.iter().rev().filter_map(|line| line.set.as_ref());
            set.find(|(name, _)| name == wanted)
                .map(|(_, value)| value.as_str())
        };
        names.iter().find_map(|name| Some((*name, value(name)?)))
    }

    /// Gives a name another value, wherever it is set.
    pub fn set(&mut self, name: &str, value: &str) {
        for line in &mut self.lines {
            if let Some((there, old)) = &mut line.set
                && there == name
            {
                let (before, rest) = line.text.split_once('=').expect("an assignment has one");
                let end = rest.trim_end_matches(['\r', '\n']).len();
                line.text = format!("{before}={value}{}", &rest[end..]);
                *old = value.to_owned();
            }
        }
    }

    /// The file.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if name.is_empty() || !name.bytes().all(word) {
        return None;
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => match value[1..].split_once(quote) {
            Some((inside, _)) => inside,
            None => value,
        },
        // A comment behind a bare value.
        _ => value
            .split_once(" #")
            .map_or(value, |(value, _)| value.trim_end()),
    };
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Twilio\nTWILIO_ACCOUNT_SID=ACxxx\r\nexport TWILIO_API_KEY = \"SK1\" # key\nPORT=3000 # here\n\nnot a line\nEMPTY=\nQUOTE='a # b'";

    #[test]
    fn it_is_read_as_dotenv_libraries_do() {
        let file = DotEnv::parse(FILE);
        let names: Vec<_> = file.names().collect();
        assert_eq!(
            names,
            [
                "TWILIO_ACCOUNT_SID",
                "TWILIO_API_KEY",
                "PORT",
                "EMPTY",
                "QUOTE"
            ]
        );
        assert_eq!(file.first_of(&["NONE", "PORT"]), Some(("PORT", "3000")));
        assert_eq!(file.first_of(&["TWILIO_API_KEY"]).unwrap().1, "SK1");
        assert_eq!(file.first_of(&["QUOTE"]).unwrap().1, "a # b");
        assert_eq!(file.first_of(&["EMPTY"]).unwrap().1, "");
        assert_eq!(DotEnv::parse("A=1\nA=2").first_of(&["A"]).unwrap().1, "2");
    }

    #[test]
    fn what_is_not_changed_stays_to_the_byte() {
        let mut file = DotEnv::parse(FILE);
        assert_eq!(file.text(), FILE);
        file.set("TWILIO_ACCOUNT_SID", "AC1");
        file.set("EMPTY", "no longer");
        let expected = FILE
            .replace("=ACxxx\r\n", "=AC1\r\n")
            .replace("EMPTY=\n", "EMPTY=no longer\n");
        assert_eq!(file.text(), expected);
        assert_eq!(DotEnv::parse(&file.text()), file);
    }
}
