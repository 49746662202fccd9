-- Requests that named themselves (Idempotency-Key), and the call that each of them made: asked again
-- within a day, they are answered with that call.
CREATE TABLE requests (
    account TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    body    TEXT   NOT NULL,
    call    TEXT   NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX requests_age ON requests (created);
