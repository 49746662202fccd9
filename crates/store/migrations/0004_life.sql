-- When the process was last known to live with calls: one row. What a crash cut short ended then.
CREATE TABLE life (
    one BIGINT NOT NULL PRIMARY KEY,
    at  BIGINT NOT NULL
);
