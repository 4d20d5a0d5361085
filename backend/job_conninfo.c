/* How a tool is told where to connect, without a secret in it. Pure, but for the env file. */
#include "backend/base/environ.h"
#include "backend/base/mem.h"
#include "backend/conninfo.h"
#include "backend/container_place.h"
#include "backend/envfile.h"
#include "backend/job_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *keyword, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(keyword, *words) == 0)
            return true;
    }
    return false;
}

static void add_options(struct strbuf *text, const PQconninfoOption *options, bool own_database,
                        bool own_password)
{
    static const char *const never[] = {"password", "application_name", "fallback_application_name",
                                        NULL};

    for (; options->keyword; options++) {
        if (!options->val || !*options->val || is_one_of(options->keyword, never))
            continue;
        if (own_database && strcmp(options->keyword, "dbname") == 0)
            continue;
        if (own_password && strcmp(options->keyword, "passfile") == 0)
            continue;
        conninfo_add(text, options->keyword, options->val);
    }
}

/* libpq marks with a star what is not to be shown; it does not mark the keys, which serve as well. */
const char *conninfo_secret(const PQconninfoOption *options)
{
    static const char *const secrets[] = {"sslpassword", "oauth_client_secret", "scram_client_key",
                                          "scram_server_key", NULL};

    for (; options->keyword; options++) {
        const bool marked = options->dispchar && *options->dispchar == '*';

        if (options->val && *options->val && strcmp(options->keyword, "password") != 0 &&
            (marked || is_one_of(options->keyword, secrets)))
            return options->keyword;
    }
    return NULL;
}

static char *refuse_secret(const char *keyword)
{
    const bool key = strcmp(keyword, "sslpassword") == 0;

    return mem_printf("conninfo has %s, which a tool cannot be given safely: %s", keyword,
                      key ? "use a key file without one"
                          : "put it into a service file, and its name here (service=NAME)");
}

char *conninfo_for_tool(const char *conninfo, const char *database, const char *application,
                        bool own_password, char **error)
{
    struct strbuf text = {0};
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *secret;

    *error = NULL;
    if (!options) {
        *error = mem_strdup("conninfo cannot be read: check it with 'sharedtop config check'");
        return NULL;
    }
    secret = conninfo_secret(options);
    if (secret) {
        *error = refuse_secret(secret);
    } else {
        if (database)
            conninfo_add(&text, "dbname", database);
        add_options(&text, options, database != NULL, own_password);
        conninfo_add(&text, "application_name", application);
    }
    PQconninfoFree(options);
    return *error ? NULL : strbuf_take(&text);
}

char *passfile_line(const char *password)
{
    struct strbuf line = {0};

    if (strpbrk(password, "\r\n"))
        return NULL;
    strbuf_adds(&line, "*:*:*:*:");
    for (; *password; password++) {
        if (*password == ':' || *password == '\\')
            strbuf_addc(&line, '\\');
        strbuf_addc(&line, *password);
    }
    return strbuf_take(&line);
}

static char *conninfo_password(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    char *password = mem_strdup(conninfo_value(options, "password"));

    PQconninfoFree(options);
    return password;
}

char *job_password(const struct postgres_config *config, char **error)
{
    char *password;

    *error = NULL;
    if (container_bars_password(config))
        return NULL;
    if (config->env_file && *config->env_file)
        return envfile_read(config->env_file, config->password_key, error);
    password = conninfo_password(config->conninfo);
    return password ? password : mem_strdup(environ_value("PGPASSWORD"));
}

char *job_application(const struct job *job)
{
    return mem_printf("sharedtop job %s", job->id);
}
