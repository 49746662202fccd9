-- What is searched is a column; everything else of a record is in `record` (JSON).
-- Portable: TEXT identifiers, BIGINT microseconds, BOOLEAN, no rowid, no AUTOINCREMENT.

-- Numbers that only grow, also when the rows that had them are gone.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('owed', 0);
INSERT INTO counters (name, value) VALUES ('events', 0);
INSERT INTO counters (name, value) VALUES ('queued_calls', 0);

-- `account` is the owner, so that an account's list holds itself and its subaccounts.
CREATE TABLE accounts (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account       TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    friendly_name TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    record        TEXT   NOT NULL
);
CREATE INDEX accounts_newest ON accounts (account, created, sid);

CREATE TABLE api_keys (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX api_keys_newest ON api_keys (account, created, sid);

CREATE TABLE calls (
    sid     TEXT    NOT NULL PRIMARY KEY,
    account TEXT    NOT NULL,
    created BIGINT  NOT NULL,
    called  TEXT    NOT NULL,
    caller  TEXT    NOT NULL,
    parent  TEXT,
    status  TEXT    NOT NULL,
    final   BOOLEAN NOT NULL,
    started BIGINT,
    ended   BIGINT,
    record  TEXT    NOT NULL
);
CREATE INDEX calls_newest ON calls (account, created, sid);
CREATE INDEX calls_called ON calls (account, called, created, sid);
CREATE INDEX calls_caller ON calls (account, caller, created, sid);
CREATE INDEX calls_parent ON calls (account, parent, created, sid);
CREATE INDEX calls_status ON calls (account, status, created, sid);
CREATE INDEX calls_started ON calls (account, started);
CREATE INDEX calls_ended ON calls (account, ended);
CREATE INDEX calls_running ON calls (created, sid) WHERE final = FALSE;
CREATE INDEX calls_old ON calls (ended) WHERE final = TRUE;

-- `sid` is a number of fixed width, so that it orders and fits a cursor.
CREATE TABLE events (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    call    TEXT   NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX events_of_call ON events (call, created, sid);
CREATE INDEX events_old ON events (created);

CREATE TABLE alerts (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    call    TEXT,
    level   TEXT   NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX alerts_newest ON alerts (account, created, sid);
CREATE INDEX alerts_of_call ON alerts (call, created, sid);
CREATE INDEX alerts_old ON alerts (created);

CREATE TABLE applications (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account       TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    friendly_name TEXT,
    record        TEXT   NOT NULL
);
CREATE INDEX applications_newest ON applications (account, created, sid);

CREATE TABLE phone_numbers (
    sid           TEXT    NOT NULL PRIMARY KEY,
    account       TEXT    NOT NULL,
    created       BIGINT  NOT NULL,
    phone_number  TEXT    NOT NULL UNIQUE,
    friendly_name TEXT    NOT NULL,
    number_type   TEXT    NOT NULL,
    beta          BOOLEAN NOT NULL,
    record        TEXT    NOT NULL
);
CREATE INDEX phone_numbers_newest ON phone_numbers (account, created, sid);

CREATE TABLE caller_ids (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account       TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    phone_number  TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    record        TEXT   NOT NULL,
    UNIQUE (account, phone_number)
);
CREATE INDEX caller_ids_newest ON caller_ids (account, created, sid);

CREATE TABLE sip_domains (
    sid         TEXT   NOT NULL PRIMARY KEY,
    account     TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    domain_name TEXT   NOT NULL UNIQUE,
    record      TEXT   NOT NULL
);
CREATE INDEX sip_domains_newest ON sip_domains (account, created, sid);

-- `sid` is the list's.
CREATE TABLE sip_domain_mappings (
    domain  TEXT   NOT NULL,
    purpose TEXT   NOT NULL,
    sid     TEXT   NOT NULL,
    kind    TEXT   NOT NULL,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL,
    PRIMARY KEY (domain, purpose, sid)
);
CREATE INDEX sip_domain_mappings_newest ON sip_domain_mappings (domain, purpose, kind, created, sid);
CREATE INDEX sip_domain_mappings_of_list ON sip_domain_mappings (sid);

CREATE TABLE credential_lists (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX credential_lists_newest ON credential_lists (account, created, sid);

CREATE TABLE credentials (
    sid      TEXT   NOT NULL PRIMARY KEY,
    account  TEXT   NOT NULL,
    created  BIGINT NOT NULL,
    list     TEXT   NOT NULL,
    username TEXT   NOT NULL,
    record   TEXT   NOT NULL,
    UNIQUE (list, username)
);
CREATE INDEX credentials_newest ON credentials (list, created, sid);

CREATE TABLE ip_access_control_lists (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX ip_access_control_lists_newest ON ip_access_control_lists (account, created, sid);

CREATE TABLE ip_addresses (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    list    TEXT   NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX ip_addresses_newest ON ip_addresses (list, created, sid);

CREATE TABLE trunks (
    sid     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    created BIGINT NOT NULL,
    record  TEXT   NOT NULL
);
CREATE INDEX trunks_newest ON trunks (account, created, sid);

-- The outbox (D10). `head` marks the first of each stream: only that may be delivered.
CREATE TABLE owed (
    id           BIGINT  NOT NULL PRIMARY KEY,
    stream       TEXT    NOT NULL,
    head         BOOLEAN NOT NULL,
    token        TEXT    NOT NULL,
    attempts     BIGINT  NOT NULL,
    next_attempt BIGINT  NOT NULL,
    record       TEXT    NOT NULL
);
CREATE INDEX owed_stream ON owed (stream, id);
CREATE INDEX owed_due ON owed (next_attempt, id) WHERE head = TRUE;

-- REST calls that wait for their turn.
CREATE TABLE queued_calls (
    id      BIGINT NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    call    TEXT   NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    payload TEXT   NOT NULL
);
CREATE INDEX queued_calls_turn ON queued_calls (account, id);
