//! A page of a list: how many, from where, and what comes next.

use std::{fmt, str::FromStr};

use crate::now::Wall;

/// How many items a page has at most: 1 to 1000, 50 if nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The most a page may have (20007 beyond).
    pub const MAX: u16 = 1000;

    /// A size; `None` if it is not within 1 and [`PageSize::MAX`].
    pub const fn new(size: u16) -> Option<Self> {
        if size >= 1 && size <= Self::MAX {
            Some(PageSize(size))
        } else {
            None
        }
    }

    /// The number.
    pub const fn items(self) -> u16 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        PageSize(50)
    }
}

/// Which way a cursor reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The items that follow the boundary in the order of the list.
    After,
    /// The items that precede it.
    Before,
    /// No item: the end of the list, and as many items as `created` counts, so that the last page
    /// has what the pages before it leave.
    Last,
}

/// A place in a list, named by the item beside it, so that new items do not shift the pages.
///
/// Written as `PA`, `PB` or `PZ`, 16 hexadecimal digits of the item's creation, and its identifier.
/// Clients treat it as opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which way to read.
    pub side: Side,
    /// When the boundary item was made.
    pub created: Wall,
    /// The identifier of the boundary item: 1 to 40 letters and digits.
    pub key: String,
}

/// A text that no list of ours ever handed out (21481).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a page token of ours")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::After => "PA",
            Side::Before => "PB",
            Side::Last => "PZ",
        };
        write!(f, "{side}{:016x}{}", self.created.0, self.key)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let side = match text.get(..2) {
            Some("PA") => Side::After,
            Some("PB") => Side::Before,
            Some("PZ") => Side::Last,
            _ => return Err(CursorError),
        };
        let created = text.get(2..18).ok_or(CursorError)?;
        let key = text.get(18..).ok_or(CursorError)?;
        let valid = created.bytes().all(|byte| byte.is_ascii_hexdigit())
            && (1..=40).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            return Err(CursorError);
        }
        let created = u64::from_str_radix(created, 16).map_err(|_| CursorError)?;
        Ok(Cursor {
            side,
            created: Wall(created as i64),
            key: key.to_owned(),
        })
    }
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// How many items.
    pub size: PageSize,
    /// From where; the beginning of the list if nothing is said.
    pub cursor: Option<Cursor>,
    /// Whether to say how many items there are on all pages; that costs a second look.
    pub counted: bool,
}

/// Some items of a list, and where the rest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order of the list: newest first.
    pub items: Vec<T>,
    /// Where the following page begins; `None` at the end.
    pub next: Option<Cursor>,
    /// Where the preceding page ends; `None` at the beginning.
    pub previous: Option<Cursor>,
    /// How many items all pages have, if that was asked for.
    pub total: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_writes() {
        for created in [0, 1_700_000_000_000_000, -1, i64::MAX, i64::MIN] {
            let cursor = Cursor {
                side: Side::Before,
                created: Wall(created),
                key: "CA00".into(),
            };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let long = format!("PA{}{}", "0".repeat(16), "a".repeat(41));
        for text in [
            "",
            "PA",
            "PACA0123",
            "PA+000000000000001CA",
            "PA0000000000000001",
            "PA0000000000000001é",
            "XX0000000000000001CA",
            "é",
            &long,
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn a_page_has_1_to_1000_items() {
        assert_eq!(PageSize::new(0), None);
        assert_eq!(PageSize::new(1001), None);
        assert_eq!(PageSize::new(1000).map(PageSize::items), Some(1000));
        assert_eq!(PageSize::default().items(), 50);
    }
}
