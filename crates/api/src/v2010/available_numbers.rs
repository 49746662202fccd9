//! `…/AvailablePhoneNumbers`: numbers that can be had without a carrier.
//!
//! They come from ranges that the numbering authorities keep for fiction, or that cannot be
//! dialled, so that none of them is anybody's. A number of a carrier is added by naming it.

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::phone_number::{NumberType, PhoneNumber};
use model::sid::AccountSid;
use serde_json::{Map, Value, json};

use crate::ask::{Ask, Reply};
use crate::error::Refusal;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list of numbers.
const NUMBERS: Listing = Listing {
    key: "available_phone_numbers",
    elements: "AvailablePhoneNumbers",
    element: "AvailablePhoneNumber",
};

/// Names of the list of countries.
const COUNTRIES: Listing = Listing {
    key: "countries",
    elements: "Countries",
    element: "Country",
};

/// Most numbers of one answer; fewer if `PageSize` says so.
const MOST: usize = 30;
/// Most candidates that are looked at for one answer.
const PATIENCE: usize = 2000;

/// One range: the digits in front, and how many follow.
struct Block {
    country: &'static str,
    kind: NumberType,
    prefix: &'static str,
    /// Digits that count up from zero.
    free: u32,
    locality: &'static str,
    region: &'static str,
}

const fn block(
    country: &'static str,
    kind: NumberType,
    prefix: &'static str,
    free: u32,
    locality: &'static str,
    region: &'static str,
) -> Block {
    Block {
        country,
        kind,
        prefix,
        free,
        locality,
        region,
    }
}

/// The ranges. North America: 555-01XX. United Kingdom: Ofcom's numbers for drama. Germany: the
/// network agency's. France: ARCEP's. Australia: ACMA's. Japan: 0 after the area code, which
/// cannot be dialled.
const BLOCKS: &[Block] = &[
    block(
        "US",
        NumberType::Local,
        "+141555501",
        2,
        "San Francisco",
        "CA",
    ),
    block("US", NumberType::Local, "+121255501", 2, "New York", "NY"),
    block("US", NumberType::Local, "+131255501", 2, "Chicago", "IL"),
    block("US", NumberType::Local, "+120655501", 2, "Seattle", "WA"),
    block("US", NumberType::TollFree, "+180055501", 2, "", ""),
    block("CA", NumberType::Local, "+141655501", 2, "Toronto", "ON"),
    block("CA", NumberType::Local, "+160455501", 2, "Vancouver", "BC"),
    block("GB", NumberType::Local, "+4420794600", 2, "London", ""),
    block("GB", NumberType::Mobile, "+4477009000", 2, "", ""),
    block("GB", NumberType::TollFree, "+4480815700", 2, "", ""),
    block("DE", NumberType::Local, "+493023125", 3, "Berlin", ""),
    block("FR", NumberType::Local, "+331990000", 2, "Paris", ""),
    block("FR", NumberType::Mobile, "+336399800", 2, "", ""),
    block("AU", NumberType::Local, "+6125550", 4, "Sydney", "NSW"),
    block("JP", NumberType::Local, "+813000000", 2, "Tokyo", ""),
];

/// Country codes and names of [`BLOCKS`].
const NAMES: &[(&str, &str)] = &[
    ("US", "United States"),
    ("CA", "Canada"),
    ("GB", "United Kingdom"),
    ("DE", "Germany"),
    ("FR", "France"),
    ("AU", "Australia"),
    ("JP", "Japan"),
];

/// A number of a range.
struct Candidate {
    number: PhoneNumber,
    country: &'static str,
    locality: &'static str,
    region: &'static str,
}

fn candidates(country: &str, kind: NumberType) -> impl Iterator<Item = Candidate> {
    BLOCKS
        .iter()
        .filter(move |block| block.country == country && block.kind == kind)
        .flat_map(|block| {
            (0..10u32.pow(block.free)).filter_map(move |index| {
                let text = format!(
                    "{}{index:0width$}",
                    block.prefix,
                    width = block.free as usize
                );
                Some(Candidate {
                    number: text.parse().ok()?,
                    country: block.country,
                    locality: block.locality,
                    region: block.region,
                })
            })
        })
}

/// Numbers of a North American area code: those of the table, or 555-01XX of any other.
fn of_area(country: &str, area: &str) -> Vec<Candidate> {
    let prefix = format!("+1{area}");
    let known = BLOCKS
        .iter()
        .find(|block| block.kind == NumberType::Local && block.prefix.starts_with(&prefix));
    let country = if country == "CA" { "CA" } else { "US" };
    if known.is_some_and(|block| block.country != country) {
        return Vec::new();
    }
    (0..100)
        .filter_map(|index| {
            Some(Candidate {
                number: format!("{prefix}55501{index:02}").parse().ok()?,
                country,
                locality: known.map_or("", |block| block.locality),
                region: known.map_or("", |block| block.region),
            })
        })
        .collect()
}

fn is_area_code(area: &str) -> bool {
    area.len() == 3
        && area.bytes().all(|b| b.is_ascii_digit())
        && area.starts_with(|c| ('2'..='9').contains(&c))
}

/// A free number of an area code (21451, 21452).
pub(crate) async fn any_of(ask: &Ask, area: &str) -> Result<PhoneNumber, Refusal> {
    if !is_area_code(area) {
        return Err(ErrorCode::INVALID_AREA_CODE.into());
    }
    for candidate in of_area("US", area).into_iter().chain(of_area("CA", area)) {
        if free(ask, &candidate.number).await? {
            return Ok(candidate.number);
        }
    }
    Err(ErrorCode::NO_NUMBERS_FOUND.into())
}

/// The type of a number, as far as its digits tell.
pub(crate) fn kind_of(number: &PhoneNumber) -> NumberType {
    let number = number.as_str();
    let toll_free = [
        "+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888", "+44800", "+44808",
    ];
    let mobile = [
        "+447", "+336", "+337", "+4915", "+4916", "+4917", "+614", "+8170", "+8180", "+8190",
    ];
    if toll_free.iter().any(|prefix| number.starts_with(prefix)) {
        NumberType::TollFree
    } else if mobile.iter().any(|prefix| number.starts_with(prefix)) {
        NumberType::Mobile
    } else {
        NumberType::Local
    }
}

async fn free(ask: &Ask, number: &PhoneNumber) -> Result<bool, Refusal> {
    Ok(ask
        .app
        .store
        .phone_numbers()
        .find_by_number(number)
        .await?
        .is_none())
}

/// `GET …/AvailablePhoneNumbers`.
pub async fn countries(ask: Ask) -> Reply {
    let mut meta = Map::new();
    meta.insert(
        "uri".into(),
        json!(ask.uri(format_args!("/AvailablePhoneNumbers"))),
    );
    Ok(Answer::List {
        listing: COUNTRIES,
        meta,
        items: NAMES
            .iter()
            .map(|(code, name)| country_wire(&ask, code, name))
            .collect(),
    })
}

/// `GET …/AvailablePhoneNumbers/{country}`.
pub async fn country(ask: Ask, Path((_, code)): Path<(AccountSid, String)>) -> Reply {
    let known = NAMES.iter().find(|(known, _)| *known == code);
    let (code, name) = known.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("Country", country_wire(&ask, code, name)))
}

/// Filters by a place on the map that no number here has.
const PLACES: [&str; 5] = [
    "InPostalCode",
    "InRateCenter",
    "InLata",
    "NearNumber",
    "NearLatLong",
];

/// `GET …/AvailablePhoneNumbers/{country}/{type}`, by `AreaCode`, `Contains`, `InRegion`,
/// `InLocality`, `VoiceEnabled`, `SmsEnabled`, `MmsEnabled`, `FaxEnabled`.
pub async fn list(ask: Ask, Path((_, country, kind)): Path<(AccountSid, String, String)>) -> Reply {
    if !NAMES.iter().any(|(known, _)| *known == country) {
        return Err(not_found(&ask.path));
    }
    let kind = match kind.as_str() {
        "Local" => Some(NumberType::Local),
        "Mobile" => Some(NumberType::Mobile),
        "TollFree" => Some(NumberType::TollFree),
        "National" | "Voip" | "SharedCost" | "MachineToMachine" => None,
        _ => return Err(not_found(&ask.path)),
    };
    let query = &ask.query;
    let most = query
        .text("PageSize")
        .and_then(|text| text.parse::<usize>().ok())
        .map_or(MOST, |size| size.min(MOST));
    let pattern = query.text("Contains").map(Pattern::new);
    let mut wants_more = false;
    for name in ["SmsEnabled", "MmsEnabled", "FaxEnabled"] {
        // Our numbers carry calls only.
        wants_more |= query.boolean(name)? == Some(true);
    }
    wants_more |= query.boolean("VoiceEnabled")? == Some(false);
    // compat rest-numbers-15: numbers for fiction lie nowhere, and are not new to the platform.
    wants_more |= query.boolean("Beta")? == Some(true);
    wants_more |= PLACES.iter().any(|name| query.text(name).is_some());
    let candidates: Vec<Candidate> = match (kind, query.text("AreaCode")) {
        (None, _) => Vec::new(),
        _ if wants_more => Vec::new(),
        (Some(NumberType::Local), Some(area)) if matches!(country.as_str(), "US" | "CA") => {
            if !is_area_code(area) {
                return Err(ErrorCode::INVALID_AREA_CODE.into());
            }
            of_area(&country, area)
        }
        (Some(kind), _) => candidates(&country, kind).take(PATIENCE).collect(),
    };
    let same = |name: &str, text: &str| {
        query
            .text(name)
            .is_none_or(|want| want.eq_ignore_ascii_case(text))
    };
    let mut items = Vec::new();
    for candidate in candidates {
        if items.len() >= most {
            break;
        }
        let fits = pattern
            .as_ref()
            .is_none_or(|pattern| pattern.fits(candidate.number.as_str()))
            && same("InRegion", candidate.region)
            && same("InLocality", candidate.locality);
        if fits && free(&ask, &candidate.number).await? {
            items.push(wire(&candidate));
        }
    }
    let mut meta = Map::new();
    meta.insert("uri".into(), json!(format!("{}.json", ask.path)));
    Ok(Answer::List {
        listing: NUMBERS,
        meta,
        items,
    })
}

/// `Contains`: digits, letters as on a keypad, `*` for any one digit; anywhere in the number.
struct Pattern(Vec<Option<u8>>);

impl Pattern {
    fn new(text: &str) -> Self {
        let keys = text
            .bytes()
            .filter_map(|byte| match byte.to_ascii_uppercase() {
                b'*' => Some(None),
                digit @ b'0'..=b'9' => Some(Some(digit)),
                letter @ b'A'..=b'Z' => Some(Some(KEYPAD[usize::from(letter - b'A')])),
                _ => None,
            });
        Pattern(keys.take(32).collect())
    }

    fn fits(&self, number: &str) -> bool {
        let digits = &number.as_bytes()[1..];
        self.0.is_empty()
            || digits.windows(self.0.len()).any(|part| {
                part.iter()
                    .zip(&self.0)
                    .all(|(d, p)| p.is_none_or(|p| p == *d))
            })
    }
}

/// The digit of each letter (ITU-T E.161).
const KEYPAD: &[u8; 26] = b"22233344455566677778889999";

fn country_wire(ask: &Ask, code: &str, name: &str) -> Value {
    let uri = |rest: &str| ask.uri(format_args!("/AvailablePhoneNumbers/{code}{rest}"));
    let mut below = Map::new();
    for (kind, key, path) in [
        (NumberType::Local, "local", "/Local"),
        (NumberType::TollFree, "toll_free", "/TollFree"),
        (NumberType::Mobile, "mobile", "/Mobile"),
    ] {
        if BLOCKS
            .iter()
            .any(|block| block.country == code && block.kind == kind)
        {
            below.insert(key.into(), json!(uri(path)));
        }
    }
    json!({
        "country_code": code,
        "country": name,
        "uri": uri(""),
        "beta": false,
        "subresource_uris": below,
    })
}

fn wire(candidate: &Candidate) -> Value {
    let place = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "friendly_name": candidate.number.formatted(),
        "phone_number": candidate.number,
        "lata": null,
        "locality": place(candidate.locality),
        "rate_center": null,
        "latitude": null,
        "longitude": null,
        "region": place(candidate.region),
        "postal_code": null,
        "iso_country": candidate.country,
        "address_requirements": "none",
        "beta": false,
        "capabilities": {"voice": true, "sms": false, "mms": false, "fax": false},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_yields_numbers_of_its_country() {
        for block in BLOCKS {
            let all: Vec<_> = candidates(block.country, block.kind).collect();
            assert!(all.len() >= 100, "{}", block.prefix);
            assert!(
                all.iter().all(|c| kind_of(&c.number) == block.kind),
                "{}",
                block.prefix
            );
        }
    }

    #[test]
    fn patterns_know_letters_and_stars() {
        assert!(Pattern::new("555*1").fits("+14155550100"));
        assert!(Pattern::new("JKL").fits("+14155550100"));
        assert!(!Pattern::new("999").fits("+14155550100"));
    }
}
