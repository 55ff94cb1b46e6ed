-- Every primary key begins with account_id, so that the schema can be distributed on it.
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, and an index is half as slow.

CREATE TYPE inventory_state AS ENUM (
    'available', 'committed', 'reserved', 'damaged', 'safety_stock', 'quality_control', 'incoming'
);

-- Catalogue -----------------------------------------------------------------------------------------------------------

CREATE TABLE warehouses (
    account_id     text COLLATE "C" NOT NULL,
    warehouse_id   text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    slotting       text NOT NULL CHECK (slotting IN ('static', 'dynamic')),
    allow_negative boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
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
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sku)
);

-- Stock and its ledger ------------------------------------------------------------------------------------------------

-- One level: the stock of one SKU in one location. Levels are never deleted, so level_id names them in the ledger for ever.
-- No foreign keys: the statements that write a level join the catalogue in the same transaction, and a check for each
-- row would cost the bulk path a third of its speed.
-- The second key begins with level_id: of two keys that begin alike the planner can take the wrong one, and read all rows
-- of the account for each row of an upload, as long as the statistics of a new table are missing.
CREATE TABLE levels (
    account_id      text COLLATE "C" NOT NULL,
    warehouse_id    text COLLATE "C" NOT NULL,
    sku             text COLLATE "C" NOT NULL,
    location_id     text COLLATE "C" NOT NULL,
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
    PRIMARY KEY (account_id, warehouse_id, sku, location_id),
    UNIQUE (level_id, account_id)
) WITH (fillfactor = 75); -- room for the next version on the same page: an update then touches no index

-- One row for each state that a change touched. The key makes a lost update impossible: two writers that read the same
-- version would write the same key. `before` is after - delta.
CREATE TABLE change_log (
    account_id  text COLLATE "C" NOT NULL,
    level_id    bigint NOT NULL,
    version     bigint NOT NULL,
    state       inventory_state NOT NULL,
    delta       bigint NOT NULL,
    after       bigint NOT NULL,
    batch_id    bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    reason      text,
    actor       text,
    command_id  text COLLATE "C",
    sync_id     uuid,
    sync_row    integer,
    PRIMARY KEY (account_id, level_id, version, state),
    CHECK (delta <> 0)
);
CREATE INDEX change_log_batch ON change_log (batch_id);

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
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, batch_id)
);
CREATE INDEX outbox_order ON outbox (batch_id);

-- Commands ------------------------------------------------------------------------------------------------------------

-- The dedupe record and the result in one row: an id that is here has had its effect.
CREATE TABLE commands (
    account_id  text COLLATE "C" NOT NULL,
    command_id  text COLLATE "C" NOT NULL,
    type        text NOT NULL,
    body_hash   bytea NOT NULL,
    status      text NOT NULL CHECK (status IN ('applied', 'rejected')),
    code        text,
    message     text,
    levels      json NOT NULL DEFAULT '[]',
    batch_id    bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, command_id)
);
CREATE INDEX commands_batch ON commands (batch_id);

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
