#include "backend/resolve.h"

#include "backend/base/mem.h"

#include <assert.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESS_SIZE 128 /* of a numeric address with its zone */

struct resolver {
    uv_loop_t *loop;
    uv_work_t work;
    char *running; /* the name that the thread looks up; NULL: none */
    char *host;    /* the name that done waits for; NULL: none */
    resolve_done *done;
    void *context;
    bool freed; /* as soon as the thread has ended */
    int status; /* what the thread found: of getaddrinfo */
    struct addrinfo *list;
};

static void start(struct resolver *resolver);

struct resolver *resolver_new(uv_loop_t *loop)
{
    struct resolver *resolver = mem_zalloc(sizeof(*resolver));

    resolver->loop = loop;
    resolver->work.data = resolver;
    return resolver;
}

static size_t numeric_addresses(const struct addrinfo *list, char (*out)[ADDRESS_SIZE])
{
    size_t count = 0;

    for (const struct addrinfo *ai = list; ai && count < RESOLVE_MAX; ai = ai->ai_next) {
        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, out[count], ADDRESS_SIZE, NULL, 0,
                        NI_NUMERICHOST) == 0)
            count++;
    }
    return count;
}

static void report(struct resolver *resolver)
{
    char texts[RESOLVE_MAX][ADDRESS_SIZE];
    const char *addresses[RESOLVE_MAX];
    size_t count = resolver->status == 0 ? numeric_addresses(resolver->list, texts) : 0;
    resolve_done *done = resolver->done;
    char *host = resolver->host;
    char *error = NULL;

    for (size_t i = 0; i < count; i++)
        addresses[i] = texts[i];
    if (!count)
        error = mem_printf("could not find host \"%s\": %s", host,
                           resolver->status ? gai_strerror(resolver->status) : "no address");
    resolver->host = NULL;
    resolver->done = NULL;
    done(resolver->context, addresses, count, error);
    free(error);
    free(host);
}

/* On libuv's thread: touches running, status and list, which the loop leaves alone meanwhile. */
static void look_up(uv_work_t *work)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct resolver *resolver = work->data;

    resolver->status = getaddrinfo(resolver->running, NULL, &hints, &resolver->list);
}

/* report may call back into the resolver, so what it frees is taken out first. */
static void on_looked_up(uv_work_t *work, int status)
{
    struct resolver *resolver = work->data;
    char *name = resolver->running;
    struct addrinfo *list = resolver->status == 0 ? resolver->list : NULL;

    (void)status;
    resolver->running = NULL;
    if (resolver->freed)
        free(resolver);
    else if (resolver->host && strcmp(resolver->host, name) != 0)
        start(resolver);
    else if (resolver->host)
        report(resolver);
    free(name);
    if (list)
        freeaddrinfo(list);
}

static void start(struct resolver *resolver)
{
    resolver->running = mem_strdup(resolver->host);
    resolver->list = NULL;
    uv_queue_work(resolver->loop, &resolver->work, look_up, on_looked_up);
}

void resolver_lookup(struct resolver *resolver, const char *host, resolve_done *done, void *context)
{
    assert(!resolver->done);
    resolver->host = mem_strdup(host);
    resolver->done = done;
    resolver->context = context;
    if (!resolver->running)
        start(resolver);
}

void resolver_stop(struct resolver *resolver)
{
    free(resolver->host);
    resolver->host = NULL;
    resolver->done = NULL;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver_stop(resolver);
    if (resolver->running)
        resolver->freed = true;
    else
        free(resolver);
}
