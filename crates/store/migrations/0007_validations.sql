-- Validation requests whose call is not over: the number counts as the account's once its owner has
-- keyed the code in.
CREATE TABLE validations (
    call   TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
);
