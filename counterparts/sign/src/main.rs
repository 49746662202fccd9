//! Prints random requests signed by `webhook`, one JSON object a line: `url`, `token`,
//! `signature`, and either `form` (names and values), or `body` (JSON), or neither (a GET).
//!
//! `sign COUNT [SEED]`; one seed gives one list.

use std::io::{BufWriter, Write};

use serde_json::json;
use webhook::form::Parameters;
use webhook::signature;

/// SplitMix64: enough chance for test data, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        usize::try_from(z % limit as u64).expect("a remainder of a usize is one")
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn text(&mut self, alphabet: &[char], most: usize) -> String {
        (0..self.below(most + 1))
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("COUNT and SEED are numbers"));
    let count = arguments.next().unwrap_or(1000);
    let mut chance = Chance(arguments.next().unwrap_or(1));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for _ in 0..count {
        writeln!(out, "{}", request(&mut chance))?;
    }
    out.flush()
}

fn request(chance: &mut Chance) -> serde_json::Value {
    let token: String = (0..32)
        .map(|_| char::from(b"0123456789abcdef"[chance.below(16)]))
        .collect();
    let url = url(chance);
    match chance.below(4) {
        0 => {
            let signature = signature::sign_url(&token, &url);
            json!({ "url": url, "token": token, "signature": signature })
        }
        1 => {
            let body = json!({ "text": words(chance), "number": chance.below(1000), "list": [true, null] }).to_string();
            let url = signature::with_body_hash(&url, body.as_bytes());
            let signature = signature::sign_url(&token, &url);
            json!({ "url": url, "token": token, "signature": signature, "body": body })
        }
        _ => {
            let form = form(chance);
            let signature = signature::sign_form(&token, &url, &form);
            json!({ "url": url, "token": token, "signature": signature, "form": form.0 })
        }
    }
}

fn url(chance: &mut Chance) -> String {
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let scheme = chance.of(&["http", "https"]);
    let user = chance.of(&["", "", "", "user:pass@"]);
    let host = chance.of(&[
        "example.test",
        "sub.app.example.test",
        "127.0.0.1",
        "localhost",
    ]);
    let port = chance.of(&["", "", ":8080", ":8443", ":3000"]);
    let mut url = format!(
        "{scheme}://{user}{host}{port}/{}",
        chance.text(&letters, 12)
    );
    if chance.below(2) == 0 {
        url.push_str(chance.of(&["/voice", "/a/b.php", "/x-y_z"]));
    }
    for at in 0..chance.below(4) {
        url.push(if at == 0 { '?' } else { '&' });
        url.push_str(&format!("q{}={}", at, chance.text(&letters, 8)));
    }
    url
}

fn words(chance: &mut Chance) -> String {
    let alphabet: Vec<char> = "aZ0 +&=%/?#'\"<>~*-._,;:@ßéñ日本語😀\u{a0}"
        .chars()
        .collect();
    chance.text(&alphabet, 30)
}

fn form(chance: &mut Chance) -> Parameters {
    let names = [
        "CallSid",
        "AccountSid",
        "From",
        "To",
        "CallStatus",
        "Digits",
        "SpeechResult",
        "SipHeader_X-a",
        "a",
        "A",
        "Z",
        "q0",
    ];
    let mut form = Parameters::default();
    for _ in 0..chance.below(16) {
        let name = chance.of(&names);
        let value = match chance.below(3) {
            0 => format!("+1500555{:04}", chance.below(10_000)),
            _ => words(chance),
        };
        form.push(name, value);
    }
    form
}
