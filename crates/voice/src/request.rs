//! The parameters of every request about a call (contract 5.3).

use crate::call::Body;

/// Name and value, in the order in which they are sent.
pub(crate) type Parameters = Vec<(String, String)>;

/// Standard parameters that whoever calls may set.
const OPEN: [&str; 2] = ["To", "Called"];

/// Standard parameters that not every call has; where we do not give them, no page does.
const OURS: [&str; 7] = [
    "ForwardedFrom",
    "CallerName",
    "ParentCallSid",
    "ApplicationSid",
    "AnsweredBy",
    "CallToken",
    "StirVerstat",
];

/// Sets a parameter: what we tell stands once, whatever a page gave by that name.
pub(crate) fn put(parameters: &mut Parameters, name: &str, value: impl ToString) {
    let value = value.to_string();
    match parameters.iter_mut().find(|(known, _)| known == name) {
        Some(known) => known.1 = value,
        None => parameters.push((name.to_owned(), value)),
    }
}

/// Sets several.
pub(crate) fn put_all(parameters: &mut Parameters, more: Parameters) {
    for (name, value) in more {
        put(parameters, &name, value);
    }
}

/// The standard parameters, with the word for the status as it is now.
pub(crate) fn standard(body: &Body) -> Parameters {
    with_status(body, body.record.status.as_str())
}

/// The standard parameters with another word for the status: callbacks know `initiated`.
pub(crate) fn with_status(body: &Body, status: &str) -> Parameters {
    let record = &body.record;
    let mut p = Parameters::with_capacity(32);
    put(&mut p, "CallSid", record.sid);
    put(&mut p, "AccountSid", record.account);
    put(&mut p, "From", &record.from);
    put(&mut p, "To", &record.to);
    put(&mut p, "CallStatus", status);
    put(&mut p, "ApiVersion", "2010-04-01");
    put(&mut p, "Direction", record.direction.as_str());
    let optional = [
        ("ForwardedFrom", record.forwarded_from.clone()),
        ("CallerName", record.caller_name.clone()),
        ("ParentCallSid", record.parent.map(|sid| sid.to_string())),
        (
            "ApplicationSid",
            record.application.map(|sid| sid.to_string()),
        ),
        ("AnsweredBy", record.answered_by.clone()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put(&mut p, name, value);
        }
    }
    // Where the parties are is not known; upstream sends these names empty, not absent. Old
    // applications read Caller and Called.
    for side in ["From", "To", "Caller", "Called"] {
        match side {
            "Caller" => put(&mut p, side, &record.from),
            "Called" => put(&mut p, side, &record.to),
            _ => {}
        }
        for part in ["City", "State", "Zip", "Country"] {
            put(&mut p, &format!("{side}{part}"), "");
        }
    }
    let page = record.from.starts_with("client:");
    for (name, value) in &body.parameters {
        // What a browser or its token adds wins over ours (`voice-client.md` 2.8), except for what
        // says whose call it is and what becomes of it.
        match p.iter_mut().find(|(known, _)| known == name) {
            Some(ours) if OPEN.contains(&name.as_str()) => ours.1.clone_from(value),
            Some(_) => {}
            None if page && OURS.contains(&name.as_str()) => {}
            None => put(&mut p, name, value),
        }
    }
    p
}
