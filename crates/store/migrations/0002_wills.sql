-- For each live call whose owner wants to be told of its end: the callback that is owed if the process
-- dies now. Gone with the end of the call.
CREATE TABLE wills (
    call   TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
);
