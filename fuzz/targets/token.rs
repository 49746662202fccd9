//! Tokens that pages show: what is no token is refused, what was changed is not believed. The input is
//! a token as it is, and the claims of one that is signed rightly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::now::Wall;
use model::token::{Token, Unverified, sign};

const SECRET: &str = "open sesame";
/// 2026-01-01, in microseconds.
const NOW: Wall = Wall(1_767_225_600_000_000);

fuzz_target!(|text: &str| {
    if let Ok(token) = Unverified::parse(text) {
        token.account_sid();
        token.key_sid();
        assert!(token.verify(SECRET, NOW).is_err(), "nobody knows the secret");
    }
    let Ok(claims) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    let signed = sign(&claims, SECRET);
    let Ok(token) = Unverified::parse(&signed) else {
        return;
    };
    if let Ok(Token::Access(token)) = token.verify(SECRET, NOW) {
        let ttl = token.lifetime.ttl(NOW);
        assert!(ttl <= 24 * 3600, "it is good for {ttl} s");
    }
    let other = Unverified::parse(&signed).expect("it was read before");
    assert!(other.verify("open barley", NOW).is_err(), "another secret");
});
