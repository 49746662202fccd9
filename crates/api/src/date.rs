//! Dates as they are written and read on the wire.

use model::now::Wall;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
const DAY: i64 = 86_400 * SECOND;

fn utc(wall: Wall) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(wall.0.div_euclid(SECOND))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `Tue, 31 Aug 2010 20:36:28 +0000`: exactly this form, or strict clients fail (contract 1.3).
pub fn rfc2822(wall: Wall) -> String {
    utc(wall)
        .format(format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] +0000"
        ))
        .unwrap_or_default()
}

/// `2010-08-31T20:36:28Z`, without a fraction (contract 1.3).
pub fn iso8601(wall: Wall) -> String {
    utc(wall)
        .format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        ))
        .unwrap_or_default()
}

/// What a date in a filter means: from the first moment, up to but without the second.
///
/// A day is 24 hours of UTC, a time is one second, so that "equal" finds what is shown as equal.
pub fn span(text: &str) -> Option<(Wall, Wall)> {
    let text = text.trim();
    let day = format_description!("[year]-[month]-[day]");
    let moment = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let at = |date: Date, time: Time| {
        PrimitiveDateTime::new(date, time)
            .assume_utc()
            .unix_timestamp()
            * SECOND
    };
    if let Ok(date) = Date::parse(text, day) {
        let start = at(date, Time::MIDNIGHT);
        return Some((Wall(start), Wall(start + DAY)));
    }
    // With or without the zone letter; java sends none. A fraction is cut off.
    let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let bare = match bare.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => whole,
        _ => bare,
    };
    let bare = bare.strip_suffix("+00:00").unwrap_or(bare);
    let parsed = PrimitiveDateTime::parse(bare, moment).ok()?;
    let start = at(parsed.date(), parsed.time());
    Some((Wall(start), Wall(start + SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_clients_parse_them() {
        let wall = Wall(1_283_286_988_654_321);
        assert_eq!(rfc2822(wall), "Tue, 31 Aug 2010 20:36:28 +0000");
        assert_eq!(iso8601(wall), "2010-08-31T20:36:28Z");
    }

    #[test]
    fn three_forms_are_read() {
        let second = 1_283_286_988 * SECOND;
        for text in [
            "2010-08-31T20:36:28Z",
            "2010-08-31T20:36:28",
            "2010-08-31T20:36:28.123Z",
        ] {
            assert_eq!(
                span(text),
                Some((Wall(second), Wall(second + SECOND))),
                "{text}"
            );
        }
        let midnight = 1_283_212_800 * SECOND;
        assert_eq!(
            span("2010-08-31"),
            Some((Wall(midnight), Wall(midnight + DAY)))
        );
        assert_eq!(span("31.08.2010"), None);
        assert_eq!(span("2010-02-30"), None);
    }
}
