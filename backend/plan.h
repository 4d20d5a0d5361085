/* What an act is going to do, for the operator's eyes: exactly what runs, on what, why one should or
 * should not, what is lost and what is asked for. The dialog, the command line, --json and the audit
 * all show this one struct. Texts are raw bytes: who shows them sanitises them. */
#ifndef BACKEND_PLAN_H
#define BACKEND_PLAN_H

#include "backend/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum plan_part {
    PLAN_COMMAND,  /* the SQL, Redis command or argv that will run; no secrets */
    PLAN_EVIDENCE, /* label: "query", "age", "keys", "sample", "waiting for it" …; lines labelled
                      query or sample are shown and never recorded: they may hold secrets */
    PLAN_LOSS,     /* what will be gone; shown before the evidence */
    PLAN_WARNING   /* a veto, a doubt, a right that is missing */
};

struct plan_line {
    enum plan_part part;
    char *label; /* a word or two; "" none */
    char *text;
};

struct plan {
    enum act act;
    char *title;    /* "Terminate 3 sessions", "Flush database 5" */
    char *instance; /* its name */
    char *address;
    char *target; /* "5 (Django cache)", "aletheia_prod", "pid 4711" */
    enum environment environment;
    bool over_existing; /* see policy_facts */
    unsigned vetoes;    /* of enum veto; plan_veto */
    char *confirm;      /* the name to type, should the policy ask for it */
    bool as_flush;      /* it takes live data away like a flush, and is guarded like one */
    bool offer_now;     /* a flush that could be undone is not possible: flush now may be */
    struct plan_line *lines;
    size_t count;
    struct policy_verdict verdict; /* set by action.c when the plan is complete */
};

/* Adds a line; text as printf. */
void plan_add(struct plan *plan, enum plan_part part, const char *label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Notes a fact and adds its warning; detail (may be NULL) goes after its text. */
void plan_veto(struct plan *plan, enum veto veto, const char *detail);

/* {"act", "instance", "address", "environment", "target", "commands": [], "losses", "warnings",
 * "evidence", "asks": "yes"|"name"|"refused", "confirm", "reason"}; a new reference. Bytes that are
 * no UTF-8 are replaced. */
json_t *plan_json(const struct plan *plan);

/* The plan as lines of text in the order in which it is to be read, without its title. raw: not
 * sanitised. The caller frees it. */
char *plan_text(const struct plan *plan);

void plan_free(struct plan *plan);

/* text as a JSON string whatever its bytes are. */
json_t *json_bytes(const char *text);

#endif
