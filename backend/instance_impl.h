/* What the two kinds of instances (pg_instance.c, redis_instance.c) share with instance.c and
 * backend.c. Inside the backend only. instance.c owns the states, the back-off, the deadlines and
 * the published strings; a kind connects, asks and parses, and reports through the functions here.
 *
 *   instance_start → ops->connect ─ instance_connected → ops->poll … instance_answered
 *         ▲                └────────── instance_lost ─────────┘
 *         └── back-off 0.25, 0.5, 1, 2, 2 … s ──┘
 */
#ifndef BACKEND_INSTANCE_IMPL_H
#define BACKEND_INSTANCE_IMPL_H

#include "backend/instance.h"
#include "backend/sample.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define INSTANCE_SOURCES 4 /* the most sources of any kind */

#define INSTANCE_CONNECT_MS 3000U /* an attempt to connect, name lookup and first answer included */
#define INSTANCE_GIVE_UP_MS 13000U /* stale for so long: the connection is given up */

struct instance_impl;

/* All but connect may be called in any state. None blocks or calls the backend's user. */
struct instance_ops {
    unsigned always;  /* bits of the sources that are polled whether somebody looks or not */
    unsigned sources; /* bits of all sources */

    /* Opens the connection, which is closed at this time. Ends in instance_connected or
     * instance_lost; past INSTANCE_CONNECT_MS instance.c calls the latter itself. */
    void (*connect)(struct instance_impl *impl);

    /* A turn: ask for those of sources that are due (all of them if `all`), mark each with
     * instance_asked, write without waiting. Only after instance_connected; sources never holds one
     * that is still unanswered; bits above the sources (PG_WANT_IDLE_QUERIES) pass through. */
    void (*poll)(struct instance_impl *impl, unsigned sources, bool all);

    /* Drops the connection and whatever it waits for; reports nothing. Called by instance_lost and
     * instance_close, perhaps from inside one of the kind's own callbacks. given_up: the server
     * does not answer, so what still runs there should be cancelled. */
    void (*disconnect)(struct instance_impl *impl, bool given_up);

    /* The last call before the end: closes what disconnect leaves open (its own timers, …). */
    void (*close)(struct instance_impl *impl);

    /* Frees impl and all it owns but the common part; called when nothing is held any more. */
    void (*destroy)(struct instance_impl *impl);
};

/* Whether it is known where the server is (a container's address changes). */
enum instance_reach {
    REACH_READY,
    REACH_WAIT, /* not yet: instance_restart is called when it is known */
    REACH_FAILED,
    REACH_GONE /* as FAILED, and no further try is made: instance_restart is called if it comes back */
};

/* What every instance is made with. */
struct instance_setup {
    uv_loop_t *loop;
    double interval; /* seconds */
    void (*changed)(void *context);

    /* Asked before each attempt to connect: brings the settings up to date. attempt: how many have
     * failed in a row. On REACH_FAILED and _GONE *error and *hint (NULL: none) are one line each, which the
     * caller frees. NULL: always ready. */
    enum instance_reach (*reach)(void *context, unsigned attempt, char **error, char **hint);
    void *context;
};

/* A kind's struct begins with this. Fields below the line belong to instance.c. */
struct instance_impl {
    struct instance pub; /* first; strings are set with instance_set */
    const struct instance_ops *ops;
    uv_loop_t *loop;
    double interval; /* seconds; changes */
    unsigned wanted; /* what backend_want asked for */
    bool closing;
    /* ---- */
    struct instance_setup setup;
    uv_timer_t timer; /* the connect deadline, the answers' deadline or the next try */
    uint64_t asked_at[INSTANCE_SOURCES]; /* ms; valid for the bits of outstanding */
    unsigned outstanding;                /* bits of sources asked for and not answered */
    unsigned ever_answered;              /* bits of sources that came at least once */
    unsigned attempts;                   /* failed in a row */
    unsigned held;                       /* handles and requests that keep impl alive */
    bool connected, waits;               /* waits: reach has said so */
    uint64_t connect_at, due;            /* ms: when the attempt began; what the timer is set to */
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- constructors of the kinds: nothing is opened before instance_start ---- */

struct instance_impl *pg_instance_new(const struct instance_setup *setup,
                                      const struct postgres_config *config);
struct instance_impl *redis_instance_new(const struct instance_setup *setup,
                                         const struct redis_config *config);

/* ---- for the kinds ---- */

/* Fills the common part of a zeroed impl; name must outlive it. metrics: of the history. */
void instance_init(struct instance_impl *impl, const struct instance_setup *setup,
                   enum instance_kind kind, const char *name, const struct instance_ops *ops,
                   size_t metrics);

/* The server has accepted us and takes requests: → UP, a new generation, error cleared. Polls all
 * that is wanted at once (ops->poll is called before this returns). */
void instance_connected(struct instance_impl *impl);

/* The connection failed or ended: ops->disconnect is called, → DOWN, the next try is timed. The
 * texts are copied; error is one line; hint may be NULL. Harmless when closing or already down. */
void instance_lost(struct instance_impl *impl, const char *error, const char *hint);

/* Starts the deadline of one source's answer: the larger of 2 s and two intervals. Past it → STALE,
 * and INSTANCE_GIVE_UP_MS later it is lost. */
void instance_asked(struct instance_impl *impl, unsigned source);

/* The answer of a source has come; error: why the server refused it (copied to source_error), or
 * NULL. The kind has put the new sample into pub before. Brings STALE back to UP. */
void instance_answered(struct instance_impl *impl, unsigned source, const char *error);

bool instance_is_outstanding(const struct instance_impl *impl, unsigned source);

/* Stamps a new sample with time and generation. */
void instance_stamp(const struct instance_impl *impl, struct sample *sample);

/* Pushes one sample of all metrics: once a turn, when its answers have come; NULL: a gap, since the
 * server refused them. Gaps while it is late or not up are pushed by instance_tick. */
void instance_push_history(struct instance_impl *impl, const float *values);

/* Replaces a string that pub owns by a copy of text (NULL: none). True if it is another text. */
bool instance_set(char **slot, const char *text);

/* Something that can be seen has changed. (Already called by the functions above.) */
void instance_changed(const struct instance_impl *impl);

/* Each open handle or running request that points to impl holds it; the release of the last one
 * after instance_close may destroy it, so do not touch impl after a release. */
void instance_hold(struct instance_impl *impl);
void instance_release(struct instance_impl *impl);

/* ---- for backend.c ---- */

void instance_start(struct instance_impl *impl);

/* The server is another one or elsewhere (a container that was started): what there is of a
 * connection is given up for this reason, and a new attempt is made at once. */
void instance_restart(struct instance_impl *impl, const char *reason);

/* A tick of the interval. */
void instance_tick(struct instance_impl *impl);

/* Polls all that is wanted now; a waiting try to connect is made at once. */
void instance_refresh(struct instance_impl *impl);

/* Sets what is wanted; what is newly wanted is polled at once. */
void instance_want(struct instance_impl *impl, unsigned sources);

/* Answers that are waited for and not yet late. */
unsigned instance_pending(const struct instance_impl *impl);

/* closed is called once, later than this returns; impl is gone then. */
void instance_close(struct instance_impl *impl, void (*closed)(void *context), void *context);

/* ---- of backend.c, for acts ---- */
struct backend;

struct instance_impl *backend_impl(struct backend *backend, enum instance_kind kind, size_t index);

#endif
