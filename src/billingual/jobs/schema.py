"""The tables of a ledger in SQLite.

The safety net stands here and not in Python: SQLite itself refuses a second entry for one number,
a second unsettled write of one invoice, an illegal step, and a change of the audit trail.
"""

from __future__ import annotations

from typing import Final

from billingual.jobs.entry import State
from billingual.jobs.ledger import LEGAL

__all__ = ["APPLICATION_ID", "SCHEMA", "VERSION"]

APPLICATION_ID: Final = 0x62696C6C
"""``bill``, in the header of the file: another program's database is not taken for a ledger."""

VERSION: Final = 1

_STATES: Final = ", ".join(f"'{each.value}'" for each in State)
_LEGAL: Final = ", ".join(f"('{one.value}', '{two.value}')" for one, two in sorted(LEGAL))

# ruff: noqa: S608 - the schema is put together from our own constants
SCHEMA: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};

CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    provider TEXT NOT NULL,
    account TEXT NOT NULL,
    created REAL NOT NULL,
    version TEXT NOT NULL,
    nonce TEXT NOT NULL
) STRICT;

CREATE TABLE request (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('send', 'look')),
    owner TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    outcome TEXT,
    status INTEGER,
    why TEXT
) STRICT;

CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    target TEXT CHECK ((target IS NULL) = (operation = 'create')),
    number TEXT CHECK (number IS NULL OR operation = 'create'),
    -- Without its body it could not be sent.
    body TEXT CHECK (body IS NOT NULL OR state IN ('committed', 'rejected', 'abandoned')),
    body_hash TEXT NOT NULL,
    before TEXT,
    state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ({_STATES})),
    reason TEXT,
    refusal TEXT,
    invoice_id TEXT CHECK (invoice_id IS NOT NULL OR state <> 'committed'),
    batch INTEGER,
    request INTEGER REFERENCES request,
    owner TEXT,
    lease REAL NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    given_up_at REAL NOT NULL DEFAULT 0,
    late_check REAL CHECK (late_check IS NULL OR state = 'committed'),
    attempts INTEGER NOT NULL DEFAULT 0,
    unclear INTEGER NOT NULL DEFAULT 0 CHECK (unclear BETWEEN 0 AND attempts),
    CHECK (state <> 'in_flight' OR (owner IS NOT NULL AND request IS NOT NULL))
) STRICT;

-- Which entries a request was about. Only added to: it is the audit trail.
CREATE TABLE attempt (
    entry INTEGER NOT NULL REFERENCES entry,
    request INTEGER NOT NULL REFERENCES request,
    PRIMARY KEY (entry, request)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entry,
    at REAL NOT NULL,
    by TEXT NOT NULL CHECK (trim(by) <> ''),
    note TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX one_number ON entry (number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX one_unsettled_write ON entry (target)
    WHERE target IS NOT NULL AND state IN ('in_flight', 'unknown');

-- What to do next is found without a look at what is done.
CREATE INDEX ready ON entry (seq) WHERE state = 'planned' AND batch IS NULL;
CREATE INDEX ready_and_read ON entry (seq)
    WHERE state = 'planned' AND batch IS NULL AND (before IS NOT NULL OR operation <> 'update');
CREATE INDEX unread ON entry (seq)
    WHERE state = 'planned' AND batch IS NULL AND operation = 'update' AND before IS NULL;
CREATE INDEX in_batch ON entry (batch) WHERE state = 'planned' AND batch IS NOT NULL;
CREATE INDEX of_target ON entry (target, seq)
    WHERE state IN ('planned', 'in_flight', 'unknown', 'conflict');
CREATE INDEX in_doubt ON entry (not_before) WHERE state = 'unknown';
CREATE INDEX to_check ON entry (late_check) WHERE late_check IS NOT NULL;
CREATE INDEX claimed ON entry (owner) WHERE owner IS NOT NULL;
CREATE INDEX by_invoice ON entry (invoice_id) WHERE operation = 'create' AND invoice_id IS NOT NULL;
CREATE INDEX of_request ON entry (request) WHERE request IS NOT NULL;
CREATE INDEX of_entry ON decision (entry);

CREATE TABLE legal (
    before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (before, after)
) STRICT, WITHOUT ROWID;
INSERT INTO legal VALUES {_LEGAL};

CREATE TRIGGER begins_planned BEFORE INSERT ON entry WHEN NEW.state <> 'planned'
BEGIN SELECT RAISE(ABORT, 'an entry begins as planned'); END;

CREATE TRIGGER only_legal BEFORE UPDATE OF state ON entry
WHEN OLD.state <> NEW.state
    AND NOT EXISTS (SELECT 1 FROM legal WHERE before = OLD.state AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'an entry cannot go from that state to this one'); END;

-- A request that had an unclear end may have been carried out: a refusal of a later one proves
-- nothing about it.
CREATE TRIGGER refused_is_not_carried_out BEFORE UPDATE OF state ON entry
WHEN NEW.state = 'rejected' AND OLD.state = 'in_flight' AND OLD.unclear > 0
BEGIN SELECT RAISE(ABORT, 'an earlier request of this entry may have been carried out'); END;

CREATE TRIGGER body_stays
BEFORE UPDATE OF seq, id, operation, target, number, body, body_hash ON entry
WHEN OLD.seq <> NEW.seq OR OLD.id <> NEW.id OR OLD.operation <> NEW.operation
    OR OLD.target IS NOT NEW.target OR OLD.number IS NOT NEW.number
    OR OLD.body_hash <> NEW.body_hash
    OR (OLD.body IS NOT NEW.body AND NEW.body IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a planned write does not change'); END;

CREATE TRIGGER counts_grow BEFORE UPDATE OF attempts, unclear ON entry
WHEN NEW.attempts < OLD.attempts OR NEW.unclear < OLD.unclear
BEGIN SELECT RAISE(ABORT, 'a ledger forgets no attempt'); END;

CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'a ledger forgets no entry'); END;
CREATE TRIGGER request_stays BEFORE DELETE ON request
BEGIN SELECT RAISE(ABORT, 'a ledger forgets no request'); END;
CREATE TRIGGER request_ends_once BEFORE UPDATE ON request WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a request ends once'); END;
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt
BEGIN SELECT RAISE(ABORT, 'a ledger forgets no attempt'); END;
CREATE TRIGGER attempt_is_fixed BEFORE UPDATE ON attempt
BEGIN SELECT RAISE(ABORT, 'an attempt does not change'); END;
CREATE TRIGGER decision_stays BEFORE DELETE ON decision
BEGIN SELECT RAISE(ABORT, 'a ledger forgets no decision'); END;
CREATE TRIGGER decision_is_fixed BEFORE UPDATE ON decision
BEGIN SELECT RAISE(ABORT, 'a decision does not change'); END;
"""
