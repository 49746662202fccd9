//! Dates of `Set-Cookie`, `Expires` and `Date`, read as RFC 6265 section 5.1.1 asks.

use model::now::Wall;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Reads a date in any of the spellings servers use; `None` if it is none.
pub fn http_date(text: &str) -> Option<Wall> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let delimiter = |c: char| !(c.is_ascii_alphanumeric() || c == ':');
    for token in text.split(delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            let mut parts = token.split(':').map(|part| part.parse::<i64>().ok());
            let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
            if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..61).contains(&second)
            {
                return None;
            }
            time = Some(hour * 3600 + minute * 60 + second);
        } else if let Ok(number) = token.parse::<i64>() {
            if day.is_none() && token.len() <= 2 {
                day = Some(number);
            } else if year.is_none() {
                year = Some(match number {
                    0..=69 => number + 2000,
                    70..=99 => number + 1900,
                    other => other,
                });
            }
        } else if month.is_none() && token.len() >= 3 && token.is_ascii() {
            let start = token[..3].to_ascii_lowercase();
            month = MONTHS.iter().position(|name| *name == start);
        }
    }
    let (day, month, year) = (day?, month? as i64 + 1, year?);
    if !(1..=31).contains(&day) || !(1601..=9999).contains(&year) {
        return None;
    }
    Some(Wall((days(year, month, day) * 86_400 + time?) * 1_000_000))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years are counted from March, so
/// that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_of_rfc_9110() {
        let expected = Some(Wall(784_111_777_000_000));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), expected);
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Wall(0)));
        assert_eq!(
            http_date("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(Wall(1_709_164_800_000_000))
        );
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            "0",
            "tomorrow",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 25:00:00",
            "é:é:é",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
