"""The tables of a ledger, in the SQL of SQLite and of PostgreSQL.

The safety net is here and not in Python: the database itself refuses a second entry for one
number, a second unsettled write of one invoice, an illegal step, and a change of the audit trail.
"""

# ruff: noqa: S608 - statements are put together from our own constants
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from billingual.jobs.entry import State
from billingual.jobs.ledger import LEGAL

__all__ = ["APPLICATION_ID", "POSTGRES", "SQLITE", "VERSION"]

APPLICATION_ID: Final = 0x62696C6C
"""``bill``, in the header of the file: another program's database is not taken for a ledger."""

VERSION: Final = 3

# The new state is compared with a few texts, one by one: of a list SQLite makes a table, for each
# row anew, which took a tenth of the time of a claim and its end.
_LEGAL: Final = " ".join(
    f"WHEN '{before.value}' THEN "
    + " OR ".join(f"NEW.state = '{two.value}'" for one, two in sorted(LEGAL) if one is before)
    for before in State
    if any(one is before for one, _ in LEGAL)
)

# Words in braces are those in which the two databases differ.
_TABLES: Final = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    provider TEXT NOT NULL,
    account TEXT NOT NULL,
    created {real} NOT NULL,
    version TEXT NOT NULL,
    nonce TEXT NOT NULL,
    options TEXT NOT NULL DEFAULT '{{}}'
){strict};

CREATE TABLE request (
    id {integer} PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('send', 'look')),
    owner TEXT NOT NULL,
    started {real} NOT NULL,
    ended {real},
    outcome TEXT,
    status INTEGER,
    why TEXT
){strict};

CREATE TABLE entry (
    seq {integer} PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    target TEXT CHECK ((target IS NULL) = (operation = 'create')),
    number TEXT CHECK (number IS NULL OR operation = 'create'),
    -- Without its body it could not be sent.
    body TEXT CHECK (body IS NOT NULL OR state IN ('committed', 'rejected', 'abandoned')),
    body_hash TEXT NOT NULL,
    before TEXT,
    -- The triggers know which states there are, and to ask here too takes as long as the update.
    state TEXT NOT NULL DEFAULT 'planned',
    reason TEXT,
    refusal TEXT,
    -- Null where it is the target.
    invoice_id TEXT CHECK (invoice_id IS NOT NULL OR target IS NOT NULL OR state <> 'committed'),
    batch {integer},
    request {integer} REFERENCES request,
    -- 1 while a request or a look has it, which is one byte less a row than the name of its run.
    held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    lease {real} NOT NULL DEFAULT 0,
    not_before {real} NOT NULL DEFAULT 0,
    given_up_at {real} NOT NULL DEFAULT 0,
    late_check {real} CHECK (late_check IS NULL OR state = 'committed'),
    attempts INTEGER NOT NULL DEFAULT 0,
    unclear INTEGER NOT NULL DEFAULT 0 CHECK (unclear BETWEEN 0 AND attempts),
    CHECK (state <> 'in_flight' OR (held = 1 AND request IS NOT NULL))
){strict};

-- Which entries a request was about. Only added to: it is the audit trail.
CREATE TABLE attempt (
    entry {integer} NOT NULL REFERENCES entry,
    request {integer} NOT NULL REFERENCES request,
    PRIMARY KEY (entry, request)
){without_rowid};

CREATE TABLE decision (
    id {counted} PRIMARY KEY,
    entry {integer} NOT NULL REFERENCES entry,
    at {real} NOT NULL,
    by TEXT NOT NULL CHECK (trim(by) <> ''),
    note TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
){strict};

CREATE UNIQUE INDEX one_number ON entry (number) WHERE number IS NOT NULL;

-- What to do next is found without a look at what is done.
CREATE INDEX ready ON entry (seq) WHERE state = 'planned' AND batch IS NULL;
CREATE INDEX ready_and_read ON entry (seq)
    WHERE state = 'planned' AND batch IS NULL AND (before IS NOT NULL OR operation <> 'update');
CREATE INDEX unread ON entry (seq)
    WHERE state = 'planned' AND batch IS NULL AND operation = 'update' AND before IS NULL;
CREATE INDEX in_batch ON entry (batch) WHERE state = 'planned' AND batch IS NOT NULL;
-- Of all states: an index that has only some of them is written anew with each step of an entry.
CREATE INDEX of_target ON entry (target, seq) WHERE target IS NOT NULL;
CREATE INDEX in_doubt ON entry (not_before) WHERE state = 'unknown';
CREATE INDEX to_check ON entry (late_check) WHERE late_check IS NOT NULL;
CREATE INDEX under_way ON request (id) WHERE ended IS NULL;
CREATE INDEX by_invoice ON entry (invoice_id) WHERE operation = 'create' AND invoice_id IS NOT NULL;
CREATE INDEX of_request ON entry (request) WHERE request IS NOT NULL;
CREATE INDEX of_entry ON decision (entry);
"""

# A trigger's name: what it looks at, when it refuses, and what it says then.
_REFUSALS: Final = {
    "begins_planned": (
        "INSERT ON entry",
        "NEW.state <> 'planned'",
        "an entry begins as planned",
    ),
    "only_legal": (
        "UPDATE OF state ON entry",
        f"OLD.state <> NEW.state AND NOT CASE OLD.state {_LEGAL} ELSE FALSE END",
        "an entry cannot go from that state to this one",
    ),
    # A request that had an unclear end may have been carried out: a refusal of a later one proves
    # nothing about it.
    "refused_is_not_carried_out": (
        "UPDATE OF state ON entry",
        "NEW.state = 'rejected' AND OLD.state = 'in_flight' AND OLD.unclear > 0",
        "an earlier request of this entry may have been carried out",
    ),
    "body_stays": (
        "UPDATE OF seq, id, operation, target, number, body, body_hash ON entry",
        (
            "OLD.seq <> NEW.seq OR OLD.id <> NEW.id OR OLD.operation <> NEW.operation"
            " OR OLD.target {differs_from} NEW.target OR OLD.number {differs_from} NEW.number"
            " OR OLD.body_hash <> NEW.body_hash"
            " OR (OLD.body {differs_from} NEW.body AND NEW.body IS NOT NULL)"
        ),
        "a planned write does not change",
    ),
    "counts_grow": (
        "UPDATE OF attempts, unclear ON entry",
        "NEW.attempts < OLD.attempts OR NEW.unclear < OLD.unclear",
        "a ledger forgets no attempt",
    ),
    "entry_stays": ("DELETE ON entry", "", "a ledger forgets no entry"),
    "request_stays": ("DELETE ON request", "", "a ledger forgets no request"),
    "request_ends_once": ("UPDATE ON request", "OLD.ended IS NOT NULL", "a request ends once"),
    "attempt_stays": ("DELETE ON attempt", "", "a ledger forgets no attempt"),
    "attempt_is_fixed": ("UPDATE ON attempt", "", "an attempt does not change"),
    "decision_stays": ("DELETE ON decision", "", "a ledger forgets no decision"),
    "decision_is_fixed": ("UPDATE ON decision", "", "a decision does not change"),
}


def _written(words: Mapping[str, str], trigger: str, *, refused: str) -> str:
    """Write the tables and the triggers in the SQL of one database."""
    triggers = [
        trigger.format(
            name=name, event=event, when=when and f"WHEN ({when})", refusal=refused.format(text)
        )
        for name, (event, when, text) in _REFUSALS.items()
    ]
    return _TABLES.format(**words) + "".join(triggers).format(**words)


SQLITE: Final = (
    f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""
    + _written(
        {
            "integer": "INTEGER",
            "counted": "INTEGER",
            "real": "REAL",
            "strict": " STRICT",
            "without_rowid": " STRICT, WITHOUT ROWID",
            "differs_from": "IS NOT",
        },
        "CREATE TRIGGER {name} BEFORE {event} {when}\nBEGIN {refusal}; END;\n",
        refused="SELECT RAISE(ABORT, '{}')",
    )
    # An index of unsettled writes by invoice would be written from end to end with each batch,
    # whose invoices are anywhere in it: that was a third of all that a step wrote. Only one
    # connection writes at a time, so that a trigger sees what an index would. It has to look for
    # other writes of those invoices alone that have several, which are few.
    + """
CREATE TABLE shared_target (target TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TRIGGER target_is_shared AFTER INSERT ON entry
WHEN NEW.target IS NOT NULL
    AND EXISTS (SELECT 1 FROM entry WHERE target = NEW.target AND seq <> NEW.seq)
BEGIN INSERT INTO shared_target VALUES (NEW.target) ON CONFLICT DO NOTHING; END;
CREATE TRIGGER target_stays_shared BEFORE DELETE ON shared_target
BEGIN SELECT RAISE(ABORT, 'an invoice of several entries stays one'); END;
CREATE TRIGGER one_unsettled_write BEFORE UPDATE OF state ON entry
WHEN NEW.state IN ('in_flight', 'unknown') AND NEW.target IN (SELECT target FROM shared_target)
    AND EXISTS (
        SELECT 1 FROM entry WHERE target = NEW.target AND seq <> NEW.seq
        AND state IN ('in_flight', 'unknown')
    )
BEGIN SELECT RAISE(ABORT, 'an invoice has one unsettled write'); END;
"""
)

# TRUNCATE fires no trigger of a row, so it is refused by one of its own.
_KEPT: Final = "".join(
    f"CREATE TRIGGER {table}_is_kept BEFORE TRUNCATE ON {table}"
    " EXECUTE FUNCTION refuse('a ledger forgets nothing');\n"
    for table in ("job", "entry", "request", "attempt", "decision")
)

POSTGRES: Final = (
    """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
END $$;

-- Which transaction of a connection was the last that was kept: a connection that is lost while it
-- keeps one leaves open whether it did.
CREATE TABLE connection (id TEXT PRIMARY KEY, kept BIGINT NOT NULL DEFAULT 0);
CREATE SEQUENCE request_id;
"""
    + _written(
        {
            "integer": "BIGINT",
            "counted": "BIGINT GENERATED ALWAYS AS IDENTITY",
            "real": "DOUBLE PRECISION",
            "strict": "",
            "without_rowid": "",
            "differs_from": "IS DISTINCT FROM",
        },
        "CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW {when}\nEXECUTE FUNCTION {refusal};\n",
        refused="refuse('{}')",
    )
    + _KEPT
    # Two transactions that write at once do not see each other's rows; an index does.
    + """
CREATE UNIQUE INDEX one_unsettled_write ON entry (target)
    WHERE target IS NOT NULL AND state IN ('in_flight', 'unknown');
"""
    # The first entry of a batch is looked up whatever its state.
    + "CREATE INDEX of_batch ON entry (batch, seq) WHERE batch IS NOT NULL;\n"
)
