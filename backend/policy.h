/* May this act run on this target, and what must the operator confirm? Pure: facts in, verdict out.
 * The one place that decides; keys, the : line and the sub-commands all come through it. */
#ifndef BACKEND_POLICY_H
#define BACKEND_POLICY_H

#include "backend/config.h"

#include <stdbool.h>

/* Everything that changes a server. */
enum act {
    ACT_FLUSH,      /* a Redis database: into the spare one, or for good */
    ACT_UNDO_FLUSH, /* back from the spare database */
    ACT_DELETE,     /* keys by pattern */
    ACT_CANCEL,     /* queries of sessions */
    ACT_TERMINATE,  /* sessions */
    ACT_BACKUP,
    ACT_RESTORE,     /* a dump into a new database, or over an existing one */
    ACT_REPLACE,     /* a restored database takes the place of another */
    ACT_CREATEDB,    /* a database and the user who owns it */
    ACT_RESTART,     /* of the shared services */
    ACT_KILL_CLIENT, /* a client of a Redis */
    ACT_CANCEL_JOB,
    ACTS
};

/* Facts that turn the `y` of dev and staging into the typed name, whatever the label says. */
enum veto {
    VETO_REPLICAS = 1U << 0,      /* replicas are connected */
    VETO_IS_REPLICA = 1U << 1,    /* the server is one */
    VETO_CLUSTER = 1U << 2,       /* cluster mode */
    VETO_LASTING_KEYS = 1U << 3,  /* keys without TTL in what is called a cache */
    VETO_SHARED_CLIENT = 1U << 4, /* a client's host uses production databases too */
    VETO_CELERY = 1U << 5,        /* Celery's keys are in it */
    VETO_OWN_SESSION = 1U << 6,   /* one of this program's */
    VETO_WALSENDER = 1U << 7,
    VETO_WRAPAROUND = 1U << 8 /* an autovacuum that prevents wraparound */
};

struct policy_facts {
    enum act act;
    enum environment environment; /* of the target; the strictest if there are several */
    unsigned vetoes;              /* of enum veto */
    bool over_existing;           /* a restore that takes an existing database's place */
    bool allowed;                 /* the config's allow_production names this act */
    bool read_only;
};

enum policy_ask { POLICY_YES, POLICY_NAME, POLICY_REFUSED };

struct policy_verdict {
    enum policy_ask ask; /* what the operator must give: y, the typed name; or nothing helps */
    bool flag_enough;    /* the command line's --yes answers it too; else --confirm NAME must */
    const char *reason;  /* one line: why it is refused (with the mend) or the name is asked for;
                            NULL: nothing to say */
};

struct policy_verdict policy_decide(const struct policy_facts *facts);

/* "flush", "cancel", … as in the commands, the audit and allow_production. */
const char *act_name(enum act act);

/* One line for a veto's single bit, for the evidence. */
const char *veto_text(enum veto veto);

/* The stricter of two environments: production and unknown before staging before dev. */
enum environment policy_stricter(enum environment one, enum environment other);

#endif
