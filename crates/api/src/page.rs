//! Pages of the 2010 lists and of the newer ones (contract 2.4).

use model::error_code::ErrorCode;
use model::now::Wall;
use model::page::{Cursor, Page, PageRequest, PageSize, Side};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::error::Refusal;
use crate::form::Form;
use crate::render::{Answer, Format, Listing};

/// What stays as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The page that a query asks for. `Page` alone is not trusted: only `PageToken` moves.
pub fn wanted(ask: &Ask) -> Result<PageRequest, Refusal> {
    let query = &ask.query;
    let size = match query.text("PageSize") {
        None => PageSize::default(),
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .and_then(PageSize::new)
            .ok_or(ErrorCode::PAGE_SIZE_TOO_LARGE)?,
    };
    let cursor = query
        .text("PageToken")
        .map(str::parse::<Cursor>)
        .transpose()
        .map_err(|_| ErrorCode::INVALID_PAGE_TOKEN)?;
    Ok(PageRequest {
        size,
        cursor,
        // Only the XML lists say how many there are (contract 2.3, 2.4).
        counted: ask.format == Format::Xml,
    })
}

/// Which page this is, counting from 0: informational, and 0 whenever there is no token.
fn number(query: &Form, request: &PageRequest) -> u64 {
    request
        .cursor
        .as_ref()
        .and_then(|_| query.text("Page"))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The query of a neighbouring page: the filters, then the three paging parameters.
fn query(form: &Form, size: PageSize, page: u64, token: Option<&Cursor>) -> String {
    let mut out = String::new();
    let mut push = |name: &str, value: &str| {
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(utf8_percent_encode(name, QUERY));
        out.push('=');
        out.extend(utf8_percent_encode(value, QUERY));
    };
    for (name, value) in form.pairs() {
        if !matches!(name.as_str(), "PageSize" | "Page" | "PageToken") {
            push(name, value);
        }
    }
    push("PageSize", &size.items().to_string());
    push("Page", &page.to_string());
    if let Some(token) = token {
        push("PageToken", &token.to_string());
    }
    out
}

/// The answer of a 2010 list: paging keys, and exactly one other key (contract 1.3).
pub fn list<T>(
    ask: &Ask,
    listing: Listing,
    page: Page<T>,
    item: impl Fn(&T) -> Value,
) -> Result<Answer, Refusal> {
    let request = wanted(ask)?;
    let (size, at) = (request.size, number(&ask.query, &request));
    let uri = |page: u64, token: Option<&Cursor>| {
        format!("{}.json?{}", ask.path, query(&ask.query, size, page, token))
    };
    let start = if page.items.is_empty() {
        0
    } else {
        at.saturating_mul(u64::from(size.items()))
    };
    let end = (start + page.items.len() as u64)
        .saturating_sub(1)
        .max(start);
    let next = page
        .next
        .as_ref()
        .map(|token| uri(at.saturating_add(1), Some(token)));
    let previous = page
        .previous
        .as_ref()
        .map(|token| uri(at.saturating_sub(1), Some(token)));
    let mut meta = Map::new();
    meta.insert("page".into(), json!(at));
    if let Some(total) = page.total {
        let pages = total.div_ceil(u64::from(size.items())).max(1);
        meta.insert("num_pages".into(), json!(pages));
    }
    meta.insert("page_size".into(), json!(size.items()));
    if let Some(total) = page.total {
        meta.insert("total".into(), json!(total));
    }
    meta.insert("start".into(), json!(start));
    meta.insert("end".into(), json!(end));
    meta.insert("uri".into(), json!(uri(at, request.cursor.as_ref())));
    meta.insert("first_page_uri".into(), json!(uri(0, None)));
    meta.insert("next_page_uri".into(), json!(next));
    meta.insert("previous_page_uri".into(), json!(previous));
    if let Some(total) = page.total {
        let each = u64::from(size.items());
        let pages = total.div_ceil(each).max(1);
        let last = (pages > 1).then(|| Cursor {
            side: Side::Last,
            created: Wall((total - (pages - 1) * each) as i64),
            key: "0".to_owned(),
        });
        meta.insert("last_page_uri".into(), json!(uri(pages - 1, last.as_ref())));
    }
    Ok(Answer::List {
        listing,
        meta,
        items: page.items.iter().map(item).collect(),
    })
}

/// The answer of a newer list: everything about pages under `meta`, with absolute URLs.
pub fn list_with_meta<T>(
    ask: &Ask,
    key: &'static str,
    page: Page<T>,
    item: impl Fn(&T) -> Value,
) -> Result<Answer, Refusal> {
    let request = wanted(ask)?;
    let (size, at) = (request.size, number(&ask.query, &request));
    let url = |page: u64, token: Option<&Cursor>| {
        format!(
            "{}{}?{}",
            ask.origin,
            ask.path,
            query(&ask.query, size, page, token)
        )
    };
    let next = page
        .next
        .as_ref()
        .map(|token| url(at.saturating_add(1), Some(token)));
    let previous = page
        .previous
        .as_ref()
        .map(|token| url(at.saturating_sub(1), Some(token)));
    let mut body = Map::new();
    body.insert(
        "meta".into(),
        json!({
            "page": at,
            "page_size": size.items(),
            "first_page_url": url(0, None),
            "previous_page_url": previous,
            "url": url(at, request.cursor.as_ref()),
            "next_page_url": next,
            "key": key,
        }),
    );
    body.insert(key.into(), page.items.iter().map(item).collect());
    Ok(Answer::Json(
        axum::http::StatusCode::OK,
        Value::Object(body),
    ))
}
