//! What is wrong with a document, where, and under which Twilio code it is reported.

use std::fmt;

/// A place in the text of a document. Both count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Character within the line, from 1.
    pub column: u32,
}

impl Default for Position {
    /// The first character of the document.
    fn default() -> Self {
        Position { line: 1, column: 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Something read from a document, with the place where its tag begins.
///
/// Two placed things are equal when the things are: the place is for the reader of a
/// problem report, not part of the meaning.
#[derive(Debug, Clone, Default)]
pub struct Placed<T> {
    /// What was read.
    pub value: T,
    /// Where its start tag begins.
    pub position: Position,
}

impl<T> Placed<T> {
    /// `value`, found at `position`.
    pub fn new(value: T, position: Position) -> Self {
        Placed { value, position }
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Placed<T> {}

/// How bad a problem is, as the debugger shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Ignored or mended; the rest of the document runs.
    Warning,
    /// What the customer asked for does not happen.
    Error,
}

/// One thing wrong with a document. The customer must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Twilio's error or warning code, for example 13520.
    pub code: u32,
    /// Warning or error.
    pub severity: Severity,
    /// Where in the document.
    pub position: Position,
    /// Which element or attribute, what was done about it, and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.code, self.position, self.message)
    }
}

impl std::error::Error for Problem {}
