-- The databases and users of the reference, with something in them. Variables: password (admin's).
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'shared_preload_libraries'
               AND setting LIKE '%pg_stat_statements%') AS statements \gset
\if :statements
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
\endif

ALTER ROLE admin PASSWORD :'password';
CREATE ROLE watcher LOGIN PASSWORD 'watcher' IN ROLE pg_monitor;
CREATE ROLE aletheia_prod LOGIN PASSWORD 'aletheia_prod';
CREATE ROLE aletheia_staging LOGIN PASSWORD 'aletheia_staging';
CREATE ROLE aletheia_dev LOGIN PASSWORD 'aletheia_dev';
CREATE ROLE umami LOGIN PASSWORD 'umami';
CREATE ROLE monitoring LOGIN PASSWORD 'monitoring';

CREATE DATABASE aletheia_prod OWNER aletheia_prod;
CREATE DATABASE umami OWNER umami;
CREATE DATABASE monitoring OWNER monitoring;
REVOKE CONNECT ON DATABASE aletheia_prod, umami, monitoring FROM PUBLIC;

\c aletheia_prod aletheia_prod
CREATE TABLE account (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    email text NOT NULL UNIQUE,
    balance numeric NOT NULL DEFAULT 0,
    seen_at timestamptz
);
CREATE TABLE document (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id integer NOT NULL REFERENCES account,
    title text NOT NULL,
    body text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON document (account_id);
INSERT INTO account (email) SELECT 'user' || n || '@example.org' FROM generate_series(1, 1000) n;
INSERT INTO document (account_id, title, body)
SELECT 1 + n % 1000, 'Document ' || n, repeat(md5(n::text), 8) FROM generate_series(1, 8000) n;

-- Staging and development are copies of production that belong to other users.
\c postgres admin
CREATE DATABASE aletheia_staging TEMPLATE aletheia_prod OWNER aletheia_staging;
CREATE DATABASE aletheia_dev TEMPLATE aletheia_prod OWNER aletheia_dev;
REVOKE CONNECT ON DATABASE aletheia_staging, aletheia_dev FROM PUBLIC;
\c aletheia_staging admin
REASSIGN OWNED BY aletheia_prod TO aletheia_staging;
ALTER DATABASE aletheia_prod OWNER TO aletheia_prod;
\c aletheia_dev admin
REASSIGN OWNED BY aletheia_prod TO aletheia_dev;
ALTER DATABASE aletheia_prod OWNER TO aletheia_prod;
TRUNCATE document;
INSERT INTO document (account_id, title, body)
SELECT 1 + n % 1000, 'Draft ' || n, 'lorem ipsum' FROM generate_series(1, 500) n;

\c umami umami
CREATE TABLE website_event (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    website text NOT NULL,
    path text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO website_event (website, path, created_at)
SELECT 'site' || n % 3, '/page/' || n % 97, now() - n * interval '1 minute'
FROM generate_series(1, 20000) n;

\c monitoring monitoring
CREATE TABLE sample (
    at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    value double precision NOT NULL
);
CREATE INDEX ON sample (at);
INSERT INTO sample SELECT now() - n * interval '15 s', 'load' || n % 4, n % 100
FROM generate_series(1, 5000) n;

\c postgres admin
VACUUM ANALYZE;
CHECKPOINT;
