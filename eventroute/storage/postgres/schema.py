"""The tables in PostgreSQL, version by version, and how a database gets them."""

from __future__ import annotations

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from eventroute.errors import StorageError
from eventroute.storage.postgres.functions import FUNCTIONS
from eventroute.storage.postgres.server import Server

__all__ = ["MIGRATIONS", "SCHEMA_VERSION", "prepare"]

_LOCK = 0x65767274  # what two that prepare one database at once wait for; with the schema's name as the second half

# `outbox`: what applications have published in their transactions, in whose order `committed` has them.
#
# Names are compared byte by byte, as Python does. Times in microseconds are whole numbers, those in seconds are not.
#
# `later`: the bytes of a bus's timers. `largest`: no event of the bus ever had more bytes.
#
# `bus` is what the ledger of a bus is locked by, `log` what its log is: an append waits for the disk with the latter
# held, and the ledger goes on meanwhile. `plain`: nothing but the next offset has to be known for an append, since the
# bus tells no duplicates apart and has no bound. `going`: it is being deleted. `deleted`, one row, is beyond all
# offsets and versions that deleted buses had. Tables whose rows change often leave room for the next version of a row
# on its page, and are looked after often.
_VERSION_1 = f"""
CREATE TABLE about (version integer NOT NULL);
INSERT INTO about (version) VALUES (1);
CREATE TABLE bus (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    version bigint NOT NULL,
    horizon bigint NOT NULL,
    settings text NOT NULL,
    created bigint,
    going boolean NOT NULL DEFAULT false,
    letters bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE log (
    bus integer PRIMARY KEY REFERENCES bus (number),
    first bigint NOT NULL,
    "end" bigint NOT NULL,
    newest bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    largest bigint NOT NULL DEFAULT 0,
    later bigint NOT NULL DEFAULT 0,
    plain boolean NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE event (
    bus integer NOT NULL,
    "offset" bigint NOT NULL,
    time bigint NOT NULL,
    event bytea NOT NULL,
    PRIMARY KEY (bus, "offset")
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE appended (
    id text COLLATE "C" PRIMARY KEY,
    time bigint NOT NULL,
    start bigint NOT NULL,
    count integer NOT NULL,
    offsets text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE seen (
    bus integer NOT NULL,
    identity bytea NOT NULL,
    serial bigint NOT NULL,
    time bigint NOT NULL,
    "offset" bigint,
    PRIMARY KEY (bus, identity)
);
CREATE INDEX seen_time ON seen (bus, time, serial);
CREATE TABLE timer (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bus text COLLATE "C" NOT NULL,
    due double precision NOT NULL,
    event bytea NOT NULL,
    identity bytea
);
CREATE INDEX timer_due ON timer (bus, due, number);
CREATE INDEX timer_identity ON timer (bus, identity) WHERE identity IS NOT NULL;
CREATE FUNCTION add_timers() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE log SET later = later + size
    FROM (SELECT bus, sum(octet_length(event)) AS size FROM changed GROUP BY bus) AS sizes
    JOIN bus ON bus.name = sizes.bus WHERE log.bus = bus.number;
    RETURN NULL;
END
$$;
CREATE FUNCTION subtract_timers() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE log SET later = later - size
    FROM (SELECT bus, sum(octet_length(event)) AS size FROM changed GROUP BY bus) AS sizes
    JOIN bus ON bus.name = sizes.bus WHERE log.bus = bus.number;
    RETURN NULL;
END
$$;
CREATE TRIGGER timers_came AFTER INSERT ON timer REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION add_timers();
CREATE TRIGGER timers_went AFTER DELETE ON timer REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION subtract_timers();
CREATE TABLE subscription (
    id text COLLATE "C" PRIMARY KEY,
    bus text COLLATE "C" NOT NULL,
    definition bytea NOT NULL,
    revision bigint NOT NULL,
    paused text COLLATE "C",
    paused_at double precision,
    reader text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    apart integer NOT NULL DEFAULT 0,
    born bigint NOT NULL DEFAULT 0
);
CREATE INDEX subscription_version ON subscription (bus, version);
CREATE TABLE removed (
    bus text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, version bigint NOT NULL, PRIMARY KEY (bus, id)
);
CREATE TABLE span (
    subscription text COLLATE "C" NOT NULL,
    reader text COLLATE "C" NOT NULL,
    start bigint NOT NULL,
    until bigint,
    definition bytea,
    PRIMARY KEY (subscription, reader, start)
);
CREATE TABLE reader (
    bus text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    claimed bigint NOT NULL,
    until bigint,
    subscription text COLLATE "C",
    replayed_from bigint,
    PRIMARY KEY (bus, name)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX reader_subscription ON reader (subscription) WHERE subscription IS NOT NULL;
CREATE TABLE claim (
    bus text COLLATE "C" NOT NULL,
    reader text COLLATE "C" NOT NULL,
    start bigint NOT NULL,
    "end" bigint NOT NULL,
    version bigint NOT NULL,
    session text COLLATE "C" NOT NULL,
    token bigint,
    PRIMARY KEY (bus, reader, start)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE sharing (
    bus text COLLATE "C" NOT NULL,
    reader text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    PRIMARY KEY (bus, reader, session)
);
CREATE TABLE sender (
    subscription text COLLATE "C" PRIMARY KEY, session text COLLATE "C" NOT NULL
);
CREATE TABLE session (
    id text COLLATE "C" PRIMARY KEY, lapses double precision NOT NULL, written bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE waiting (
    subscription text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    due double precision NOT NULL,
    attempts bigint NOT NULL,
    first_attempt double precision,
    reason text NOT NULL,
    event bytea,
    key bigint,
    session text COLLATE "C",
    token bigint,
    PRIMARY KEY (subscription, "offset")
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX waiting_due ON waiting (subscription, due, "offset");
CREATE INDEX waiting_key ON waiting (subscription, key, "offset") WHERE key IS NOT NULL;
CREATE TABLE dead_letter (
    bus text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    time double precision NOT NULL,
    reason text COLLATE "C" NOT NULL,
    error text NOT NULL,
    attempts bigint NOT NULL,
    event bytea NOT NULL,
    born bigint NOT NULL DEFAULT 0,
    forward_due double precision,
    forward_tries bigint NOT NULL DEFAULT 0,
    forward_error text NOT NULL DEFAULT '',
    session text COLLATE "C",
    PRIMARY KEY (bus, subscription, "offset")
);
CREATE INDEX dead_letter_reason ON dead_letter (bus, subscription, reason);
CREATE INDEX dead_letter_time ON dead_letter (bus, time, subscription, "offset");
CREATE INDEX dead_letter_forward ON dead_letter (bus, subscription, forward_due, "offset", session)
    WHERE forward_due IS NOT NULL;
CREATE FUNCTION count_dead_letters() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE bus SET letters = letters + 1 WHERE name = NEW.bus;
    ELSE
        UPDATE bus SET letters = letters - 1 WHERE name = OLD.bus;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER dead_letter_counted AFTER INSERT OR DELETE ON dead_letter
    FOR EACH ROW EXECUTE FUNCTION count_dead_letters();
CREATE TABLE breaker (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bus text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL UNIQUE,
    serial bigint NOT NULL,
    spared double precision NOT NULL,
    opened double precision,
    trips bigint NOT NULL,
    probe double precision NOT NULL
);
CREATE INDEX breaker_bus ON breaker (bus, number);
CREATE TABLE lost (
    bus text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    time double precision NOT NULL,
    letters bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (bus, subscription)
);
CREATE TABLE deleted ("offset" bigint NOT NULL, version bigint NOT NULL);
INSERT INTO deleted ("offset", version) VALUES (1, 0);
CREATE TABLE committed (xid xid8 PRIMARY KEY, place bigint);
CREATE SEQUENCE commit_order;
CREATE FUNCTION place_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE committed SET place = nextval('commit_order') WHERE xid = NEW.xid;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER committed_placed AFTER INSERT ON committed DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION place_commit();
CREATE TABLE outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL,
    bus text COLLATE "C" NOT NULL,
    event bytea NOT NULL,
    due double precision,
    identity bytea
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX outbox_bus ON outbox (bus);
CREATE INDEX outbox_xid ON outbox (xid);
CREATE FUNCTION put_in_outbox(bus text, events bytea[], due double precision[], identities bytea[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM bus AS this WHERE this.name = $1 AND NOT this.going) THEN
        RETURN false;
    END IF;
    INSERT INTO committed (xid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
    INSERT INTO outbox (xid, bus, event, due, identity)
        SELECT pg_current_xact_id(), $1, each.event, each.due, each.identity
        FROM unnest($2, $3, $4) WITH ORDINALITY AS each (event, due, identity, place) ORDER BY each.place;
    RETURN true;
END
$$;
{FUNCTIONS}
CREATE VIEW events AS
    SELECT bus.name AS bus, event."offset", to_timestamp(event.time / 1e6) AS time,
        convert_from(event.event, 'UTF8') AS event
    FROM event JOIN bus ON bus.number = event.bus;
CREATE VIEW timers AS
    SELECT bus, number, to_timestamp(due) AS due, convert_from(event, 'UTF8') AS event FROM timer;
"""  # noqa: S608 - all from here

MIGRATIONS = (_VERSION_1,)
"""Each leads from the version that is its place here to the next one; 0 is an empty schema."""

SCHEMA_VERSION = len(MIGRATIONS)


def prepare(connection: Connection[TupleRow], server: Server) -> None:
    """Make the schema with its tables, or take it to the newest version, where it is not there or older.

    Those who come at the same time wait for each other. Raises psycopg.Error, and StorageError where the schema is
    another program's, or newer than this release, or must be there and is not.
    """
    schema, where = server.schema, server.where
    version = _version(connection, schema, where)
    if version == SCHEMA_VERSION:
        return
    if server.as_is and not version:
        raise StorageError(f"{where}: there is no storage in the schema {schema!r}: look for a typing error")
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', '0', true)")
        connection.execute("SELECT pg_advisory_xact_lock($1::integer, hashtext($2))", (_LOCK, schema))
        version = _version(connection, schema, where)
        if not version:
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute("SELECT set_config('search_path', quote_ident($1), true)", (schema,))
        for migration in MIGRATIONS[version:]:
            connection.execute(migration)
        connection.execute("UPDATE about SET version = $1", (SCHEMA_VERSION,))


def _version(connection: Connection[TupleRow], schema: str, where: str) -> int:
    """Of the tables; 0: there are none."""
    names = connection.execute(
        "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1",
        (schema,),
    ).fetchall()
    if not names:
        return 0
    if ("about",) not in names or ("log",) not in names:
        raise StorageError(f"{where}: the schema {schema!r} holds tables of another program: choose another schema")
    about = sql.SQL("SELECT version FROM {}").format(sql.Identifier(schema, "about"))
    (version,) = connection.execute(about).fetchone() or (0,)
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{where}: the version {version} of its tables is newer than {SCHEMA_VERSION}, the newest that this "
            "release of eventroute knows: upgrade eventroute"
        )
    return int(version)
