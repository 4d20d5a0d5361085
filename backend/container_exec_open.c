#include "backend/container_exec_open.h"

#include "backend/base/mem.h"
#include "backend/job_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ASK_MS = 30000, RESIZE_MS = 2000, END_MS = 5000 };

/* ---- words ---- */

/* The engine's refusal with what can be done about it. */
static char *explain(const struct container_reply *reply, const char *container)
{
    char *words = container_refusal(reply), *name = container_clean(container), *text;

    if (reply->status == 404)
        text = mem_printf("the engine knows no container '%s': 'docker ps' lists those that run",
                          name);
    else if (reply->status == 409)
        text = mem_printf("%s: %s%s", name, words,
                          strstr(words, "unpause") ? "" : ": start the container first");
    else
        text = mem_printf("%s: %s", name, words);
    free(words);
    free(name);
    return text;
}

/* Their values go as bytes of the request only: no argument shows them. */
static bool add_variables(json_t *object, const char *const *names)
{
    json_t *list = json_array();
    bool good = true;

    for (; names && *names; names++) {
        const char *value = getenv(*names);

        if (value)
            good = json_array_append_new(list, json_sprintf("%s=%s", *names, value)) == 0 && good;
    }
    json_object_set_new(object, "Env", list);
    return good;
}

/* NULL: an argument is no UTF-8, which is all that JSON takes. */
static char *create_body(const struct exec_wanted *wanted)
{
    json_t *object = json_object(), *argv = json_array();
    bool good = add_variables(object, wanted->variables);
    char *body = NULL;

    for (const char *const *word = wanted->argv; *word; word++)
        good = json_array_append_new(argv, json_string(*word)) == 0 && good;
    json_object_set_new(object, "AttachStdin", json_boolean(wanted->stdin_too));
    json_object_set_new(object, "AttachStdout", json_true());
    json_object_set_new(object, "AttachStderr", json_true());
    json_object_set_new(object, "Tty", json_boolean(wanted->terminal));
    json_object_set_new(object, "Cmd", argv);
    if (good)
        body = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return body;
}

/* ---- starting ---- */

static char *create(const struct container_client *client, const struct exec_wanted *wanted,
                    char **error)
{
    char *part = container_path_part(wanted->container), *body = create_body(wanted), *id = NULL;
    char *path = mem_printf("/containers/%s/exec", part);
    struct container_reply reply = {0};
    json_t *answer = NULL;

    if (!body) {
        *error = mem_strdup("an argument or variable is not UTF-8, which the engine does not take");
    } else if (container_ask(client, "POST", path, body, ASK_MS, &reply, error)) {
        answer = json_loadb(reply.body, reply.len, 0, NULL);
        id = mem_strdup(json_string_value(json_object_get(answer, "Id")));
        if (!id || reply.status >= 300)
            *error = explain(&reply, wanted->container);
    }
    if (*error) {
        free(id);
        id = NULL;
    }
    json_decref(answer);
    container_reply_free(&reply);
    mem_free_secret(body, body ? strlen(body) : 0);
    free(part);
    free(path);
    return id;
}

bool exec_open(const struct container_client *client, const struct exec_wanted *wanted,
               struct exec_opened *opened, char **error)
{
    char *part, *path;

    *error = NULL;
    *opened = (struct exec_opened){.socket = -1};
    opened->id = create(client, wanted, error);
    if (!opened->id)
        return false;
    part = container_path_part(opened->id);
    path = mem_printf("/exec/%s/start", part);
    opened->socket = container_hijack(client, path,
                                      wanted->terminal ? "{\"Detach\":false,\"Tty\":true}"
                                                       : "{\"Detach\":false,\"Tty\":false}",
                                      &opened->more, error);
    if (*error) {
        char *words = *error, *name = container_clean(wanted->container);

        *error = mem_printf("%s: %s", name, words);
        free(words);
        free(name);
    }
    free(part);
    free(path);
    if (opened->socket >= 0)
        return true;
    exec_opened_free(opened);
    return false;
}

void exec_opened_free(struct exec_opened *opened)
{
    if (opened->socket >= 0)
        close(opened->socket);
    free(opened->id);
    strbuf_free(&opened->more);
    *opened = (struct exec_opened){.socket = -1};
}

/* ---- its end ---- */

/* -1: *error; -2: it runs. */
static int look(const struct container_client *client, const char *path, char **error)
{
    struct container_reply reply;
    const json_t *code;
    json_t *answer;
    int status = -1;

    if (!container_ask(client, "GET", path, NULL, ASK_MS, &reply, error))
        return -1;
    answer = reply.status == 200 ? json_loadb(reply.body, reply.len, 0, NULL) : NULL;
    code = json_object_get(answer, "ExitCode");
    if (json_is_true(json_object_get(answer, "Running")))
        status = -2;
    else if (json_is_integer(code))
        status = (int)json_integer_value(code) & 0xFF;
    else
        *error = container_refusal(&reply);
    json_decref(answer);
    container_reply_free(&reply);
    return status;
}

int exec_status(const struct container_client *client, const char *id, char **error)
{
    const struct timespec tick = {0, 20000000};
    const int64_t until = job_clock() + END_MS;
    char *part = container_path_part(id), *path = mem_printf("/exec/%s/json", part);
    int status;

    *error = NULL;
    while ((status = look(client, path, error)) == -2 && job_clock() < until)
        nanosleep(&tick, NULL);
    if (status == -2)
        *error = mem_strdup("the stream was cut, and the program may go on in the container");
    free(part);
    free(path);
    return status < 0 ? -1 : status;
}

bool exec_resize(const struct container_client *client, const char *id, unsigned rows,
                 unsigned columns)
{
    char *part = container_path_part(id), *error = NULL;
    char *path = mem_printf("/exec/%s/resize?h=%u&w=%u", part, rows, columns);
    struct container_reply reply = {0};
    bool good = container_ask(client, "POST", path, NULL, RESIZE_MS, &reply, &error) &&
                reply.status >= 200 && reply.status < 300;

    container_reply_free(&reply);
    free(error);
    free(path);
    free(part);
    return good;
}
