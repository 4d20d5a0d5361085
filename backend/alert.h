/* Rules over the snapshots of instances and containers. An alert is a struct, not a text: who shows it words it. */
#ifndef BACKEND_ALERT_H
#define BACKEND_ALERT_H

#include "backend/config.h"
#include "backend/container_data.h"
#include "backend/instance.h"

#include <stddef.h>

enum severity { SEVERITY_OK, SEVERITY_WARNING, SEVERITY_CRITICAL };

struct alert {
    enum alert_name name;
    enum severity severity;
    const struct instance *instance; /* NULL: it is about a container */
    char container[64];              /* its name, maybe cut; "": it is about an instance */
    double value; /* in the threshold's unit; NAN: the rule has no value. OomKilled: bytes of the
                            limit that was reached, 0: there is none, so that the host ran out */
    double threshold;    /* the level that was passed, OomScoreWrong: what is expected; NAN: none */
    int count;           /* how many sessions pass it (LongQuery, IdleInTransaction), else 0 */
    int pid;             /* the worst one's (BlockedSessions: the root that blocks most), 0: none */
    char detail[128];    /* "database user" of that one, or a server's word; raw bytes */
    double since;        /* seconds since 1970 when it began */
    const char *runbook; /* or NULL */
};

struct alerts {
    struct alert *items; /* critical first, then oldest first */
    size_t count;
    unsigned raised; /* counts alerts that began or got worse, ever: a change rings the bell */
};

/* Evaluates all rules on one instance now (wall: seconds since 1970) and updates the list. config:
 * the settings of all ALERT_NAMES. An alert that holds keeps its since. While a server is down its
 * other alerts end: they would speak of old data. */
void alerts_update(struct alerts *alerts, const struct instance *instance,
                   const struct alert_config *config, double wall);

/* The same for all containers of a sample. Unless its engine is up they have no alerts. */
void alerts_update_containers(struct alerts *alerts, const struct containers *containers,
                              const struct alert_config *config, double wall);

/* The name of the instance or container that it is about: raw. */
const char *alert_subject(const struct alert *alert);

void alerts_free(struct alerts *alerts);
enum severity alerts_worst(const struct alerts *alerts);

#endif
