/* Text from servers that wants to be more than text: none of it reaches the terminal raw, and none
 * moves a column. */
#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/screen/dashboard.h"

#include <stdio.h>
#include <sys/wait.h>

#define ROWS    40
#define COLUMNS 180

#define ESCAPES "\x1b]0;OWNED\x07\x1b[6n\x1bP+q\x1b\\\x1b[31;5m\x0e\x9b" /* ends in a bare C1 */
#define BIDI                                                                                       \
    "\xe2\x80\xae"                                                                                 \
    "evil"                                                                                         \
    "\xe2\x81\xa6\xe2\x80\x8f"
#define C1                                                                                         \
    "\xc2\x9b"                                                                                     \
    "5n\xc2\x90\xc2\x85"
#define INVALID   "\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82"
#define WIDE      "\xe6\xbc\xa2\xe5\xad\x97\xe3\x81\x8b\xef\xbc\xa1"
#define COMBINING "e\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85\xcc\x86\xcc\x87\xcc\x88\xcc\x89"
#define INVISIBLE "\xe2\x80\x8b\xe2\x80\x8d\xef\xbb\xbf\xc2\xad"

static struct lab *lab;

static struct term *start(int rows, int columns)
{
    struct term *term = dashboard_start(lab, rows, columns, NULL, NULL);

    expect_both_up(term);
    return term;
}

/* ---- what may not be sent ---- */

/* The length of the UTF-8 sequence at s, 0 when it is none; len at the cut end of the stream. */
static size_t sequence(const unsigned char *s, size_t len)
{
    size_t need = s[0] < 0x80                   ? 1
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                  : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;

    for (size_t i = 1; i < need && i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return need > len ? len : need;
}

static void assert_nothing_raw(const struct term *term)
{
    static const char *const forbidden[] = {
        "\x1b]0",       "\x1b[6n",      "\x1bP",        "\x1b[31;5m",   "\x0e",
        "\xc2\x9b",     "\xc2\x90",     "\xc2\x85",     "\xe2\x80\xae", "\xe2\x81\xa6",
        "\xe2\x80\x8f", "\xe2\x80\x8b", "\xef\xbb\xbf", "\xed\xa0\x80",
    };
    size_t len, step;
    const char *raw = term_raw(term, &len);

    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        if (memmem(raw, len, forbidden[i], strlen(forbidden[i])))
            fail_msg("sent raw: number %zu", i);
    }
    for (size_t i = 0; i < len; i += step) {
        step = sequence((const unsigned char *)raw + i, len - i);
        if (!step)
            fail_msg("no UTF-8 in what was sent at %zu: %02x", i, (unsigned char)raw[i]);
    }
}

static bool is_one_of(const struct term *term, int row, int column, const char *glyphs)
{
    struct emulator_cell cell;

    term_cell(term, row, column, &cell);
    return cell.text[0] && strstr(glyphs, cell.text);
}

/* Every row between the header and the key line begins and ends with a border. */
static bool is_framed(const struct term *term, int rows, int columns)
{
    for (int row = 1; row < rows - 1; row++) {
        if (!is_one_of(term, row, 0, "│┌└├") || !is_one_of(term, row, columns - 1, "│┐┘┤"))
            return false;
    }
    return true;
}

/* A frame may come in pieces: it is looked at again when more has come. */
static void expect_framed(struct term *term, int rows, int columns)
{
    for (int i = 0; i < 10 && !is_framed(term, rows, columns); i++)
        assert_true(term_wait_output(term, term_bytes(term), TERM_PATIENCE));
    if (!is_framed(term, rows, columns))
        expect_fail(term, "a border is broken", "in some row", __FILE__, __LINE__);
    assert_nothing_raw(term);
}

/* ---- sessions ---- */

/* The same words in the same column as the title, whatever stands left of them. */
static void expect_below(struct term *term, const char *title, const char *words)
{
    int title_row, title_column, row, column;

    assert_true(term_find(term, title, &title_row, &title_column));
    assert_true(term_find(term, words, &row, &column));
    assert_true(row > title_row);
    assert_int_equal(column, title_column);
}

/* A session that runs the text until the lab goes. */
static PGconn *run(const char *conninfo, const char *query)
{
    PGconn *conn = lab_pg_connect(lab, conninfo);

    assert_int_equal(PQsendQuery(conn, query), 1);
    assert_int_equal(PQflush(conn), 0);
    return conn;
}

static void execute(const char *sql)
{
    PGconn *conn = lab_pg_connect(lab, NULL);
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(conn);
}

/* Looks at a session in every way that the dashboard has: tile, table, groups, details. */
static void expect_tame(PGconn *conn, const char *shown)
{
    struct term *term = start(ROWS, COLUMNS);
    char filter[64];

    snprintf(filter, sizeof(filter), "/pid:%d\r", PQbackendPID(conn));
    expect_screen(term, "SELECT pg");
    expect_framed(term, ROWS, COLUMNS);
    term_keys(term, "2");
    expect_screen(term, "Sessions · ");
    term_keys(term, filter);
    expect_screen(term, "Sessions · .* 1 of [0-9]+");
    expect_screen(term, shown);
    expect_framed(term, ROWS, COLUMNS);
    expect_below(term, "QUERY", "SELECT pg_sleep");
    term_special(term, EMULATOR_ENTER);
    expect_screen(term, "connected for");
    expect_framed(term, ROWS, COLUMNS);
    term_keys(term, "G");
    expect_framed(term, ROWS, COLUMNS);
    term_keys(term, "q");
    expect_gone(term, "connected for");
    term_keys(term, ":group database,user,application\r");
    expect_screen(term, "DATABASE +USER +APPLICATION +SESSIONS");
    expect_framed(term, ROWS, COLUMNS);
    expect_quit(term);
}

static void test_queries(void **state)
{
    static const char *const texts[] = {ESCAPES, BIDI, C1, INVALID, WIDE, COMBINING, INVISIBLE};

    (void)state;
    execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' "
            "TEMPLATE template0");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *query = mem_printf("SELECT pg_sleep(900) /* %s */", texts[i]);
        PGconn *conn = run("dbname=bytes", query);

        expect_tame(conn, "SELECT pg_sleep\\(900\\) /\\*");
        PQfinish(conn);
        free(query);
    }
}

static void test_a_query_of_a_megabyte(void **state)
{
    struct strbuf query = {0};
    PGconn *conn;

    (void)state;
    strbuf_adds(&query, "SELECT pg_sleep(900) -- ");
    while (query.len < 1024 * 1024 - 64)
        strbuf_adds(&query, WIDE "\t" ESCAPES COMBINING "  ");
    conn = run("dbname=bytes", query.s);
    expect_tame(conn, "SELECT pg_sleep\\(900\\) --");
    PQfinish(conn);
    strbuf_free(&query);
}

/* As a value of a conninfo: in quotes, backslashes doubled. */
static char *quoted(const char *text)
{
    struct strbuf out = {0};

    for (; *text; text++)
        strbuf_addf(&out, *text == '\\' || *text == '\'' ? "\\%c" : "%c", *text);
    return strbuf_take(&out);
}

/* Names of 63 bytes are what PostgreSQL takes. */
static void test_names(void **state)
{
    static const char *const names[] = {
        "n" ESCAPES,   "n" BIDI,    "n" C1, "n" WIDE WIDE WIDE, "n" COMBINING COMBINING,
        "n" INVISIBLE, "n\r\n\t\bx"};
    PGconn *bytes = lab_pg_connect(lab, "dbname=bytes");

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *role = mem_printf("CREATE ROLE \"%s\" LOGIN SUPERUSER", names[i]);
        char *database = mem_printf("CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'SQL_ASCII'"
                                    " LC_COLLATE 'C' LC_CTYPE 'C'",
                                    names[i]);
        char *name = quoted(names[i]);
        char *conninfo =
            mem_printf("user='%s' dbname='%s' application_name='%s'", name, name, name);
        PGresult *result = PQexec(bytes, role);
        PGconn *conn;

        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
        result = PQexec(bytes, database);
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
        conn = run(conninfo, "SELECT pg_sleep(901)");
        expect_tame(conn, "SELECT pg_sleep\\(901\\)");
        PQfinish(conn);
        free(role);
        free(database);
        free(conninfo);
        free(name);
    }
    PQfinish(bytes);
}

/* The databases that the test before has made are all in the table now. */
static void test_databases(void **state)
{
    static const int sizes[][2] = {{24, 80}, {40, 120}, {50, 200}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct term *term = start(sizes[i][0], sizes[i][1]);

        expect_framed(term, sizes[i][0], sizes[i][1]);
        term_keys(term, "4");
        expect_screen(term, "│ n");
        expect_framed(term, sizes[i][0], sizes[i][1]);
        expect_quit(term);
    }
}

/* ---- Redis ---- */

static void test_monitor(void **state)
{
    static const char *const texts[] = {ESCAPES, BIDI, C1, INVALID, WIDE, COMBINING, INVISIBLE};
    struct term *term = start(ROWS, COLUMNS);

    (void)state;
    term_keys(term, "7");
    expect_screen(term, "not running: m starts");
    term_keys(term, "m");
    expect_screen(term, "y: start");
    term_keys(term, "y");
    expect_screen(term, "running, m stops");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char shown[32];

        snprintf(shown, sizeof(shown), "hostile%zu", i);
        free(lab_redis_value(lab, "SET hostile%b%s %b", texts[i], strlen(texts[i]), shown, texts[i],
                             strlen(texts[i])));
        expect_screen(term, shown);
        expect_framed(term, ROWS, COLUMNS);
        term_special(term, EMULATOR_ENTER);
        expect_framed(term, ROWS, COLUMNS);
        term_keys(term, "q");
        expect_screen(term, "running, m stops");
    }
    term_keys(term, "5");
    expect_screen(term, "Keyspace · ");
    expect_framed(term, ROWS, COLUMNS);
    term_keys(term, "7m");
    expect_screen(term, "stopped by m");
    expect_quit(term);
}

static int set_up(void **state)
{
    (void)state;
    lab = lab_start("-c track_activity_query_size=1048576");
    lab_fill(lab);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lab_stop(lab);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries), cmocka_unit_test(test_a_query_of_a_megabyte),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_databases),
        cmocka_unit_test(test_monitor),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
