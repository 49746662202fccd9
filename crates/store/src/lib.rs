//! The database; SQL appears nowhere else.
