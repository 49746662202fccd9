//! DNS messages (RFC 1035), as far as SRV (RFC 2782) and NAPTR (RFC 3403) records need.

use std::time::Duration;

use sip::resolve::{Answer, Naptr, Question, Srv};

const SRV: u16 = 33;
const NAPTR: u16 = 35;
/// The size of answers over UDP that passes everywhere (the EDNS flag day of 2020).
const UDP_SIZE: u16 = 1_232;
/// Records of an answer that are read.
const MOST_RECORDS: usize = 100;
/// Jumps within one name; more is a loop.
const MOST_JUMPS: usize = 20;

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    /// The records.
    pub answer: Answer,
    /// For how long they hold.
    pub age: Duration,
    /// Whether they did not fit.
    pub cut: bool,
}

/// The answer without records.
pub fn nothing(question: &Question) -> Answer {
    match question {
        Question::Naptr(_) => Answer::Naptr(Vec::new()),
        Question::Srv(_) => Answer::Srv(Vec::new()),
        Question::Addresses(_) => Answer::Addresses(Vec::new()),
    }
}

fn kind_and_name(question: &Question) -> (u16, &str) {
    match question {
        Question::Naptr(name) => (NAPTR, name),
        Question::Srv(name) => (SRV, name),
        // Addresses are asked of the system.
        Question::Addresses(name) => (1, name),
    }
}

/// A query; nothing for what is no name.
pub fn query(id: u16, question: &Question) -> Option<Vec<u8>> {
    let (kind, name) = kind_and_name(question);
    let mut out = Vec::with_capacity(64);
    // Recursion desired; one question, one additional record.
    for word in [id, 0x0100, 1, 0, 0, 1] {
        out.extend(word.to_be_bytes());
    }
    let start = out.len();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if !(1..=63).contains(&length) {
            return None;
        }
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    if out.len() - start > 255 {
        return None;
    }
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    // EDNS (RFC 6891): how much we take.
    out.extend([0, 0, 41]);
    out.extend(UDP_SIZE.to_be_bytes());
    out.extend([0; 6]);
    Some(out)
}

/// Reads an answer; nothing for what is no answer to this question.
pub fn read(bytes: &[u8], id: u16, question: &Question) -> Option<Reply> {
    let (kind, name) = kind_and_name(question);
    let mut reader = Reader { bytes, at: 0 };
    let flags = {
        let theirs = reader.word()?;
        let flags = reader.word()?;
        (theirs == id && flags & 0x8000 != 0).then_some(flags)?
    };
    let (questions, answers) = (reader.word()?, reader.word()?);
    reader.skip(4)?;
    let asked = reader.name()?;
    let same = questions == 1
        && asked.eq_ignore_ascii_case(name.trim_end_matches('.'))
        && reader.word()? == kind;
    if !same {
        return None;
    }
    reader.skip(2)?;
    let (mut services, mut rules) = (Vec::new(), Vec::new());
    let mut age = None;
    for _ in 0..usize::from(answers).min(MOST_RECORDS) {
        // An answer that ends too early is taken as far as it goes.
        let Some(record) = reader.record() else { break };
        if record.kind != kind {
            // A CNAME on the way; what it leads to follows.
            continue;
        }
        let ttl = Duration::from_secs(record.ttl.into());
        age = Some(age.map_or(ttl, |least: Duration| least.min(ttl)));
        match record.kind {
            SRV => services.extend(record.service()),
            _ => rules.extend(record.rule()),
        }
    }
    Some(Reply {
        answer: match question {
            Question::Naptr(_) => Answer::Naptr(rules),
            Question::Srv(_) => Answer::Srv(services),
            Question::Addresses(_) => Answer::Addresses(Vec::new()),
        },
        // What is not there may come: not for long.
        age: age.unwrap_or(Duration::from_secs(30)),
        cut: flags & 0x0200 != 0,
    })
}

/// Walks through a message; names may point back into it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A record whose data is still to be read.
struct Record<'a> {
    kind: u16,
    ttl: u32,
    data: Reader<'a>,
}

impl Record<'_> {
    fn service(mut self) -> Option<Srv> {
        Some(Srv {
            priority: self.data.word()?,
            weight: self.data.word()?,
            port: self.data.word()?,
            target: self.data.name()?,
        })
    }

    fn rule(mut self) -> Option<Naptr> {
        let (order, preference) = (self.data.word()?, self.data.word()?);
        let (flags, services) = (self.data.text()?, self.data.text()?);
        // A replacement by expression is not for SIP (RFC 3263 section 4.1).
        self.data.text()?;
        Some(Naptr {
            order,
            preference,
            flags,
            services,
            replacement: self.data.name()?,
        })
    }
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    /// A string with its length in front.
    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let text = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A name, without the dot at its end.
    fn name(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut walker = *self;
        let mut jumps = 0;
        loop {
            let length = walker.byte()?;
            match length {
                0 => break,
                1..=63 => {
                    let label = walker
                        .bytes
                        .get(walker.at..walker.at + usize::from(length))?;
                    walker.at += usize::from(length);
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(&String::from_utf8_lossy(label));
                    if out.len() > 1_024 {
                        return None;
                    }
                }
                192.. => {
                    let low = walker.byte()?;
                    if jumps == 0 {
                        self.at = walker.at;
                    }
                    jumps += 1;
                    if jumps > MOST_JUMPS {
                        return None;
                    }
                    walker.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
        if jumps == 0 {
            self.at = walker.at;
        }
        Some(out)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        self.name()?;
        let kind = self.word()?;
        self.skip(2)?;
        let ttl = u32::from(self.word()?) << 16 | u32::from(self.word()?);
        let length = usize::from(self.word()?);
        let data = *self;
        self.skip(length)?;
        Some(Record { kind, ttl, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let asked = |name: &str| query(1, &Question::Srv(name.to_owned())).is_some();
        assert!(asked("_sip._udp.example.com.") && asked("a"));
        assert!(!asked("") && !asked("a..b") && !asked(&"a".repeat(64)));
        assert!(!asked(&"abcdefgh.".repeat(40)));
    }

    /// Whatever a server sends, cut anywhere and changed anywhere, is survived; names that point to
    /// themselves come to an end.
    #[test]
    fn hostile_answers_are_harmless() {
        let question = Question::Srv("a.b".to_owned());
        let mut whole = query(7, &question).expect("a name");
        whole[2] = 0x80;
        whole[7] = 2;
        let end = whole.len() - 11;
        whole.truncate(end);
        for _ in 0..2 {
            // The name of the record, and the target in its data, point to the record's own name.
            let here = 0xc000 | whole.len() as u16;
            whole.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9, 0, 8, 0, 1, 0, 2, 0, 3]);
            whole.extend(here.to_be_bytes());
        }
        let reply = read(&whole, 7, &question).expect("an answer");
        assert_eq!(reply.age, Duration::from_secs(9));
        let Answer::Srv(found) = &reply.answer else {
            panic!("{reply:?}")
        };
        assert_eq!((found.len(), found[0].target.as_str()), (2, "a.b"));
        assert!(read(&whole, 8, &question).is_none());
        for at in 0..whole.len() {
            let _ = read(&whole[..at], 7, &question);
            for value in [0, 1, 63, 64, 192, 255] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = read(&changed, 7, &question);
            }
        }
        let mut looping = whole[..end].to_vec();
        let here = 0xc000 | looping.len() as u16;
        looping.extend(here.to_be_bytes());
        looping.extend([0; 10]);
        let Some(Reply {
            answer: Answer::Srv(none),
            ..
        }) = read(&looping, 7, &question)
        else {
            panic!("an answer without records")
        };
        assert!(none.is_empty());
    }
}
