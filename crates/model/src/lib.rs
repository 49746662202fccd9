//! The nouns everybody shares: identifiers, records, times, error codes. No I/O.
