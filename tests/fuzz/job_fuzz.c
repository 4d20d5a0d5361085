/* What jobs read that others may have written: states on disk, settings, versions, client lists; and
 * the words that tools are given must be read back by libpq as they were meant. */
#include "backend/act_restart.h"
#include "backend/base/mem.h"
#include "backend/conninfo.h"
#include "backend/job_internal.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_state(const json_t *object)
{
    struct job_info info;
    char *audit = NULL;
    struct config *config = job_settings_parse(object, &audit);

    config_free(config);
    free(audit);
    job_info_init(&info);
    job_info_parse(&info, object);
    json_decref(job_info_json(&info));
    (void)job_eta(&info, 1e9);
    job_info_free(&info);
}

static void quote(const char *text)
{
    struct strbuf conninfo = {0};
    PQconninfoOption *options;
    char *error = NULL, *tool, *line = passfile_line(text);

    conninfo_add(&conninfo, "user", text);
    options = PQconninfoParse(conninfo.s, NULL);
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        if (strcmp(option->keyword, "user") == 0 && strcmp(option->val, text) != 0)
            abort();
    }
    if (!options)
        abort();
    tool = conninfo_for_tool(text, text, "sharedtop", true, &error);
    if (!tool == !error)
        abort();
    PQconninfoFree(options);
    strbuf_free(&conninfo);
    free(error);
    free(tool);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct redis_config redis = {.database_count = 0};
    char *text = mem_strndup((const char *)data, size);
    long clients[RESTART_ENVIRONMENTS] = {0};
    json_t *object = json_loadb(text, strlen(text), 0, NULL);

    if (json_is_object(object))
        read_state(object);
    json_decref(object);
    quote(text);
    (void)job_tool_parse_version(text);
    (void)job_id_valid(text);
    restart_count_clients((const char *)data, size, &redis, clients);
    free(text);
    return 0;
}
