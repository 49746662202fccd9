-- What was measured in calls. `sid` is a number of fixed width, in the order of arrival.
CREATE TABLE telemetry (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    call    TEXT   NOT NULL,
    kind    TEXT   NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX telemetry_of_call ON telemetry (call, kind, created, sid);
CREATE INDEX telemetry_old ON telemetry (created);
INSERT INTO counters (name, value) VALUES ('telemetry', 0);
