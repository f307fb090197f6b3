-- Roles of least privilege for one Sekimori database. Run it once after the first migration, as the role
-- that migrates (it owns every table), and again after each upgrade; it may be repeated at will:
--
--   psql --single-transaction --file roles.sql "$URL"
--
-- These roles cannot log in. Give each process a user of its own that is in one of them:
--
--   CREATE ROLE node1 LOGIN PASSWORD '...' IN ROLE sekimori_archivist, sekimori_publisher, sekimori_governor;
--
-- (`sekimori archive` runs the archivist and the publisher; `sekimori up` runs everything under one user;
-- `sekimori govern serve` needs governor, reader, console and publisher.)
--
-- Who holds what:
--   owner          whoever runs this and `sekimori init`: migrates. No process runs under it.
--   archivist      adds evidence; changes of it only what an outcome adds to its index row, and counters
--   reader         reads evidence, and records each reading: `sekimori log`, `sekimori verify`
--   eraser         destroys keys, takes content and tokens away: `sekimori erase`, `hold`, and retention. An
--                  archivist that applies retention, or moves what an older release stored, is in this role too.
--   publisher      reads accounts and applied files, keeps compiled snapshots
--   administrator  applies files and keeps accounts: `sekimori apply`, `sekimori user`
--   governor       carries out what is decided and what is due: `sekimori govern`, `apply`, the archivist's clock,
--                  the web server's API. Whoever does one of these is in this role too.
--   console        the web server: accounts, set-up links, and of the evidence the index, to read only
--   gate workers   nothing: they never connect. What they write stands in the spool first.
--
-- A right to read is no right to understand: names and content are sealed, and the keys are not here. What
-- the owner or a superuser changes all the same, `sekimori verify` and the ledger's checkpoints show.

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['archivist', 'reader', 'eraser', 'publisher', 'administrator', 'governor', 'console'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sekimori_' || role) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', 'sekimori_' || role);
    END IF;
    -- What an older version of this file granted must not stay.
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), 'sekimori_' || role);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), 'sekimori_' || role);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), 'sekimori_' || role);
    EXECUTE format('GRANT SELECT ON alembic_version TO %I', 'sekimori_' || role);
  END LOOP;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END $$;

-- Evidence: added, never changed and never removed. What other processes stored gets its place afterwards.
GRANT SELECT, INSERT ON entry, content, record, search, statement, record_key, data_key, chunk, anchor, link,
                        output_tag TO sekimori_archivist;
GRANT UPDATE (tree, idx) ON entry, statement TO sekimori_archivist;
GRANT SELECT, INSERT, UPDATE ON tree TO sekimori_archivist;
GRANT SELECT, UPDATE (placed) ON event TO sekimori_archivist;
GRANT SELECT ON key_epoch, hold TO sekimori_archivist;
GRANT UPDATE (state, outcome_lane, outcome_n, ended_us, status, answer_parse, input_tokens, output_tokens,
              output_bytes) ON record TO sekimori_archivist;
GRANT SELECT, INSERT, UPDATE ON lane, lane_list TO sekimori_archivist;
GRANT SELECT, UPDATE, DELETE ON upkeep TO sekimori_archivist;
GRANT EXECUTE ON FUNCTION sekimori_month(bigint) TO sekimori_archivist;

-- A reading is itself a record, in a lane of its own.
GRANT SELECT ON entry, content, record, search, reading, lane, lane_list, upkeep, policy_version, statement,
                tree, event, hold, key_epoch, data_key, record_key, chunk, anchor, link, output_tag
  TO sekimori_reader;
GRANT INSERT ON entry, record, search, reading, record_key, data_key TO sekimori_reader;
GRANT INSERT, UPDATE ON lane, lane_list TO sekimori_reader;
GRANT EXECUTE ON FUNCTION sekimori_month(bigint) TO sekimori_reader;
-- verify holds accounts against what was done to them; without people.key the rows tell it nothing.
GRANT SELECT ON person TO sekimori_reader;

-- An erasure destroys keys, takes text away, and writes anew what leaned on that text. It never takes an entry,
-- a leaf or a place.
GRANT SELECT ON entry, content, record, search, reading, lane, lane_list, upkeep, hold, event TO sekimori_eraser;
GRANT DELETE ON content, search TO sekimori_eraser;
GRANT UPDATE (state, operation, reasons, parse, prompt_bytes, status, answer_parse, input_tokens, output_tokens,
              output_bytes) ON record TO sekimori_eraser;
GRANT UPDATE (sealed, sealed_sha256) ON content TO sekimori_eraser;
GRANT UPDATE (sealed) ON entry TO sekimori_eraser;
GRANT SELECT, INSERT, UPDATE, DELETE ON key_epoch, data_key, record_key TO sekimori_eraser;
GRANT SELECT, INSERT, DELETE ON chunk, anchor, link, output_tag TO sekimori_eraser;
GRANT UPDATE (tag) ON output_tag TO sekimori_eraser;
GRANT INSERT ON event, hold TO sekimori_eraser;
GRANT UPDATE (sealed, lifted_us) ON hold TO sekimori_eraser;
GRANT INSERT, UPDATE, DELETE ON upkeep TO sekimori_eraser;

-- What is governed: changed by commands, by requests and by the clock; its history is added to, never changed.
-- Each change leaves an event, which the archivist states in a leaf.
GRANT SELECT, INSERT, UPDATE ON governed TO sekimori_governor;
GRANT SELECT, INSERT ON governed_event TO sekimori_governor;
GRANT SELECT, INSERT, DELETE ON governed_key, governed_once TO sekimori_governor;
GRANT SELECT ON governed, governed_event, governed_key TO sekimori_reader, sekimori_publisher;
GRANT INSERT ON event TO sekimori_governor, sekimori_publisher;
GRANT SELECT ON policy_document TO sekimori_governor;
-- What somebody writes with feedback lies under a data key of theirs; accounts are held against what was noted.
GRANT SELECT ON key_epoch, person TO sekimori_governor;
GRANT SELECT, INSERT ON data_key TO sekimori_governor;
-- What is done to an account is noted where it is done.
GRANT SELECT, INSERT, UPDATE ON governed TO sekimori_administrator;
GRANT SELECT, INSERT ON governed_event TO sekimori_administrator;
GRANT SELECT, INSERT, DELETE ON governed_key TO sekimori_administrator;
GRANT INSERT ON event TO sekimori_administrator;

-- Accounts and policy; whoever changes them holds the one row of turn.
GRANT SELECT, UPDATE ON turn TO sekimori_governor, sekimori_publisher, sekimori_administrator, sekimori_console;
GRANT SELECT ON upkeep TO sekimori_publisher, sekimori_administrator, sekimori_console;
GRANT SELECT ON person, policy_document, policy_version TO sekimori_publisher;
GRANT INSERT ON policy_version TO sekimori_publisher;
GRANT SELECT ON person, invite, policy_document, policy_version TO sekimori_administrator;
GRANT INSERT, UPDATE ON person, invite TO sekimori_administrator;
GRANT INSERT ON policy_document TO sekimori_administrator;
GRANT SELECT ON record, person, invite TO sekimori_console;
GRANT INSERT, UPDATE ON person, invite TO sekimori_console;
