/* What a dump's head says, and the names and lists that go to the server. */
#include "backend/act_restore_dump.h"
#include "backend/act_restore_file.h"
#include "backend/act_restore_sql.h"
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a dump's head, as pg_dump writes it ---- */

static void put_int(struct strbuf *out, long value)
{
    unsigned long rest = (unsigned long)(value < 0 ? -value : value);

    strbuf_addc(out, value < 0);
    for (int i = 0; i < 4; i++, rest >>= 8)
        strbuf_addc(out, (char)(rest & 0xff));
}

static void put_string(struct strbuf *out, const char *text)
{
    put_int(out, text ? (long)strlen(text) : -1);
    strbuf_adds(out, text ? text : "");
}

static void put_head(struct strbuf *out, int minor, long entries)
{
    const char fixed[] = {1, (char)minor, 0, 4, 8, 1};
    static const long when[] = {33, 22, 14, 31, 0, 126, 0};

    strbuf_adds(out, "PGDMP");
    strbuf_add(out, fixed, sizeof(fixed));
    if (minor >= 15)
        strbuf_addc(out, 1);
    else
        put_int(out, -1);
    for (size_t i = 0; i < sizeof(when) / sizeof(*when); i++)
        put_int(out, when[i]);
    put_string(out, "shop_prod");
    put_string(out, "15.18");
    put_string(out, "17.2");
    put_int(out, entries);
}

static void put_entry(struct strbuf *out, int minor, const char *kind, const char *tag,
                      const char *definition, const char *owner)
{
    put_int(out, 7);
    put_int(out, 0);
    put_string(out, "1259");
    put_string(out, "16384");
    put_string(out, tag);
    put_string(out, kind);
    put_int(out, 2);
    put_string(out, definition);
    put_string(out, "DROP");
    put_string(out, NULL);
    put_string(out, "public");
    put_string(out, "");
    if (minor >= 14)
        put_string(out, "heap");
    if (minor >= 16)
        put_int(out, 'r');
    put_string(out, owner);
    put_string(out, "false");
    put_string(out, "3");
    put_string(out, NULL);
    strbuf_add(out, "\2\1\2\3\4\5\6\7\10", 9);
}

static void put_dump(struct strbuf *out, int minor)
{
    put_head(out, minor, 7);
    put_entry(out, minor, "DATABASE", "shop_prod",
              "CREATE DATABASE shop_prod WITH TEMPLATE = template0 ENCODING = 'UTF8'"
              " LOCALE_PROVIDER = icu LOCALE = 'de_DE.UTF-8' ICU_LOCALE = 'de-DE';\n",
              "boss");
    put_entry(out, minor, "ACL", "DATABASE shop_prod",
              "GRANT CONNECT ON DATABASE shop_prod TO outsider;", "boss");
    put_entry(out, minor, "EXTENSION", "hstore", "CREATE EXTENSION hstore;", "");
    put_entry(out, minor, "TABLE", "t", "CREATE TABLE t ();", "app");
    put_entry(out, minor, "TABLE DATA", "t", "", "app");
    put_entry(out, minor, "ACL", "TABLE t", "GRANT SELECT ON TABLE public.t TO \"rea\"\"der\";",
              "app");
    put_entry(out, minor, minor >= 16 ? "BLOB METADATA" : "BLOB", "1", "", "app");
}

static bool read_bytes(const char *bytes, size_t len, struct dump *dump, char **error)
{
    FILE *file = fmemopen((void *)(uintptr_t)bytes, len, "r");
    bool good;

    assert_non_null(file);
    good = dump_read(file, dump, error);
    fclose(file);
    return good;
}

static void heads_of_all_versions(void **state)
{
    (void)state;
    for (int minor = 12; minor <= 16; minor++) {
        struct strbuf bytes = {0};
        struct dump dump;
        char *error;

        put_dump(&bytes, minor);
        assert_true(read_bytes(bytes.s, bytes.len, &dump, &error));
        assert_true(dump.listed);
        assert_string_equal(dump.database, "shop_prod");
        assert_string_equal(dump.made, "2026-01-31 14:22:33");
        assert_string_equal(dump.server_version, "15.18");
        assert_string_equal(dump.tool_version, "17.2");
        assert_string_equal(dump.owner, "boss");
        assert_string_equal(dump.encoding, "UTF8");
        assert_string_equal(dump.provider, "icu");
        assert_string_equal(dump.locale, "de-DE");
        assert_string_equal(dump.collate, "de_DE.UTF-8");
        assert_string_equal(dump.ctype, "de_DE.UTF-8");
        assert_int_equal(dump.tables, 1);
        assert_int_equal(dump.data, 1);
        assert_int_equal(dump.blobs, 1);
        assert_int_equal(dump.roles.count, 1);
        assert_string_equal(dump.roles.items[0], "app");
        assert_int_equal(dump.grantees.count, 1);
        assert_string_equal(dump.grantees.items[0], "rea\"der");
        assert_true(dump_has_name(&dump.extensions, "hstore"));
        dump_free(&dump);
        strbuf_free(&bytes);
    }
}

/* A file that is cut anywhere in its head is never taken for a whole one. */
static void every_cut_is_seen(void **state)
{
    struct strbuf bytes = {0};
    char *error;
    struct dump dump;

    (void)state;
    put_dump(&bytes, 14);
    for (size_t len = 1; len < bytes.len; len++) {
        assert_false(read_bytes(bytes.s, len, &dump, &error));
        assert_non_null(strstr(error, len < 5 ? "no dump" : "it is cut"));
        free(error);
    }
    strbuf_free(&bytes);
}

static void versions_know_each_other(void **state)
{
    static const struct {
        unsigned char major, minor;
        int oldest;
    } cases[] = {{1, 12, 9},  {1, 13, 10}, {1, 14, 12}, {1, 15, 16},
                 {1, 16, 17}, {1, 17, 0},  {2, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct dump dump = {.major = cases[i].major, .minor = cases[i].minor};

        assert_int_equal(dump_oldest_tool(&dump), cases[i].oldest);
    }
}

static void newer_and_older_formats(void **state)
{
    struct strbuf bytes = {0};
    struct dump dump;
    char *error;

    (void)state;
    put_dump(&bytes, 17);
    assert_true(read_bytes(bytes.s, bytes.len, &dump, &error));
    assert_false(dump.listed);
    assert_int_equal(dump.minor, 17);
    dump_free(&dump);
    bytes.s[6] = 11;
    assert_false(read_bytes(bytes.s, bytes.len, &dump, &error));
    assert_non_null(strstr(error, "older than PostgreSQL 9.0"));
    free(error);
    bytes.s[6] = 14;
    bytes.s[10] = 5;
    assert_false(read_bytes(bytes.s, bytes.len, &dump, &error));
    assert_non_null(strstr(error, "directory format"));
    free(error);
    strbuf_free(&bytes);
}

/* ---- SQL ---- */

static void grantees_of_statements(void **state)
{
    static const struct {
        const char *sql, *roles; /* joined by | */
    } cases[] = {
        {"GRANT SELECT ON TABLE public.t TO bob;", "bob"},
        {"GRANT ALL ON TABLE public.\"x TO y\" TO \"ä ö\" WITH GRANT OPTION;", "ä ö"},
        {"REVOKE ALL ON SCHEMA public FROM PUBLIC;\nGRANT ALL ON SCHEMA public TO PUBLIC;", ""},
        {"REVOKE ALL ON TABLE t FROM owner1;\nGRANT SELECT(a,b) ON TABLE t TO r2;", "owner1|r2"},
        {"SET SESSION AUTHORIZATION \"q\"\"q\";\nGRANT SELECT ON TABLE t TO bob;\nRESET SESSION "
         "AUTHORIZATION;",
         "q\"q|bob"},
        {"ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA s GRANT SELECT ON TABLES  TO r;",
         "boss|r"},
        {"GRANT ALL ON FUNCTION f(a timestamp with time zone) TO bob;", "bob"},
        {"GRANT SELECT ON TABLE t TO", ""},
        {"GRANT SELECT ON TABLE t TO \"unclosed", "unclosed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct dump_names roles = {0};
        struct strbuf joined = {0};

        dump_grantees(cases[i].sql, &roles);
        strbuf_adds(&joined, "");
        for (size_t k = 0; k < roles.count; k++) {
            strbuf_addf(&joined, "%s%s", k ? "|" : "", roles.items[k]);
            free(roles.items[k]);
        }
        assert_string_equal(joined.s, cases[i].roles);
        free(roles.items);
        strbuf_free(&joined);
    }
}

static void names_fit(void **state)
{
    /* 62 bytes, the last two of them one character */
    static const char longest[] = "123456789012345678901234567890123456789012345678901234567890ä";
    char *name = restore_name("shop", "_restored"), *cut = restore_name(longest, "_x");
    char *kept = restore_kept_name("shop", 1769869353);

    (void)state;
    assert_string_equal(name, "shop_restored");
    assert_string_equal(kept, "shop_old_20260131T142233Z");
    assert_int_equal(strlen(cut), 62); /* a half of the character would have been left */
    assert_null(restore_name_fault(name));
    assert_non_null(restore_name_fault(""));
    assert_non_null(restore_name_fault("sharedtop_restore_x"));
    free(name);
    free(cut);
    free(kept);
}

static void arrays_are_quoted(void **state)
{
    char one[] = "a\"b", other[] = "c\\d,{}", *items[] = {one, other};
    char *array = restore_array(items, 2), *none = restore_array(NULL, 0);

    (void)state;
    assert_string_equal(array, "{\"a\\\"b\",\"c\\\\d,{}\"}");
    assert_string_equal(none, "{}");
    free(array);
    free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_all_versions),    cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(versions_know_each_other), cmocka_unit_test(newer_and_older_formats),
        cmocka_unit_test(grantees_of_statements),   cmocka_unit_test(names_fit),
        cmocka_unit_test(arrays_are_quoted),
    };

    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
