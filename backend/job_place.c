#include "backend/job_place.h"

#include "backend/base/mem.h"
#include "backend/container_parse.h"
#include "backend/container_place.h"

#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 5000, SECRET_MAX = 4096 };

static void wipe_reply(struct container_reply *reply)
{
    if (reply->body)
        explicit_bzero(reply->body, reply->len); /* its environment holds passwords */
    container_reply_free(reply);
}

struct container *job_place_inspect(const struct container_client *client, const char *name,
                                    struct container_login *login, char **error)
{
    char *part = container_path_part(name), *path = mem_printf("/containers/%s/json", part);
    struct container_login own = {0};
    struct container *container = NULL;
    struct container_reply reply;

    if (container_ask(client, "GET", path, NULL, ASK_MS, &reply, error)) {
        if (reply.status == 200)
            container = container_parse_inspect(reply.body, reply.len, login ? login : &own);
        if (!container)
            *error = container_refusal(&reply);
        wipe_reply(&reply);
    }
    container_login_free(&own);
    free(part);
    free(path);
    return container;
}

/* ---- the login ---- */

/* The first line of a file in the container, or NULL. */
static char *read_file(const struct container_client *client, const char *id, const char *file)
{
    char *part = container_path_part(file), *error = NULL, *line = NULL;
    char *path = mem_printf("/containers/%s/archive?path=%s", id, part);
    struct container_reply reply;
    const char *from;
    size_t size;

    if (container_ask(client, "GET", path, NULL, ASK_MS, &reply, &error)) {
        if (reply.status == 200 && container_parse_archive(reply.body, reply.len, &from, &size) &&
            size <= SECRET_MAX) {
            line = mem_strndup(from, size);
            line[strcspn(line, "\r\n")] = '\0';
        }
        wipe_reply(&reply);
    }
    free(error);
    free(part);
    free(path);
    return line;
}

static void complete_login(const struct container_client *client, const struct container *container,
                           struct container_login *login)
{
    if (!login->user && login->user_file)
        login->user = read_file(client, container->id, login->user_file);
    if (!login->password && login->password_file)
        login->password = read_file(client, container->id, login->password_file);
}

/* ---- the place ---- */

/* How the engine's host is. Where it does not tell, its bridges may be out of reach, and what is at
 * their addresses here somebody else's. */
static void ask_engine(const struct container_client *client, struct engine_info *info)
{
    struct container_reply reply;
    char *error = NULL;

    if (container_ask(client, "GET", "/version", NULL, ASK_MS, &reply, &error)) {
        container_parse_version(reply.body, reply.len, info);
        container_reply_free(&reply);
    }
    free(error);
    error = NULL;
    info->rootless = true;
    if (container_ask(client, "GET", "/info", NULL, ASK_MS, &reply, &error)) {
        if (reply.status == 200)
            container_parse_info(reply.body, reply.len, info);
        container_reply_free(&reply);
    }
    free(error);
}

static bool locate(struct config *own, const struct container_client *client,
                   const struct container *container, const struct container_login *login,
                   unsigned attempt, char **error)
{
    struct engine_info info = {0};

    ask_engine(client, &info);
    if (own->postgres_count)
        return container_locate_postgres(own->postgres[0], container, login, &info, client->socket,
                                         attempt, error);
    return container_locate_redis(own->redis[0], container, login, &info, client->socket, attempt,
                                  error);
}

bool job_place_update(struct config *own, unsigned attempt, char **error)
{
    const char *name = own->postgres_count ? own->postgres[0]->container : own->redis[0]->container;
    struct container_login login = {0};
    struct container_client client;
    struct container *container;
    bool done = false;

    *error = NULL;
    if (!name || !own->containers || !container_client_find(own->docker_host, &client, error))
        return false;
    container = job_place_inspect(&client, name, &login, error);
    if (container && container->state != CONTAINER_RUNNING) {
        *error = mem_printf("the container %s is %s", name, container_state_text(container->state));
    } else if (container) {
        complete_login(&client, container, &login);
        done = locate(own, &client, container, &login, attempt, error);
    }
    container_unref(container);
    container_login_free(&login);
    container_client_close(&client);
    return done;
}
