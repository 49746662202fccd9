//! TwiML as data: parse, check, print. No behaviour.
