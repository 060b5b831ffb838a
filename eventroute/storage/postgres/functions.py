"""Functions on the server, by which what is done most often takes one round trip."""

from __future__ import annotations

import re

from eventroute.storage.sql.ledger import FREE, IN_TURN

__all__ = ["FUNCTIONS"]

# They do what `ledger.py` decides, where nothing is out of the ordinary, and nothing where something is: it is then
# decided there. So the ledger is locked for no longer than the server needs. `token`: what a call knows by what it has
# taken, whose answer it did not get.
_CLAIM_NEXT = """
CREATE FUNCTION claim_next(
    its_bus text, its_reader text, its_session text, most bigint, moment double precision, its_token bigint,
    OUT first bigint, OUT last bigint, OUT its_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    now_ double precision := coalesce(moment, extract(epoch FROM clock_timestamp())::double precision);
    ordinary boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT version INTO its_version FROM bus WHERE name = its_bus AND NOT going FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT claimed, least(claimed + most, log."end", until), subscription IS NULL
        AND EXISTS (SELECT 1 FROM session WHERE id = its_session)
        AND NOT EXISTS (SELECT 1 FROM session WHERE lapses <= now_ AND id <> its_session)
        AND NOT EXISTS (SELECT 1 FROM claim WHERE claim.bus = its_bus AND claim.reader = its_reader
            AND (token = its_token AND session = its_session OR session NOT IN (SELECT id FROM session)))
        INTO first, last, ordinary
        FROM reader, bus JOIN log ON log.bus = bus.number
        WHERE reader.bus = its_bus AND reader.name = its_reader AND bus.name = its_bus;
    IF NOT coalesce(ordinary, false) THEN
        SELECT start, "end", version INTO first, last, its_version FROM claim
            WHERE bus = its_bus AND reader = its_reader AND session = its_session AND token = its_token;
    ELSIF last > first THEN
        UPDATE reader SET claimed = last WHERE bus = its_bus AND name = its_reader;
        INSERT INTO claim (bus, reader, start, "end", version, session, token)
            VALUES (its_bus, its_reader, first, last, its_version, its_session, its_token);
    END IF;
END
$$;
"""

_ADVANCE_CLAIMS = """
CREATE FUNCTION advance_claims(
    its_bus text, its_session text, moment double precision, readers text[], starts bigint[], places bigint[],
    settled text[], settled_at bigint[], known bigint, its_number bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now_ double precision := coalesce(moment, extract(epoch FROM clock_timestamp())::double precision);
    ordinary boolean;
BEGIN
    PERFORM 1 FROM bus WHERE name = its_bus AND NOT going FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT cardinality(starts) = count(claim.start)
        AND EXISTS (SELECT 1 FROM session WHERE id = its_session AND (its_number IS NULL OR written < its_number))
        AND NOT EXISTS (SELECT 1 FROM session WHERE lapses <= now_ AND id <> its_session)
        AND NOT EXISTS (SELECT 1 FROM reader WHERE bus = its_bus AND name = ANY(readers) AND until IS NOT NULL)
        INTO ordinary
        FROM unnest(readers, starts) AS wanted (name, place)
        JOIN claim ON claim.bus = its_bus AND claim.reader = wanted.name AND claim.start = wanted.place
        WHERE claim.session = its_session;
    IF NOT ordinary THEN
        RETURN false;
    END IF;
    UPDATE session SET written = its_number WHERE id = its_session AND its_number IS NOT NULL;
    FOR number IN 1..cardinality(starts) LOOP
        IF places[number] IS NULL THEN
            DELETE FROM claim WHERE bus = its_bus AND reader = readers[number] AND start = starts[number];
        ELSE
            UPDATE claim SET start = places[number]
                WHERE bus = its_bus AND reader = readers[number] AND start = starts[number];
        END IF;
    END LOOP;
    IF cardinality(settled) > 0 THEN
        DELETE FROM waiting USING unnest(settled, settled_at) AS done (subscription, place)
            WHERE waiting.subscription = done.subscription AND waiting."offset" = done.place
                AND (session IS NULL OR session = its_session OR session NOT IN (SELECT id FROM session))
                AND EXISTS (SELECT 1 FROM subscription WHERE id = done.subscription AND bus = its_bus
                    AND (known IS NULL OR born <= known));
    END IF;
    IF cardinality(starts) = 0 THEN
        RETURN true;
    END IF;
    UPDATE reader SET position = coalesce(
        (SELECT min(start) FROM claim WHERE claim.bus = its_bus AND claim.reader = reader.name), claimed
    ) WHERE bus = its_bus AND name = ANY(readers);
    RETURN true;
END
$$;
"""

_COLUMNS = '"offset", due, attempts, first_attempt, reason, event, key'
_HOLD = f"""held AS (
            UPDATE waiting SET session = its_session, token = its_token FROM taken
                WHERE waiting.subscription = its_subscription AND waiting."offset" = taken."offset"
        ) SELECT {_COLUMNS} FROM taken"""  # noqa: S608 - all from here


def _named(statement: str, *names: str) -> str:
    """A statement of the ledger with names for its arguments."""
    return re.sub(r"\?(\d)", lambda match: names[int(match[1]) - 1], statement)


_TURN = _named(IN_TURN, "its_subscription", "due_by", "its_session", "most")
_FREE = _named(FREE, "its_subscription", "due_by", "most")


# One row without an offset: nothing was done.
_TAKE_WAITING = f"""
CREATE FUNCTION take_waiting(
    its_bus text, its_subscription text, its_session text, due_by double precision, most bigint,
    moment double precision, its_token bigint, again bigint, known bigint
) RETURNS TABLE (
    "offset" bigint, due double precision, attempts bigint, first_attempt double precision, reason text, event bytea,
    key bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_ double precision := coalesce(moment, extract(epoch FROM clock_timestamp())::double precision);
    ordinary boolean;
    keys boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM bus WHERE name = its_bus AND NOT going FOR UPDATE;
    SELECT EXISTS (SELECT 1 FROM subscription WHERE id = its_subscription AND bus = its_bus AND paused IS NULL
            AND (known IS NULL OR born <= known))
        AND EXISTS (SELECT 1 FROM session WHERE id = its_session)
        AND NOT EXISTS (SELECT 1 FROM session WHERE lapses <= now_ AND id <> its_session),
        EXISTS (SELECT 1 FROM waiting WHERE subscription = its_subscription AND key IS NOT NULL)
        INTO ordinary, keys;
    IF NOT ordinary THEN
        RETURN QUERY SELECT NULL::bigint, 0::double precision, 0::bigint, NULL::double precision, '', NULL::bytea,
            NULL::bigint;
        RETURN;
    END IF;
    IF again > 0 THEN
        RETURN QUERY SELECT {_COLUMNS} FROM waiting
            WHERE subscription = its_subscription AND session = its_session AND token = its_token
            ORDER BY CASE WHEN keys THEN 0 ELSE due END, "offset";
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    IF keys THEN
        RETURN QUERY WITH taken AS MATERIALIZED ({_TURN}), {_HOLD} ORDER BY "offset";
    ELSE
        RETURN QUERY WITH taken AS MATERIALIZED ({_FREE}), {_HOLD} ORDER BY due, "offset";
    END IF;
END
$$;
"""  # noqa: S608 - all from here

FUNCTIONS = _CLAIM_NEXT + _ADVANCE_CLAIMS + _TAKE_WAITING
