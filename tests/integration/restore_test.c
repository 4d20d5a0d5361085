/* A restored database is what was dumped; what cannot be restored leaves nothing. */
#include "backend/manifest.h"
#include "tests/integration/restore_run.h"

#include <fcntl.h>

/* Names that break what is quoted by hand. */
static const char odd_sql[] =
    "CREATE SCHEMA \"ä ö\"; CREATE SCHEMA \"a\"\"b'c\";"
    "CREATE TABLE \"ä ö\".\"line\nbreak\" (\"col\n1\" int PRIMARY KEY, \"q\"\"uote\" text,"
    " \"it's\" text DEFAULT 'it''s');"
    "INSERT INTO \"ä ö\".\"line\nbreak\" SELECT i, 'text\n' || i, E'\\\\N\\t' FROM"
    " generate_series(1, 100) i;"
    "CREATE TABLE \"a\"\"b'c\".\"$1 %s \\\" (\" \" int, \"SELECT\" text);"
    "INSERT INTO \"a\"\"b'c\".\"$1 %s \\\" VALUES (1, 'ü'), (2, NULL);"
    "CREATE INDEX \"i\n\"\"x'\" ON \"ä ö\".\"line\nbreak\" (\"q\"\"uote\");"
    "CREATE VIEW \"ä ö\".\"view; DROP TABLE x\" AS SELECT \"col\n1\" FROM \"ä ö\".\"line\nbreak\";"
    "CREATE SEQUENCE \"ä ö\".\"seq'\" START 42; SELECT nextval('\"ä ö\".\"seq''\"');"
    "COMMENT ON TABLE \"a\"\"b'c\".\"$1 %s \\\" IS 'a ''comment''\nof two lines';";

static const char objects_sql[] =
    "CREATE EXTENSION hstore; CREATE EXTENSION pg_stat_statements;"
    "CREATE TABLE parts (id bigserial, at date NOT NULL, h hstore) PARTITION BY RANGE (at);"
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
    "CREATE TABLE parts_2 PARTITION OF parts DEFAULT;"
    "INSERT INTO parts (at, h) SELECT '2026-01-01'::date + i % 60, hstore('k', i::text)"
    " FROM generate_series(1, 2000) i;"
    "CREATE MATERIALIZED VIEW sums AS SELECT at, count(*) FROM parts GROUP BY at;"
    "CREATE FUNCTION f(a int, \"b c\" text DEFAULT 'x') RETURNS int LANGUAGE sql AS"
    " $$ SELECT a $$;"
    "CREATE TYPE mood AS ENUM ('a''b', 'ä'); CREATE TABLE moods (m mood, x int CHECK (x > 0));"
    "INSERT INTO moods VALUES ('ä', 1);"
    "GRANT SELECT ON moods TO monitoring WITH GRANT OPTION; ALTER TABLE moods OWNER TO umami;"
    "CREATE PUBLICATION pub FOR TABLE moods;";

static const char many_sql[] =
    "DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format("
    "'CREATE TABLE t%s (id int, body text); INSERT INTO t%s VALUES (%s, ''body'')', i, i, i);"
    " END LOOP; END $$";

static const char blobs_sql[] =
    "SELECT lo_from_bytea(0, decode(repeat(md5(i::text), 1 + i * i * 5), 'hex'))"
    " FROM generate_series(1, 20) i";

static const char blobs_sum[] =
    "SELECT count(*) || ' ' || md5(string_agg(oid || ':' || md5(lo_get(oid)), ',' ORDER BY oid))"
    " FROM pg_largeobject_metadata";

/* What pg_dump itself says of a database; the random words of \restrict differ each time. */
static char *plain_dump(const struct run_lab *lab, const char *database)
{
    struct run run = run_shell("pg_dump \"%s dbname='%s'\" | grep -v '^\\\\\\(un\\)\\?restrict '",
                               lab_get(lab->lab, "LAB_PG"), database);

    assert_int_equal(run.status, 0);
    return run.text;
}

static void expect_equal(const struct run_lab *lab, const char *one, const char *other)
{
    char *first = plain_dump(lab, one), *second = plain_dump(lab, other);
    char *blobs = run_value(lab, one, blobs_sum);
    size_t at = 0;

    while (first[at] && first[at] == second[at])
        at++;
    if (first[at] || second[at])
        fail_msg("they differ at byte %zu:\n%.200s\n---\n%.200s", at, first + at, second + at);
    run_expect_value(lab, other, blobs_sum, blobs);
    print_message("equal: %zu bytes of SQL, large objects %s\n", at, blobs);
    free(first);
    free(second);
    free(blobs);
}

static void make_source(const struct run_lab *lab)
{
    run_sql(lab, "postgres", "CREATE DATABASE source_dev OWNER umami");
    run_sql(lab, "source_dev", odd_sql);
    run_sql(lab, "source_dev", objects_sql);
    run_sql(lab, "source_dev", many_sql);
    run_sql(lab, "source_dev", blobs_sql);
    run_sql(lab, "postgres",
            "ALTER DATABASE source_dev SET search_path TO public, \"ä ö\";"
            "ALTER DATABASE source_dev SET app.name TO 'it''s %s';"
            "ALTER ROLE watcher IN DATABASE source_dev SET work_mem TO '8MB';"
            "COMMENT ON DATABASE source_dev IS '100%% ''mine''';"
            "ALTER DATABASE source_dev CONNECTION LIMIT 50;"
            "REVOKE CONNECT ON DATABASE source_dev FROM PUBLIC;"
            "GRANT CONNECT ON DATABASE source_dev TO monitoring");
}

static const char properties_sql[] =
    "SELECT (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a) || '|' ||"
    " datconnlimit || '|' || pg_get_userbyid(datdba) || '|' ||"
    " shobj_description(d.oid, 'pg_database') || '|' || (SELECT string_agg(setrole::text ||"
    " setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)"
    " FROM pg_database d WHERE datname = current_database()";

/* By this program's own backup, whose manifest has the row counts, into a new database. */
static void restored_database_is_equal(void **state)
{
    struct run_lab *lab = *state;
    char *properties;
    double began;

    make_source(lab);
    run_expect(SHAREDTOP(lab, "backup source_dev --count-rows --yes --to %s/dumps", lab->folder), 0,
               NULL);
    began = run_now_ms();
    run_expect(SHAREDTOP(lab, "restore %s/dumps/source_dev-*.dump --yes", lab->folder), 0,
               "source_dev_restored: 1006 tables, 3103 rows as in the manifest, 20 large objects");
    print_message("restored in %.1f s\n", (run_now_ms() - began) / 1e3);
    expect_equal(lab, "source_dev", "source_dev_restored");
    properties = run_value(lab, "source_dev", properties_sql);
    assert_non_null(strstr(properties, "100"));
    run_expect_value(lab, "source_dev_restored", properties_sql, properties);
    free(properties);
    run_expect_clean(lab);
}

/* A second one gets the next free name; behind a prefix the dump goes through a pipe. */
static void restores_behind_a_prefix(void **state)
{
    struct run_lab *lab = *state;

    char *prefix = mem_printf("env PGHOST=%s PGPORT=%s", lab_get(lab->lab, "LAB_DIR"),
                              lab_get(lab->lab, "LAB_PG_PORT"));

    run_configure(lab, "", prefix);
    free(prefix);
    run_dump(lab, "umami", "umami.dump");
    run_expect(SHAREDTOP(lab, "restore %s/umami.dump --yes", lab->folder), 0,
               "restored umami_restored: ");
    run_expect(SHAREDTOP(lab, "restore %s/umami.dump --yes", lab->folder), 0,
               "restored umami_restored_2: ");
    expect_equal(lab, "umami", "umami_restored");
    expect_equal(lab, "umami", "umami_restored_2");
    run_configure(lab, "", "");
}

static void odd_database_names(void **state)
{
    struct run_lab *lab = *state;

    run_expect(
        SHAREDTOP(lab, "restore %s/umami.dump --yes --as 'x \"ä ö\"; '\\''%%s\n'", lab->folder), 0,
        "restored x \"ä ö\"; '%s");
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_database WHERE datname = E'x \"ä ö\"; ''%s\n'", "1");
    run_expect(SHAREDTOP(lab, "restore %s/umami.dump --yes --as %064d", lab->folder, 1), 2,
               "at most 63 bytes");
}

/* ---- what cannot be restored ---- */

struct bad_file {
    const char *make; /* a command in the folder that makes ./bad from good.dump */
    int status;
    const char *words;
};

static const struct bad_file bad_files[] = {
    {"rm -f bad", 1, "No such file or directory"},
    {": >bad", 1, "it is empty"},
    {"echo hello >bad", 1, "no dump of PostgreSQL's custom format"},
    {"pg_restore -f bad good.dump", 1, "plain SQL"},
    {"gzip -c good.dump >bad", 1, "compressed with gzip"},
    {"pg_restore -f bad good.dump; tar -cf bad.tar bad; mv bad.tar bad", 1, "tar archive"},
    {"rm bad; mkdir bad; touch bad/toc.dat", 1, "directory format"},
    {"rmdir bad 2>/dev/null || rm -r bad; mkdir bad", 1, "it is a folder"},
    {"rmdir bad; mkfifo bad", 1, "no regular file"},
    {"rm bad; head -c 900 good.dump >bad", 1, "cut: it ends within its table of contents"},
    {"head -c -2000 good.dump >bad", 1, "bad cannot be restored: "},
    {"cp good.dump bad; printf '\\021' | dd of=bad bs=1 seek=6 conv=notrunc", 1,
     "is of format 1.17, which needs a newer pg_restore"},
    {"cp good.dump bad; printf '\\001\\177' | dd of=bad bs=1 seek=5 conv=notrunc", 1,
     "is of format 1.127, which needs a newer pg_restore"},
    {"sed s/hstore/hstorx/g good.dump >bad", 2, "needs extension hstorx"},
};

static void bad_files_make_nothing(void **state)
{
    struct run_lab *lab = *state;
    char *before, *after;

    run_sql(lab, "aletheia_dev",
            "CREATE EXTENSION hstore; CREATE TABLE big AS SELECT i, md5(i::text) FROM"
            " generate_series(1, 2000) i");
    run_dump(lab, "aletheia_dev", "good.dump");
    before = run_databases(lab);
    for (size_t i = 0; i < sizeof(bad_files) / sizeof(*bad_files); i++) {
        const struct bad_file *bad = &bad_files[i];

        free(run_shell("cd %s && %s", lab->folder, bad->make).text);
        run_expect(SHAREDTOP(lab, "restore %s/bad --as bad_dev --yes", lab->folder), bad->status,
                   bad->words);
    }
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect_clean(lab);
    print_message("%zu kinds of bad files: nothing was made\n",
                  sizeof(bad_files) / sizeof(*bad_files));
    free(before);
    free(after);
}

static void write_manifest(const char *path, int64_t bytes, const char *sha256)
{
    char *error, *file = mem_printf("%s.json", path);
    struct manifest manifest;

    manifest_init(&manifest);
    manifest.bytes = bytes;
    manifest.sha256 = mem_strdup(sha256);
    manifest.database = mem_strdup("aletheia_dev");
    error = manifest_write(&manifest, file);
    assert_null(error);
    manifest_free(&manifest);
    free(file);
}

/* One bit in its data, which pg_restore itself might not notice. */
static void flip_bit(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;

    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void file_must_be_the_manifests(void **state)
{
    struct run_lab *lab = *state;
    char *path = mem_printf("%s/sum.dump", lab->folder), hex[65];
    struct stat st;
    int fd;

    run_dump(lab, "aletheia_dev", "sum.dump");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(sha256_file(fd, hex, NULL, NULL));
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    write_manifest(path, st.st_size, hex);
    run_expect(SHAREDTOP(lab, "restore %s --as sum_dev --yes", path), 0, "restored sum_dev: ");
    flip_bit(path, st.st_size - 100);
    run_expect(SHAREDTOP(lab, "restore %s --as sum2_dev --yes", path), 1,
               "is not what was written: its SHA-256 is ");
    write_manifest(path, st.st_size + 1, hex);
    run_expect(SHAREDTOP(lab, "restore %s --as sum2_dev --yes", path), 1, "but its manifest says");
    run_expect_value(lab, "postgres", "SELECT count(*) FROM pg_database WHERE datname ~ 'sum2'",
                     "0");
    run_expect_clean(lab);
    free(path);
}

/* A check that looks into a table which is restored later: a dump that cannot come back. */
static void failing_restore_leaves_nothing(void **state)
{
    struct run_lab *lab = *state;
    char *before, *after;

    run_sql(lab, "postgres", "CREATE DATABASE broken_dev");
    run_sql(lab, "broken_dev",
            "CREATE TABLE z (id int); INSERT INTO z VALUES (1);"
            "CREATE FUNCTION known(int) RETURNS bool LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN EXISTS (SELECT FROM public.z WHERE id = $1); END $$;"
            "CREATE TABLE a (id int CHECK (known(id))); INSERT INTO a VALUES (1)");
    run_dump(lab, "broken_dev", "broken.dump");
    before = run_databases(lab);
    run_expect(SHAREDTOP(lab, "restore %s/broken.dump --as never_dev --yes", lab->folder), 1,
               "violates check constraint");
    run_expect(SHAREDTOP(lab, "restore %s/broken.dump --replace --confirm broken_dev", lab->folder),
               1, "violates check constraint");
    after = run_databases(lab);
    assert_string_equal(after, before);
    run_expect_clean(lab);
    free(before);
    free(after);
}

/* Roles that are gone: all belongs to the database's owner, and it is said. */
static void missing_roles_are_said(void **state)
{
    struct run_lab *lab = *state;

    run_sql(lab, "postgres", "CREATE ROLE \"lost ö\"; CREATE ROLE \"reader\"\"x\"");
    run_sql(lab, "postgres", "CREATE DATABASE roles_dev OWNER umami");
    run_sql(lab, "roles_dev",
            "CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO \"lost ö\";"
            "GRANT SELECT ON mine TO \"reader\"\"x\"; ALTER SCHEMA public OWNER TO umami");
    run_dump(lab, "roles_dev", "roles.dump");
    run_sql(lab, "postgres", "DROP DATABASE roles_dev");
    run_sql(lab, "postgres", "DROP ROLE \"lost ö\"; DROP ROLE \"reader\"\"x\"");
    run_expect(SHAREDTOP(lab, "restore %s/roles.dump --as roles_dev --dry-run", lab->folder), 0,
               "there is no role \"lost ö\" here");
    run_expect(SHAREDTOP(lab, "restore %s/roles.dump --as roles_dev --dry-run", lab->folder), 0,
               "\"reader\"\"x\"");
    run_expect(SHAREDTOP(lab, "restore %s/roles.dump --as roles_dev --yes", lab->folder), 0,
               "all belongs to umami; without grants");
    run_expect_value(lab, "roles_dev", "SELECT tableowner FROM pg_tables WHERE tablename = 'mine'",
                     "umami");
}

/* pg_restore says the statement that failed. */
static void secret_of_a_statement_stays_unsaid(void **state)
{
    struct run_lab *lab = *state;

    run_sql(lab, "postgres", "CREATE ROLE mapped");
    run_sql(lab, "postgres", "CREATE DATABASE mapping_dev");
    run_sql(lab, "mapping_dev",
            "CREATE EXTENSION postgres_fdw; CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw;"
            "CREATE USER MAPPING FOR mapped SERVER other OPTIONS (user 'x',"
            " password E'hush-1\npg_restore hush-2')");
    run_dump(lab, "mapping_dev", "mapping.dump");
    run_expect(run_shell("grep -c hush- %s/mapping.dump", lab->folder), 0, NULL);
    run_sql(lab, "postgres", "DROP DATABASE mapping_dev");
    run_sql(lab, "postgres", "DROP ROLE mapped");
    run_expect(SHAREDTOP(lab,
                         "restore %s/mapping.dump --as mapping_dev --yes >%s/said 2>&1;"
                         " status=$?; cat %s/said; exit $status",
                         lab->folder, lab->folder, lab->folder),
               1, "role \"mapped\" does not exist");
    run_expect(
        run_shell("grep -rl 'statement is left out' %s/state/sharedtop/jobs/*/log", lab->folder), 0,
        NULL);
    run_expect(run_shell("grep -rlE 'hush-|CREATE USER MAPPING' %s/state %s/said", lab->folder,
                         lab->folder),
               1, NULL);
    run_expect_value(lab, "postgres",
                     "SELECT count(*) FROM pg_database WHERE datname = 'mapping_dev'", "0");
    run_expect_clean(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_database_is_equal),
        cmocka_unit_test(restores_behind_a_prefix),
        cmocka_unit_test(odd_database_names),
        cmocka_unit_test(bad_files_make_nothing),
        cmocka_unit_test(file_must_be_the_manifests),
        cmocka_unit_test(failing_restore_leaves_nothing),
        cmocka_unit_test(missing_roles_are_said),
        cmocka_unit_test(secret_of_a_statement_stays_unsaid),
    };

    return cmocka_run_group_tests_name("restore", tests, run_start, run_stop);
}
