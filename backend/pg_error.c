#include "backend/pg_error.h"

#include "backend/base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *s;
    size_t len;
};

static bool contains(struct span line, const char *word)
{
    return memmem(line.s, line.len, word, strlen(word)) != NULL;
}

/* The next line of *rest without white space at its ends; len 0 at the end. */
static struct span next_line(const char **rest)
{
    struct span line = {0};

    while (**rest && isspace((unsigned char)**rest))
        (*rest)++;
    line.s = *rest;
    line.len = strcspn(*rest, "\r\n");
    *rest += line.len;
    while (line.len && isspace((unsigned char)line.s[line.len - 1]))
        line.len--;
    return line;
}

/* What comes after "SEVERITY:  ", which the server writes in its own language. */
static struct span without_severity(struct span line)
{
    const char *colon = memmem(line.s, line.len, ":  ", 3);
    const char *space = memchr(line.s, ' ', line.len);

    if (colon && space && colon < space) {
        line.len -= (size_t)(colon + 3 - line.s);
        line.s = colon + 3;
    }
    return line;
}

/* "connection to server at … failed: FATAL:  text" → "text"; a failure that is not the server's
 * word keeps its address. */
static struct span without_address(struct span line)
{
    static const char failed[] = " failed: ";
    const char *at = memmem(line.s, line.len, failed, sizeof(failed) - 1);
    struct span word;

    if (!at)
        return without_severity(line);
    word.s = at + sizeof(failed) - 1;
    word.len = line.len - (size_t)(word.s - line.s);
    return memmem(word.s, word.len, ":  ", 3) ? without_severity(word) : line;
}

char *pg_error_line(const char *message)
{
    const char *rest = message ? message : "";
    struct span first = {0}, best = {0};

    for (struct span line = next_line(&rest); line.len; line = next_line(&rest)) {
        if (!first.len)
            first = line;
        if (!best.len && contains(line, ":  "))
            best = line;
    }
    if (!best.len)
        best = first;
    if (best.len)
        best = without_address(best);
    return best.len ? mem_strndup(best.s, best.len) : mem_strdup("the connection failed");
}

char *pg_error_result(const PGresult *result)
{
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    return pg_error_line(primary && *primary ? primary : PQresultErrorMessage(result));
}

static char *password_hint(const struct postgres_config *config)
{
    if (config->env_file && *config->env_file)
        return mem_printf("check %s in %s", config->password_key, config->env_file);
    return mem_strdup("give env_file and password_key in the config, a passfile or a service");
}

char *pg_error_hint(const char *line, const struct postgres_config *config)
{
    static const struct {
        const char *word, *hint;
    } hints[] = {
        {"password", NULL},
        {"Connection refused", "check host and port; is the server running?"},
        {"No such file or directory", "no server on that socket: check host (its directory) and "
                                      "port; is the server running?"},
        {"could not find host", "check host in conninfo"},
        {"too many clients", "end a session, or connect as a role that may use reserved slots"},
        {"connection slots are reserved",
         "end a session, or connect as a role that may use reserved slots"},
        {"no pg_hba.conf entry", "allow this user and address in the server's pg_hba.conf"},
        {"server does not support SSL", "the server has no TLS: set sslmode=prefer in conninfo"},
        {"certificate", "check sslrootcert and sslmode in conninfo"},
        {"definition of service", "check service in conninfo and the service file"},
        {"invalid connection option", "check conninfo"},
        {"in connection info string", "check conninfo: a value with a space needs 'quotes'"},
        {"invalid sslmode", "check sslmode in conninfo"},
        {"is not permitted to log in", "use a role with LOGIN"},
    };
    struct span span = {line, strlen(line)};

    for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
        if (contains(span, hints[i].word))
            return hints[i].hint ? mem_strdup(hints[i].hint) : password_hint(config);
    }
    if (contains(span, "does not exist") && contains(span, "role "))
        return mem_strdup("check user in conninfo");
    if (contains(span, "does not exist") && contains(span, "database "))
        return mem_strdup("check dbname in conninfo");
    return NULL;
}
