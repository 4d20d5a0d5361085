#include "backend/redis_sync.h"

#include "backend/base/mem.h"
#include "backend/redis_target.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECT_MS = 3000, LOOK_MS = 100 };

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *fault_text(const struct redis_fault *fault)
{
    return fault->hint[0] ? mem_printf("%s: %s", fault->error, fault->hint)
                          : mem_strdup(fault->error);
}

/* Waits until the link can go on. False: until is over (a fault is set), or it should stop. */
static bool wait_for(struct redis_sync *sync, int64_t until, struct redis_fault *fault)
{
    struct redis_link *link = &sync->link;

    for (;;) {
        struct pollfd poll_fd = {.fd = redis_link_fd(link), .events = redis_link_events(link)};
        int64_t left = until - clock_ms();

        if (left <= 0) {
            redis_link_silent(link, fault);
            return false;
        }
        /* An answer that comes at once is taken even then: it says what has been done. */
        if (poll(&poll_fd, 1, (int)(left < LOOK_MS ? left : LOOK_MS)) > 0)
            return true;
        if (sync->stop && sync->stop(sync->context))
            return false;
    }
}

/* ---- opening ---- */

/* Opens the link at sync->address, whose host is numeric. */
static bool open_link(struct redis_sync *sync, struct redis_fault *fault)
{
    int64_t until = clock_ms() + CONNECT_MS;

    if (!redis_link_open(&sync->link, &sync->address, fault))
        return false;
    while (sync->link.stage != LINK_READY) {
        if (!wait_for(sync, until, fault) || !redis_link_step(&sync->link, fault)) {
            redis_link_close(&sync->link);
            return false;
        }
    }
    return true;
}

static bool try_address(struct redis_sync *sync, const struct addrinfo *at,
                        struct redis_fault *fault)
{
    char host[NI_MAXHOST];

    if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
        return false;
    free(sync->address.host);
    sync->address.host = mem_strdup(host);
    *fault = (struct redis_fault){.error = ""};
    return open_link(sync, fault);
}

static bool open_any(struct redis_sync *sync, struct redis_fault *fault)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    bool open = false;
    int error;

    if (sync->address.path)
        return open_link(sync, fault);
    error = getaddrinfo(sync->address.host, NULL, &hints, &found);
    if (error) {
        redis_fault_set(fault, gai_strerror(error),
                        "check the host in the url, or name its address");
        return false;
    }
    if (!sync->address.tls_name)
        sync->address.tls_name = mem_strdup(sync->address.host);
    for (const struct addrinfo *at = found; at && !open; at = at->ai_next)
        open = try_address(sync, at, fault);
    freeaddrinfo(found);
    return open;
}

bool redis_sync_open(struct redis_sync *sync, const struct redis_config *config, char **error)
{
    struct redis_fault fault = {.error = ""};

    *error = NULL;
    if (!redis_target(config, &sync->address, error))
        return false;
    if (open_any(sync, &fault))
        return true;
    if (fault.error[0])
        *error = fault_text(&fault);
    redis_sync_close(sync);
    return false;
}

void redis_sync_close(struct redis_sync *sync)
{
    redis_link_close(&sync->link);
    redis_address_free(&sync->address);
    sync->address = (struct redis_address){0};
}

/* ---- asking ---- */

static redisReply *wait_reply(struct redis_sync *sync, int64_t until, struct redis_fault *fault)
{
    struct redis_link *link = &sync->link;
    redisReply *reply = NULL;

    for (;;) {
        if (link->unsent && !redis_link_flush(link, fault))
            return NULL;
        if (!redis_link_reply(link, &reply, fault) || reply)
            return reply;
        if (!wait_for(sync, until, fault))
            return NULL;
        if (!link->unsent && !redis_link_fill(link, fault))
            return NULL;
    }
}

redisReply *redis_sync_ask(struct redis_sync *sync, int argc, const char **argv,
                           const size_t *lengths, int ms, char **error)
{
    struct redis_fault fault = {.error = ""};
    redisReply *reply;

    *error = NULL;
    redis_link_append(&sync->link, argc, argv, lengths);
    reply = wait_reply(sync, clock_ms() + ms, &fault);
    if (reply)
        return reply;
    if (fault.error[0])
        *error = fault_text(&fault);
    redis_sync_close(sync);
    return NULL;
}
