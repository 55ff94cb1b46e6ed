-- Every primary key begins with account_id, so that the schema can be distributed on it.
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, and an index is half as slow.

CREATE TYPE inventory_state AS ENUM (
    'available', 'committed', 'reserved', 'damaged', 'safety_stock', 'quality_control', 'incoming'
);

-- Accounts ------------------------------------------------------------------------------------------------------------

-- Names of accounts. An account needs no row here: it exists as soon as it has a warehouse or a product.
-- upload_settings: how its files are to be read where a request does not say so (UploadSettings): what they call the
-- columns, as {"name in the file": "column"}, their encoding, decimal mark and default action.
CREATE TABLE accounts (
    account_id      text COLLATE "C" PRIMARY KEY,
    name            text NOT NULL,
    upload_settings jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- The customer account_id lets a provider act on its stock.
CREATE TABLE account_links (
    account_id          text COLLATE "C" NOT NULL,
    provider_account_id text COLLATE "C" NOT NULL,
    scope               text NOT NULL CHECK (scope IN ('read', 'write')),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, provider_account_id)
);

-- Reasons for changes of stock beside those that every account has.
CREATE TABLE reasons (
    account_id  text COLLATE "C" NOT NULL,
    code        text COLLATE "C" NOT NULL,
    description text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, code)
);

-- Names ---------------------------------------------------------------------------------------------------------------

-- What is left of a SKU or another name when all is left out that gets lost or is added on the way through spreadsheets,
-- web shops and keyboards: case, width and blanks; `="…"`, a leading ' and the .0 of a number; leading zeros; characters
-- of HTML; kinds of dashes and quotes; letters of other alphabets that look like Latin ones; what nobody sees. NULL where
-- nothing is left. Two names that are left with the same are perhaps the same; that is to be suggested, never to be taken
-- for sure. Of itself it uses functions of PostgreSQL only: an index is also built where no schema is searched.
CREATE FUNCTION fold_name(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    entity text[];
    code   integer;
BEGIN
    IF position('&' IN name) > 0 AND position(';' IN name) > 0 THEN
        FOR n IN 1..20 LOOP
            entity := regexp_match(name, '(&#(?:([0-9]{1,6})|[xX]([0-9a-fA-F]{1,5}));)');
            EXIT WHEN entity IS NULL;
            code := coalesce(entity[2]::integer, ('x' || lpad(entity[3], 8, '0'))::bit(32)::integer);
            name := replace(name, entity[1], CASE
                WHEN code > 0 AND code NOT BETWEEN 55296 AND 57343 THEN chr(code) -- the others are no characters
                ELSE '' END);
        END LOOP;
        name := regexp_replace(name, '&quot;', '"', 'gi');
        name := regexp_replace(name, '&apos;', '''', 'gi');
        name := regexp_replace(name, '&lt;', '<', 'gi');
        name := regexp_replace(name, '&gt;', '>', 'gi');
        name := regexp_replace(name, '&nbsp;', ' ', 'gi');
        name := regexp_replace(name, '&amp;', '&', 'gi');
    END IF;
    IF octet_length(name) = length(name) THEN
        name := lower(name COLLATE "C");
    ELSE
        name := lower(normalize(name, NFKC) COLLATE pg_c_utf8);
    END IF;
    IF name ~ E'[\u00ad\u0131\u02bc\u0300-\uffff]' THEN
        name := translate(
            name,
            -- Cyrillic, Greek, dashes, single quotes, double quotes; and what is left out.
                   E'\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456'
                || E'\u0458\u04bb\u0501\u051b\u051d'
                || E'\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7'
                || E'\u0131'
                || E'\u2010\u2012\u2013\u2014\u2015\u2043\u2212'
                || E'\u2018\u2019\u201a\u201b\u02bc\u2032'
                || E'\u201c\u201d\u201e\u201f'
                || E'\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e'
                || E'\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff\ufffd',
            'abekmhopctyxsijhdqwabezhikmnoptyxi' || repeat('-', 7) || repeat('''', 6) || repeat('"', 4));
    END IF;
    RETURN nullif(ltrim(regexp_replace(
        btrim(replace(name, ' ', ''), '="'''), '^([0-9]+)[.,]0+$', '\1'), '0'), '');
END $$;

-- All that a name which does not exist may be left with: itself, and where it looks like a date what a spreadsheet can
-- have made the date of: 1-Mar of MAR-1, MAR1, 1-3 or 3/1. The most likely first.
CREATE FUNCTION near_names(name text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parts   text[] := regexp_match(name COLLATE pg_c_utf8,
        '^(?:([0-9]{1,2})[-./ ]{1,2}([[:alpha:]]{3,9})\.?'                        -- 1-Mar, 1. Mrz.
        '|([[:alpha:]]{3,9})[-./ ]{1,2}([0-9]{1,2})'                               -- Mar-01
        '|([0-9]{1,2})([-./])([0-9]{1,2})\6(?:[0-9]{2}|[12][0-9]{3})'             -- 01.03.2026, 3/1/26
        '|[12][0-9]{3}-([0-9]{2})-([0-9]{2}))$');                                  -- 2026-03-01
    spelled text := lower(coalesce(parts[2], parts[3]) COLLATE pg_c_utf8);
    month   integer;
    days    integer[];
    months  integer[];
BEGIN
    IF parts IS NULL THEN
        RETURN ARRAY[fold_name(name)];
    END IF;
    IF spelled IS NULL THEN
        days := ARRAY[coalesce(parts[5], parts[8]), coalesce(parts[7], parts[9])];
        months := ARRAY[days[2], days[1]];
    ELSE
        month := array_position(
            string_to_array('jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec,'
                            'ene,,mär,abr,mai,,,ago,,okt,,dez,,,mrz,,,,,,,,,dic', ','), left(spelled, 3));
        days := ARRAY[coalesce(parts[1], parts[4])];
        months := ARRAY[(month - 1) % 12 + 1];
    END IF;
    RETURN ARRAY[fold_name(name)] || ARRAY(
        SELECT fold_name(written)
        FROM unnest(days, months) AS date (day, month)
        CROSS JOIN LATERAL (
            SELECT lower(to_char(make_date(2000, date.month, 1), 'FMMonth')) AS text WHERE date.month BETWEEN 1 AND 12
        ) AS english
        CROSS JOIN LATERAL unnest(ARRAY[date.day::text, lpad(date.day::text, 2, '0')]) AS number
        CROSS JOIN LATERAL unnest(ARRAY[
            spelled, left(english.text, 3), left(english.text, 4), english.text, date.month::text,
            lpad(date.month::text, 2, '0')]) AS word
        CROSS JOIN LATERAL unnest(ARRAY['-', '', '/', '.']) AS mark
        CROSS JOIN LATERAL unnest(ARRAY[word || mark || number, number || mark || word]) AS written
        WHERE date.day BETWEEN 1 AND 31 AND (mark <> '' OR word !~ '[0-9]'));
END $$;

-- Catalogue -----------------------------------------------------------------------------------------------------------

-- location_layout: the names of the parts of a location's name, with ' - ' between them.
-- The wipe guard: a sync is held that would empty more than max_zeroed_percent of the levels with stock, or that leaves out
-- more than max_missing_percent of the SKUs with stock. NULL: the setting's share, and no limit.
CREATE TABLE warehouses (
    account_id      text COLLATE "C" NOT NULL,
    warehouse_id    text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    slotting        text NOT NULL CHECK (slotting IN ('static', 'dynamic')),
    allow_negative  boolean NOT NULL DEFAULT false,
    location_layout text,
    max_zeroed_percent  integer CHECK (max_zeroed_percent BETWEEN 0 AND 100),
    max_missing_percent integer CHECK (max_missing_percent BETWEEN 0 AND 100),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, warehouse_id)
);

-- Every warehouse has the location 'unassigned'; in a warehouse with static slotting it is the only one.
CREATE TABLE locations (
    account_id   text COLLATE "C" NOT NULL,
    warehouse_id text COLLATE "C" NOT NULL,
    location_id  text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    zone         text,
    type         text,
    pickable     boolean NOT NULL DEFAULT true,
    sellable     boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, warehouse_id, location_id),
    UNIQUE (name, account_id, warehouse_id), -- see the comment on levels
    FOREIGN KEY (account_id, warehouse_id) REFERENCES warehouses
);
CREATE INDEX locations_folded ON locations (fold_name(name), account_id, warehouse_id);

-- The location that was perhaps meant by a name that none has: the one of this id, or of nearly this name.
CREATE FUNCTION near_location(owner text, warehouse text, called text) RETURNS text LANGUAGE sql STABLE RETURN coalesce(
    (SELECT name FROM locations WHERE account_id = owner AND warehouse_id = warehouse AND location_id = called),
    (SELECT near.name FROM (
        SELECT name FROM locations
        WHERE account_id = owner AND warehouse_id = warehouse AND fold_name(name) = ANY (near_names(called)) LIMIT 20) AS near
    ORDER BY array_position(near_names(called), fold_name(near.name)), near.name LIMIT 1));

-- warehouse_ids NULL: the product is available in every warehouse of the account.
CREATE TABLE products (
    account_id    text COLLATE "C" NOT NULL,
    sku           text COLLATE "C" NOT NULL,
    name          text,
    warehouse_ids text[],
    lot_tracked   boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sku)
);
-- Finds what was perhaps meant by a SKU that no product has; see the comment on levels.
CREATE INDEX products_folded ON products (fold_name(sku), account_id);

CREATE TABLE lots (
    account_id text COLLATE "C" NOT NULL,
    sku        text COLLATE "C" NOT NULL,
    lot_id     text COLLATE "C" NOT NULL,
    expires_on date,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sku, lot_id),
    FOREIGN KEY (account_id, sku) REFERENCES products
);

CREATE TABLE vendors (
    account_id text COLLATE "C" NOT NULL,
    vendor_id  text COLLATE "C" NOT NULL,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, vendor_id)
);

CREATE TABLE product_vendors (
    account_id text COLLATE "C" NOT NULL,
    sku        text COLLATE "C" NOT NULL,
    vendor_id  text COLLATE "C" NOT NULL,
    vendor_sku text,
    PRIMARY KEY (account_id, sku, vendor_id),
    FOREIGN KEY (account_id, sku) REFERENCES products,
    FOREIGN KEY (account_id, vendor_id) REFERENCES vendors
);

-- A location of a sales channel has at most one warehouse, and one of an account's is the master.
CREATE TABLE channel_locations (
    account_id           text COLLATE "C" NOT NULL,
    channel              text COLLATE "C" NOT NULL,
    external_location_id text COLLATE "C" NOT NULL,
    warehouse_id         text COLLATE "C" NOT NULL,
    master               boolean NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, channel, external_location_id),
    FOREIGN KEY (account_id, warehouse_id) REFERENCES warehouses
);
CREATE UNIQUE INDEX channel_locations_master ON channel_locations (account_id) WHERE master;

-- Stock and its ledger ------------------------------------------------------------------------------------------------

-- One level: the stock of one SKU in one location, and of one lot where the product is tracked by lot (else lot_id is '').
-- Levels are never deleted, so level_id names them in the ledger for ever.
-- No foreign keys: the statements that write a level join the catalogue in the same transaction, and a check for each
-- row would cost the bulk path a third of its speed.
-- The second key begins with level_id: of two keys that begin alike the planner can take the wrong one, and read all rows
-- of the account for each row of an upload, as long as the statistics of a new table are missing.
CREATE TABLE levels (
    account_id      text COLLATE "C" NOT NULL,
    warehouse_id    text COLLATE "C" NOT NULL,
    sku             text COLLATE "C" NOT NULL,
    location_id     text COLLATE "C" NOT NULL,
    lot_id          text COLLATE "C" NOT NULL DEFAULT '',
    level_id        bigint GENERATED ALWAYS AS IDENTITY,
    version         bigint NOT NULL DEFAULT 0,
    available       bigint NOT NULL DEFAULT 0,
    committed       bigint NOT NULL DEFAULT 0,
    reserved        bigint NOT NULL DEFAULT 0,
    damaged         bigint NOT NULL DEFAULT 0,
    safety_stock    bigint NOT NULL DEFAULT 0,
    quality_control bigint NOT NULL DEFAULT 0,
    incoming        bigint NOT NULL DEFAULT 0,
    on_hand         bigint GENERATED ALWAYS AS
        (available + committed + reserved + damaged + safety_stock + quality_control) VIRTUAL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, warehouse_id, sku, location_id, lot_id),
    UNIQUE (level_id, account_id)
) WITH (fillfactor = 75); -- room for the next version on the same page: an update then touches no index

-- The committed units of a level, by the document of the order that they are promised to; a row goes with its last unit.
-- Who writes one holds its level. No foreign key, as above.
CREATE TABLE allocations (
    account_id text COLLATE "C" NOT NULL,
    document   text COLLATE "C" NOT NULL,
    level_id   bigint NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, document, level_id)
);
CREATE INDEX allocations_level ON allocations (level_id, document);

-- One row for each state that a change touched. `before` is after - delta. All rows of a batch have its time, which was
-- taken while the levels were held: for a level it grows with the version. provider_account_id: who acted for the account;
-- origin: the channel location that counted.
-- Partitioned by month (UTC); what is too old is folded into change_log_folds and dropped. The unique index of each month
-- makes a lost update impossible: two writers that read the same version would write the same key. Over the edge of two
-- months the lock of the level alone does, and the audit proves it.
CREATE TABLE change_log (
    account_id          text COLLATE "C" NOT NULL,
    level_id            bigint NOT NULL,
    version             bigint NOT NULL,
    state               inventory_state NOT NULL,
    delta               bigint NOT NULL,
    after               bigint NOT NULL,
    batch_id            bigint NOT NULL,
    recorded_at         timestamptz NOT NULL,
    reason              text,
    note                text,
    document            text,
    actor               text,
    provider_account_id text COLLATE "C",
    origin              text,
    command_id          text COLLATE "C",
    command_source      text COLLATE "C",
    sync_id             uuid,
    sync_row            integer,
    CHECK (delta <> 0)
) PARTITION BY RANGE (recorded_at);

-- Where lines go whose month has no partition: nothing fails when the scheduler has not run for long.
CREATE TABLE change_log_default PARTITION OF change_log DEFAULT;
CREATE UNIQUE INDEX change_log_default_key ON change_log_default (account_id, level_id, version, state);
CREATE INDEX change_log_default_time ON change_log_default (account_id, recorded_at);
CREATE INDEX change_log_default_document ON change_log_default (account_id, document) WHERE document IS NOT NULL;

-- Gives the month of a day its partition, with what lies in the default partition of it; false where it has one.
CREATE FUNCTION create_change_log_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', day)::date;
    name  text := to_char(month, '"change_log_"YYYY_MM');
    first timestamptz := month::timestamp AT TIME ZONE 'UTC';
    next  timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('change_log partitions', 0));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE change_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    LOCK TABLE change_log_default IN ACCESS EXCLUSIVE MODE; -- nobody writes a line of the month there meanwhile
    EXECUTE format(
        'WITH moved AS (DELETE FROM change_log_default WHERE recorded_at >= %L AND recorded_at < %L RETURNING *)
         INSERT INTO %I SELECT * FROM moved', first, next, name);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (account_id, level_id, version, state)', name || '_key', name);
    EXECUTE format('CREATE INDEX %I ON %I (account_id, recorded_at)', name || '_time', name);
    EXECUTE format(
        'CREATE INDEX %I ON %I (account_id, document) WHERE document IS NOT NULL', name || '_document', name);
    EXECUTE format('ALTER TABLE change_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first, next);
    RETURN true;
END $$;
SELECT create_change_log_partition((now() AT TIME ZONE 'UTC' + make_interval(months => n))::date)
FROM generate_series(0, 2) AS n;

-- What the dropped months of the log add up to, for each state of each level that they changed: the sum of the deltas
-- (which is the quantity after them), and the last version that changed it. The level's last one is the highest of those.
CREATE TABLE change_log_folds (
    account_id   text COLLATE "C" NOT NULL,
    level_id     bigint NOT NULL,
    state        inventory_state NOT NULL,
    delta        bigint NOT NULL,
    last_version bigint NOT NULL,
    PRIMARY KEY (account_id, level_id, state)
);

-- How far back something is kept: everything from `since` on. No row: everything.
CREATE TABLE retention (
    what  text PRIMARY KEY CHECK (what IN ('change_log', 'commands', 'sync_items')),
    since timestamptz NOT NULL
);

-- Outbox --------------------------------------------------------------------------------------------------------------

-- One row for each batch of writes that has something to publish; the relay deletes it when the broker has it all.
-- A batch takes its number after it holds the locks of everything that it changes. So of two batches that touch the
-- same level the later one has the higher number and becomes visible later: reading the visible rows by number never
-- skips a change and never turns two changes of a level round, whatever other transactions do.
CREATE SEQUENCE batch_ids;
CREATE TABLE outbox (
    account_id   text COLLATE "C" NOT NULL,
    batch_id     bigint NOT NULL,
    change_count integer NOT NULL, -- rows of change_log to publish, at most
    result_count integer NOT NULL, -- rows of commands to publish
    messages     jsonb,            -- documents to publish as they are
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, batch_id)
) WITH (vacuum_truncate = off); -- it empties all the time: to give the pages back would lock it each time
CREATE INDEX outbox_order ON outbox (batch_id);

-- Commands ------------------------------------------------------------------------------------------------------------

-- The dedupe record and the result in one row: a command that is here has had its effect. account_id is the sender; where
-- it acted for a customer, the effect is in the customer's account. Two systems of an account may use the same ids: source
-- says which of them it was. It stands here and in change_log as text: a table of sources would only grow, because their
-- senders choose them, and each batch would have to ask it.
CREATE TABLE commands (
    account_id          text COLLATE "C" NOT NULL,
    command_id          text COLLATE "C" NOT NULL,
    source              text COLLATE "C" NOT NULL,
    customer_account_id text COLLATE "C",
    type                text NOT NULL,
    body_hash           bytea NOT NULL,
    status              text NOT NULL CHECK (status IN ('applied', 'rejected')),
    code                text,
    message             text,
    change_count        integer NOT NULL, -- versions that it brought; levels has the first of them
    levels              json NOT NULL DEFAULT '[]',
    batch_id            bigint NOT NULL,
    recorded_at         timestamptz NOT NULL, -- the batch's, as in change_log
    PRIMARY KEY (account_id, command_id, source)
);
CREATE INDEX commands_batch ON commands (batch_id);
CREATE INDEX commands_customer ON commands (customer_account_id, command_id) WHERE customer_account_id IS NOT NULL;

-- Stock that is on its way ----------------------------------------------------------------------------------------------

-- The incoming quantity of a level is the sum of its pending schedules and of what its transfers have not received.
CREATE TABLE schedules (
    account_id   text COLLATE "C" NOT NULL,
    schedule_id  text COLLATE "C" NOT NULL,
    warehouse_id text COLLATE "C" NOT NULL,
    sku          text COLLATE "C" NOT NULL,
    location_id  text COLLATE "C" NOT NULL,
    lot_id       text COLLATE "C" NOT NULL,
    quantity     bigint NOT NULL CHECK (quantity > 0),
    due_at       timestamptz NOT NULL,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'applied', 'cancelled')),
    reason       text,
    note         text,
    document     text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, schedule_id)
);
CREATE INDEX schedules_due ON schedules (due_at) WHERE status = 'pending';

CREATE TABLE transfers (
    account_id        text COLLATE "C" NOT NULL,
    transfer_id       text COLLATE "C" NOT NULL,
    from_warehouse_id text COLLATE "C" NOT NULL,
    to_warehouse_id   text COLLATE "C" NOT NULL,
    document          text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, transfer_id)
);

-- `location_id` is where the line is expected; it is on its way as long as received + lost < quantity.
CREATE TABLE transfer_lines (
    account_id  text COLLATE "C" NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    line        integer NOT NULL,
    sku         text COLLATE "C" NOT NULL,
    lot_id      text COLLATE "C" NOT NULL,
    location_id text COLLATE "C" NOT NULL,
    quantity    bigint NOT NULL CHECK (quantity > 0),
    received    bigint NOT NULL DEFAULT 0,
    lost        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, transfer_id, line),
    FOREIGN KEY (account_id, transfer_id) REFERENCES transfers,
    CHECK (received >= 0 AND lost >= 0 AND received + lost <= quantity)
);

-- CSV syncs -----------------------------------------------------------------------------------------------------------

-- `options` is what the request says of how to do it (SyncOptions), `layout` what was found in the file's header (Header).
-- `items_month` is the month whose partitions hold its rows. `source_*` is where its bytes are read: the file itself, or
-- a plain copy of it in the work bucket. `range_count` is NULL until the whole file was cut into ranges.
CREATE TABLE sync_jobs (
    account_id          text COLLATE "C" NOT NULL,
    sync_id             uuid NOT NULL,
    warehouse_id        text COLLATE "C" NOT NULL,
    customer_account_id text COLLATE "C",
    url                 text NOT NULL,
    user_id             text,
    options             jsonb NOT NULL DEFAULT '{}',
    dry_run             boolean NOT NULL DEFAULT false,
    duplicate_of        uuid,
    confirms            uuid,
    reverts             uuid,
    status              text NOT NULL DEFAULT 'pending' CHECK
        (status IN ('pending', 'planning', 'held', 'processing', 'success', 'partial', 'error', 'aborted', 'duplicate')),
    items_month         date NOT NULL DEFAULT date_trunc('month', now() AT TIME ZONE 'UTC')::date,
    requested_etag      text, -- what the request pins the file to
    requested_version   text,
    object_etag         text, -- what was read, or is to be
    object_version      text,
    source_bucket       text,
    source_key          text,
    source_etag         text,
    source_size         bigint,
    source_doubt        text, -- why it may not be all of the file
    content_hash        bytea, -- of all bytes of the file, unpacked and in their own encoding
    layout              jsonb,
    range_count         integer,
    ranges_done         integer NOT NULL DEFAULT 0,
    chunk_count         integer NOT NULL DEFAULT 0,
    chunks_done         integer NOT NULL DEFAULT 0,
    total_count         bigint NOT NULL DEFAULT 0,
    invalid_count       bigint NOT NULL DEFAULT 0, -- rows that were found wrong when the file was read
    success_count       bigint NOT NULL DEFAULT 0,
    error_count         bigint NOT NULL DEFAULT 0,
    skipped_count       bigint NOT NULL DEFAULT 0,
    aborted_count       bigint NOT NULL DEFAULT 0,
    blank_count         bigint NOT NULL DEFAULT 0,
    levels_raised       bigint NOT NULL DEFAULT 0, -- levels that changed, and the units on hand in all of these
    levels_lowered      bigint NOT NULL DEFAULT 0,
    levels_zeroed       bigint NOT NULL DEFAULT 0,
    units_before        bigint NOT NULL DEFAULT 0,
    units_after         bigint NOT NULL DEFAULT 0,
    error_counts        jsonb NOT NULL DEFAULT '{}',
    warnings            jsonb NOT NULL DEFAULT '[]',
    error_code          text,
    error               text,
    abort_reason        text,
    held_reason         text,
    recognised_as       text, -- the known export that the file is
    rejects_key         text,
    planning            integer NOT NULL DEFAULT 0, -- how often its planning was begun: nobody writes into a later one
    resumed_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    finished_at         timestamptz,
    PRIMARY KEY (account_id, sync_id),
    CHECK (finished_at IS NULL OR success_count + error_count + skipped_count + aborted_count = total_count),
    CHECK (finished_at IS NOT NULL OR status NOT IN ('success', 'partial', 'error', 'duplicate')),
    CHECK ((status = 'duplicate') = (duplicate_of IS NOT NULL))
);
CREATE INDEX sync_jobs_content ON sync_jobs (account_id, content_hash) WHERE content_hash IS NOT NULL;
CREATE INDEX sync_jobs_reverts ON sync_jobs (account_id, reverts) WHERE reverts IS NOT NULL;
CREATE INDEX sync_jobs_unfinished ON sync_jobs (updated_at) WHERE finished_at IS NULL;

-- A job goes from state to state as SYNC_TRANSITIONS of schemas/states.py says, and no other way.
CREATE FUNCTION check_sync_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'planning'), ('pending', 'error'), ('pending', 'aborted'),
        ('planning', 'held'), ('planning', 'processing'), ('planning', 'success'), ('planning', 'error'),
        ('planning', 'aborted'), ('planning', 'duplicate'),
        ('held', 'processing'), ('held', 'aborted'),
        ('processing', 'success'), ('processing', 'partial'), ('processing', 'error'), ('processing', 'aborted'),
        ('error', 'planning')
    ) OR (OLD.status = 'error' AND OLD.total_count > 0) THEN
        RAISE EXCEPTION 'sync % cannot go from % to %', OLD.sync_id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'sync_jobs_transition';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sync_jobs_transition BEFORE UPDATE OF status ON sync_jobs
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_sync_transition();

-- The file's ranges of bytes, cut at edges of records; each is a checkpoint of the planning. `object_key` has its rows by
-- chunk, one chunk behind the other; `pieces` says how many bytes those of each chunk are, and `piece_rows` how many rows.
-- `sums`: rows and units by action, for the wipe guard.
-- `first_row` is known once all ranges before it were read. `attempts`: how often it has failed. `under_way`: how often it
-- was begun and did not end; of those only the last ones still run, the others were lost with their workers.
CREATE TABLE sync_ranges (
    account_id    text COLLATE "C" NOT NULL,
    sync_id       uuid NOT NULL,
    range         integer NOT NULL,
    start_byte    bigint NOT NULL,
    size          bigint NOT NULL,
    first_line    bigint NOT NULL,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done')),
    object_key    text,
    pieces        bigint[],
    piece_rows    integer[],
    row_count     integer,
    invalid_count integer,
    blank_count   integer,
    warnings      jsonb,
    sums          jsonb,
    evidence      jsonb,
    watched       jsonb, -- what its rows have in columns that are not read and may say what a row does
    first_row     integer,
    attempts      integer NOT NULL DEFAULT 0,
    under_way     integer NOT NULL DEFAULT 0,
    retry_at      timestamptz,
    error         text,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sync_id, range)
);
CREATE INDEX sync_ranges_retry ON sync_ranges (retry_at) WHERE retry_at IS NOT NULL;

-- The parts of a job that are applied, some rows in a transaction. `failed`: given up after too many attempts. `under_way`:
-- as of ranges, since the last rows of it were applied.
CREATE TABLE sync_chunks (
    account_id text COLLATE "C" NOT NULL,
    sync_id    uuid NOT NULL,
    chunk      integer NOT NULL,
    row_count  integer NOT NULL,
    rows_done  integer NOT NULL DEFAULT 0 CHECK (rows_done BETWEEN 0 AND row_count),
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done', 'aborted', 'failed')),
    attempts   integer NOT NULL DEFAULT 0,
    under_way  integer NOT NULL DEFAULT 0,
    retry_at   timestamptz,
    error      text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sync_id, chunk)
);
CREATE INDEX sync_chunks_retry ON sync_chunks (retry_at) WHERE retry_at IS NOT NULL;

-- The fate of each data row, written once, in the transaction that applies the row. `month` is the job's items_month:
-- months that are too old are dropped as a whole. `row` counts the data records of the file, `line` its physical lines,
-- both from 1; `byte_offset` is where the record begins.
CREATE TABLE sync_items (
    account_id          text COLLATE "C" NOT NULL,
    sync_id             uuid NOT NULL,
    month               date NOT NULL,
    row                 integer NOT NULL,
    line                bigint NOT NULL,
    byte_offset         bigint NOT NULL,
    status              text NOT NULL CHECK (status IN ('success', 'error', 'skipped', 'aborted')),
    sku                 text,
    quantity            text,
    action              text,
    reason              text,
    location            text,
    to_location         text,
    lot                 text,
    note                text,
    expected_quantity   text,
    expected_version    text,
    customer_account_id text,
    warehouse           text,    -- as it stands in the file
    level_id            bigint,
    version             bigint,  -- NULL where the level already held the quantity, or merged_into has it
    to_level_id         bigint,  -- of a move
    to_version          bigint,
    merged_into         integer, -- the row that took this one's place, or has its quantity in its own
    errors              jsonb,   -- RowError; of a skipped row, why
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sync_id, row, month)
) PARTITION BY RANGE (month);

-- A list of one RowError, to be added to a row's errors; empty where there is no code.
CREATE FUNCTION row_error(
    code text, field text, value text, suggestion text DEFAULT NULL, found text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql STABLE RETURN CASE
    WHEN code IS NULL THEN '[]'::jsonb
    ELSE jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
        'code', code, 'field', field, 'value', left(value, 200), 'suggestion', suggestion, 'found', found)))
END;

-- What a level has that refuses a row with INSUFFICIENT_STOCK: what is `available` as the row met it, its other states,
-- and the first documents that its committed units are promised to. In the words of schemas/shortages.py, which reads them.
CREATE FUNCTION shortage_found(level bigint, available text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(', ', 'available ' || shortage_found.available, 'committed ' || nullif(l.committed, 0),
                     'reserved ' || nullif(l.reserved, 0), 'damaged ' || nullif(l.damaged, 0),
                     'safety_stock ' || nullif(l.safety_stock, 0), 'quality_control ' || nullif(l.quality_control, 0),
                     'incoming ' || nullif(l.incoming, 0))
           || coalesce('; committed to ' || promised.documents, '')
    FROM levels AS l
    CROSS JOIN LATERAL (
        SELECT string_agg(document, ', ' ORDER BY document) FILTER (WHERE n <= 3)
               || CASE WHEN count(*) > 3 THEN ' and more' ELSE '' END AS documents
        FROM (
            SELECT document, row_number() OVER (ORDER BY document) AS n
            FROM allocations WHERE level_id = level ORDER BY document LIMIT 4
        ) AS first
    ) AS promised
    WHERE l.level_id = level
$$;

-- What a level has against a row that sets it (`shift` NULL: on_hand becomes `set_to`) or shifts what is available: an
-- ErrorCode, or the column of the expectation that does not hold; NULL where it has nothing. The rules are those of
-- pipeline/inventory/operations.py; a test compares the two. It is written so that the planner can inline it.
CREATE FUNCTION sync_fault(
    available bigint, on_hand bigint, version bigint, updated_at timestamptz, shift bigint, set_to bigint,
    wants_quantity bigint, wants_version bigint, as_of timestamptz, allow_negative boolean, max_level bigint
) RETURNS text LANGUAGE sql IMMUTABLE RETURN CASE
    WHEN wants_version <> version THEN 'expected_version'
    WHEN wants_quantity <> CASE WHEN shift IS NULL THEN on_hand ELSE available END THEN 'expected_quantity'
    WHEN as_of < updated_at AND shift IS NULL AND version > 0 THEN 'LEVEL_CHANGED_SINCE'
    WHEN coalesce(shift, set_to - on_hand) < 0 AND NOT allow_negative
        AND available + coalesce(shift, set_to - on_hand) < 0 THEN 'INSUFFICIENT_STOCK'
    WHEN abs(available + coalesce(shift, set_to - on_hand)) > max_level
        AND coalesce(shift, set_to - on_hand) <> 0 THEN 'QUANTITY_OUT_OF_RANGE'
END;

-- The bytes of each row that was not applied, as they stand in the file: for the file of rejects.
CREATE TABLE sync_rejects (
    account_id text COLLATE "C" NOT NULL,
    sync_id    uuid NOT NULL,
    month      date NOT NULL,
    row        integer NOT NULL,
    raw        bytea NOT NULL,
    PRIMARY KEY (account_id, sync_id, row, month)
) PARTITION BY RANGE (month);

-- What a dry run would have changed: one line for each level and row, units on hand before and after.
CREATE TABLE sync_diffs (
    account_id       text COLLATE "C" NOT NULL,
    sync_id          uuid NOT NULL,
    month            date NOT NULL,
    row              integer NOT NULL,
    leg              smallint NOT NULL, -- 1, and 2 for the other end of a move
    owner_account_id text COLLATE "C" NOT NULL,
    warehouse_id     text COLLATE "C" NOT NULL,
    sku              text COLLATE "C" NOT NULL,
    location_id      text COLLATE "C" NOT NULL,
    lot_id           text COLLATE "C" NOT NULL,
    before           bigint NOT NULL,
    after            bigint NOT NULL,
    PRIMARY KEY (account_id, sync_id, row, leg, month)
) PARTITION BY RANGE (month);

-- Gives the month of a day its partitions of these three; false where it has them. A job makes those of its month.
CREATE FUNCTION create_sync_partitions(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month  date := date_trunc('month', day)::date;
    parent text;
    name   text;
    made   boolean := false;
BEGIN
    IF to_regclass('sync_diffs' || to_char(month, '"_"YYYY_MM')) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('sync partitions', 0));
    FOREACH parent IN ARRAY ARRAY['sync_items', 'sync_rejects', 'sync_diffs'] LOOP
        name := parent || to_char(month, '"_"YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, name, month, month + interval '1 month');
            made := true;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT create_sync_partitions((now() AT TIME ZONE 'UTC' + make_interval(months => n))::date)
FROM generate_series(0, 2) AS n;

-- The last event of each object of the uploads bucket: an event that comes late is of a version that is there no more.
CREATE TABLE upload_events (
    bucket      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    sequencer   text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, key)
);

-- Objects that started no sync, and why. account_id is that of the key, where it names one; key is empty where the event was
-- about another bucket.
CREATE TABLE skipped_uploads (
    bucket        text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    reason        text COLLATE "C" NOT NULL, -- SkipReason
    etag          text, -- of its last content, where the store was asked
    account_id    text COLLATE "C",
    detail        text NOT NULL,
    seen_count    integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, key, reason)
);
CREATE INDEX skipped_uploads_order ON skipped_uploads (last_seen_at);

-- Snapshots -----------------------------------------------------------------------------------------------------------

CREATE TABLE snapshot_jobs (
    account_id      text COLLATE "C" NOT NULL,
    snapshot_id     uuid NOT NULL,
    warehouse_id    text COLLATE "C",
    has_inventory   boolean,
    updated_from    timestamptz,
    status          text NOT NULL DEFAULT 'pending' CHECK
        (status IN ('pending', 'processing', 'success', 'error', 'aborted')),
    product_count   bigint NOT NULL DEFAULT 0,
    level_count     bigint NOT NULL DEFAULT 0,
    size_bytes      bigint,
    object_key      text,
    snapshot_url    text,
    expires_at      timestamptz,
    error_code      text,
    error           text,
    abort_reason    text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (account_id, snapshot_id)
);
