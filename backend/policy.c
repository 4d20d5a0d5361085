#include "backend/policy.h"

#include <assert.h>
#include <stddef.h>

/* What an act asks for, by environment. The rows are the policy's table. */
enum need {
    NEED_YES,     /* y; --yes */
    NEED_CONFIRM, /* y; but --yes is not enough on the command line */
    NEED_NAME,    /* the name must be typed */
    NEED_ALLOWED  /* refused unless the config allows it, then the name */
};

struct rule {
    const char *name;
    enum need dev, staging, production; /* an unknown environment is production */
    bool over_existing; /* these needs hold only over something that exists; otherwise y */
};

static const struct rule rules[ACTS] = {
    [ACT_FLUSH] = {"flush", NEED_YES, NEED_YES, NEED_ALLOWED, false},
    [ACT_UNDO_FLUSH] = {"undo-flush", NEED_YES, NEED_YES, NEED_CONFIRM, false},
    [ACT_DELETE] = {"delete", NEED_YES, NEED_YES, NEED_ALLOWED, false},
    [ACT_CANCEL] = {"cancel", NEED_YES, NEED_YES, NEED_CONFIRM, false},
    [ACT_TERMINATE] = {"terminate", NEED_YES, NEED_YES, NEED_CONFIRM, false},
    [ACT_BACKUP] = {"backup", NEED_YES, NEED_YES, NEED_YES, false},
    [ACT_RESTORE] = {"restore", NEED_NAME, NEED_NAME, NEED_ALLOWED, true},
    [ACT_REPLACE] = {"replace", NEED_NAME, NEED_NAME, NEED_ALLOWED, false},
    [ACT_CREATEDB] = {"createdb", NEED_YES, NEED_YES, NEED_YES, false},
    [ACT_RESTART] = {"restart", NEED_NAME, NEED_NAME, NEED_NAME, false},
    [ACT_KILL_CLIENT] = {"kill-client", NEED_YES, NEED_YES, NEED_YES, false},
    [ACT_CANCEL_JOB] = {"cancel-job", NEED_YES, NEED_YES, NEED_YES, false},
};

static const struct {
    enum veto veto;
    const char *text;
} vetoes[] = {
    {VETO_REPLICAS, "replicas are connected: they lose the keys too"},
    {VETO_IS_REPLICA, "the server is a replica"},
    {VETO_CLUSTER, "the server is part of a cluster"},
    {VETO_LASTING_KEYS, "keys without a TTL, in what is called a cache"},
    {VETO_SHARED_CLIENT, "a client's host uses production databases too"},
    {VETO_CELERY, "Celery's tasks are in it"},
    {VETO_OWN_SESSION, "this is one of sharedtop's own sessions"},
    {VETO_WALSENDER, "this is a walsender: a replica or a backup hangs on it"},
    {VETO_WRAPAROUND, "this autovacuum prevents transaction ID wraparound"},
};

const char *act_name(enum act act)
{
    assert(act >= 0 && act < ACTS);
    return rules[act].name;
}

const char *veto_text(enum veto veto)
{
    for (size_t i = 0; i < sizeof(vetoes) / sizeof(vetoes[0]); i++) {
        if (vetoes[i].veto == veto)
            return vetoes[i].text;
    }
    assert(!"a veto without a text");
    return "";
}

static int strictness(enum environment environment)
{
    switch (environment) {
    case ENV_DEV: return 0;
    case ENV_STAGING: return 1;
    case ENV_PRODUCTION: return 3;
    case ENV_UNKNOWN: break;
    }
    return 2;
}

enum environment policy_stricter(enum environment one, enum environment other)
{
    return strictness(one) >= strictness(other) ? one : other;
}

static enum need need_of(const struct policy_facts *facts)
{
    const struct rule *rule = &rules[facts->act];

    if (rule->over_existing && !facts->over_existing)
        return NEED_YES;
    switch (facts->environment) {
    case ENV_DEV: return rule->dev;
    case ENV_STAGING: return rule->staging;
    case ENV_PRODUCTION:
    case ENV_UNKNOWN: break;
    }
    return rule->production;
}

static struct policy_verdict refused(const char *reason)
{
    return (struct policy_verdict){.ask = POLICY_REFUSED, .reason = reason};
}

static struct policy_verdict not_allowed(const struct policy_facts *facts)
{
    if (facts->environment == ENV_PRODUCTION)
        return refused("production refuses this; allow_production in the configuration allows it");
    return refused("a target without an environment counts as production, which refuses this; "
                   "name its environment in the configuration");
}

struct policy_verdict policy_decide(const struct policy_facts *facts)
{
    enum need need = need_of(facts);

    if (facts->read_only)
        return refused("read-only: start without --read-only and read_only = true to act");
    if (need == NEED_ALLOWED && !facts->allowed)
        return not_allowed(facts);
    if (need == NEED_ALLOWED || need == NEED_NAME)
        return (struct policy_verdict){.ask = POLICY_NAME};
    if (facts->vetoes)
        return (struct policy_verdict){.ask = POLICY_NAME,
                                       .reason = "a warning above asks for the name, not just y"};
    return (struct policy_verdict){.ask = POLICY_YES, .flag_enough = need == NEED_YES};
}
