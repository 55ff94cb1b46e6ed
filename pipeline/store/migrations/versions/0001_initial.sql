-- Every primary key begins with account_id, so that the schema can be distributed on it.
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, and an index is half as slow.

CREATE TYPE inventory_state AS ENUM (
    'available', 'committed', 'reserved', 'damaged', 'safety_stock', 'quality_control', 'incoming'
);

-- Accounts ------------------------------------------------------------------------------------------------------------

-- Names of accounts. An account needs no row here: it exists as soon as it has a warehouse or a product.
CREATE TABLE accounts (
    account_id text COLLATE "C" PRIMARY KEY,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
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

-- Catalogue -----------------------------------------------------------------------------------------------------------

-- location_layout: the names of the parts of a location's name, with ' - ' between them.
CREATE TABLE warehouses (
    account_id      text COLLATE "C" NOT NULL,
    warehouse_id    text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    slotting        text NOT NULL CHECK (slotting IN ('static', 'dynamic')),
    allow_negative  boolean NOT NULL DEFAULT false,
    location_layout text,
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
    what  text PRIMARY KEY CHECK (what IN ('change_log', 'commands')),
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
);
CREATE INDEX outbox_order ON outbox (batch_id);

-- Commands ------------------------------------------------------------------------------------------------------------

-- The dedupe record and the result in one row: an id that is here has had its effect. account_id is the sender; where
-- it acted for a customer, the effect is in the customer's account.
CREATE TABLE commands (
    account_id          text COLLATE "C" NOT NULL,
    command_id          text COLLATE "C" NOT NULL,
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
    PRIMARY KEY (account_id, command_id)
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

CREATE TABLE sync_jobs (
    account_id     text COLLATE "C" NOT NULL,
    sync_id        uuid NOT NULL,
    warehouse_id   text COLLATE "C" NOT NULL,
    url            text NOT NULL,
    user_id        text,
    status         text NOT NULL DEFAULT 'pending' CHECK
        (status IN ('pending', 'planning', 'processing', 'success', 'partial', 'error', 'aborted')),
    object_etag    text,
    object_size    bigint,
    total_count    bigint NOT NULL DEFAULT 0,
    success_count  bigint NOT NULL DEFAULT 0,
    error_count    bigint NOT NULL DEFAULT 0,
    aborted_count  bigint NOT NULL DEFAULT 0,
    blank_count    bigint NOT NULL DEFAULT 0,
    chunk_count    integer NOT NULL DEFAULT 0,
    chunks_done    integer NOT NULL DEFAULT 0,
    warnings       jsonb NOT NULL DEFAULT '[]',
    error_code     text,
    error          text,
    abort_reason   text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    PRIMARY KEY (account_id, sync_id),
    CHECK (finished_at IS NULL OR success_count + error_count + aborted_count = total_count)
);

CREATE TABLE sync_chunks (
    account_id text COLLATE "C" NOT NULL,
    sync_id    uuid NOT NULL,
    chunk      integer NOT NULL,
    object_key text NOT NULL,
    row_count  integer NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done', 'aborted')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sync_id, chunk)
);

-- The fate of each data row, written once, in the transaction that applies the row.
CREATE TABLE sync_items (
    account_id text COLLATE "C" NOT NULL,
    sync_id    uuid NOT NULL,
    row        integer NOT NULL,
    status     text NOT NULL CHECK (status IN ('success', 'error', 'aborted')),
    sku        text,
    quantity   text,
    action     text,
    reason     text,
    location   text,
    level_id   bigint,
    version    bigint, -- NULL where the level already held the quantity
    errors     jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sync_id, row)
);

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
