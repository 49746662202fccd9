-- Where telephones that registered over UDP are reachable: one row for each contact of an address of
-- record, so that they can be called right after a restart.
CREATE TABLE bindings (
    aor     TEXT NOT NULL,
    contact TEXT NOT NULL,
    expires BIGINT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (aor, contact)
);
