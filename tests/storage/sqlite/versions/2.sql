-- A storage as version 2 of the layout had it: that of version 1, as the release that wrote version 2 took it further.
PRAGMA application_id = 1702261364;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE appended (
    id TEXT PRIMARY KEY, time INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL
, offsets TEXT) WITHOUT ROWID;
INSERT INTO "appended" VALUES('b',1700000001750000,1,3,NULL);
INSERT INTO "appended" VALUES('c',1700000001750000,6,7,NULL);
CREATE TABLE bus (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL,
    version INTEGER NOT NULL,
    horizon INTEGER NOT NULL
, "end" INTEGER NOT NULL DEFAULT 1, newest INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, settings TEXT NOT NULL DEFAULT '{"retention":{"max_age":null}}', created INTEGER, going INTEGER NOT NULL DEFAULT 0);
INSERT INTO "bus" VALUES(1,'default',1,4,0,13,1700000001750000,122,'{"retention":{"max_age":null}}',NULL,0);
INSERT INTO "bus" VALUES(2,'audit',1,2,0,4,1700000001750000,10,'{"retention":{"max_age":null}}',NULL,0);
CREATE TABLE claim (
    bus TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    version INTEGER NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (bus, reader, start)
) WITHOUT ROWID;
INSERT INTO "claim" VALUES('default','live',1,5,2,'32b82e3717fd3cfedbf3c655');
INSERT INTO "claim" VALUES('default','old@1',1,4,2,'32b82e3717fd3cfedbf3c655');
CREATE TABLE dead_letter (
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    time REAL NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (bus, subscription, "offset")
) WITHOUT ROWID;
INSERT INTO "dead_letter" VALUES('default','live',7,1700000002.0,'rejected','malformed',1,X'7B226964223A2236227D');
CREATE TABLE deleted ("offset" INTEGER NOT NULL, version INTEGER NOT NULL);
INSERT INTO "deleted" VALUES(1,0);
CREATE TABLE event (key INTEGER PRIMARY KEY, time INTEGER NOT NULL, event BLOB NOT NULL, seal INTEGER);
INSERT INTO "event" VALUES(1099511627777,1700000000250000,X'7B226964223A2230227D',NULL);
INSERT INTO "event" VALUES(1099511627778,1700000000250000,X'7B226964223A2231227D',NULL);
INSERT INTO "event" VALUES(1099511627779,1700000000250000,X'7B226964223A2232227D',NULL);
INSERT INTO "event" VALUES(1099511627780,1700000000250000,X'7B226964223A2233227D',NULL);
INSERT INTO "event" VALUES(1099511627781,1700000000250000,X'7B226964223A2234227D',NULL);
INSERT INTO "event" VALUES(1099511627782,1700000001750000,X'7B226964223A2235227D',NULL);
INSERT INTO "event" VALUES(1099511627783,1700000001750000,X'7B226964223A2236227D',NULL);
INSERT INTO "event" VALUES(1099511627784,1700000001750000,X'7B226964223A2237227D',NULL);
INSERT INTO "event" VALUES(1099511627785,1700000001750000,X'7B226964223A2238227D',NULL);
INSERT INTO "event" VALUES(1099511627786,1700000001750000,X'7B226964223A2239227D',NULL);
INSERT INTO "event" VALUES(1099511627787,1700000001750000,X'7B226964223A223130227D',NULL);
INSERT INTO "event" VALUES(1099511627788,1700000001750000,X'7B226964223A223131227D',NULL);
INSERT INTO "event" VALUES(2199023255553,1700000001750000,X'',NULL);
INSERT INTO "event" VALUES(2199023255554,1700000001750000,X'00FF27',NULL);
INSERT INTO "event" VALUES(2199023255555,1700000001750000,X'C3A92CF09D849E',NULL);
CREATE TABLE host (boot TEXT NOT NULL);
CREATE TABLE lost (
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL,
    events INTEGER NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (bus, subscription)
) WITHOUT ROWID;
CREATE TABLE reader (
    bus TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    until INTEGER,
    subscription TEXT, replayed_from INTEGER,
    PRIMARY KEY (bus, name)
) WITHOUT ROWID;
INSERT INTO "reader" VALUES('audit','live',1,1,NULL,NULL,NULL);
INSERT INTO "reader" VALUES('default','live',1,5,NULL,NULL,NULL);
INSERT INTO "reader" VALUES('default','live@4',6,6,NULL,'live',NULL);
INSERT INTO "reader" VALUES('default','old@1',1,4,NULL,'old',NULL);
CREATE TABLE removed (
    bus TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (bus, id)
) WITHOUT ROWID;
INSERT INTO "removed" VALUES('audit','gone',2);
CREATE TABLE seen (
    bus INTEGER NOT NULL,
    identity BLOB NOT NULL,
    serial INTEGER NOT NULL,
    time INTEGER NOT NULL,
    "offset" INTEGER,
    PRIMARY KEY (bus, identity)
) WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, lapses REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "session" VALUES('32b82e3717fd3cfedbf3c655',1700000006.75);
CREATE TABLE span (
    subscription TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    until INTEGER,
    definition BLOB,
    PRIMARY KEY (subscription, reader, start)
) WITHOUT ROWID;
INSERT INTO "span" VALUES('live','live@4',6,NULL,NULL);
INSERT INTO "span" VALUES('old','old@1',1,NULL,NULL);
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    bus TEXT NOT NULL,
    definition BLOB NOT NULL,
    revision INTEGER NOT NULL,
    paused TEXT,
    paused_at REAL,
    reader TEXT NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "subscription" VALUES('live','default',X'7B226964223A226C697665222C2276223A327D',2,'because',1700000001.75,'live@4',4);
INSERT INTO "subscription" VALUES('old','default',X'7B226964223A226F6C64227D',1,NULL,NULL,'old@1',1);
CREATE TABLE timer (
    number INTEGER PRIMARY KEY AUTOINCREMENT, bus TEXT NOT NULL, due REAL NOT NULL, event BLOB NOT NULL, identity BLOB
);
CREATE TABLE waiting (
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt REAL,
    reason TEXT NOT NULL,
    event BLOB,
    session TEXT,
    PRIMARY KEY (subscription, "offset")
) WITHOUT ROWID;
INSERT INTO "waiting" VALUES('live',6,1700000100.0,2,1700000001.0,'http-503',NULL,NULL);
CREATE INDEX subscription_version ON subscription (bus, version);
CREATE INDEX reader_subscription ON reader (subscription) WHERE subscription IS NOT NULL;
CREATE INDEX waiting_due ON waiting (subscription, due, "offset");
CREATE INDEX dead_letter_reason ON dead_letter (bus, subscription, reason);
CREATE VIEW events AS
    SELECT bus.name AS bus,
        event.key & ((1 << 40) - 1) AS "offset",
        strftime('%Y-%m-%dT%H:%M:%fZ', event.time / 1e6, 'unixepoch') AS time,
        CAST(event.event AS TEXT) AS event
    FROM event JOIN bus ON bus.number = event.key >> 40;
CREATE INDEX timer_due ON timer (bus, due, number);
CREATE INDEX timer_identity ON timer (bus, identity) WHERE identity IS NOT NULL;
CREATE VIEW timers AS
    SELECT bus, number, strftime('%Y-%m-%dT%H:%M:%fZ', due, 'unixepoch') AS due, CAST(event AS TEXT) AS event
    FROM timer;
CREATE INDEX seen_time ON seen (bus, time, serial);
DELETE FROM "sqlite_sequence";
COMMIT;
