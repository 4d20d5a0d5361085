/* What alert.c and alert_container.c share. */
#ifndef BACKEND_ALERT_IMPL_H
#define BACKEND_ALERT_IMPL_H

#include "backend/alert.h"

#include <stdbool.h>

struct finding {
    enum severity severity;
    double value, threshold;
    int count, pid;
    char detail[128];
};

/* Who an alert is about: an instance, or a container by its name. */
struct alert_about {
    const struct instance *instance;
    const char *container;
};

/* Begins, goes on with or ends the alert of this name about somebody. */
void alert_apply(struct alerts *alerts, enum alert_name name, struct alert_about about,
                 const struct alert_config *config, const struct finding *finding, double wall);
void alert_drop(struct alerts *alerts, size_t at);
void alert_sort(struct alerts *alerts);

/* The value against the levels. */
void alert_compare(struct finding *finding, double value, const struct alert_config *config);

#endif
