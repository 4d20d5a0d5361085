#include "backend/pg_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *message, *line;
} lines[] = {
    {"connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password authentication "
     "failed for user \"x\"\n",
     "password authentication failed for user \"x\""},
    {"connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused\n\tIs the "
     "server running on that host and accepting TCP/IP connections?\n",
     "connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection refused"},
    {"connection to server at \"localhost\" (::1), port 1 failed: Connection refused\n\tIs the "
     "server "
     "running on that host and accepting TCP/IP connections?\nconnection to server at "
     "\"localhost\" "
     "(127.0.0.1), port 1 failed: FATAL:  the database system is starting up\n",
     "the database system is starting up"},
    {"connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: FATAL:  sorry, too many "
     "clients "
     "already\n",
     "sorry, too many clients already"},
    {"connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: SCHWERWIEGEND:  Rolle \"x\" "
     "existiert nicht\n",
     "Rolle \"x\" existiert nicht"},
    {"server closed the connection unexpectedly\n\tThis probably means the server terminated "
     "abnormally\n\tbefore or while processing the request.\n",
     "server closed the connection unexpectedly"},
    {"FATAL:  terminating connection due to administrator command\nserver closed the connection "
     "unexpectedly\n",
     "terminating connection due to administrator command"},
    {"ERROR:  permission denied for view pg_stat_activity\n",
     "permission denied for view pg_stat_activity"},
    {"\n\r\n  padded  \r\nmore", "padded"},
    {"permission denied:  not a severity", "permission denied:  not a severity"},
    {"", "the connection failed"},
    {"\n \n", "the connection failed"},
    {NULL, "the connection failed"},
};

static void one_line_says_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char *line = pg_error_line(lines[i].message);

        assert_string_equal(line, lines[i].line);
        free(line);
    }
}

static void known_faults_have_a_mend(void **state)
{
    static const struct {
        const char *line, *words;
    } hints[] = {
        {"could not find host \"x\": Name or service not known", "check host in conninfo"},
        {"sorry, too many clients already", "end a session"},
        {"remaining connection slots are reserved for non-replication superuser connections",
         "reserved slots"},
        {"no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"y\", no encryption",
         "pg_hba.conf"},
        {"server does not support SSL, but SSL was required", "sslmode=prefer"},
        {"SSL error: certificate verify failed", "sslrootcert"},
        {"database \"x\" does not exist", "dbname"},
        {"role \"x\" does not exist", "user"},
    };
    const struct postgres_config config = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
        char *hint = pg_error_hint(hints[i].line, &config);

        assert_non_null(hint);
        assert_non_null(strstr(hint, hints[i].words));
        free(hint);
    }
    assert_null(pg_error_hint("the database system is starting up", &config));
    assert_null(pg_error_hint("", &config));
}

static void the_password_hint_names_the_place(void **state)
{
    char file[] = "/opt/shared/.env", key[] = "POSTGRES_PASSWORD";
    const struct postgres_config with = {.env_file = file, .password_key = key};
    const struct postgres_config without = {.password_key = key};
    char *hint = pg_error_hint("password authentication failed for user \"x\"", &with);

    (void)state;
    assert_string_equal(hint, "check POSTGRES_PASSWORD in /opt/shared/.env");
    free(hint);
    hint = pg_error_hint("fe_sendauth: no password supplied", &without);
    assert_non_null(strstr(hint, "passfile"));
    free(hint);
}

static void a_result_says_its_primary_message(void **state)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    char *line = pg_error_result(result);

    (void)state;
    assert_true(*line != '\0');
    free(line);
    PQclear(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_says_it),
        cmocka_unit_test(known_faults_have_a_mend),
        cmocka_unit_test(the_password_hint_names_the_place),
        cmocka_unit_test(a_result_says_its_primary_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
