"""The tables of the ledger, and the conditions under which rows are treated alike."""

from __future__ import annotations

FORMAT = 5
# Kinds of failures that say nothing about the content of a file: every later run tries such a file again.
TRANSIENT = ("missing", "no-permission", "io-error", "changed")
GATED = "gate"  # the kind of rows that the gate skipped
IDENTIFYING = "level, study_uid, series_uid, instance_uid"  # columns of ``files`` and ``cases``
OUTCOME = f"{IDENTIFYING}, status, reason, kind, note"  # columns of ``cases`` that grouping fills
EQUAL_BYTES = "content "  # starts an ``instance`` that is the digest of a whole file
# The conditions of rows that wait for a result, and of rows that decide about the other copies of their image: these
# become copies of a DONE row, and fail like a HOPELESS one without a try. sqlite uses a partial index only for a query
# that repeats the condition of the index.
WAITING = "status IS NULL AND instance IS NOT NULL"
DONE = "status IN ('scored', 'skipped') AND copy_of IS NULL AND instance IS NOT NULL"
HOPELESS = f"status = 'failed' AND instance GLOB '{EQUAL_BYTES}*' AND kind NOT IN {TRANSIENT}"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS identity (text TEXT);
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, run INTEGER,
    since INTEGER, look TEXT, reason TEXT, kind TEXT, instance TEXT, series TEXT, place TEXT, level TEXT,
    study_uid TEXT, series_uid TEXT, instance_uid TEXT, session TEXT, mark TEXT, again INTEGER, content TEXT,
    uid TEXT AS (iif(look = 'slice', series_uid, instance_uid)) VIRTUAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_unseen ON files (path) WHERE look IS NULL;
CREATE INDEX IF NOT EXISTS files_series ON files (series, path) WHERE series IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_instance ON files (series, instance) WHERE instance IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_size ON files (size) WHERE look = 'image';
CREATE INDEX IF NOT EXISTS files_uid ON files (uid, session) WHERE uid != '';
CREATE TABLE IF NOT EXISTS cases (id BLOB PRIMARY KEY, stamp TEXT, files BLOB, instance TEXT, level TEXT,
    study_uid TEXT, series_uid TEXT, instance_uid TEXT, status TEXT, reason TEXT, kind TEXT, note TEXT,
    copy_of BLOB, slices INTEGER, scores TEXT, heatmap TEXT, facts TEXT, seconds REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cases_to_do ON cases (id) WHERE status IS NULL;
CREATE INDEX IF NOT EXISTS cases_failed ON cases (id) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS cases_waiting ON cases (instance, id) WHERE {WAITING};
CREATE INDEX IF NOT EXISTS cases_done ON cases (instance, id) WHERE {DONE};
CREATE INDEX IF NOT EXISTS cases_hopeless ON cases (instance, id) WHERE {HOPELESS};
CREATE TABLE IF NOT EXISTS orphans (id BLOB PRIMARY KEY, thumbnail INTEGER) WITHOUT ROWID;
"""
